/**
 * Accepts connections for line-based protocols: limits, PROXY header, implicit TLS and STARTTLS.
 *
 * Invariants: no client is served beyond the limits; input from before TLS is never treated as protected by it;
 * stopping waits for the clients being served, until the signal aborts.
 */
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { Clock } from '../api/clock.ts'
import type { PluginInstance, SetupContext } from '../api/plugin.ts'
import type { TlsInfo } from '../api/session.ts'
import { inNetworks } from '../net/networks.ts'
import type { Log } from '../runtime/log.ts'
import {
  ACME_TLS,
  type Certificates,
  LOOK_MS,
  readCertificates,
  type TlsOption,
  tlsServerOptions,
} from './certificates.ts'
import { type Compressed, Connection } from './connection.ts'
import {
  type AdmissionLimits,
  type ConnectionLimits,
  createAdmissionState,
  createConnectionLimits,
} from './connection-limits.ts'
import { type Endpoint, receiveProxyHeader } from './proxy.ts'
import { tlsInfo } from './tls-info.ts'

export interface Client {
  readonly socket: Socket
  readonly remote: Endpoint
  readonly local: Endpoint
  /** Implicit TLS; absent for plain text. */
  readonly tls?: TlsInfo
  /** Whether STARTTLS is available. */
  readonly mayStartTls: boolean
  /** Starts TLS on the connection, which must have no reader; buffered input is discarded. */
  startTls(): Promise<{ readonly socket: TLSSocket; readonly tls: TlsInfo }>
  /** Compresses both directions from here on. */
  compress(): Compressed
}

interface ClientsDeps {
  readonly tls: TlsOption | undefined
  readonly certificates: Certificates | undefined
  readonly admission: ConnectionLimits
  /** Maximum concurrent connections. */
  readonly connections: number
  readonly proxyFrom: readonly string[]
  /** Ms for a PROXY header, for a TLS handshake, and for a client to accept the last data. */
  readonly handshakeMs: number
  readonly clock: Clock
  readonly log: Log
  /** Sent to a client beyond the limits. */
  readonly full: string
  /** Protocols offered in the TLS handshake (ALPN, RFC 7301), in order of preference. Default: none. */
  readonly alpn?: readonly string[]
  /**
   * Serves a client to the end of its session; data written by then still reaches the client. The signal aborts when
   * the server stops. A rejection cuts the connection, when its state is no longer valid for the protocol.
   */
  serve(client: Client, signal: AbortSignal): Promise<void>
}

class Clients {
  readonly #parts: ClientsDeps
  readonly #isProxy: (address: string) => boolean
  readonly #isImplicit: boolean
  readonly #stopping = new AbortController()
  readonly #connections = new Set<Connection>()
  readonly #lingering = new Set<Connection>()
  readonly #served = new Set<Promise<void>>()

  constructor(parts: ClientsDeps) {
    this.#parts = parts
    this.#isProxy = inNetworks(parts.proxyFrom)
    this.#isImplicit = parts.tls?.mode === 'implicit'
  }

