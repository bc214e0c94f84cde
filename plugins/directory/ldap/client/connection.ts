/**
 * A connection to an LDAP server through ldapjs's client: connect, StartTLS, bind, search, add, modify and unbind.
 *
 * Invariants: every request ends, by a response, the end of the connection or a timeout; requests are sent one at a
 * time; responses are checked before ldapjs parses them; where TLS is required, only the StartTLS request precedes it;
 * a connection with any failure is closed and never reused.
 */
import { isIP, type Socket } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import type { ServerAddress } from './address.ts'
import { type Client, createClient, type Done, ExactName, type Filter, pagedResults, replacement } from './ldapjs.ts'
import { NAME_ATTRIBUTE, RESPONSE, ResponseReader } from './responses.ts'

export type { ServerAddress } from './address.ts'

export interface ConnectionLimits {
  /** Ms until the connection is open, including TLS. */
  readonly connect: number
  /** Ms for the complete response to a request. */
  readonly request: number
  /** Maximum octets of one response message. */
  readonly messageSize: number
  /** Maximum entries of one search. */
  readonly entries: number
}

/** The server is unavailable; another server may answer. */
export class Unreachable extends Error {}
/** The server refused a request. */
export class LdapRefusal extends Error {
  readonly code: number
  constructor(code: number, text: string) {
    super(`the LDAP server says ${code}${text === '' ? '' : `: ${text}`}`)
    this.code = code
  }
}

export interface Found {
  readonly dn: string
  /** By lower-case name. */
  readonly attributes: ReadonlyMap<string, readonly Buffer[]>
}

export interface Search {
  readonly base: string
  readonly scope: 'base' | 'sub'
  readonly filter: Filter
  readonly attributes: readonly string[]
  /** Size limit sent to the server. */
  readonly most?: number
}

/** Values by attribute. */
export type EntryAttributes = Readonly<Record<string, readonly string[]>>

interface Answer {
  readonly code: number
  readonly text: string
  readonly entries: readonly Found[]
  readonly cookie: Buffer
}

const CODE = { success: 0, sizeLimitExceeded: 4, noSuchObject: 32 } as const
/** Operations error, time limit, administrative limit, busy, unavailable, other. */
const TEMPORARY: readonly number[] = [1, 3, 11, 51, 52, 80]
const PAGE_SIZE = 500

export class Connection {
  readonly #limits: ConnectionLimits
  readonly #client: Client
  readonly #responses: ResponseReader
  /** Ends the current wait. */
  #abort: ((cause: Error) => void) | undefined
  #isSecuring = false
  #end: Error | undefined

