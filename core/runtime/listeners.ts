/**
 * The listening sockets of the process, kept open across reloads.
 *
 * A configuration reserves the addresses it wants: a reservation opens new sockets and leaves open ones to their
 * current owner until it is committed, so that no client ever meets a closed port. Invariants: a rolled-back
 * reservation changes nothing; a connection belongs to the owner of the socket when it arrived. The only file of the
 * kernel that opens sockets; plugins speak the protocols.
 */
import { rmSync } from 'node:fs'
import { createServer, type ListenOptions, type Server, type Socket } from 'node:net'
import { IemsError, reasonOf } from '../api/errors.ts'
import type { Emit } from './log.ts'

export interface Listener {
  /** The address as configured. */
  readonly wanted: string
  /** The plugin's description of its purpose. */
  readonly label: string
  readonly plugin: string
  readonly address: string
  readonly port: number
}

interface Open {
  readonly server: Server
  readonly address: string
  readonly port: number
  /** Listens only after this worker becomes the lead. */
  sleeping: ListenOptions | undefined
  owner: ((socket: Socket) => void) | undefined
  /** Connections that arrived between opening and commit. */
  readonly waiting: Socket[]
}

export interface Reservation {
  open(
    wanted: string,
    about: { readonly label: string; readonly plugin: string },
    connection: (socket: Socket) => void,
  ): Promise<Listener>
  /** Reserves a port as it is currently open, including one whose number the system chose. */
  keep(listener: Listener, connection: (socket: Socket) => void): void
  /** Closes the socket of a reserved port; its connections stay. `resume` opens it again. */
  pause(listener: Listener): Promise<void>
  resume(listener: Listener): Promise<void>
  /** Takes over the reserved sockets and closes those that are not reserved. */
  commit(): void
  /** Closes the sockets that this reservation opened and leaves the rest unchanged. */
  rollback(): void
  readonly listeners: readonly Listener[]
}

/** How the workers of a server share its ports. */
export interface PortSharing {
  /** This worker opens the listeners that only one can have. */
  isLead: boolean
  /** Ports whose number the system chose for another worker. */
  chosen: readonly Listener[]
}

/** Platforms that distribute a port's connections among several listening sockets. */
const DIVIDES = process.platform === 'linux' || process.platform === 'freebsd'

/** `:25`, `host:25`, `[::1]:25`, `unix:/path`. */
export function parseAddress(
  text: string,
): { readonly host?: string; readonly port: number } | { readonly path: string } | undefined {
  if (text.startsWith('unix:')) return { path: text.slice(5) }
  const [, six, host, port] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text) ?? []
  if (port === undefined || Number(port) > 65_535) return undefined
  const name = six ?? host
  return { port: Number(port), ...(name ? { host: name } : {}) }
}

/** The system's reason for refusing a port, worded to suggest the remedy. */
function whyNot(cause: NodeJS.ErrnoException): string {
  if (cause.code === 'EADDRINUSE') return 'another program listens there'
  if (cause.code === 'EACCES') return 'this user has no right to it; ports below 1024 need CAP_NET_BIND_SERVICE'
  if (cause.code === 'EADDRNOTAVAIL') return 'this machine does not have that address'
  return reasonOf(cause)
}

/** Ports whose number the system chose are keyed by it. */
const keyOf = ({ wanted, port }: Pick<Listener, 'wanted' | 'port'>) =>
  /:0$/.test(wanted) ? `${wanted}#${port}` : wanted

/** Throws IEMS_PORT_TAKEN. */
async function listening(
  server: Server,
  { wanted, plugin }: Pick<Listener, 'wanted' | 'plugin'>,
  where: ListenOptions,
): Promise<void> {
  const taken = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
    server.once('error', resolve)
    server.listen({ ...where, backlog: 1024 }, () => {
      server.removeListener('error', resolve)
      resolve(undefined)
    })
  })
  if (taken)
    throw new IemsError('IEMS_PORT_TAKEN', { address: wanted, why: `${whyNot(taken)} (channel ${plugin})` }, taken)
}

/** Receives a connection. */
type Connect = (socket: Socket) => void

export class Listeners {
  readonly emit: Emit
  readonly #sharing: PortSharing | undefined
  #opened: ReadonlyMap<string, Open> = new Map()

  constructor(emit: Emit, sharing?: PortSharing) {
    this.emit = emit
    this.#sharing = sharing
  }

  /** Begins a reservation; only one may be open at a time. */
  claim(): Reservation {
    return new Claim(this)
  }

  find(name: string): Open | undefined {
    return this.#opened.get(name)
  }

  /** `claimed`: the ports that this reservation already has. */
  async listen(wanted: string, plugin: string, claimed: ReadonlySet<number>): Promise<Open> {
    const where = parseAddress(wanted)
    if (!where)
      throw new IemsError('IEMS_PORT_TAKEN', {
        address: wanted,
        why: "not an address such as ':25', '127.0.0.1:25', '[::1]:25' or 'unix:/path'",
      })
    const open = opened()
    const { server } = open
    const sharing = this.#sharing
    const isDivided = sharing !== undefined && DIVIDES && 'port' in where
    const port = 'port' in where ? where.port || this.#chosenPort(wanted, plugin, claimed) || 0 : 0
    if (sharing && !isDivided && !sharing.isLead) {
      open.sleeping = 'port' in where ? { ...where, port } : where
      return Object.assign(open, { address: ('host' in where ? where.host : undefined) ?? wanted, port })
    }
    // A socket file that a crash left would block the address for ever; the store's lock proves that no other server
    // runs.
    if ('path' in where) rmSync(where.path, { force: true })
    const at = 'port' in where ? { ...where, port, ...(isDivided ? { reusePort: true } : {}) } : where
    await listening(server, { wanted, plugin }, at)
    server.on('error', (cause) => this.emit('kernel.fault', { address: wanted, cause }))
    const bound = server.address()
    return Object.assign(
      open,
      typeof bound === 'object' && bound ? { address: bound.address, port: bound.port } : { address: wanted, port: 0 },
    )
  }