  async #within<T>(socket: Socket, work: Promise<T>): Promise<T> {
    const cancel = this.#parts.clock.after(this.#parts.handshakeMs, () => socket.destroy())
    try {
      return await work
    } finally {
      cancel()
    }
  }

  async #handshake(socket: Socket, connection: Connection): Promise<TLSSocket> {
    const { tls, certificates, alpn } = this.#parts
    if (!tls || !certificates) throw new Error('there are no certificates')
    const secured: TLSSocket = new TLSSocket(socket, {
      isServer: true,
      ...tlsServerOptions(certificates, tls),
      ...(alpn ? { ALPNCallback: (offer) => chooseProtocol(secured, offer, { alpn, certificates }) } : {}),
    })
    connection.secure(secured)
    const done = new Promise<void>((resolve, reject) => {
      secured.once('secure', resolve)
      secured.once('error', reject)
      secured.once('close', () => reject(new Error('the connection ended during the handshake')))
    })
    await this.#within(socket, done)
    return secured
  }

  async #receive(socket: Socket, connection: Connection): Promise<void> {
    const own = endpointsOf(socket)
    const header = this.#isProxy(own.remote.address)
      ? await this.#within(socket, receiveProxyHeader(socket))
      : { from: undefined, to: undefined }
    if (!header) {
      this.#parts.log.info('no valid PROXY header', { proxy: own.remote.address })
      return connection.cut()
    }
    const remote = header.from ?? own.remote
    const local = header.to ?? own.local
    if (this.#parts.admission.enter(remote.address) !== 'ok') {
      if (!this.#isImplicit) socket.write(this.#parts.full)
      // It is not counted, so it must not stay open.
      return socket.destroySoon()
    }
    try {
      const top = this.#isImplicit ? await this.#handshake(socket, connection) : socket
      if (!(top instanceof TLSSocket && top.alpnProtocol === ACME_TLS))
        await this.#parts.serve(this.#clientOf({ socket: top, remote, local }, connection), this.#stopping.signal)
      await connection.hangUp(this.#parts.handshakeMs)
      this.#linger(connection)
    } finally {
      this.#parts.admission.leave(remote.address)
    }
  }

  /** A client that keeps its side open is no longer counted, so their number is limited to that of served clients. */
  #linger(connection: Connection): void {
    if (!this.#connections.has(connection)) return
    this.#lingering.add(connection)
    if (this.#lingering.size > this.#parts.connections) {
      const [oldest] = this.#lingering
      oldest?.cut()
    }
  }

  #clientOf(client: Pick<Client, 'socket' | 'remote' | 'local'>, connection: Connection): Client {
    const { socket } = client
    return {
      ...client,
      ...(socket instanceof TLSSocket ? { tls: tlsInfo(socket) } : {}),
      mayStartTls: this.#parts.certificates !== undefined && !this.#isImplicit,
      startTls: async () => {
        // RFC 3207 section 6, for every protocol: plain-text input may come from an attacker.
        while (socket.read() !== null);
        const secured = await this.#handshake(socket, connection)
        return { socket: secured, tls: tlsInfo(secured) }
      },
      compress: () => connection.compress(),
    }
  }

  accept(socket: Socket): void {
    if (this.#stopping.signal.aborted) return void socket.destroy()
    const connection = new Connection(socket, this.#parts.clock)
    this.#connections.add(connection)
    socket.once('close', () => {
      this.#connections.delete(connection)
      this.#lingering.delete(connection)
    })
    const work = this.#receive(socket, connection).catch((cause: unknown) => {
      this.#parts.log.debug('connection failed', { cause })
      connection.cut()
    })
    this.#served.add(work)
    void work.finally(() => this.#served.delete(work))
  }

  /** Resolves when all clients have been served; when the signal aborts they are disconnected. */
  async drain(signal: AbortSignal): Promise<void> {
    this.#stopping.abort()
    const cut = () => {
      for (const connection of this.#connections) connection.cut()
    }
    if (signal.aborted) cut()
    signal.addEventListener('abort', cut, { once: true })
    await Promise.all(this.#served)
    signal.removeEventListener('abort', cut)
    // Clients that have been sent everything and only keep their side open.
    cut()
  }
}

/** The first own protocol that the client offers; a client without one is refused (RFC 7301 section 3.2). */
function chooseProtocol(
  socket: TLSSocket,
  { servername, protocols }: { readonly servername: string; readonly protocols: readonly string[] },
  { alpn, certificates }: { readonly alpn: readonly string[]; readonly certificates: Certificates },
): string | undefined {
  if (!protocols.includes(ACME_TLS)) return alpn.find((own) => protocols.includes(own))
  const answer = certificates.challenge(servername.toLowerCase())
  if (!answer) return undefined
  socket.setKeyCert(answer)
  return ACME_TLS
}

function endpointsOf(socket: Socket): { remote: Endpoint; local: Endpoint } {
  const { remoteAddress = '127.0.0.1', remotePort = 0, localAddress = '127.0.0.1', localPort = 0 } = socket
  const plain = (address: string) => address.replace(/^::ffff:(?=\d+\.)/, '')
  return {
    remote: { address: plain(remoteAddress), port: remotePort },
    local: { address: plain(localAddress), port: localPort },
  }
}

/** A listener's options, as each protocol's schema returns them. */
export interface ListenerOptions {
  readonly listen: string | readonly string[]
  readonly tls?: TlsOption | undefined
  readonly limits: AdmissionLimits
  readonly proxyFrom: readonly string[]
  readonly timeouts: { readonly handshake: number }
}

export interface Listener extends Pick<ClientsDeps, 'full' | 'serve' | 'alpn'> {
  /** Name of its listening sockets in `iems status`. */
  readonly label: string
}

/** A channel's parts: listening, serving and draining. */
export async function createListener(
  { listen, tls, limits, proxyFrom, timeouts }: ListenerOptions,
  ctx: Pick<SetupContext, 'clock' | 'find' | 'lasting' | 'log' | 'name' | 'port' | 'repeat'>,
  { label, ...protocol }: Listener,
): Promise<Required<Pick<PluginInstance, 'listen' | 'refresh' | 'close'>>> {
  const { clock, log, port, repeat, lasting } = ctx
  const certificates = tls && (await readCertificates(tls, ctx))
  const refresh = async () => {
    if (await certificates?.refresh()) log.info('other certificates are used from now on')
    return true
  }
  if (certificates) repeat(LOOK_MS, 'the look for other certificates', refresh)
  const admission = createConnectionLimits(limits, lasting('connections', createAdmissionState))
  const handshakeMs = timeouts.handshake
  const clients = new Clients({
    tls,
    certificates,
    admission,
    connections: limits.connections,
    proxyFrom,
    handshakeMs,
    clock,
    log,
    ...protocol,
  })
  const named = tls?.mode === 'implicit' ? `${label} with TLS` : label
  return {
    async listen() {
      // Throws when a plugin is to provide certificates, and there is none.
      await certificates?.refresh()
      for (const address of [listen].flat()) await port(address, named, (socket) => clients.accept(socket))
    },
    refresh,
    close: (signal) => clients.drain(signal),
  }
}
