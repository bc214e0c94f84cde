/**
 * Web logins in the store, valid on every kernel and across restarts.
 *
 * Invariants: the store holds the hash of a token, never the token; a login ends after the idle and the absolute
 * timeout; an account has a bounded number of them, and the oldest ends first.
 */
import { createHash, randomBytes } from 'node:crypto'
import { below, decodeRecord, encodeRecord, type Identity, key, type Op, type Store, unkey } from 'iems'

export interface WebLogin {
  readonly v: 1
  readonly identity: Identity
  /** ms since 1970. */
  readonly created: number
  /** When it was last used, within `SEEN_MS`. */
  readonly seen: number
  /** When a password or another factor was last shown. */
  readonly fresh: number
  readonly address: string
  /** The browser as it names itself, cut short. */
  readonly agent: string
}

export interface WebLoginsOptions {
  readonly idle: number
  readonly absolute: number
  readonly maxPerAccount: number
}

const TOKEN_OCTETS = 32
/** The time of the last use is written at most this often. */
const SEEN_MS = 300_000
const SWEEP_BATCH = 500

const encode: (value: WebLogin) => Uint8Array = encodeRecord
const decode = decodeRecord<WebLogin>
const idOf = (token: string) => createHash('sha256').update(token).digest('base64url')
const loginAt = (id: string) => key('login', id)
const ofAt = (owner: string, created: number, id: string) => key('of', owner, created, id)
const ownerOf = ({ account, user }: Identity) => account ?? `user:${user}`

export class WebLogins {
  readonly #store: Store
  readonly #options: WebLoginsOptions

  constructor(store: Store, options: WebLoginsOptions) {
    this.#store = store
    this.#options = options
  }

  /** The token for the cookie. */
  async create(identity: Identity, from: Pick<WebLogin, 'address' | 'agent'>): Promise<string> {
    const token = randomBytes(TOKEN_OCTETS).toString('base64url')
    const now = this.#store.now()
    const owner = ownerOf(identity)
    const known = await this.list(identity)
    const surplus = known.slice(0, Math.max(0, known.length - this.#options.maxPerAccount + 1))
    const login: WebLogin = { v: 1, identity, created: now, seen: now, fresh: now, ...from }
    const id = idOf(token)
    await this.#store.commit([
      ...surplus.flatMap(({ id: old, login: { created } }) => this.#removal(owner, created, old)),
      { put: loginAt(id), value: encode(login) },
      { put: ofAt(owner, now, id), value: Buffer.alloc(0) },
    ])
    return token
  }

  /** The login of a token; records its use. */
  async use(token: string): Promise<{ readonly id: string; readonly login: WebLogin } | undefined> {
    const id = idOf(token)
    const found = await this.get(id)
    if (!found) return undefined
    const now = this.#store.now()
    if (now - found.seen < SEEN_MS) return { id, login: found }
    const value = encode(found)
    const login = { ...found, seen: now }
    // Another kernel may have ended it meanwhile.
    await this.#store.commit([{ put: loginAt(id), value: encode(login) }], [{ key: loginAt(id), is: value }])
    return { id, login }
  }

  async get(id: string): Promise<WebLogin | undefined> {
    const value = await this.#store.get(loginAt(id))
    if (!value) return undefined
    const login = decode(value)
    return this.#hasEnded(login) ? undefined : login
  }

  /** A factor was shown once more. */
  async refresh(id: string): Promise<void> {
    const value = await this.#store.get(loginAt(id))
    if (!value) return
    const fresh = encode({ ...decode(value), fresh: this.#store.now() })
    await this.#store.commit([{ put: loginAt(id), value: fresh }], [{ key: loginAt(id), is: value }])
  }

  /** Those of one account, the oldest first. */
  async list(identity: Identity): Promise<{ readonly id: string; readonly login: WebLogin }[]> {
    const found: { readonly id: string; readonly login: WebLogin }[] = []
    for await (const [at] of this.#store.scan(below('of', ownerOf(identity)))) {
      const id = String(unkey(at)[3])
      const login = await this.get(id)
      if (login) found.push({ id, login })
    }
    return found
  }

  /** Ends one login of this account; false when it has no such login. */
  async end(identity: Identity, id: string): Promise<boolean> {
    const value = await this.#store.get(loginAt(id))
    if (!value) return false
    const login = decode(value)
    if (ownerOf(login.identity) !== ownerOf(identity)) return false
    await this.#store.commit(this.#removal(ownerOf(identity), login.created, id))
    return true
  }

  /** Removes expired logins. */
  async sweep(signal: AbortSignal): Promise<void> {
    let ops: Op[] = []
    for await (const [at, value] of this.#store.scan(below('login'))) {
      if (signal.aborted) return
      const login = decode(value)
      if (!this.#hasEnded(login)) continue
      ops.push(...this.#removal(ownerOf(login.identity), login.created, String(unkey(at)[1])))
      if (ops.length < SWEEP_BATCH) continue
      await this.#store.commit(ops)
      ops = []
    }
    if (ops.length > 0) await this.#store.commit(ops)
  }

  #hasEnded({ created, seen }: WebLogin): boolean {
    const now = this.#store.now()
    return now - seen > this.#options.idle || now - created > this.#options.absolute
  }

  #removal(owner: string, created: number, id: string): Op[] {
    return [{ del: loginAt(id) }, { del: ofAt(owner, created, id) }]
  }
}
