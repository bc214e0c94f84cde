/**
 * Password hashes of other systems, so that users keep their passwords after a migration.
 *
 * `{SCHEME}text` as in LDAP (RFC 2307) and Dovecot, `$id$text` as in crypt(3) and passlib, SCRAM verifiers as in RFC
 * 5803 and Dovecot. Invariants: a hash whose cost exceeds these bounds is invalid; new hashes are only argon2id and
 * SCRAM-SHA-256; comparison takes constant time.
 */
import { argon2, createHash, createHmac, pbkdf2 } from 'node:crypto'
import { promisify } from 'node:util'
import { Worker } from 'node:worker_threads'
import { isSameSecret, saslPrep } from 'iems'

const deriveArgon2 = promisify(argon2)
const derivePbkdf2 = promisify(pbkdf2)

/** Whether a password matches. */
export type Fits = (password: string) => Promise<boolean>

/**
 * Limits on the cost of a hash (KiB, passes, lanes; iterations, rounds, bcrypt's exponent), which could block the
 * server.
 */
const MOST = { memory: 1_048_576, passes: 100, parallelism: 16, iterations: 2_000_000, rounds: 1_000_000, cost: 15 }
const WORKER_MS = 60_000

const octets = (text: string | undefined) => Buffer.from(text ?? '', 'base64')

// --- argon2 (PHC string format) ---------------------------------------------------------------

const PHC = /^\$(argon2(?:id|i|d))\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/

export interface Argon2Cost {
  readonly memory: number
  readonly passes: number
  readonly parallelism: number
}

export function argon2Of(text: string) {
  const [, algorithm, m, t, p, salt, hash] = PHC.exec(text) ?? []
  const cost: Argon2Cost = { memory: Number(m), passes: Number(t), parallelism: Number(p) }
  const isSound =
    cost.parallelism >= 1 &&
    cost.parallelism <= MOST.parallelism &&
    cost.memory >= 8 * cost.parallelism &&
    cost.memory <= MOST.memory &&
    cost.passes >= 1 &&
    cost.passes <= MOST.passes &&
    octets(salt).length >= 8 &&
    octets(hash).length >= 16
  if (!isSound) return undefined
  return { algorithm: algorithm as 'argon2id' | 'argon2i' | 'argon2d', cost, salt: octets(salt), hash: octets(hash) }
}

function readArgon2(text: string): Fits | undefined {
  const read = argon2Of(text)
  if (!read) return undefined
  const { algorithm, cost, salt, hash } = read
  return async (password) =>
    isSameSecret(
      await deriveArgon2(algorithm, { ...cost, message: password, nonce: salt, tagLength: hash.length }),
      hash,
    )
}

// --- digests, salted or not (RFC 2307 and its successors) --------------------------------------

const DIGESTS: Readonly<Record<string, readonly [algorithm: string, octets: number]>> = {
  MD5: ['md5', 16],
  SHA: ['sha1', 20],
  SHA256: ['sha256', 32],
  SHA384: ['sha384', 48],
  SHA512: ['sha512', 64],
}

function readDigest(scheme: string, text: string): Fits | undefined {
  const [, salted, name = ''] = /^(S?)(MD5|SHA(?:256|384|512)?)$/.exec(scheme) ?? []
  const [algorithm, length] = DIGESTS[name] ?? []
  const kept = octets(text)
  if (algorithm === undefined || length === undefined) return undefined
  if (salted ? kept.length <= length : kept.length !== length) return undefined
  const salt = kept.subarray(length)
  return async (password) =>
    isSameSecret(createHash(algorithm).update(password).update(salt).digest(), kept.subarray(0, length))
}

// --- PBKDF2 as passlib, OpenLDAP and Dovecot write it -----------------------------------------

/** passlib writes `.` for `+`. */
const passlib = (text = '') => octets(text.replaceAll('.', '+'))

function readPbkdf2(text: string): Fits | undefined {
  const dovecot = /^\$1\$([^$]+)\$(\d+)\$([0-9a-f]{40})$/i.exec(text)
  if (dovecot) {
    const [, salt = '', iterations, hash = ''] = dovecot
    return pbkdf2Fits('sha1', Number(iterations), Buffer.from(salt), Buffer.from(hash, 'hex'))
  }
  const [, digest = 'sha1', iterations, salt, hash] =
    /^\$pbkdf2(?:-(sha1|sha256|sha512))?\$(\d+)\$([A-Za-z0-9./+]+=*)\$([A-Za-z0-9./+]+=*)$/.exec(text) ?? []
  return hash === undefined ? undefined : pbkdf2Fits(digest, Number(iterations), passlib(salt), passlib(hash))
}

function pbkdf2Fits(digest: string, iterations: number, salt: Buffer, hash: Buffer): Fits | undefined {
  if (!(iterations >= 1 && iterations <= MOST.iterations) || hash.length < 16) return undefined
  return async (password) => isSameSecret(await derivePbkdf2(password, salt, iterations, hash.length, digest), hash)
}

// --- SCRAM verifiers (RFC 5803) ---------------------------------------------------------------

export const SCRAM_MECHANISMS = ['SCRAM-SHA-256', 'SCRAM-SHA-1'] as const
export type ScramMechanism = (typeof SCRAM_MECHANISMS)[number]

export interface ScramKeys {
  readonly mechanism: ScramMechanism
  readonly iterations: number
  readonly salt: Buffer
  readonly storedKey: Buffer
  readonly serverKey: Buffer
}

