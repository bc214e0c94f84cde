/**
 * Passwords as they are kept: argon2id in PHC form, `$argon2id$v=19$m=19456,t=2,p=1$salt$hash`.
 *
 * What must stay true: the time of an answer does not tell whether the hash was there; only a few are worked on at a
 * time, since each takes megabytes, and who comes when too many wait hears "later" rather than making us fall over.
 */
import { argon2, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'

const derive = promisify(argon2)

/** KiB, passes and lanes as OWASP's cheat sheet for password storage has them. */
const COST = { memory: 19_456, passes: 2, parallelism: 1 } as const
const SALT_OCTETS = 16
const HASH_OCTETS = 32
/** A configured hash that asks for more than this (KiB, passes) would stop the server. */
const MOST = { memory: 1_048_576, passes: 100, parallelism: 16 } as const
const AT_ONCE = 2
/** Passwords that have just been verified: mail programs log in again and again, and each time costs megabytes. */
const REMEMBERED = { most: 10_000, ms: 300_000 } as const
const WAITING = 100

const PHC = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/

interface Hash {
  readonly memory: number
  readonly passes: number
  readonly parallelism: number
  readonly salt: Buffer
  readonly hash: Buffer
}

function parse(text: string): Hash | undefined {
  const [, memory, passes, parallelism, salt = '', hash = ''] = PHC.exec(text) ?? []
  const parsed = {
    memory: Number(memory),
    passes: Number(passes),
    parallelism: Number(parallelism),
    salt: Buffer.from(salt, 'base64'),
    hash: Buffer.from(hash, 'base64'),
  }
  const isSound =
    parsed.parallelism >= 1 &&
    parsed.parallelism <= MOST.parallelism &&
    parsed.memory >= 8 * parsed.parallelism &&
    parsed.memory <= MOST.memory &&
    parsed.passes >= 1 &&
    parsed.passes <= MOST.passes &&
    parsed.salt.length >= 8 &&
    parsed.hash.length >= 16
  return isSound ? parsed : undefined
}

/** Whether this can be a password's hash. */
export function isPasswordHash(text: string): boolean {
  return parse(text) !== undefined
}

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64').replace(/=+$/, '')

/** The hash to keep of a password. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_OCTETS)
  const hash = await derive('argon2id', { ...COST, message: password, nonce: salt, tagLength: HASH_OCTETS })
  return `$argon2id$v=19$m=${COST.memory},t=${COST.passes},p=${COST.parallelism}$${base64(salt)}$${base64(hash)}`
}

/** A hash of nothing that anybody knows, for names that nobody has. */
const NOBODY = `$argon2id$v=19$m=${COST.memory},t=${COST.passes},p=${COST.parallelism}$${base64(randomBytes(SALT_OCTETS))}$${base64(randomBytes(HASH_OCTETS))}`

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

  let working = 0
  const waiting: (() => void)[] = []

  async function turn(): Promise<boolean> {
    if (working < AT_ONCE) {
      working++
      return true
    }
    if (waiting.length >= WAITING) return false
    await new Promise<void>((resolve) => waiting.push(resolve))
    return true
  }

  function leave() {
    const next = waiting.shift()
    if (next) next()
    else working--
  }

  return async function verify(password: string, kept: string | undefined): Promise<boolean | undefined> {
    const name = kept === undefined ? '' : nameOf(password, kept)
    if ((remembered.get(name) ?? 0) > now()) return true
    if (!(await turn())) return undefined
    try {
      const { hash, salt, ...cost } = parse(kept ?? NOBODY) as Hash
      const given = await derive('argon2id', { ...cost, message: password, nonce: salt, tagLength: hash.length })
      const fits = timingSafeEqual(given, hash) && kept !== undefined
      if (fits) remember(name)
      return fits
    } finally {
      leave()
    }
  }
}
