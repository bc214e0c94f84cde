/**
 * From a connection to a client that can be spoken to, for protocols of lines: counted, told by its proxy who it is,
 * under TLS when that comes first, and later when it asks.
 *
 * What must stay true: nobody is served beyond the limits; nothing that came before TLS is taken for what came under
 * it; stopping waits for those who are served, until the signal.
 */
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { Log } from '../log.ts'
import { inNetworks } from '../networks.ts'
import type { Clock, Parts, SetupContext } from '../plugin.ts'
import type { TlsFacts } from '../session.ts'
import { createAdmission } from './admission.ts'
import { type Certificates, readCertificates, type TlsOption, tlsServerOptions } from './certificates.ts'
import { type Endpoint, receiveProxyHeader } from './proxy.ts'
import { tlsFacts } from './tls-facts.ts'

export interface Client {
  readonly socket: Socket
  readonly remote: Endpoint
  readonly local: Endpoint
  /** Under what it speaks from the start; absent for plain text. */
  readonly tls?: TlsFacts
  /** Whether it could begin TLS. */
  readonly mayStartTls: boolean
  /** Begins TLS on the connection, on which nobody may be reading; what the client has sent already is thrown away. */
  startTls(): Promise<{ readonly socket: TLSSocket; readonly tls: TlsFacts }>
}

interface ClientsParts {
  readonly tls: TlsOption | undefined
  readonly certificates: Certificates | undefined
  readonly limits: { readonly connections: number; readonly connectionsPerAddress: number }
  readonly proxyFrom: readonly string[]
  /** Ms for a PROXY header, for a TLS handshake, and for a client to take the last that it is told. */
  readonly handshakeMs: number
  readonly clock: Clock
  readonly log: Log
  /** What somebody is told who cannot be served. */
  readonly full: string
  /** Speaks with a client to the end. The signal says that the server is stopping. */
  serve(client: Client, signal: AbortSignal): Promise<void>
}

interface Clients {
  accept(socket: Socket): void
  /** Resolves when everybody has been served; at the signal they are cut off. */
  drain(signal: AbortSignal): Promise<void>
}

function createClients(parts: ClientsParts): Clients {
  const { tls, certificates, clock, log } = parts
  const admission = createAdmission(parts.limits)
  const isProxy = inNetworks(parts.proxyFrom)
  const isImplicit = tls?.mode === 'implicit'
  const stopping = new AbortController()
  const sockets = new Set<Socket>()
  const served = new Set<Promise<void>>()

  async function within<T>(socket: Socket, work: Promise<T>): Promise<T> {
    const cancel = clock.after(parts.handshakeMs, () => socket.destroy())
    try {
      return await work
    } finally {
      cancel()
    }
  }

  /** What is written already may still be read, for a while. */
  function leave(socket: Socket): void {
    socket.destroySoon()
    if (socket.destroyed) return
    const cancel = clock.after(parts.handshakeMs, () => socket.destroy())
    socket.once('close', cancel)
  }

  async function handshake(socket: Socket): Promise<TLSSocket> {
    if (!tls || !certificates) throw new Error('there are no certificates')
    const secured = new TLSSocket(socket, { isServer: true, ...tlsServerOptions(certificates, tls) })
    sockets.add(secured)
    secured.once('close', () => sockets.delete(secured))
    const done = new Promise<void>((resolve, reject) => {
      secured.once('secure', resolve)
      secured.once('error', reject)
      secured.once('close', () => reject(new Error('the connection ended during the handshake')))
    })
    await within(socket, done)
    secured.on('error', () => secured.destroy())
    return secured
  }

  async function receive(socket: Socket): Promise<void> {
    const own = endpointsOf(socket)
    const header = isProxy(own.remote.address)
      ? await within(socket, receiveProxyHeader(socket))
      : { from: undefined, to: undefined }
    if (!header) return log.info('no valid PROXY header', { proxy: own.remote.address })
    const remote = header.from ?? own.remote
    const local = header.to ?? own.local
    if (admission.enter(remote.address) !== 'ok') {
      if (!isImplicit) socket.write(parts.full)
      return leave(socket)
    }
    try {
      const top = isImplicit ? await handshake(socket) : socket
      await parts.serve(clientOf(top, { remote, local }), stopping.signal)
    } finally {
      admission.leave(remote.address)
    }
  }

  function clientOf(socket: Socket, ends: { remote: Endpoint; local: Endpoint }): Client {
    return {
      ...ends,
      socket,
      ...(socket instanceof TLSSocket ? { tls: tlsFacts(socket) } : {}),
      mayStartTls: certificates !== undefined && !isImplicit,
      async startTls() {
        // RFC 3207 section 6, and the same for every protocol: what came in plain text may be anybody's.
        while (socket.read() !== null);
        const secured = await handshake(socket)
        return { socket: secured, tls: tlsFacts(secured) }
      },
    }
  }

  return {
    accept(socket) {
      if (stopping.signal.aborted) return socket.destroy()
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
      socket.on('error', () => socket.destroy())
      const work = receive(socket)
        .catch((cause: unknown) => log.debug('connection failed', { cause }))
        .finally(() => leave(socket))
      served.add(work)
      void work.finally(() => served.delete(work))
    },
    async drain(signal) {
      stopping.abort()
      const cut = () => {
        for (const socket of sockets) socket.destroy()
      }
      if (signal.aborted) cut()
      signal.addEventListener('abort', cut, { once: true })
      await Promise.all(served)
      signal.removeEventListener('abort', cut)
    },
  }
}

function endpointsOf(socket: Socket): { remote: Endpoint; local: Endpoint } {
  const { remoteAddress = '127.0.0.1', remotePort = 0, localAddress = '127.0.0.1', localPort = 0 } = socket
  const plain = (address: string) => address.replace(/^::ffff:(?=\d+\.)/, '')
  return {
    remote: { address: plain(remoteAddress), port: remotePort },
    local: { address: plain(localAddress), port: localPort },
  }
}

/** What an admin sets for a listener, as each protocol's options have it. */
export interface ListenerOptions {
  readonly listen: string | readonly string[]
  readonly tls?: TlsOption | undefined
  readonly limits: ClientsParts['limits']
  readonly proxyFrom: readonly string[]
  readonly timeouts: { readonly handshake: number }
}

export interface Listener extends Pick<ClientsParts, 'full' | 'serve'> {
  /** What `iems status` calls its doors. */
  readonly label: string
}

/** A channel's parts: it listens, serves, and drains. */
export async function createListener(
  { listen, tls, limits, proxyFrom, timeouts }: ListenerOptions,
  { clock, log, port }: Pick<SetupContext, 'clock' | 'log' | 'port'>,
  { label, full, serve }: Listener,
): Promise<Required<Pick<Parts, 'listen' | 'close'>>> {
  const certificates = tls && (await readCertificates(tls))
  const handshakeMs = timeouts.handshake
  const clients = createClients({ tls, certificates, limits, proxyFrom, handshakeMs, clock, log, full, serve })
  const named = tls?.mode === 'implicit' ? `${label} with TLS` : label
  return {
    async listen() {
      for (const address of [listen].flat()) await port(address, named, (socket) => clients.accept(socket))
    },
    close: (signal) => clients.drain(signal),
  }
}
