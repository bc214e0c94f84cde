/**
 * Passwords as they are kept: argon2id in PHC form, `$argon2id$v=19$m=19456,t=2,p=1$salt$hash`, behind a space a SCRAM
 * verifier of the same password where clients are to prove that they know it; or, until its owner logs in, whatever
 * another system kept (schemes.ts).
 *
 * What must stay true: the time of an answer does not tell whether the hash was there; only a few are worked on at a
 * time, since each takes megabytes, and who comes when too many wait hears "later" rather than making us fall over.
 */
import { argon2, createHmac, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import { createTurns, NoTurn, SCRAM_ITERATIONS } from 'iems'
import { argon2Of, type Fits, readHash, type ScramKeys, scramOf, writeScram } from './schemes.ts'

const derive = promisify(argon2)

/** KiB, passes and lanes as OWASP's cheat sheet for password storage has them. */
const COST = { memory: 19_456, passes: 2, parallelism: 1 } as const
const SALT_OCTETS = 16
const HASH_OCTETS = 32
const AT_ONCE = 2
/** Passwords that have just been verified: mail programs log in again and again, and each time costs megabytes. */
const REMEMBERED = { most: 10_000, ms: 300_000 } as const
const WAITING = 100
/** More hashes of one password make no sense. */
const HASHES = 4

/** Whether this can be a password's hash, or some of the same password with a space between. */
export function isPasswordHash(text: string): boolean {
  const hashes = text.split(' ')
  return hashes.length <= HASHES && hashes.every((hash) => readHash(hash) !== undefined)
}

export interface Making {
  /** Whether a SCRAM-SHA-256 verifier is kept too; it is easier to try passwords on than argon2id. Default false. */
  readonly scram?: boolean
}

/** Whether what is kept is to be made anew when its owner shows the password. */
export function isStaleHash(kept: string, { scram = false }: Making = {}): boolean {
  const read = argon2Of(kept.split(' ')[0] as string)
  const isStrong = read?.algorithm === 'argon2id' && read.cost.memory * read.cost.passes >= COST.memory * COST.passes
  return !isStrong || (scram && !scramKeys(kept, 'SCRAM-SHA-256'))
}

/** What a client's proof is checked against; undefined where there is nothing. */
export function scramKeys(kept: string, mechanism: ScramKeys['mechanism']): ScramKeys | undefined {
  return kept
    .split(' ')
    .map(scramOf)
    .find((keys) => keys?.mechanism === mechanism)
}

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64').replace(/=+$/, '')
const written = (salt: Uint8Array, hash: Uint8Array) =>
  `$argon2id$v=19$m=${COST.memory},t=${COST.passes},p=${COST.parallelism}$${base64(salt)}$${base64(hash)}`

/** The hash to keep of a password. */
export async function hashPassword(password: string, { scram = false }: Making = {}): Promise<string> {
  const salt = randomBytes(SALT_OCTETS)
  const hash = await derive('argon2id', { ...COST, message: password, nonce: salt, tagLength: HASH_OCTETS })
  const verifier = scram && (await writeScram(password, randomBytes(SALT_OCTETS), SCRAM_ITERATIONS))
  return verifier ? `${written(salt, hash)} ${verifier}` : written(salt, hash)
}

/** A hash of nothing that anybody knows, for names that nobody has. */
const NOBODY = written(randomBytes(SALT_OCTETS), randomBytes(HASH_OCTETS))
const nobodyFits = readHash(NOBODY) as Fits

/** Answers whether a password fits a kept hash; undefined when too many ask at this moment. */
export function createVerifier(now: () => number) {
  /** By a key that never leaves this process: nothing here says more of a password than its kept hash does. */
  const secret = randomBytes(32)
  const remembered = new Map<string, number>()
  const nameOf = (password: string, kept: string) =>
    createHmac('sha256', secret).update(`${kept}\0${password}`).digest('base64')

  function remember(name: string): void {
    remembered.delete(name)
    remembered.set(name, now() + REMEMBERED.ms)
    if (remembered.size <= REMEMBERED.most) return
    for (const oldest of [...remembered.keys()].slice(0, 1000)) remembered.delete(oldest)
  }

  const turns = createTurns({ atOnce: AT_ONCE, waiting: WAITING })

  async function fits(password: string, kept: string | undefined): Promise<boolean> {
    const first = kept?.split(' ')[0] ?? NOBODY
    // Quick ones take as long as nobody's, too.
    const [does] = await Promise.all([readHash(first)?.(password) ?? false, isStaleHash(first) && nobodyFits(password)])
    return does && kept !== undefined
  }

  return async function verify(password: string, kept: string | undefined): Promise<boolean | undefined> {
    const name = kept === undefined ? '' : nameOf(password, kept)
    if ((remembered.get(name) ?? 0) > now()) return true
    try {
      const isRight = await turns.take(() => fits(password, kept))
      if (isRight) remember(name)
      return isRight
    } catch (cause) {
      if (cause instanceof NoTurn) return undefined
      throw cause
    }
  }
}
