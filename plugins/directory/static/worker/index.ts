/**
 * The hashes that only JavaScript can compute here, beside the thread that moves mail: bcrypt and SHA-crypt.
 *
 * What must stay true: one password is looked at, the answer is told, and nothing is left of it.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { compareSync } from 'bcryptjs'
import { verify } from 'unixcrypt'

const { password, kept } = workerData as { readonly password: string; readonly kept: string }
parentPort?.postMessage(kept.startsWith('$2') ? compareSync(password, kept) : verify(password, kept))
