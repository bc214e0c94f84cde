/**
 * The signing keys, in the store and in the configuration, and their selection by domain.
 *
 *   k domain selector    a key
 *
 * Invariants: a key signs only after an administrator has activated it, one per algorithm and domain; private keys
 * leave this file only as input of `crypto.sign`.
 */
import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { below, type Clock, decodeRecord, encodeRecord, key, type Store } from 'iems'
import type { Options } from './options.ts'

export type Algorithm = 'rsa' | 'ed25519'
/** `new`: its record is not yet published. `retired`: it no longer signs, but signed mail may still be in transit. */
export type State = 'new' | 'active' | 'retired'

export interface KeyInfo {
  readonly domain: string
  readonly selector: string
  readonly algorithm: Algorithm
  readonly bits?: number
  readonly state: State
  /** Time of the last state change, ms since 1970; absent for a configured key. */
  readonly since?: number
  /** The DNS record (RFC 6376 section 3.6.1, RFC 8463). */
  readonly record: string
}

interface KeyRecord {
  readonly domain: string
  readonly selector: string
  readonly state: State
  readonly since: number
  readonly pem: string
}

export interface SigningKey extends KeyInfo {
  readonly privateKey: KeyObject
}

export interface Making {
  readonly domain: string
  readonly selector?: string
  readonly algorithm: Algorithm
  readonly bits: number
}

/** Lifetime of cached keys, which another process may change. */
const KEPT_MS = 10_000
const LEAST_BITS = 1024

const generate = promisify(generateKeyPair)
const encode: (value: KeyRecord) => Uint8Array = encodeRecord
const decode = decodeRecord<KeyRecord>

function read({ domain, selector, state, pem }: Omit<KeyRecord, 'since'>): SigningKey {
  const privateKey = createPrivateKey(pem)
  const type = privateKey.asymmetricKeyType
  if (type !== 'rsa' && type !== 'ed25519')
    throw new Error(`the key ${selector} of ${domain} is neither RSA nor Ed25519`)
  const bits = privateKey.asymmetricKeyDetails?.modulusLength
  if (bits !== undefined && bits < LEAST_BITS)
    throw new Error(`the key ${selector} of ${domain} has ${bits} bits; nobody takes fewer than ${LEAST_BITS}`)
  const der = createPublicKey(privateKey).export({ type: 'spki', format: 'der' })
  // RFC 8463 section 4: for Ed25519 the raw key, the last 32 octets.
  const p = (type === 'ed25519' ? der.subarray(-32) : der).toString('base64')
  const record = `v=DKIM1; k=${type}; p=${p}`
  return { domain, selector, algorithm: type, ...(bits ? { bits } : {}), state, record, privateKey }
}

export class Keys {
  readonly #store: Store
  readonly #clock: Clock
  readonly #fixed
  #kept: readonly SigningKey[] = []
  #keptUntil = 0

  constructor(store: Store, clock: Clock, configured: Options['keys']) {
    this.#store = store
    this.#clock = clock
    this.#fixed = configured.map(({ domain, selector, key: pem }) =>
      read({ domain: domain.toLowerCase(), selector, state: 'active', pem: pem.reveal() }),
    )
  }

  /** The keys that sign for an author's domain: its own, or those of the closest parent domain. */
  async signingFor(domain: string): Promise<readonly SigningKey[]> {
    const keys = this.#clock.now() < this.#keptUntil ? this.#kept : await this.all()
    const active = keys.filter(({ state }) => state === 'active')
    for (let name = domain.toLowerCase(); name.includes('.'); name = name.slice(name.indexOf('.') + 1)) {
      const found = active.filter((one) => one.domain === name)
      if (found.length > 0) return found
    }
    return []
  }

  async make({ domain: given, selector, algorithm, bits }: Making): Promise<KeyInfo> {
    const domain = given.toLowerCase()
    const { privateKey } =
      algorithm === 'rsa' ? await generate('rsa', { modulusLength: bits }) : await generate('ed25519')
    const name = selector ?? (await this.#freeSelector(domain, algorithm))
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
    const record: KeyRecord = { domain, selector: name, state: 'new', since: this.#clock.now(), pem }
    const at = key('k', domain, name)
    const isTaken = this.#fixed.some((one) => one.domain === domain && one.selector === name)
    if (isTaken || !(await this.#store.commit([{ put: at, value: encode(record) }], [{ key: at, is: 'absent' }])))
      throw new Error(`there is a key ${name} of ${domain} already`)
    this.#keptUntil = 0
    return read(record)
  }

  /** Activates the key and retires the previous one of its algorithm. */
  async activate(domain: string, selector: string): Promise<readonly KeyInfo[]> {
    const { value, record } = await this.#find(domain, selector)
    const { algorithm } = read(record)
    const since = this.#clock.now()
    const retired: KeyInfo[] = []
    const ops = [{ put: key('k', record.domain, selector), value: encode({ ...record, state: 'active', since }) }]
    const checks = [{ key: key('k', record.domain, selector), is: value }]
    for await (const [at, other] of this.#store.scan(below('k', record.domain))) {
      const one = decode(other)
      if (one.selector === selector || one.state !== 'active' || read(one).algorithm !== algorithm) continue
      ops.push({ put: at, value: encode({ ...one, state: 'retired', since }) })
      checks.push({ key: at, is: other })
      retired.push(read({ ...one, state: 'retired' }))
    }
    if (!(await this.#store.commit(ops, checks))) throw new Error('the keys have been changed meanwhile; try again')
    this.#keptUntil = 0
    return retired
  }

  async remove(domain: string, selector: string): Promise<void> {
    const { value, record } = await this.#find(domain, selector)
    const at = key('k', record.domain, selector)
    if (!(await this.#store.commit([{ del: at }], [{ key: at, is: value }])))
      throw new Error('the keys have been changed meanwhile; try again')
    this.#keptUntil = 0
  }

  async all(): Promise<readonly SigningKey[]> {
    const made: SigningKey[] = []
    for await (const [, value] of this.#store.scan(below('k'))) {
      const record = decode(value)
      made.push({ ...read(record), since: record.since })
    }
    this.#kept = [...this.#fixed, ...made]
    this.#keptUntil = this.#clock.now() + KEPT_MS
    return this.#kept
  }

  async #find(domain: string, selector: string) {
    const value = await this.#store.get(key('k', domain.toLowerCase(), selector))
    if (!value) throw new Error(`there is no key ${selector} of ${domain} in the store; iems dkim list shows them all`)
    return { value, record: decode(value) }
  }

  async #freeSelector(domain: string, algorithm: Algorithm): Promise<string> {
    const month = new Date(this.#clock.now()).toISOString().slice(0, 7).replace('-', '')
    const names = new Set((await this.all()).filter((one) => one.domain === domain).map(({ selector }) => selector))
    const base = `${algorithm === 'rsa' ? 'r' : 'e'}${month}`
    for (let number = 1; ; number++) {
      const name = number === 1 ? base : `${base}-${number}`
      if (!names.has(name)) return name
    }
  }
}
