/**
 * One connection to an LDAP server: bind and search.
 *
 * What must stay true: every request ends, by an answer, by the end of the connection or by time; a server that says
 * what cannot be understood, or too much, is hung up on; nothing secret is sent before TLS where TLS is wanted, and a
 * connection whose TLS failed is not used.
 */
import { connect, isIP, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import { LineReader } from 'iems'
import {
  BerError,
  BerReader,
  element,
  enumerated,
  integer,
  octetString,
  readHeader,
  sequence,
  TAG,
} from '../server/api.ts'

export interface ServerAddress {
  readonly host: string
  readonly port: number
  /** From the first octet, by StartTLS, or not at all. */
  readonly tls: 'implicit' | 'starttls' | 'off'
}

export interface ConnectionLimits {
  /** Ms until there is a connection, under TLS if need be. */
  readonly connect: number
  /** Ms for an answer. */
  readonly request: number
  /** Octets of one answer. */
  readonly messageSize: number
  /** Entries of one search. */
  readonly entries: number
}

/** Nobody can say at this moment: another server may. */
export class Unreachable extends Error {}
/** The server has said no. */
export class LdapRefusal extends Error {
  readonly code: number
  constructor(code: number, text: string) {
    super(`the LDAP server says ${code}${text === '' ? '' : `: ${text}`}`)
    this.code = code
  }
}

export interface Found {
  readonly dn: string
  /** By their names in lower case. */
  readonly attributes: ReadonlyMap<string, readonly Buffer[]>
}

export interface Search {
  readonly base: string
  readonly scope: 'base' | 'sub'
  readonly filter: Buffer
  readonly attributes: readonly string[]
  /** How many are wanted; more are not asked for. */
  readonly most?: number
}

interface Pending {
  readonly entries: Found[]
  resolve(answer: Answer): void
  reject(cause: Error): void
}

interface Answer {
  readonly code: number
  readonly text: string
  readonly entries: readonly Found[]
  readonly cookie: Buffer | undefined
}

const RESULT = {
  success: 0,
  operationsError: 1,
  sizeLimitExceeded: 4,
  noSuchObject: 32,
  busy: 51,
  unavailable: 52,
} as const
const PAGED = '1.2.840.113556.1.4.319'
const START_TLS = '1.3.6.1.4.1.1466.20037'
const PAGE = 500
/** RFC 4511 section 4.1.1.1; no request waits for so many others. */
const LAST_ID = 2 ** 31 - 1

export class Connection {
  readonly #limits: ConnectionLimits
  #socket: Socket
  #input: LineReader
  readonly #pending = new Map<number, Pending>()
  #next = 1
  #end: Error | undefined

  private constructor(socket: Socket, limits: ConnectionLimits) {
    this.#limits = limits
    this.#socket = socket
    this.#input = new LineReader(limits.request)
  }

  /** Throws Unreachable. */
  static async open(server: ServerAddress, tls: ConnectionOptions, limits: ConnectionLimits): Promise<Connection> {
    const { host, port } = server
    // RFC 6066 section 3: addresses are no server names.
    const names = { host, ...(isIP(host) ? {} : { servername: host }), ...tls }
    const socket = server.tls === 'implicit' ? connectTls({ port, ...names }) : connect({ host, port })
    const timer = setTimeout(() => socket.destroy(new Error('no connection in time')), limits.connect)
    try {
      await opened(socket, server.tls === 'implicit' ? 'secureConnect' : 'connect')
      socket.setNoDelay(true).setKeepAlive(true)
      const connection = new Connection(socket, limits)
      if (server.tls === 'starttls') await connection.#startTls(names)
      connection.#listen()
      return connection
    } catch (cause) {
      socket.destroy()
      throw new Unreachable(`${host}:${port}: ${cause instanceof Error ? cause.message : cause}`, { cause })
    } finally {
      clearTimeout(timer)
    }
  }

  get isOpen(): boolean {
    return this.#end === undefined
  }

  /** False when the server does not take this name with this password. */
  async bind(dn: string, password: string): Promise<boolean> {
    const { code, text } = await this.#request(element(0x60, integer(3), octetString(dn), octetString(password, 0x80)))
    if (code === RESULT.success) return true
    if (isTemporary(code)) throw new Unreachable(`bind: ${code} ${text}`)
    return false
  }

  /** All entries, page by page; none when there is no such base. Throws when there are more than the limits allow. */
  async search(search: Search): Promise<Found[]> {
    const found: Found[] = []
    let cookie: Buffer = Buffer.alloc(0)
    do {
      const answer: Answer = await this.#request(searchRequest(search), pagedControl(search, cookie))
      const { code, text, entries } = answer
      found.push(...entries)
      cookie = answer.cookie ?? Buffer.alloc(0)
      if (code === RESULT.noSuchObject) return []
      const isEnough = search.most !== undefined && found.length >= search.most
      if (isEnough) return found.slice(0, search.most)
      if (isTemporary(code)) throw new Unreachable(`search: ${code} ${text}`)
      if (code !== RESULT.success) throw new LdapRefusal(code, text)
      if (found.length > this.#limits.entries)
        throw new Error(`the LDAP server has more than ${this.#limits.entries} entries for one search`)
    } while (cookie.length > 0)
    return found
  }

  close(): void {
    if (this.isOpen) this.#socket.write(sequence(integer(this.#id()), element(0x42)))
    this.#fail(new Unreachable('closed'))
    this.#socket.destroySoon()
  }

  // --- octets ------------------------------------------------------------------------------------

  #id(): number {
    const id = this.#next
    this.#next = id === LAST_ID ? 1 : id + 1
    return id
  }

  async #request(operation: Buffer, controls?: Buffer): Promise<Answer> {
    if (this.#end) throw this.#end
    const id = this.#id()
    const answer = new Promise<Answer>((resolve, reject) => this.#pending.set(id, { entries: [], resolve, reject }))
    this.#socket.write(sequence(integer(id), operation, ...(controls ? [element(0xa0, controls)] : [])))
    // A server that does not answer one request is not asked another.
    const timer = setTimeout(() => this.#fail(new Unreachable('no answer in time')), this.#limits.request)
    try {
      return await answer
    } finally {
      clearTimeout(timer)
      this.#pending.delete(id)
    }
  }

  #fail(cause: Error): void {
    this.#end ??= cause
    this.#input.close()
    this.#socket.destroySoon()
    for (const { reject } of this.#pending.values()) reject(this.#end)
  }

  #listen(): void {
    this.#input.attach(this.#socket)
    this.#socket.on('error', () => {})
    void this.#read().catch((cause: unknown) =>
      this.#fail(new Unreachable(cause instanceof Error ? cause.message : 'the connection has ended', { cause })),
    )
  }

  async #read(): Promise<never> {
    this.#input.patience = NEVER
    for (;;) this.#take(await this.#message())
  }

  async #message(): Promise<BerReader> {
    const first = await this.#input.octets(2)
    const more = (first[1] as number) >= 0x80 ? (first[1] as number) & 0x7f : 0
    if (first[0] !== TAG.sequence || more > 4) throw new BerError('no message of LDAP')
    const header = readHeader(more > 0 ? Buffer.concat([first, await this.#input.octets(more)]) : first)
    if (!header || header.length > this.#limits.messageSize) throw new BerError('the message is too long')
    return new BerReader(await this.#input.octets(header.length))
  }

  #take(message: BerReader): void {
    const pending = this.#pending.get(message.integer())
    const { tag } = message
    // What nobody waits for: a notice of disconnection is followed by one.
    if (!pending || tag === undefined) return
    const operation = message.inside(tag)
    if (tag === 0x64) {
      if (pending.entries.length >= this.#limits.entries) throw new BerError('too many entries')
      pending.entries.push(readEntry(operation))
    } else if (tag !== 0x73 && tag !== 0x79) {
      const code = operation.enumerated()
      operation.octets()
      const text = operation.octets().toString()
      pending.resolve({ code, text, entries: pending.entries, cookie: readCookie(message) })
    }
  }

  async #startTls(names: ConnectionOptions): Promise<void> {
    this.#input.attach(this.#socket)
    const id = this.#id()
    this.#socket.write(sequence(integer(id), element(0x77, octetString(START_TLS, 0x80))))
    const answer = await this.#message()
    const isIt = answer.integer() === id && answer.tag === 0x78
    if (!isIt || answer.inside(0x78).enumerated() !== RESULT.success) throw new Error('the server begins no TLS')
    this.#input.detach()
    this.#input = new LineReader(this.#limits.request)
    const secured = connectTls({ ...names, socket: this.#socket })
    await opened(secured, 'secureConnect')
    this.#socket = secured
  }
}

/** While nobody asks, a server need not say anything; requests have a time of their own. */
const NEVER = 2 ** 31 - 1

function opened(socket: Socket, event: 'connect' | 'secureConnect'): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once(event, () => {
      socket.off('error', reject)
      socket.on('error', () => {})
      resolve()
    })
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('the connection has ended')))
  })
}

