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

export type Listeners = ReturnType<typeof createListeners>

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

export function createListeners(emit: Emit, sharing?: PortSharing) {
  let opened = new Map<string, Open>()

  /** The port that another worker was given for port 0, the same plugin's listeners taken in order. */
  function chosenPort(wanted: string, plugin: string, claimed: ReadonlySet<number>): number | undefined {
    return sharing?.chosen.find((one) => one.wanted === wanted && one.plugin === plugin && !claimed.has(one.port))?.port
  }

  async function listen(wanted: string, plugin: string, claimed: ReadonlySet<number>): Promise<Open> {
    const where = parseAddress(wanted)
    if (!where)
      throw new IemsError('IEMS_PORT_TAKEN', {
        address: wanted,
        why: "not an address such as ':25', '127.0.0.1:25', '[::1]:25' or 'unix:/path'",
      })
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
    const isDivided = sharing !== undefined && DIVIDES && 'port' in where
    const port = 'port' in where ? where.port || chosenPort(wanted, plugin, claimed) || 0 : 0
    if (sharing && !isDivided && !sharing.isLead) {
      open.sleeping = 'port' in where ? { ...where, port } : where
      return Object.assign(open, { address: ('host' in where ? where.host : undefined) ?? wanted, port })
    }
    // A socket file left by a crash would keep the door shut for ever; the store's lock says that no other server runs.
    if ('path' in where) rmSync(where.path, { force: true })
    await listening(
      server,
      { wanted, plugin },
      'port' in where ? { ...where, port, ...(isDivided ? { reusePort: true } : {}) } : where,
    )
    server.on('error', (cause) => emit('kernel.fault', { address: wanted, cause }))
    const at = server.address()
    return Object.assign(
      open,
      typeof at === 'object' && at ? { address: at.address, port: at.port } : { address: wanted, port: 0 },
    )
  }

  function shut(wanted: string, { server, waiting }: Open) {
    server.close()
    for (const socket of waiting) socket.destroy()
    emit('port.closed', { address: wanted })
  }

  return {
    /** Begins a claim. Only one may be under way. */
    claim(): Reservation {
      const claimed = new Map<string, { open: Open; fresh: boolean; connection: (socket: Socket) => void }>()
      const doors: Listener[] = []
      return {
        doors,
        async open(wanted, about, connection) {
          const held = opened.get(wanted)
          // Port 0 asks for a free one each time.
          const reuse = held && !/:0$/.test(wanted)
          const ports = new Set(doors.map(({ port }) => port))
          const open = reuse ? held : await listen(wanted, about.plugin, ports)
          const name = keyOf({ wanted, port: open.port })
          if (claimed.has(name))
            throw new IemsError('IEMS_PORT_TAKEN', { address: wanted, why: 'it is configured twice' })
          claimed.set(name, { open, fresh: !reuse, connection })
          const door: Listener = { wanted, ...about, address: open.address, port: open.port }
          doors.push(door)
          return door
        },
        keep(listener, connection) {
          const { wanted, address, port } = listener
          const name = keyOf(listener)
          const open = opened.get(name)
          if (!open) throw new IemsError('IEMS_PORT_TAKEN', { address: `${address}:${port}`, why: 'it is not open' })
          if (claimed.has(name))
            throw new IemsError('IEMS_PORT_TAKEN', { address: wanted, why: 'it is configured twice' })
          claimed.set(name, { open, fresh: false, connection })
          doors.push(listener)
        },
        async pause(listener) {
          const { server } = claimed.get(keyOf(listener))?.open ?? {}
          if (!server?.listening) return
          server.close()
          emit('port.closed', { address: listener.address, port: listener.port })
        },
        async resume({ wanted, plugin, address, port }) {
          const { server } = claimed.get(keyOf({ wanted, port }))?.open ?? {}
          if (!server || server.listening) return
          if (claimed.get(keyOf({ wanted, port }))?.open.sleeping) return
          const where = wanted.startsWith('unix:')
            ? { path: wanted.slice(5) }
            : { host: address, port, ...(sharing && DIVIDES ? { reusePort: true } : {}) }
          await listening(server, { wanted, plugin }, where)
          emit('port.opened', { address, port })
        },
        commit() {
          const next = new Map<string, Open>()
          for (const [wanted, { open, fresh, connection }] of claimed) {
            open.owner = connection
            for (const socket of open.waiting.splice(0)) connection(socket)
            next.set(wanted, open)
            if (fresh) emit('port.opened', { address: open.address, port: open.port })
          }
          for (const [wanted, open] of opened) if (!next.has(wanted) || next.get(wanted) !== open) shut(wanted, open)
          opened = next
        },
        rollback() {
          for (const [wanted, { open, fresh }] of claimed) if (fresh) shut(wanted, open)
          claimed.clear()
        },
      }
    },
    /** From now on this worker listens where only one can. */
    async lead() {
      if (sharing) sharing.isLead = true
      for (const [wanted, open] of opened) {
        const { server, sleeping } = open
        if (!sleeping) continue
        if ('path' in sleeping) rmSync(sleeping.path as string, { force: true })
        await listening(server, { wanted, plugin: '' }, sleeping)
        open.sleeping = undefined
        server.on('error', (cause) => emit('kernel.fault', { address: wanted, cause }))
        emit('port.opened', { address: open.address, port: open.port })
      }
    },
    close() {
      for (const [wanted, open] of opened) shut(wanted, open)
      opened.clear()
    },
  }
}
