/**
 * Stored passwords: argon2id in PHC form, `$argon2id$v=19$m=19456,t=2,p=1$salt$hash`, optionally followed by a space
 * and SCRAM verifiers of the same password; or, until the owner logs in, another system's hash (schemes.ts).
 *
 * Invariants: the time of a refusal reveals neither whether there is a hash nor its scheme; few hashes are computed at
 * a time, because each takes megabytes; a queue full of unproven clients refuses only those.
 */
import { argon2, createHmac, createSecretKey, randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import {
  Cache,
  type Clock,
  createSemaphore,
  decodeRecord,
  duration,
  encodeRecord,
  key,
  SCRAM_ITERATIONS,
  SemaphoreRejected,
  type Store,
} from 'iems'
import * as z from 'zod'
import { argon2Of, readHash, type ScramKeys, type ScramMechanism, scramOf, writeScram } from './schemes.ts'

export { SCRAM_MECHANISMS, type ScramMechanism } from './schemes.ts'

const derive = promisify(argon2)

/** KiB, passes and lanes of OWASP's password storage cheat sheet. */
const COST = { memory: 19_456, passes: 2, parallelism: 1 } as const
const SALT_OCTETS = 16
const HASH_OCTETS = 32
/** Recently verified passwords: mail programs log in repeatedly, and each hash costs megabytes. */
const REMEMBERED = { most: 10_000, ms: 300_000 } as const
/** Maximum hashes of one password. */
const HASHES = 4

/** Whether the text is a password hash, or several separated by spaces. */
export function isPasswordHash(text: string): boolean {
  const hashes = text.split(' ')
  return hashes.length <= HASHES && hashes.every((hash) => readHash(hash) !== undefined)
}

export interface Making {
  /** SCRAM verifiers to store too; they are easier to attack than argon2id. Default: none. */
  readonly scram?: readonly ScramMechanism[]
}

/** Whether the hash must be renewed at the owner's next login. */
export function isStaleHash(kept: string, { scram = [] }: Making = {}): boolean {
  const read = argon2Of(kept.split(' ')[0] as string)
  const isStrong = read?.algorithm === 'argon2id' && read.cost.memory * read.cost.passes >= COST.memory * COST.passes
  return !isStrong || scram.some((mechanism) => !scramKeys(kept, mechanism))
}

/** The keys of a SCRAM verifier; undefined when there is none. */
export function scramKeys(kept: string, mechanism: ScramKeys['mechanism']): ScramKeys | undefined {
  return kept
    .split(' ')
    .map(scramOf)
    .find((keys) => keys?.mechanism === mechanism)
}

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64').replaceAll('=', '')
const written = (salt: Uint8Array, hash: Uint8Array) =>
  `$argon2id$v=19$m=${COST.memory},t=${COST.passes},p=${COST.parallelism}$${base64(salt)}$${base64(hash)}`

/** Creates the hash of a password. */
export async function hashPassword(password: string, { scram = [] }: Making = {}): Promise<string> {
  const salt = randomBytes(SALT_OCTETS)
  const hash = await derive('argon2id', { ...COST, message: password, nonce: salt, tagLength: HASH_OCTETS })
  const verifiers: string[] = []
  for (const mechanism of scram) {
    const cost = { salt: randomBytes(SALT_OCTETS), iterations: SCRAM_ITERATIONS }
    const verifier = await writeScram(mechanism, password, cost)
    if (verifier) verifiers.push(verifier)
  }
  return [written(salt, hash), ...verifiers].join(' ')
}

/** Limits on the cost of password hashing. */
export const verifierOptions = z
  .strictObject({
    concurrency: z.int().min(1).max(64).default(2).describe('Passwords hashed at the same time; each takes 19 MiB.'),
    maxWaiting: z
      .int()
      .min(1)
      .max(100_000)
      .default(100)
      .describe(
        'Logins that wait for that, in each of three queues: clients that logged in before from where they are, names or addresses that did, and all others. One more in a full queue gets 454.',
      ),
    minTime: duration()
      .prefault('250 ms')
      .describe(
        'The least time until a wrong password or an unknown name is refused; longer where an account has a hash that takes longer.',
      ),
  })
  .prefault({})
export type VerifierOptions = z.output<typeof verifierOptions>

/** A random hash, for unknown users. */
const NOBODY = written(randomBytes(SALT_OCTETS), randomBytes(HASH_OCTETS))

export interface Asked {
  readonly password: string
  /** The stored hash; undefined for an unknown account or one that may not log in. */
  readonly kept: string | undefined
  /** Rank of the attempt; default 2. */
  readonly rank?: 0 | 1 | 2 | undefined
}

export interface VerifierDeps {
  readonly clock: Pick<Clock, 'now'>
  /** The plugin's store: the record `c` holds the time of the slowest scheme. */
  readonly store: Pick<Store, 'get' | 'commit'>
}

/**
 * Returns a function that verifies a password against a hash; undefined when too many attempts of this rank are
 * waiting.
 */
export function createVerifier({ concurrency, maxWaiting, minTime }: VerifierOptions, { clock, store }: VerifierDeps) {
  /** Keyed with a random secret, so that cached entries reveal nothing beyond the stored hash. */
  const secret = createSecretKey(randomBytes(32))
  const remembered = new Cache<true>({ max: REMEMBERED.most, ttl: REMEMBERED.ms, now: () => clock.now() })
  const nameOf = (password: string, kept: string) =>
    createHmac('sha256', secret).update(`${kept}\0${password}`).digest('base64')

  const turns = createSemaphore({ limit: concurrency, waiting: maxWaiting })
  const costs = createCosts(minTime)
  const slowest = createSlowest(costs.slowest, { clock, store })

  async function fits(password: string, kept: string | undefined): Promise<boolean> {
    const first = kept?.split(' ')[0] ?? NOBODY
    const since = performance.now()
    const does = (await readHash(first)?.(password)) ?? false
    costs.add(first, performance.now() - since)
    return does && kept !== undefined
  }

  return async function verify({ password, kept, rank = 2 }: Asked): Promise<boolean | undefined> {
    const name = kept === undefined ? '' : nameOf(password, kept)
    if (remembered.has(name)) return true
    let since = performance.now()
    try {
      const isRight = await turns.take(() => {
        since = performance.now()
        return fits(password, kept)
      }, rank)
      if (isRight) remembered.set(name, true)
      else await delay(Math.max(0, (await slowest()) - (performance.now() - since)))
      return isRight
    } catch (cause) {
      if (cause instanceof SemaphoreRejected) return undefined
      throw cause
    }
  }
}

/** Maximum measured schemes and costs. */
const COSTS = 200
/** Factor by which a refusal takes longer than the slowest scheme's usual time, to hide its variance. */
const MARGIN = 1.25
/** Maximum delay, whatever a scheme takes on a busy machine. */
const MAX_COST_MS = 5000

/** Measures each scheme with its parameters: every refusal takes as long as the slowest of them. */
function createCosts(minTime: number) {
  const costs = new Map<string, number>()
  return {
    add(kept: string, ms: number): void {
      const scheme = schemeOf(kept)
      const before = costs.get(scheme)
      if (before === undefined && costs.size >= COSTS) return
      costs.set(scheme, before === undefined ? ms : before + (ms - before) / 8)
    },
    slowest: () => Math.min(MAX_COST_MS, Math.max(minTime, ...[...costs.values()].map((ms) => ms * MARGIN))),
  }
}

const SLOWEST = key('c')
/** Lifetime of the stored time since its last confirmation, which happens daily. */
const KEPT_MS = 30 * 86_400_000
const CONFIRMED_MS = 86_400_000

interface Slowest {
  readonly ms: number
  readonly at: number
}

/** The slowest time, stored, so that the first refusal after a restart takes as long as before. */
function createSlowest(measured: () => number, { clock, store }: VerifierDeps) {
  let kept: Slowest | undefined

  async function load(): Promise<Slowest> {
    const value = await store.get(SLOWEST)
    const found = value && decodeRecord<Slowest>(value)
    return found && clock.now() - found.at < KEPT_MS ? found : { ms: 0, at: 0 }
  }

  return async function slowest(): Promise<number> {
    kept ??= await load()
    const ms = measured()
    const isSlower = ms > kept.ms * MARGIN
    if (isSlower || (ms * MARGIN > kept.ms && clock.now() - kept.at > CONFIRMED_MS)) {
      kept = { ms, at: clock.now() }
      // A hint: a lost write is repeated with the next slower time.
      void store.commit([{ put: SLOWEST, value: encodeRecord(kept) }]).catch(() => {})
    }
    return Math.max(ms, Math.min(MAX_COST_MS, kept.ms))
  }
}

/** The scheme and parameters of a hash, without salt and result. */
const schemeOf = (kept: string) =>
  /^(?:\{[^}]*\})?(?:\$[a-z0-9-]+\$(?:v=19\$m=\d+,t=\d+,p=\d+|rounds=\d+|\d+(?=\$))?|SCRAM-SHA-\d+\$\d+|\d+(?=,))?/i.exec(
    kept,
  )?.[0] ?? ''
