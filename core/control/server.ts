/**
 * The server of the control socket: a client of the administration service that acts for the owner of the data folder.
 *
 * Invariants: only that owner can open the socket; any line gets an answer or ends the connection, without affecting
 * mail.
 */
import { chmodSync, mkdirSync, rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { dirname } from 'node:path'
import { createInterface } from 'node:readline'
import * as z from 'zod'
import { ADMIN, type Administration } from '../api/administration.ts'
import { IemsError, reasonOf } from '../api/errors.ts'
import type { QueueFilter } from '../queue/admin.ts'
import type { Server } from '../runtime/server.ts'
import { type filter, inputLine, request } from './protocol.ts'

/** Maximum line in octets: the largest message in base64, and room. */
const LINE_LIMIT = 256 * 1024 * 1024
const QUIET_MS = 60_000
/** The user of the socket: the owner of the data folder. */
const OWNER = { user: 'the owner of the server', roles: [ADMIN] }

/** The client of a request. */
interface Requester {
  readonly input: AsyncIterable<Uint8Array>
  /** Aborts when the caller disconnects. */
  readonly signal: AbortSignal
}

/** The filter without its absent fields, as the queue expects it. */
function asFilter(given: z.output<typeof filter>): QueueFilter {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}

/** An empty filter is refused, because it is probably a mistake: `{ message: '*' }` selects the whole queue. */
function chosen(given: z.output<typeof filter>): QueueFilter {
  const all = asFilter(given)
  if (Object.keys(all).length === 0)
    throw new IemsError('IEMS_CONTROL_REFUSED', { why: 'Say which deliveries are meant, or --all' })
  const { message, ...rest } = all
  return message === '*' ? rest : all
}

type Request = z.output<typeof request>
type CommandRequest = Extract<Request, { method: 'command' }>

async function* runCommand(
  administration: Administration,
  { params }: CommandRequest,
  requester: Requester,
): AsyncGenerator<unknown, undefined> {
  for await (const output of administration.run({ ...params, ...requester }))
    yield 'bytes' in output ? { bytes: Buffer.from(output.bytes).toString('base64') } : output
}

async function changeQueue(administration: Administration, asked: Request): Promise<unknown> {
  const { queue } = administration
  switch (asked.method) {
    case 'queue.release':
      return queue.release(chosen(asked.params.filter))
    case 'queue.retry':
      return queue.retry(chosen(asked.params.filter))
    case 'queue.remove':
      return queue.remove(chosen(asked.params.filter))
    case 'queue.hold':
      return queue.hold(chosen(asked.params.filter), asked.params.reason)
    case 'queue.bounce':
      return queue.bounce(chosen(asked.params.filter), asked.params.reason)
    case 'queue.reroute': {
      const { channel, nexthop } = asked.params
      return queue.reroute(chosen(asked.params.filter), { channel, nexthop })
    }
    case 'queue.flush':
      return queue.flush(asked.params.nexthop, asked.params.channel)
    default:
      return undefined
  }
}

async function* answer(server: Server, asked: Request, requester: Requester): AsyncGenerator<unknown, unknown> {
  const administration = server.administration.as(OWNER)
  switch (asked.method) {
    case 'status':
    case 'hooks':
    case 'listeners':
    case 'plugins':
    case 'configuration':
    case 'reload':
      return administration[asked.method]()
    case 'stop':
      return administration.stop(asked.params)
    case 'message.show': {
      const trace = await administration.queue.trace(asked.params.id)
      if (!trace) throw new IemsError('IEMS_MESSAGE_UNKNOWN', { id: asked.params.id })
      return trace
    }
    case 'queue.list':
      yield* administration.queue.list(asFilter(asked.params.filter), asked.params.limit)
      return undefined
    case 'send': {
      const { content, ...message } = asked.params
      return server.kernel.submit('iems', { ...message, content: Buffer.from(content, 'base64') })
    }
    case 'check':
      yield* administration.check()
      return undefined
    case 'commands':
      yield* administration.commands()
      return undefined
    case 'command':
      return yield* runCommand(administration, asked, requester)
    default:
      return changeQueue(administration, asked)
  }
}

function errorOf(cause: unknown) {
  const known = cause instanceof IemsError ? cause : new IemsError('IEMS_CONTROL_REFUSED', { why: reasonOf(cause) })
  return { error: { code: known.code, message: known.message, cure: known.cure } }
}

async function serve(server: Server, socket: Socket, line: string, requester: Requester): Promise<void> {
  const say = async (value: object) => {
    if (!socket.write(`${JSON.stringify(value)}\n`))
      await new Promise<void>((resolve) => socket.once('drain', resolve).once('close', resolve))
  }
  try {
    const parsed = request.safeParse(JSON.parse(line))
    if (!parsed.success) throw new IemsError('IEMS_CONTROL_REFUSED', { why: z.prettifyError(parsed.error) })
    const answers = answer(server, parsed.data, requester)
    for (;;) {
      const next = await answers.next()
      if (socket.destroyed) return void (await answers.return(undefined))
      if (next.done) return await say({ result: next.value ?? null })
      await say({ item: next.value })
    }
  } catch (cause) {
    await say(errorOf(cause))
  }
}

/** Reads requests one by one, each with the file that follows it. */
async function converse(server: Server, socket: Socket, lineRead: () => void): Promise<void> {
  const gone = new AbortController()
  socket.once('close', () => gone.abort(new IemsError('IEMS_CLOSED')))
  const lines = createInterface({ input: socket, crlfDelay: Number.POSITIVE_INFINITY })[Symbol.asyncIterator]()
  const nextLine = async () => {
    const { value, done } = await lines.next()
    lineRead()
    return done ? undefined : (value as string)
  }
  async function* input(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const line = await nextLine()
      if (line === undefined) throw new IemsError('IEMS_CONTROL_REFUSED', { why: 'The file ended before its end' })
      const part = inputLine.parse(JSON.parse(line))
      if ('end' in part) return
      yield Buffer.from(part.bytes, 'base64')
    }
  }
  for (let line = await nextLine(); line !== undefined; line = await nextLine()) {
    socket.setTimeout(0)
    await serve(server, socket, line, { input: input(), signal: gone.signal })
  }
  socket.end()
}

/** Opens the control socket; returns a function that closes it. */
export async function openControl(server: Server, path: string): Promise<() => void> {
  const open = new Set<Socket>()
  const listener = createServer((socket) => {
    open.add(socket)
    socket.setTimeout(QUIET_MS, () => socket.destroy())
    socket.on('close', () => open.delete(socket))
    // An interrupted command is no fault.
    socket.on('error', () => socket.destroy())
    let size = 0
    socket.on('data', (chunk) => {
      size += chunk.length
      if (size > LINE_LIMIT) socket.destroy()
    })
    converse(server, socket, () => {
      size = 0
    }).catch(() => socket.destroy())
  })
  if (process.platform !== 'win32') {
    // An in-memory server has no data folder yet.
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    rmSync(path, { force: true })
  }
  await new Promise<void>((resolve, reject) => {
    listener.once('error', (cause) =>
      reject(new IemsError('IEMS_PORT_TAKEN', { address: path, why: reasonOf(cause) }, cause)),
    )
    listener.listen(path, resolve)
  })
  if (process.platform !== 'win32') chmodSync(path, 0o600)
  return () => {
    listener.close()
    for (const socket of open) socket.end()
    if (process.platform !== 'win32') rmSync(path, { force: true })
  }
}