  private constructor(client: Client, limits: ConnectionLimits) {
    this.#client = client
    this.#limits = limits
    this.#responses = new ResponseReader(limits)
    client.on('error', (cause: Error) => this.#fail(cause))
    client.on('close', () => this.#fail(new Error('the connection has ended')))
    client.on('end', () => this.#fail(new Error('the connection has ended')))
  }

  /** Throws Unreachable. */
  static async open(server: ServerAddress, tls: ConnectionOptions, limits: ConnectionLimits): Promise<Connection> {
    const { host, port } = server
    // RFC 6066 section 3: an address is not a server name.
    const tlsOptions = { host, ...(isIP(host) ? {} : { servername: host }), ...tls }
    const isTls = server.tls === 'implicit'
    const client = createClient({ host, port, isTls, tlsOptions, connectTimeout: limits.connect })
    const connection = new Connection(client, limits)
    const timer = setTimeout(() => connection.#fail(new Error('no connection in time')), limits.connect)
    try {
      await connection.#connected()
      if (server.tls === 'starttls') await connection.#startTls(tlsOptions)
      return connection
    } catch (cause) {
      throw new Unreachable(`${host}:${port}: ${cause instanceof Error ? cause.message : cause}`, { cause })
    } finally {
      clearTimeout(timer)
    }
  }

  get isOpen(): boolean {
    return this.#end === undefined
  }

  /** False when the server refuses this name with this password. Throws Unreachable. */
  async bind(dn: string, password: string): Promise<boolean> {
    const { code, text } = await this.#request([RESPONSE.bind], (done) => {
      // ldapjs accepts a DN object here but fails to write it; a string is sent unchanged.
      this.#client.bind(dn, password, done)
    })
    if (TEMPORARY.includes(code)) throw new Unreachable(`bind: ${code} ${text}`)
    return code === CODE.success
  }

  /** All entries, page by page; none when the base does not exist. Throws beyond the limits. */
  async search(search: Search): Promise<Found[]> {
    const found: Found[] = []
    let cookie: Buffer = Buffer.alloc(0)
    do {
      const answer = await this.#page(search, cookie)
      const { code, text, entries } = answer
      found.push(...entries)
      cookie = answer.cookie
      if (code === CODE.noSuchObject) return []
      if (search.most !== undefined && found.length >= search.most) return found.slice(0, search.most)
      if (TEMPORARY.includes(code)) throw new Unreachable(`search: ${code} ${text}`)
      if (code !== CODE.success) throw new LdapRefusal(code, text)
      if (found.length > this.#limits.entries)
        throw new Error(`the LDAP server has more than ${this.#limits.entries} entries for one search`)
    } while (cookie.length > 0)
    return found
  }

  /** Adds an entry. Throws LdapRefusal. */
  async add(dn: string, attributes: EntryAttributes): Promise<void> {
    const send = (done: Done) => this.#client.add(new ExactName(dn), attributes, [], done)
    this.#written(await this.#request([RESPONSE.add], send))
  }

  /** Replaces the values of attributes; none removes an attribute. Throws LdapRefusal. */
  async replace(dn: string, attributes: EntryAttributes): Promise<void> {
    const changes = Object.entries(attributes).map(([type, vals]) => replacement(type, vals))
    const send = (done: Done) => this.#client.modify(new ExactName(dn), changes, [], done)
    this.#written(await this.#request([RESPONSE.modify], send))
  }

  #written({ code, text }: Answer): void {
    if (TEMPORARY.includes(code)) throw new Unreachable(`write: ${code} ${text}`)
    if (code !== CODE.success) throw new LdapRefusal(code, text)
  }

  close(): void {
    if (!this.isOpen) return
    this.#end = new Unreachable('closed')
    this.#abort?.(this.#end)
    const socket = this.#client._socket
    this.#client.unbind(() => {})
    socket?.on('error', () => {}).destroySoon()
  }

  // --- the life of the connection -----------------------------------------------------------------

  /** Waits for what `start` begins; every wait ends when the connection does. */
  async #wait<T>(start: (resolve: (value: T) => void, reject: (cause: Error) => void) => void): Promise<T> {
    if (this.#end) throw this.#end
    if (this.#abort) throw new Error('one request at a time')
    try {
      return await new Promise<T>((resolve, reject) => {
        this.#abort = reject
        start(resolve, reject)
      })
    } finally {
      this.#abort = undefined
    }
  }

  #connected(): Promise<void> {
    return this.#wait((resolve) => {
      // During setup, before the first octet is read.
      this.#client.on('setup', (_: unknown, done: (error?: Error) => void) => {
        this.#guard()
        done()
      })
      this.#client.on('connect', () => resolve())
    })
  }

  #startTls(options: ConnectionOptions): Promise<void> {
    this.#isSecuring = true
    this.#responses.expect(RESPONSE.extended)
    return this.#wait<void>((resolve, reject) => {
      this.#client.starttls({ ...options }, [], (error) => {
        this.#isSecuring = false
        if (!error) this.#guard()
        if (error) reject(error)
        else resolve()
      })
    }).catch((cause) => {
      // ldapjs would continue in plain text.
      this.#fail(cause)
      throw cause
    })
  }

  /** Inserts the check of responses between the socket and ldapjs. */
  #guard(): void {
    const socket = this.#client._socket as Socket
    const [read, ...others] = socket.listeners('data')
    if (!read || others.length > 0) throw new Error('ldapjs does not read as expected')
    socket.setNoDelay(true).setKeepAlive(true)
    socket.off('data', read as () => void)
    socket.on('data', (chunk: Buffer) => {
      try {
        const messages = this.#responses.take(chunk)
        // Plain text after the StartTLS response would be parsed as if it came under TLS.
        if (this.#isSecuring && (messages.length > 1 || (messages.length === 1 && this.#responses.isInside)))
          throw new Error('the server sent more than its answer to StartTLS')
        for (const message of messages) if (this.isOpen) read.call(socket, message)
      } catch (cause) {
        this.#fail(cause as Error)
      }
    })
  }

  #fail(cause: Error): void {
    this.#end ??= cause instanceof Unreachable ? cause : new Unreachable(cause.message, { cause })
    this.#abort?.(this.#end)
    const socket = this.#client._socket
    // Errors of an abandoned socket carry no information, but without a listener they end the process.
    socket?.on('error', () => {})
    this.#client.destroy()
    socket?.on('error', () => {}).destroy()
  }

  // --- requests -----------------------------------------------------------------------------------

  async #request(tags: readonly number[], send: (done: Done, entries: Found[]) => void): Promise<Answer> {
    const entries: Found[] = []
    const timer = setTimeout(() => this.#fail(new Error('no answer in time')), this.#limits.request)
    try {
      return await this.#wait<Answer>((resolve, reject) => {
        this.#responses.expect(...tags)
        send((error, result) => {
          const code = error ? error.code : CODE.success
          if (typeof code !== 'number') return reject(error as Error)
          const cookie = result?.controls?.[0]?.value.cookie ?? Buffer.alloc(0)
          resolve({ code, text: String(error?.dn || error?.message || ''), entries, cookie })
        }, entries)
      })
    } finally {
      clearTimeout(timer)
      this.#responses.expect()
    }
  }

  #page({ base, scope, filter, attributes, most }: Search, cookie: Buffer): Promise<Answer> {
    const isPaged = scope === 'sub' && most === undefined
    const options = {
      scope,
      filter,
      attributes,
      sizeLimit: most ?? 0,
      timeLimit: Math.ceil(this.#limits.request / 1000),
    }
    const controls = isPaged ? [pagedResults(PAGE_SIZE, cookie)] : []
    return this.#request([RESPONSE.entry, RESPONSE.done], (done, entries) => {
      this.#client.search(new ExactName(base), options, controls, (error, response) => {
        if (!response) return done(error)
        response.on('searchEntry', (entry: Entry) => entries.push(readEntry(entry)))
        response.on('error', (cause) => done(cause))
        response.on('end', (result) => done(null, result))
      })
    })
  }
}

interface Entry {
  readonly attributes: readonly { readonly type: string; readonly buffers: readonly Buffer[] }[]
}

function readEntry({ attributes }: Entry): Found {
  const found = new Map(attributes.map(({ type, buffers }) => [type.toLowerCase(), buffers]))
  const dn = found.get(NAME_ATTRIBUTE)?.[0]?.toString() ?? ''
  found.delete(NAME_ATTRIBUTE)
  return { dn, attributes: found }
}
