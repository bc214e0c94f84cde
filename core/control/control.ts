/**
 * How the `iems` command, and later web administration, speak to a running server: a socket in the data folder.
 *
 * Protocol 1: lines of JSON each way. A request is `{ v: 1, method, params }`; its answers are any number of
 * `{ item }` and then one `{ result }` or `{ error: { code, message, cure } }`, before which no other request is read.
 * The request `command` runs a command of a plugin; if that reads a file, `{ bytes }` in base64 follow, and `{ end: true }`;
 * what it writes comes back as items with `bytes`. What must stay true: only the owner of
 * the data folder can open the socket; whatever stands in a line, the server answers or hangs up, and mail goes on.
 */
import { once } from 'node:events'
import { chmodSync, mkdirSync, rmSync } from 'node:fs'
import { createConnection, createServer, type Socket } from 'node:net'
import { dirname } from 'node:path'
import { createInterface } from 'node:readline'
import * as z from 'zod'
import { IemsError, reasonOf } from '../api/errors.ts'
import type { Command } from '../api/plugin.ts'
import type { Backend } from '../net/backend.ts'
import type { QueueFilter } from '../queue/admin.ts'
import { readLane } from '../queue/records.ts'
import type { Server } from '../runtime/server.ts'

const VERSION = 1
/** Octets of one line: the largest message in base64, and room. */
const LINE_LIMIT = 256 * 1024 * 1024
const QUIET_MS = 60_000

const filter = z.strictObject({
  message: z.string().optional(),
  channel: z.string().optional(),
  nexthop: z.string().optional(),
  from: z.string().optional(),
  recipient: z.string().optional(),
  held: z.boolean().optional(),
})
const reason = z.string().min(1).max(500)
const request = z.discriminatedUnion('method', [
  z.strictObject({ v: z.literal(VERSION), method: z.literal('status') }),
  z.strictObject({ v: z.literal(VERSION), method: z.literal('reload') }),
  z.strictObject({ v: z.literal(VERSION), method: z.literal('stop'), params: z.strictObject({ now: z.boolean() }) }),
  z.strictObject({ v: z.literal(VERSION), method: z.literal('hooks') }),
  z.strictObject({
    v: z.literal(VERSION),
    method: z.literal('message.show'),
    params: z.strictObject({ id: z.string() }),
  }),
  z.strictObject({
    v: z.literal(VERSION),
    method: z.literal('queue.list'),
    params: z.strictObject({ filter, limit: z.number().int().min(1) }),
  }),
  z.strictObject({
    v: z.literal(VERSION),
    method: z.enum(['queue.release', 'queue.retry', 'queue.remove']),
    params: z.strictObject({ filter }),
  }),
  z.strictObject({
    v: z.literal(VERSION),
    method: z.enum(['queue.hold', 'queue.bounce']),
    params: z.strictObject({ filter, reason }),
  }),
  z.strictObject({
    v: z.literal(VERSION),
    method: z.literal('queue.reroute'),
    params: z.strictObject({ filter, channel: z.string(), nexthop: z.string() }),
  }),
  z.strictObject({
    v: z.literal(VERSION),
    method: z.literal('queue.flush'),
    params: z.strictObject({ nexthop: z.string(), channel: z.string().optional() }),
  }),
  z.strictObject({
    v: z.literal(VERSION),
    method: z.literal('send'),
    params: z.strictObject({
      from: z.string(),
      to: z.array(z.string()).min(1),
      content: z.base64(),
      submission: z.boolean(),
    }),
  }),
  z.strictObject({ v: z.literal(VERSION), method: z.literal('check') }),
  z.strictObject({ v: z.literal(VERSION), method: z.literal('commands') }),
  z.strictObject({
    v: z.literal(VERSION),
    method: z.literal('command'),
    params: z.strictObject({
      words: z.string(),
      arguments: z.array(z.string()).max(10_000),
      options: z.record(z.string(), z.union([z.string(), z.literal(true)])),
    }),
  }),
])
/** What follows a `command` that reads: parts of the file, then its end. */
const inputLine = z.union([z.strictObject({ bytes: z.base64() }), z.strictObject({ end: z.literal(true) })])
export type ControlRequest = z.input<typeof request>

/** A command of a plugin as others need to know it. */
export interface CommandShape extends Omit<Command, 'run'> {
  readonly words: string
}

export interface Status {
  readonly pid: number
  readonly since: number
  readonly config: string
  readonly hostname: string
  readonly doors: readonly {
    readonly label: string
    readonly plugin: string
    readonly address: string
    readonly port: number
  }[]
  /** Servers that plugins depend on; those with failures are down. */
  readonly backends: readonly (Backend & { readonly plugin: string })[]
  readonly lanes: readonly { readonly lane: string; readonly due: number }[]
  /** Octets of memory. */
  readonly memory: number
}

// --- the server's end ---------------------------------------------------------------------

async function status({ kernel, store, since }: Server): Promise<Status> {
  const lanes: { lane: string; due: number }[] = []
  for await (const { lane, at } of store.lanes('')) {
    if (readLane(lane)) lanes.push({ lane, due: at })
    if (lanes.length >= 1000) break
  }
  const doors = kernel.doors.map(({ label, plugin, address, port }) => ({ label, plugin, address, port }))
  return {
    pid: process.pid,
    since,
    config: kernel.config.path,
    hostname: kernel.config.hostname,
    doors,
    backends: kernel.backends(),
    lanes,
    memory: process.memoryUsage.rss(),
  }
}

/** The filter without its absent fields, as the queue wants it. */
function asFilter(given: z.output<typeof filter>): QueueFilter {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}

