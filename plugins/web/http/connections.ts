/**
 * Hands connections of the kernel's listener to Node's HTTP/1.1 and HTTP/2 servers, which do not listen themselves.
 *
 * Invariants: a request that has begun is answered when the server ends; a connection without one is then closed;
 * Node's own limits disconnect slow and silent clients.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createServer2, type Http2Server, type ServerHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import type { Client } from 'iems'
import type { Options } from './options.ts'

/** The key of a socket's client, readable through the proxy that HTTP/2 returns for the socket. */
const CLIENT = Symbol('client')
const LISTENER = Symbol('listener')

export type Handler = (request: IncomingMessage, response: ServerResponse) => void
export type OnUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => void

/** The client of a request, as the listener knows it. */
export function clientOf(request: IncomingMessage): Client {
  const client = Reflect.get(request.socket, CLIENT) as Client | undefined
  if (!client) throw new Error('the request came by no listener')
  return client
}

/** The number of the listener by which a request came. */
export const listenerOf = (request: IncomingMessage): number => Reflect.get(request.socket, LISTENER) as number

const MAX_STREAMS = 100
const CHECK_MS = 5_000

export class Connections {
  readonly http1: Server
  readonly #http2: Http2Server
  readonly #sessions = new Set<ServerHttp2Session>()
  /** Active requests on each HTTP/1.1 connection. */
  readonly #active = new Map<Socket, number>()
  readonly #responses = new Set<ServerResponse>()
  #isDraining = false

  constructor(handler: Handler, onUpgrade: OnUpgrade, { timeouts, limits }: Pick<Options, 'timeouts' | 'limits'>) {
    this.http1 = createServer(
      {
        headersTimeout: timeouts.header,
        requestTimeout: timeouts.request,
        keepAliveTimeout: timeouts.idle,
        connectionsCheckingInterval: Math.min(CHECK_MS, timeouts.header),
        maxHeaderSize: limits.header,
        requireHostHeader: true,
      },
      handler,
    )
    this.http1.on('request', (request: IncomingMessage, response: ServerResponse) => this.#count(request, response))
    this.http1.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
      // The protocol ends it gracefully.
      this.#active.delete(socket)
      onUpgrade(request, socket, head)
    })
    this.#http2 = createServer2(
      {
        settings: { maxConcurrentStreams: MAX_STREAMS, maxHeaderListSize: limits.header },
        maxSendHeaderBlockLength: limits.header,
      },
      handler as unknown as Parameters<typeof createServer2>[1],
    )
    this.#http2.on('session', (session) => this.#keep(session, timeouts.idle))
    // Starts the checks of slow requests, which Node starts when a server listens.
    this.http1.emit('listening')
  }

  /** Speaks with a client of a listener until its connection has ended. */
  serve(client: Client, listener: number, stopping: AbortSignal): Promise<void> {
    const { socket } = client
    Reflect.set(socket, LISTENER, listener)
    Reflect.set(socket, CLIENT, client)
    const isHttp2 = socket instanceof TLSSocket && socket.alpnProtocol === 'h2'
    if (!isHttp2) this.#active.set(socket, 0)
    const ended = new Promise<void>((resolve) => {
      socket.once('close', () => {
        this.#active.delete(socket)
        resolve()
      })
    })
    // The handshake is over, which only Node's own TLS server notes; HTTP/2 would wait for it.
    if (isHttp2) Reflect.set(socket, 'secureConnecting', false)
    if (stopping.aborted) socket.destroy()
    else if (isHttp2) this.#http2.emit('connection', socket)
    else this.http1.emit('connection', socket)
    return ended
  }

  /** From now on every answer is a connection's last, and connections without a request end. */
  drain(): void {
    if (this.#isDraining) return
    this.#isDraining = true
    for (const [socket, count] of this.#active) if (count === 0) socket.end()
    for (const response of this.#responses) response.shouldKeepAlive = false
    for (const session of this.#sessions) session.close()
  }

  get isDraining(): boolean {
    return this.#isDraining
  }

  /** Ends the checks. */
  close(): void {
    this.http1.close()
    this.#http2.close()
  }

  #count({ socket }: IncomingMessage, response: ServerResponse): void {
    this.#active.set(socket, (this.#active.get(socket) ?? 0) + 1)
    this.#responses.add(response)
    if (this.#isDraining) response.shouldKeepAlive = false
    response.once('close', () => {
      this.#responses.delete(response)
      const rest = (this.#active.get(socket) ?? 1) - 1
      if (this.#active.has(socket)) this.#active.set(socket, rest)
      if (this.#isDraining && rest === 0) socket.end()
    })
  }

  #keep(session: ServerHttp2Session, idle: number): void {
    this.#sessions.add(session)
    session.once('close', () => this.#sessions.delete(session))
    session.on('error', () => session.destroy())
    session.setTimeout(idle, () => session.close())
    if (this.#isDraining) session.close()
  }
}