  /** The port that another worker got for port 0, taking the same plugin's listeners in order. */
  #chosenPort(wanted: string, plugin: string, claimed: ReadonlySet<number>): number | undefined {
    const isIt = (one: Listener) => one.wanted === wanted && one.plugin === plugin && !claimed.has(one.port)
    return this.#sharing?.chosen.find(isIt)?.port
  }

  /** Where a paused socket listens again. */
  againAt({ wanted, address, port }: Listener): ListenOptions {
    if (wanted.startsWith('unix:')) return { path: wanted.slice(5) }
    return { host: address, port, ...(this.#sharing && DIVIDES ? { reusePort: true } : {}) }
  }

  /** Makes this worker the lead, which opens the listeners that only one can have. */
  async lead(): Promise<void> {
    if (this.#sharing) this.#sharing.isLead = true
    for (const [wanted, open] of this.#opened) {
      const { server, sleeping } = open
      if (!sleeping) continue
      if ('path' in sleeping) rmSync(sleeping.path as string, { force: true })
      await listening(server, { wanted, plugin: '' }, sleeping)
      open.sleeping = undefined
      server.on('error', (cause) => this.emit('kernel.fault', { address: wanted, cause }))
      this.emit('port.opened', { address: open.address, port: open.port })
    }
  }

  shut(wanted: string, { server, waiting }: Open): void {
    server.close()
    for (const socket of waiting) socket.destroy()
    this.emit('port.closed', { address: wanted })
  }

  /** Replaces the open sockets and closes those not included. */
  replace(next: ReadonlyMap<string, Open>): void {
    for (const [wanted, open] of this.#opened) if (next.get(wanted) !== open) this.shut(wanted, open)
    this.#opened = next
  }

  close(): void {
    this.replace(new Map())
  }
}

/** A server that does not listen yet. */
function opened() {
  const server = createServer({ noDelay: true })
  const open = {
    server,
    waiting: [] as Socket[],
    owner: undefined as Open['owner'],
    sleeping: undefined as Open['sleeping'],
  }
  server.on('connection', (socket: Socket) => {
    if (open.owner) open.owner(socket)
    else open.waiting.push(socket)
  })
  return open
}

/** One configuration's reservation of listening sockets. */
class Claim implements Reservation {
  readonly listeners: Listener[] = []
  readonly #listeners: Listeners
  readonly #claimed = new Map<string, { readonly open: Open; readonly fresh: boolean; readonly connection: Connect }>()

  constructor(listeners: Listeners) {
    this.#listeners = listeners
  }

  #add(listener: Listener, open: Open, { fresh, connection }: { fresh: boolean; connection: Connect }): void {
    const name = keyOf(listener)
    if (this.#claimed.has(name))
      throw new IemsError('IEMS_PORT_TAKEN', { address: listener.wanted, why: 'it is configured twice' })
    this.#claimed.set(name, { open, fresh, connection })
    this.listeners.push(listener)
  }

  async open(wanted: string, about: Pick<Listener, 'label' | 'plugin'>, connection: Connect): Promise<Listener> {
    const held = this.#listeners.find(wanted)
    // Port 0 asks for a new free port each time.
    const reuse = held && !/:0$/.test(wanted)
    const ports = new Set(this.listeners.map(({ port }) => port))
    const open = reuse ? held : await this.#listeners.listen(wanted, about.plugin, ports)
    const listener: Listener = { wanted, ...about, address: open.address, port: open.port }
    this.#add(listener, open, { fresh: !reuse, connection })
    return listener
  }

  keep(listener: Listener, connection: Connect): void {
    const { address, port } = listener
    const open = this.#listeners.find(keyOf(listener))
    if (!open) throw new IemsError('IEMS_PORT_TAKEN', { address: `${address}:${port}`, why: 'it is not open' })
    this.#add(listener, open, { fresh: false, connection })
  }

  async pause(listener: Listener): Promise<void> {
    const { server } = this.#claimed.get(keyOf(listener))?.open ?? {}
    if (!server?.listening) return
    server.close()
    this.#listeners.emit('port.closed', { address: listener.address, port: listener.port })
  }

  async resume(listener: Listener): Promise<void> {
    const { server, sleeping } = this.#claimed.get(keyOf(listener))?.open ?? {}
    if (!server || server.listening || sleeping) return
    await listening(server, listener, this.#listeners.againAt(listener))
    this.#listeners.emit('port.opened', { address: listener.address, port: listener.port })
  }

  commit(): void {
    const next = new Map<string, Open>()
    for (const [wanted, { open, fresh, connection }] of this.#claimed) {
      open.owner = connection
      for (const socket of open.waiting.splice(0)) connection(socket)
      next.set(wanted, open)
      if (fresh) this.#listeners.emit('port.opened', { address: open.address, port: open.port })
    }
    this.#listeners.replace(next)
  }

  rollback(): void {
    for (const [wanted, { open, fresh }] of this.#claimed) if (fresh) this.#listeners.shut(wanted, open)
    this.#claimed.clear()
  }
}