/** A forgotten filter must not concern the whole queue: `{ message: '*' }` is how to say that. */
function chosen(given: z.output<typeof filter>): QueueFilter {
  const all = asFilter(given)
  if (Object.keys(all).length === 0)
    throw new IemsError('IEMS_CONTROL_REFUSED', { why: 'Say which deliveries are meant, or --all' })
  const { message, ...rest } = all
  return message === '*' ? rest : all
}

async function* runCommand(
  { kernel }: Server,
  { words, arguments: given, options }: { words: string; arguments: string[]; options: Record<string, string | true> },
  { input, signal }: Caller,
): AsyncGenerator<unknown, undefined> {
  const command = kernel.commands.get(words)
  if (!command) throw new IemsError('IEMS_COMMAND_UNKNOWN', { command: words })
  const none = (async function* () {})()
  for await (const output of command.run({ arguments: given, options, input: command.reads ? input : none, signal }))
    yield 'bytes' in output ? { bytes: Buffer.from(output.bytes).toString('base64') } : output
}

/** The other end of a request. */
interface Caller {
  readonly input: AsyncIterable<Uint8Array>
  /** Aborted when the caller has gone. */
  readonly signal: AbortSignal
}

async function* answer(
  server: Server,
  asked: z.output<typeof request>,
  caller: Caller,
): AsyncGenerator<unknown, unknown> {
  const queue = server.kernel.admin.queue
  switch (asked.method) {
    case 'status':
      return status(server)
    case 'reload':
      return server.reload()
    case 'stop': {
      const done = server.stop()
      if (asked.params.now) void server.stop()
      // The answer goes out before the socket does.
      done.catch(() => {})
      return undefined
    }
    case 'hooks':
      return Object.fromEntries(
        [...server.kernel.hooks.order].map(([hook, taps]) => [
          hook,
          taps.map(({ plugin, stage }) => ({ plugin, stage })),
        ]),
      )
    case 'message.show': {
      const biography = await queue.biography(asked.params.id)
      if (!biography) throw new IemsError('IEMS_MESSAGE_UNKNOWN', { id: asked.params.id })
      return biography
    }
    case 'queue.list':
      for await (const entry of queue.list(asFilter(asked.params.filter), asked.params.limit)) yield entry
      return undefined
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
      if (!server.kernel.config.channels.some(({ name }) => name === channel))
        throw new IemsError('IEMS_CHANNEL_UNKNOWN', { from: 'The new route', channel })
      return queue.reroute(chosen(asked.params.filter), { channel, nexthop })
    }
    case 'queue.flush':
      return queue.flush(asked.params.nexthop, asked.params.channel)
    case 'send': {
      const { content, ...message } = asked.params
      return server.kernel.submit('iems', { ...message, content: Buffer.from(content, 'base64') })
    }
    case 'check':
      yield* server.kernel.check()
      return undefined
    case 'commands':
      for (const [words, { run: _, ...shape }] of server.kernel.commands) yield { words, ...shape }
      return undefined
    case 'command':
      return yield* runCommand(server, asked.params, caller)
  }
}

function errorOf(cause: unknown) {
  const known = cause instanceof IemsError ? cause : new IemsError('IEMS_CONTROL_REFUSED', { why: reasonOf(cause) })
  return { error: { code: known.code, message: known.message, cure: known.cure } }
}

async function serve(server: Server, socket: Socket, line: string, caller: Caller): Promise<void> {
  const say = async (value: object) => {
    if (!socket.write(`${JSON.stringify(value)}\n`))
      await new Promise<void>((resolve) => socket.once('drain', resolve).once('close', resolve))
  }
  try {
    const parsed = request.safeParse(JSON.parse(line))
    if (!parsed.success) throw new IemsError('IEMS_CONTROL_REFUSED', { why: z.prettifyError(parsed.error) })
    const answers = answer(server, parsed.data, caller)
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

/** Reads requests one after the other, each with the file that follows it. */
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

/** Opens the control socket; the answer closes it. */
export async function openControl(server: Server, path: string): Promise<() => void> {
  const open = new Set<Socket>()
  const listener = createServer((socket) => {
    open.add(socket)
    socket.setTimeout(QUIET_MS, () => socket.destroy())
    socket.on('close', () => open.delete(socket))
    // A command that was interrupted is no news.
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
    // A server that keeps nothing has no data folder yet.
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

// --- the command's end ------------------------------------------------------------------------

async function sendFile(socket: Socket, file: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const chunk of file) {
    const line = JSON.stringify({ bytes: Buffer.from(chunk).toString('base64') })
    if (!socket.write(`${line}\n`)) await once(socket, 'drain')
  }
  socket.write('{"end":true}\n')
}

/** Asks a running server; items go to `each`, the result comes back. Throws what the server threw, or IEMS_CONTROL_ABSENT. */
export async function askServer<T>(
  path: string,
  asked: ControlRequest,
  each: (item: unknown) => unknown = () => {},
  file?: AsyncIterable<Uint8Array>,
): Promise<T> {
  const socket = createConnection(path)
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', (cause) => reject(new IemsError('IEMS_CONTROL_ABSENT', { path }, cause)))
    })
    socket.on('error', () => socket.destroy())
    socket.write(`${JSON.stringify(asked)}\n`)
    // Fails only with the socket, which the loop below notices.
    if (file) sendFile(socket, file).catch(() => socket.destroy())
    for await (const line of createInterface({ input: socket })) {
      const said = JSON.parse(line) as {
        item?: unknown
        result?: T
        error?: { code: string; message: string; cure: string }
      }
      if (said.error) throw Object.assign(new Error(said.error.message), said.error)
      if ('item' in said) await each(said.item)
      else return said.result as T
    }
    throw new IemsError('IEMS_CONTROL_ABSENT', { path })
  } finally {
    socket.destroy()
  }
}