function isTemporary(code: number): boolean {
  // 3: time limit, 11: administrative limit, 80: other.
  return [RESULT.operationsError, 3, 11, RESULT.busy, RESULT.unavailable, 80].includes(code)
}

function searchRequest({ base, scope, filter, attributes, most = 0 }: Search): Buffer {
  return element(
    0x63,
    octetString(base),
    enumerated(scope === 'base' ? 0 : 2),
    enumerated(0),
    integer(most),
    integer(0),
    element(TAG.boolean, Buffer.from([0])),
    filter,
    sequence(...attributes.map((name) => octetString(name))),
  )
}

/** RFC 2696, where there may be more than a page; not critical, for servers that do not know it. */
function pagedControl({ scope, most }: Search, cookie: Buffer): Buffer | undefined {
  if (scope === 'base' || most !== undefined) return undefined
  return sequence(octetString(PAGED), octetString(sequence(integer(PAGE), octetString(cookie))))
}

function readCookie(message: BerReader): Buffer | undefined {
  if (message.tag !== 0xa0) return undefined
  const controls = message.inside(0xa0)
  while (!controls.isAtEnd) {
    const control = controls.inside()
    const isPaged = control.text() === PAGED
    if (control.tag === TAG.boolean) control.boolean()
    if (!isPaged || control.isAtEnd) continue
    const value = new BerReader(control.octets()).inside()
    value.integer()
    return value.octets()
  }
  return undefined
}

function readEntry(reader: BerReader): Found {
  const dn = reader.text()
  const attributes = new Map<string, readonly Buffer[]>()
  const list = reader.inside()
  while (!list.isAtEnd) {
    const attribute = list.inside()
    const name = attribute.text().toLowerCase()
    const set = attribute.inside(TAG.set)
    const values: Buffer[] = []
    while (!set.isAtEnd) values.push(set.octets())
    attributes.set(name, values)
  }
  return { dn, attributes }
}
