/**
 * Computes bcrypt and SHA-crypt, which exist only in JavaScript, in a separate thread.
 *
 * Invariants: the worker verifies one password, answers, and keeps nothing.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { compareSync } from 'bcryptjs'
import { verify } from 'unixcrypt'

const { password, kept } = workerData as { readonly password: string; readonly kept: string }
parentPort?.postMessage(kept.startsWith('$2') ? compareSync(password, kept) : verify(password, kept))
