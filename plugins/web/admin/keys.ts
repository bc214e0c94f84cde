/**
 * Keys of the API: credentials of programs, with the rights of a role.
 *
 * Invariants: the store holds a key's hash, never the key; a key is valid for HTTP alone, until it expires or is
 * removed; its rights are those of its roles at each request.
 */
import { createHash, randomBytes } from 'node:crypto'
import {
  below,
  type Clock,
  decodeRecord,
  encodeRecord,
  type Identity,
  IdentityChanged,
  inNetworks,
  key,
  type Refusal,
  refuse,
  type Signals,
  type Store,
  type Taps,
} from 'iems'

export interface ApiKey {
  readonly v: 1
  readonly id: string
  readonly name: string
  readonly roles: readonly string[]
  /** CIDR networks it may be used from; empty means any. */
  readonly networks: readonly string[]
  /** Ms since 1970. */
  readonly created: number
  readonly expires?: number
  readonly by: string
}

const PREFIX = 'iems_'
const USER = 'key:'
const CREDENTIAL = 'admin-key:'
const OCTETS = 32
const ENDED = refuse(535, '5.7.8', 'This key of the API is not valid any more')

const hashOf = (token: string) => createHash('sha256').update(token).digest('base64url')
const keyAt = (id: string) => key('key', id)

export class ApiKeys {
  readonly #store: Store
  readonly #clock: Clock
  readonly #signals: Signals

  constructor({ store, clock, signals }: { readonly store: Store; readonly clock: Clock; readonly signals: Signals }) {
    this.#store = store
    this.#clock = clock
    this.#signals = signals
  }

  /** The key itself is returned only here. */
  async create(given: Pick<ApiKey, 'name' | 'roles' | 'networks' | 'expires' | 'by'>) {
    const secret = `${PREFIX}${randomBytes(OCTETS).toString('base64url')}`
    const made: ApiKey = { v: 1, id: hashOf(secret), created: this.#clock.now(), ...given }
    await this.#store.commit([{ put: keyAt(made.id), value: encodeRecord(made) }])
    return { secret, key: made }
  }

  async *list(): AsyncGenerator<ApiKey> {
    for await (const [, value] of this.#store.scan(below('key'))) yield decodeRecord<ApiKey>(value)
  }

  async remove(id: string): Promise<ApiKey | undefined> {
    const found = await this.#get(id)
    if (!found) return undefined
    await this.#store.commit([{ del: keyAt(id) }])
    this.#signals.publish(IdentityChanged, {})
    return found
  }

  /** The taps that make a key a login. */
  hooks(): Pick<Taps, 'auth' | 'reidentify'> {
    return {
      auth: {
        mechanisms: ['OAUTHBEARER'],
        handler: async (attempt) => {
          if (attempt.kind !== 'bearer' || !attempt.token.startsWith(PREFIX)) return undefined
          if (attempt.session.protocol !== 'HTTP') return undefined
          const found = await this.#get(hashOf(attempt.token))
          return found && this.#isValid(found, attempt.session.remote.address) ? identityOf(found) : undefined
        },
      },
      reidentify: async ({ identity, session }): Promise<Identity | Refusal | undefined> => {
        if (!identity.credential?.startsWith(CREDENTIAL)) return undefined
        const found = await this.#get(identity.credential.slice(CREDENTIAL.length))
        return found && this.#isValid(found, session.remote.address) ? identityOf(found) : ENDED
      },
    }
  }

  #isValid({ expires = Number.MAX_SAFE_INTEGER, networks }: ApiKey, address: string): boolean {
    return this.#clock.now() < expires && (networks.length === 0 || inNetworks(networks)(address))
  }

  async #get(id: string): Promise<ApiKey | undefined> {
    const value = await this.#store.get(keyAt(id))
    return value && decodeRecord<ApiKey>(value)
  }
}

const identityOf = ({ id, name, roles, expires }: ApiKey): Identity => ({
  kind: 'identity',
  user: `${USER}${name}`,
  roles,
  credential: `${CREDENTIAL}${id}`,
  mayRelay: false,
  ...(expires === undefined ? {} : { expires }),
})
