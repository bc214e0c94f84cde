/**
 * WebSockets (RFC 6455): from the upgrade request to a connection that a plugin reads and writes.
 *
 * Invariants: a client's messages are handled one at a time, and the next is not read meanwhile; a client that does not
 * read, or does not answer pings, is disconnected.
 */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Clock, Log } from 'iems'
import { type WebSocket, WebSocketServer } from 'ws'
import type { Call, LoggedIn, SocketConnection } from './api.ts'
import type { LooseSocketRoute } from './routes.ts'

const PING_MS = 30_000
const MAX_WAITING = 4 * 1024 * 1024
/** RFC 6455 section 7.4.1: the server restarts. */
const RESTARTS = 1012
const POLICY = 1008

export interface SocketsDeps {
  readonly clock: Clock
  readonly log: Log
  readonly maxMessage: number
}

export interface Upgrade {
  readonly request: IncomingMessage
  readonly socket: Duplex
  readonly head: Buffer
  readonly route: LooseSocketRoute
  readonly call: Call<undefined, undefined, undefined>
}

export class Sockets {
  readonly #deps: SocketsDeps
  readonly #open = new Set<WebSocket>()

  constructor(deps: SocketsDeps) {
    this.#deps = deps
  }

  accept({ request, socket, head, route, call }: Upgrade): void {
    const server = new WebSocketServer({
      noServer: true,
      maxPayload: route.maxMessage ?? this.#deps.maxMessage,
      perMessageDeflate: false,
      handleProtocols: () => route.protocol,
    })
    server.handleUpgrade(request, socket, head, (ws) => this.#serve(ws, route, call))
  }

  /** Asks every client to come back: the server ends. */
  drain(): void {
    for (const ws of this.#open) ws.close(RESTARTS, 'The server restarts')
  }

  #serve(ws: WebSocket, route: LooseSocketRoute, call: Call<undefined, undefined, undefined>): void {
    this.#open.add(ws)
    const connection: SocketConnection = {
      send(text) {
        if (ws.bufferedAmount > MAX_WAITING) return false
        ws.send(text)
        return true
      },
      get waiting() {
        return ws.bufferedAmount
      },
      close: (code = 1000, reason = '') => ws.close(code, reason.slice(0, 100)),
    }
    const handler = route.open(connection, call as LoggedIn<typeof call>)
    const stop = () => ws.close(POLICY, 'The login is no longer valid')
    const revoked = call.login?.revoked
    revoked?.addEventListener('abort', stop, { once: true })
    const cancel = this.#watch(ws)
    ws.on('message', (data, isBinary) => {
      if (isBinary) return ws.close(1003, 'Text messages only')
      ws.pause()
      Promise.resolve(handler.message(String(data)))
        .catch((cause: unknown) => {
          this.#deps.log.error('a WebSocket message could not be handled', { path: route.path, cause })
          ws.close(1011, 'Internal error')
        })
        .finally(() => ws.resume())
    })
    ws.on('error', () => ws.terminate())
    ws.once('close', () => {
      cancel()
      revoked?.removeEventListener('abort', stop)
      this.#open.delete(ws)
      handler.close?.()
    })
  }

  /** Pings; a client that has not answered by the next one is gone. */
  #watch(ws: WebSocket): () => void {
    let isAlive = true
    let cancel = () => {}
    ws.on('pong', () => {
      isAlive = true
    })
    const look = () => {
      if (!isAlive || ws.bufferedAmount > MAX_WAITING) return ws.terminate()
      isAlive = false
      ws.ping()
      cancel = this.#deps.clock.after(PING_MS, look)
    }
    cancel = this.#deps.clock.after(PING_MS, look)
    return () => cancel()
  }
}
