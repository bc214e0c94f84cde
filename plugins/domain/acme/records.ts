/**
 * Records of the ACME client: accounts, certificates, pending challenges, and the lock of the one kernel that orders.
 *
 * Invariants: a certificate record always holds a chain and the key that belongs to it.
 */
import { below, decodeRecord, encodeRecord, type Key, key, type Store } from 'iems'

export interface AccountRecord {
  /** PEM. */
  readonly key: string
  readonly url?: string
}

export interface CertificateRecord {
  readonly names: readonly string[]
  /** PEM: the chain, and the private key. */
  readonly cert: string
  readonly key: string
  /** Milliseconds since 1970. */
  readonly since: number
  readonly until: number
  readonly authority: string
  /** When to renew it, as the authority suggested (RFC 9773). */
  readonly renewAt?: number
}

/** Failed orders since the last success. */
export interface FailureRecord {
  readonly count: number
  readonly why: string
  readonly at: number
  readonly next: number
}

/** The answer to a client that validates a name. */
export interface ChallengeRecord {
  /** For http-01: the token and its answer. */
  readonly token?: string
  readonly answer?: string
  /** For tls-alpn-01: the name, and the certificate for it (PEM). */
  readonly name?: string
  readonly cert?: string
  readonly key?: string
  readonly until: number
}

export const LOCK = key('lock')
export const accountKey = (directory: string): Key => key('account', directory)
export const certificateKey = (name: string): Key => key('certificate', name)
export const failureKey = (name: string): Key => key('failure', name)
export const challengeKey = (type: string, id: string): Key => key('challenge', type, id)

export async function read<T>(store: Pick<Store, 'get'>, at: Key): Promise<T | undefined> {
  const value = await store.get(at)
  return value && decodeRecord<T>(value)
}

export async function challengesIn(store: Pick<Store, 'scan'>): Promise<{ at: Key; challenge: ChallengeRecord }[]> {
  const found: { at: Key; challenge: ChallengeRecord }[] = []
  for await (const [at, value] of store.scan(below('challenge'))) found.push({ at, challenge: decodeRecord(value) })
  return found
}

interface Lock {
  readonly by: string
  readonly until: number
}

/**
 * Runs `work` unless another kernel runs it now. Returns whether it ran. A lock of a kernel that died ends after `ms`.
 */
export async function alone(
  store: Pick<Store, 'get' | 'commit' | 'now'>,
  ms: number,
  work: () => Promise<void>,
): Promise<boolean> {
  const before = await store.get(LOCK)
  if (before && decodeRecord<Lock>(before).until > store.now()) return false
  const own = encodeRecord({ by: crypto.randomUUID(), until: store.now() + ms } satisfies Lock)
  const isOurs = await store.commit([{ put: LOCK, value: own }], [{ key: LOCK, is: before ?? 'absent' }])
  if (!isOurs) return false
  try {
    await work()
  } finally {
    await store.commit([{ del: LOCK }], [{ key: LOCK, is: own }])
  }
  return true
}
