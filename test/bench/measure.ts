/*
 * The measurements: each starts a fresh server, warms it up, puts one load on it and tells what was seen. What must
 * stay true: a message counts when the server's promise was kept (answered 250 and durable, or arrived at the sink),
 * and every server gets the same load from the same client program.
 */
import type { Scope } from 'iems/testing'
import { type Load, type Sink, send, startSink } from './load.ts'
import { SERVERS, type Server, type ServerName } from './servers.ts'
import { forgetPeak, usageOf, watchMachine } from './usage.ts'

const LOAD = { clients: 20, bytes: 4096 } as const
/** Node compiles what it has run often; a server that has run for a day is warm. */
const WARM_UP = 2000

/** One run of one server. */
export interface Seen {
  readonly perSecond: number
  /** Processor time of the server's whole process group for each message. */
  readonly cpuMs: number
  /** The share of the machine's processors that was busy, with clients and sink. */
  readonly busy: number
}

export const RATES = {
  'accept-connections': { text: 'accepted durably, one message a connection', connections: 'each', isRelayed: false },
  'accept-kept': { text: 'accepted durably on kept-open connections', connections: 'kept', isRelayed: false },
  relay: { text: 'relayed end to end to smtp-sink', connections: 'kept', isRelayed: true },
} as const satisfies Record<string, { text: string; connections: Load['connections']; isRelayed: boolean }>
export type RateName = keyof typeof RATES

/** How many messages a second one server takes, or takes and delivers. */
export function measureRate(rate: RateName, name: ServerName, messages: number): Promise<Seen> {
  const { connections, isRelayed } = RATES[rate]
  return scoped(async (scope) => {
    const sink = isRelayed ? await startSink(scope) : undefined
    const server = await SERVERS[name].start(scope, sink ? { relayTo: sink.port } : 'hold')
    await send(server.port, { ...LOAD, connections, messages: WARM_UP })
    await sink?.received(WARM_UP)
    return run(server, { ...LOAD, connections, messages }, () => sink?.received(WARM_UP + messages))
  })
}

export interface Backlog {
  readonly waiting: number
  readonly empty: { readonly intake: readonly number[]; readonly delivery: readonly number[] }
  readonly full: { readonly intake: readonly number[]; readonly delivery: readonly number[] }
  /** Resident memory, in octets, with an empty queue, and the highest with the full one. */
  readonly emptyBytes: number
  readonly fullBytes: number
}

/** Rates with an empty queue, and with many messages waiting for a next hop that never answers. */
export function measureBacklog(waiting: number, messages: number, rounds: number): Promise<Backlog> {
  return scoped(async (scope) => {
    const sink = await startSink(scope)
    const server = await SERVERS.iems.start(scope, { relayTo: sink.port, dead: 'dead.test' })
    const flow = createFlow(server, sink)
    await flow(WARM_UP)
    const empty = await several(rounds, () => flow(messages))
    const emptyBytes = usageOf(server.pid).residentBytes
    await send(server.port, { ...LOAD, connections: 'kept', messages: waiting, to: 'a@dead.test' })
    forgetPeak(server.pid)
    const full = await several(rounds, () => flow(messages))
    return { waiting, empty: rates(empty), full: rates(full), emptyBytes, fullBytes: usageOf(server.pid).peakBytes }
  })
}

export interface Large {
  readonly megabytes: number
  readonly seconds: number
  /** How far resident memory rose above what it was before, in octets. */
  readonly roseBytes: number
}

/** What relaying one message of each size does to memory. */
export function measureLarge(megabytes: readonly number[]): Promise<readonly Large[]> {
  return scoped(async (scope) => {
    const sink = await startSink(scope)
    const server = await SERVERS.iems.start(scope, { relayTo: sink.port })
    const flow = createFlow(server, sink)
    await flow(WARM_UP)
    const seen: Large[] = []
    for (const size of [1, ...megabytes]) {
      const before = usageOf(server.pid).residentBytes
      forgetPeak(server.pid)
      const { delivered } = await flow(1, size * 1_000_000)
      seen.push({ megabytes: size, seconds: delivered, roseBytes: usageOf(server.pid).peakBytes - before })
    }
    return seen.slice(1) // the first was the warm-up of what only large messages need
  })
}

async function run(server: Server, load: Load, done: () => Promise<void> | undefined): Promise<Seen> {
  const before = usageOf(server.pid)
  const busy = watchMachine()
  const started = performance.now()
  await send(server.port, load)
  await done()
  const seconds = (performance.now() - started) / 1000
  const cpuSeconds = usageOf(server.pid).cpuSeconds - before.cpuSeconds
  return { perSecond: load.messages / seconds, cpuMs: (cpuSeconds * 1000) / load.messages, busy: busy() }
}

interface Flowed {
  readonly messages: number
  /** Seconds until all were answered 250, and until all had arrived. */
  readonly taken: number
  readonly delivered: number
}

/** Sends messages through a server to its sink, again and again. */
function createFlow(server: Server, sink: Sink) {
  let total = 0
  return async (messages: number, bytes: number = LOAD.bytes): Promise<Flowed> => {
    total += messages
    const started = performance.now()
    const taken = await send(server.port, {
      clients: Math.min(LOAD.clients, messages),
      bytes,
      connections: 'kept',
      messages,
    })
    await sink.received(total)
    return { messages, taken, delivered: (performance.now() - started) / 1000 }
  }
}

function rates(flows: readonly Flowed[]) {
  return {
    intake: flows.map(({ messages, taken }) => messages / taken),
    delivery: flows.map(({ messages, delivered }) => messages / delivered),
  }
}

async function several<T>(rounds: number, once: () => Promise<T>): Promise<T[]> {
  const all: T[] = []
  for (let round = 0; round < rounds; round++) all.push(await once())
  return all
}

type End = () => Promise<void> | void
/** What runs now and must be ended, last started first. */
const ends: End[] = []

/** Runs with a scope of its own, which ends in the reverse order of what was started. */
export async function scoped<T>(work: (scope: Scope) => Promise<T>): Promise<T> {
  try {
    return await work({ after: (end) => void ends.unshift(end) })
  } finally {
    await endAll()
  }
}

/** Ends all that a measurement has started; also when the benchmark itself is told to end. */
export async function endAll(): Promise<void> {
  for (let end = ends.shift(); end; end = ends.shift()) await end()
}
