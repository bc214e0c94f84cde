/**
 * The parts of ldapjs that this plugin uses: its client, controls and filter objects. No other file imports ldapjs.
 *
 * ldapjs parses a DN and writes it again without escaping backslashes; its filters log themselves as text and throw for
 * values that are not UTF-8. `ExactName` and `OctetFilter` are its objects without these faults. docs/decisions/0015
 * lists them all.
 */
import type { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import ldapjs from 'ldapjs'

/** A filter object of ldapjs. */
export type Filter = InstanceType<typeof ldapjs.AndFilter>

export const {
  AndFilter,
  OrFilter,
  NotFilter,
  PresenceFilter,
  SubstringFilter,
  GreaterThanEqualsFilter,
  LessThanEqualsFilter,
  ApproximateFilter,
  ExtensibleFilter,
} = ldapjs

/** An equality filter for any octets. */
export class OctetFilter extends ldapjs.EqualityFilter {
  override toString(): string {
    return '(octets)'
  }
}

/** A distinguished name that is sent exactly as given. */
export class ExactName extends ldapjs.DN {
  readonly #text: string

  constructor(text: string) {
    super()
    this.#text = text
  }

  override toString(): string {
    return this.#text
  }
}

/** A change that replaces the values of an attribute. */
export function replacement(type: string, values: readonly string[]): unknown {
  const { Change, Attribute } = ldapjs
  return new Change({ operation: 'replace', modification: new Attribute({ type, values: [...values] }) })
}

export interface ResultControl {
  readonly type: string
  readonly value: { readonly cookie: Buffer }
}

/** `dn` of an error carries the server's diagnostic message: see `responses.ts`. */
export type Done = (
  error: (Error & { readonly code?: unknown; readonly dn?: unknown }) | null,
  result?: { readonly controls?: readonly ResultControl[] },
) => void

/** The part of ldapjs's client that is used, as of version 3. */
export interface Client extends EventEmitter {
  /** Not public: the current socket, which is the TLS socket after StartTLS. */
  readonly _socket: Socket | null
  readonly urls: { hostname: string }[]
  bind(name: string, password: string, done: Done): void
  search(
    base: ExactName,
    options: object,
    controls: readonly unknown[],
    done: (error: Parameters<Done>[0], response?: EventEmitter) => void,
  ): void
  add(name: ExactName, entry: object, controls: readonly unknown[], done: Done): void
  modify(name: ExactName, changes: readonly unknown[], controls: readonly unknown[], done: Done): void
  starttls(options: ConnectionOptions, controls: readonly unknown[], done: (error?: Error | null) => void): void
  unbind(done: () => void): void
  destroy(): void
}

export interface ClientSettings {
  readonly host: string
  readonly port: number
  readonly isTls: boolean
  readonly tlsOptions: ConnectionOptions
  /** Ms. */
  readonly connectTimeout: number
}

/** A client that connects at once and never reconnects. */
export function createClient({ host, port, isTls, ...options }: ClientSettings): Client {
  const client = ldapjs.createClient({
    url: `${isTls ? 'ldaps' : 'ldap'}://localhost:${port}`,
    queueDisable: true,
    ...options,
  }) as unknown as Client
  // A host in a URL keeps the brackets of an IPv6 address, and the client connects in a later turn.
  for (const url of client.urls) url.hostname = host
  return client
}

/** RFC 2696, never critical: servers without support send everything. */
export function pagedResults(size: number, cookie: Buffer): unknown {
  const { PagedResultsControl } = ldapjs as unknown as { PagedResultsControl: new (options: object) => unknown }
  return new PagedResultsControl({ value: { size, cookie } })
}
