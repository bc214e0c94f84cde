/**
 * The doors of the process: every listening socket, kept open across reloads.
 *
 * A configuration claims the addresses it wants; claiming opens what is new and leaves what is open to its present
 * owner until the claim is made good, so that no client ever finds a door shut. What must stay true: a claim that is
 * abandoned changes nothing; a connection belongs to whoever owned the door when it came. The only file of the kernel
 * that opens sockets; what is spoken through them is the plugins' business.
 */
import { rmSync } from 'node:fs'
import { createServer, type ListenOptions, type Server, type Socket } from 'node:net'
import { IemsError, reasonOf } from '../api/errors.ts'
import type { Emit } from './log.ts'

export interface Listener {
  /** As the config names it. */
  readonly wanted: string
  /** What it is for, as the plugin says. */
  readonly label: string
  readonly plugin: string
  readonly address: string
  readonly port: number
}

interface Open {
  readonly server: Server
  readonly address: string
  readonly port: number
  /** Listens only when this worker becomes the one that leads. */
  sleeping: ListenOptions | undefined
  owner: ((socket: Socket) => void) | undefined
  /** Came between opening and the claim's being made good. */
  readonly waiting: Socket[]
}

export interface Reservation {
  open(
    wanted: string,
    about: { readonly label: string; readonly plugin: string },
    connection: (socket: Socket) => void,
  ): Promise<Listener>
  /** Claims a port as it is open now, also one whose number the system chose. */
  keep(listener: Listener, connection: (socket: Socket) => void): void
  /** Closes the socket of a port that is this claim's; its connections stay. `resume` opens it again. */
  pause(listener: Listener): Promise<void>
  resume(listener: Listener): Promise<void>
  /** From now on the doors are this claim's; those that nobody claimed are shut. */
  commit(): void
  /** Shuts what this claim opened, and leaves the rest as it was. */
  rollback(): void
  readonly doors: readonly Listener[]
}

/** How the workers of one server share its ports. */
export interface PortSharing {
  /** This one listens where only one can. */
  isLead: boolean
  /** Ports whose number the system has chosen for another worker. */
  chosen: readonly Listener[]
}

/** Where the system divides the connections of a port among the sockets that listen on it. */
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

/** Why the system refused a port, in words that lead to the cure. */
function whyNot(cause: NodeJS.ErrnoException): string {
  if (cause.code === 'EADDRINUSE') return 'another program listens there'
  if (cause.code === 'EACCES') return 'this user has no right to it; ports below 1024 need CAP_NET_BIND_SERVICE'
  if (cause.code === 'EADDRNOTAVAIL') return 'this machine does not have that address'
  return reasonOf(cause)
}

/** Ports whose number the system chose are told apart by it. */
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

/** What a connection is handed to. */
type Connect = (socket: Socket) => void

export class Listeners {
  readonly emit: Emit
  readonly #sharing: PortSharing | undefined
  #opened: ReadonlyMap<string, Open> = new Map()

  constructor(emit: Emit, sharing?: PortSharing) {
    this.emit = emit
    this.#sharing = sharing
  }

  /** Begins a claim. Only one may be under way. */
  claim(): Reservation {
    return new Claim(this)
  }

  find(name: string): Open | undefined {
    return this.#opened.get(name)
  }

  /** `claimed`: the ports that this claim has already. */
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
    // A socket file left by a crash would keep the door shut for ever; the store's lock says that no other server runs.
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

  /** The port that another worker was given for port 0, the same plugin's listeners taken in order. */
  #chosenPort(wanted: string, plugin: string, claimed: ReadonlySet<number>): number | undefined {
    const isIt = (one: Listener) => one.wanted === wanted && one.plugin === plugin && !claimed.has(one.port)
    return this.#sharing?.chosen.find(isIt)?.port
  }

  /** Where a socket that was closed for a while listens again. */
  againAt({ wanted, address, port }: Listener): ListenOptions {
    if (wanted.startsWith('unix:')) return { path: wanted.slice(5) }
    return { host: address, port, ...(this.#sharing && DIVIDES ? { reusePort: true } : {}) }
  }

  /** From now on this worker listens where only one can. */
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

  /** Puts these in the place of those before; what is not among them is shut. */
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

/** What one configuration claims of the listening sockets. */
class Claim implements Reservation {
  readonly doors: Listener[] = []
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
    this.doors.push(listener)
  }

  async open(wanted: string, about: Pick<Listener, 'label' | 'plugin'>, connection: Connect): Promise<Listener> {
    const held = this.#listeners.find(wanted)
    // Port 0 asks for a free one each time.
    const reuse = held && !/:0$/.test(wanted)
    const ports = new Set(this.doors.map(({ port }) => port))
    const open = reuse ? held : await this.#listeners.listen(wanted, about.plugin, ports)
    const door: Listener = { wanted, ...about, address: open.address, port: open.port }
    this.#add(door, open, { fresh: !reuse, connection })
    return door
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