const BASE64 = '([A-Za-z0-9+/]+=*)'
const SCRAM = new RegExp(`^(SCRAM-SHA-(?:1|256))\\$(\\d+):${BASE64}\\$${BASE64}:${BASE64}$`)
const SCRAM_OF_DOVECOT = new RegExp(`^\\{(SCRAM-SHA-(?:1|256))\\}(\\d+),${BASE64},${BASE64},${BASE64}$`)

export function scramOf(text: string): ScramKeys | undefined {
  const [, mechanism, iterations, salt, stored, server] = SCRAM.exec(text) ?? SCRAM_OF_DOVECOT.exec(text) ?? []
  const keys = {
    iterations: Number(iterations),
    salt: octets(salt),
    storedKey: octets(stored),
    serverKey: octets(server),
  }
  const length = mechanism === 'SCRAM-SHA-1' ? 20 : 32
  const isSound =
    mechanism !== undefined &&
    keys.iterations >= 1 &&
    keys.iterations <= MOST.iterations &&
    keys.storedKey.length === length &&
    keys.serverKey.length === length
  return isSound ? { ...keys, mechanism: mechanism as ScramMechanism } : undefined
}

const hashOf = (mechanism: ScramMechanism) => (mechanism === 'SCRAM-SHA-1' ? 'sha1' : 'sha256')

/** RFC 5802 section 3: the keys of a password; undefined for one that such a client cannot send. */
async function keysOf(password: string, hash: 'sha1' | 'sha256', salt: Uint8Array, iterations: number) {
  const prepared = saslPrep(password)
  if (prepared === undefined) return undefined
  const salted = await derivePbkdf2(prepared, salt, iterations, hash === 'sha1' ? 20 : 32, hash)
  const hmac = (text: string) => createHmac(hash, salted).update(text).digest()
  return { storedKey: createHash(hash).update(hmac('Client Key')).digest(), serverKey: hmac('Server Key') }
}

/** Creates a verifier; undefined for a password that a SCRAM client cannot send. */
export async function writeScram(
  mechanism: ScramMechanism,
  password: string,
  { salt, iterations }: Pick<ScramKeys, 'salt' | 'iterations'>,
): Promise<string | undefined> {
  const keys = await keysOf(password, hashOf(mechanism), salt, iterations)
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')
  return keys && `${mechanism}$${iterations}:${base64(salt)}$${base64(keys.storedKey)}:${base64(keys.serverKey)}`
}

function readScram(text: string): Fits | undefined {
  const read = scramOf(text)
  if (!read) return undefined
  return async (password) => {
    const keys = await keysOf(password, hashOf(read.mechanism), read.salt, read.iterations)
    return keys !== undefined && isSameSecret(keys.storedKey, read.storedKey)
  }
}

// --- crypt(3) ---------------------------------------------------------------------------------

function readCrypt(text: string): Fits | undefined {
  const [, cost] = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/.exec(text) ?? []
  const [, size, rounds = '5000', hash = ''] =
    /^\$([56])\$(?:rounds=(\d{1,9})\$)?[./A-Za-z0-9]{0,16}\$([./A-Za-z0-9]+)$/.exec(text) ?? []
  const isBcrypt = cost !== undefined && Number(cost) >= 4 && Number(cost) <= MOST.cost
  const isSha = hash.length === (size === '5' ? 43 : 86) && Number(rounds) <= MOST.rounds
  return isBcrypt || isSha ? (password) => inWorker(password, text) : undefined
}

/** These computations are slow and would block the thread. */
async function inWorker(password: string, kept: string): Promise<boolean> {
  const worker = new Worker(new URL(import.meta.resolve('iems/plugins/accounts/worker')), {
    name: 'accounts-crypt',
    workerData: { password, kept },
  })
  const late = setTimeout(() => void worker.terminate(), WORKER_MS)
  try {
    return await new Promise<boolean>((resolve, reject) => {
      worker.once('message', resolve)
      worker.once('error', reject)
      worker.once('exit', () => reject(new Error('the hash could not be computed in time')))
    })
  } finally {
    clearTimeout(late)
    void worker.terminate()
  }
}

// --- all of them ------------------------------------------------------------------------------

/** Undefined for text that is not a hash, or of an unknown scheme. */
export function readHash(text: string): Fits | undefined {
  const [, name, rest = ''] = /^\{([A-Za-z0-9-]+)(?:\.b64)?\}(.*)$/s.exec(text) ?? []
  const scheme = name?.toUpperCase()
  switch (scheme) {
    case undefined:
      return readArgon2(text) ?? readPbkdf2(text) ?? readScram(text) ?? readCrypt(text)
    case 'ARGON2':
    case 'ARGON2ID':
    case 'ARGON2I':
      return readArgon2(rest)
    case 'CRYPT':
    case 'SHA256-CRYPT':
    case 'SHA512-CRYPT':
    case 'BLF-CRYPT':
      return readCrypt(rest)
    case 'PBKDF2':
      return readPbkdf2(rest) ?? readPbkdf2(`$pbkdf2$${rest}`)
    case 'PBKDF2-SHA1':
    case 'PBKDF2-SHA256':
    case 'PBKDF2-SHA512':
      return readPbkdf2(`$${scheme.toLowerCase()}$${rest}`)
    case 'SCRAM-SHA-1':
    case 'SCRAM-SHA-256':
      return readScram(`{${scheme}}${rest}`)
    default:
      return readDigest(scheme, rest)
  }
}
