/**
 * 'iems/testing': a whole kernel without sockets, disk or waiting, for the tests of plugins and of the kernel itself.
 *
 * What must stay true: a message takes the same way as in a running server, hook by hook; time stands still until the
 * test moves it; whatever the test forgets is closed when it ends.
 */

import type { TestContext } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import * as z from 'zod'
import type { Clock } from '../api/clock.ts'
import type { Delivery, KernelEvent, Outcome } from '../api/hooks.ts'
import { type DeliverContext, definePlugin, type PluginEntry, type Submission, type Submitted } from '../api/plugin.ts'
import { accept } from '../api/reply.ts'
import type { Queue, QueueEntry } from '../queue/admin.ts'
import { readLane } from '../queue/records.ts'
import { type ConfigInput, checkConfig } from '../runtime/config.ts'
import { createKernel, type Kernel } from '../runtime/kernel.ts'
import { createLasting, type Lasting } from '../runtime/lasting.ts'
import { createListeners, type Listener } from '../runtime/listeners.ts'
import { createLog } from '../runtime/log.ts'
import { memoryStore } from '../store/memory.ts'
import type { Store } from '../store/store.ts'

export { createLasting, type Lasting } from '../runtime/lasting.ts'
export { memoryStore } from '../store/memory.ts'
export { type MakeStore, type StoreUnderTest, storeContract } from './contracts/store.ts'

// --- time ---------------------------------------------------------------------------------

export interface TestClock extends Clock {
  /** Moves time on and calls what falls due on the way, in order. */
  advance(ms: number): Promise<void>
}

/** A clock that stands still. Starts at 2026-01-01. */
export function testClock(start = Date.UTC(2026, 0, 1)): TestClock {
  let now = start
  const timers = new Set<{ at: number; call: () => void }>()
  const nextBy = (end: number) => [...timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0]
  return {
    now: () => now,
    after(ms, call) {
      const timer = { at: now + ms, call }
      timers.add(timer)
      return () => timers.delete(timer)
    },
    async advance(ms) {
      const end = now + ms
      for (let timer = nextBy(end); timer; timer = nextBy(end)) {
        timers.delete(timer)
        now = Math.max(now, timer.at)
        timer.call()
        await turn()
      }
      now = end
      await turn()
    },
  }
}

// --- a channel that keeps what it is given --------------------------------------------------

/** What the test's own channel was given. */
export interface Delivered {
  readonly from: string
  readonly to: readonly string[]
  readonly nexthop: string
  readonly channel: string
  readonly attempt: number
  readonly content: string
  readonly message: string
}

export type DeliverAnswer = (
  delivery: Delivery,
  ctx: DeliverContext,
) => readonly Outcome[] | Promise<readonly Outcome[]>

/** A channel that routes everything to itself, by domain, and delivers it into `into`. */
function captureChannel(into: Delivered[], answer: DeliverAnswer | undefined): PluginEntry {
  const capture = definePlugin({
    name: 'capture',
    config: z.undefined(),
    setup: (_, { name }) => ({
      hooks: {
        route: {
          stage: 'last',
          handler: ({ to }) => ({
            channel: name,
            nexthop: to.address.slice(to.address.lastIndexOf('@') + 1).toLowerCase(),
          }),
        },
      },
      async deliver(delivery, ctx) {
        const content = await textOf(delivery.open())
        const outcomes = await (answer?.(delivery, ctx) ?? deliveredTo(delivery))
        const to = delivery.recipients.map(({ address }) => address)
        into.push({
          from: delivery.from,
          to,
          ...delivery.route,
          attempt: delivery.attempt,
          content,
          message: delivery.message.id,
        })
        return outcomes
      },
    }),
  })
  return capture(undefined, { accepts: 'anyone' })
}

/** Every recipient delivered. */
export function deliveredTo({ recipients }: Delivery): Outcome[] {
  return recipients.map((recipient) => ({ recipient, status: 'delivered', reply: accept(250, '2.0.0', 'Taken') }))
}

/** A stream of octets as text, one character an octet. */
export async function textOf(source: AsyncIterable<Uint8Array>): Promise<string> {
  let text = ''
  for await (const chunk of source) text += Buffer.from(chunk).toString('latin1')
  return text
}

// --- the kernel ---------------------------------------------------------------------------------

export interface TestKernelOptions extends Omit<Partial<ConfigInput>, 'store'> {
  /** What the channel `out`, which is there when no other channel delivers, does with a delivery. Default: takes it. */
  readonly deliver?: DeliverAnswer
  /** Default: a memory store by this kernel's clock. */
  readonly store?: Store
  readonly clock?: TestClock
  /** What the kernel before counted in memory, as at a reload. */
  readonly lasting?: Lasting
  /** Faults of plugins and of the kernel are what the test is about. Default false: each of them fails the test. */
  readonly expectsFaults?: boolean
}

export interface TestSubmission extends Omit<Submission, 'content'> {
  readonly content?: Submission['content']
  /** Instead of `content`: the body of a message with a plain header. */
  readonly body?: string
  /** The name under which it comes in; default `in`. */
  readonly channel?: string
}

export interface TestKernel {
  readonly kernel: Kernel
  readonly store: Store
  readonly clock: TestClock
  readonly queue: Queue
  readonly events: readonly KernelEvent[]
  /** What the channel `out` was given, in order. */
  readonly delivered: readonly Delivered[]
  /** Hands a message in and, unless it was refused, says what waits for it. Delivers nothing by itself. */
  submit(message: TestSubmission): Promise<Submitted & { readonly queued: readonly QueueEntry[] }>
  /** Starts the channels' loops if need be and waits until nothing is due. */
  deliver(): Promise<void>
  /** Moves time on, delivering what falls due. */
  advance(ms: number): Promise<void>
  /** The door a channel opened. */
  door(channel: string): Listener
  /** Finishes what is under way until the signal; default: for a second. */
  close(signal?: AbortSignal): Promise<void>
}

/** How long, in real ms, `deliver` waits for a channel before it says what is stuck. */
const PATIENCE_MS = 20_000

/** A kernel with the given channels and plugins, a store in memory and a clock that stands still. */
export async function createTestKernel(
  t: Pick<TestContext, 'after'>,
  options: TestKernelOptions = {},
): Promise<TestKernel> {
  const { deliver: answer, clock = testClock(), lasting = createLasting(), expectsFaults = false, ...input } = options
  const { store = memoryStore({ now: clock.now }), ...rest } = input
  const events: KernelEvent[] = []
  const delivered: Delivered[] = []
  const given = Object.entries(rest.channels ?? {})
  const channels =
    answer || given.length === 0 ? { ...rest.channels, out: captureChannel(delivered, answer) } : { ...rest.channels }
  const config = await checkConfig(
    { hostname: 'mx.test', drain: '1 s', dns: { servers: [] }, ...rest, channels },
    '/nowhere/iems.config.ts',
  )
  const log = createLog({ level: 'error', privacy: false, to: { write() {} } })
  const ports = createListeners(() => {})
  const kernel = await createKernel({ config, store, ports, clock, log, lasting, watch: (event) => events.push(event) })
  await kernel.listen()
  let running = false
  const run = () => {
    if (!running) kernel.run()
    running = true
  }
  if (kernel.doors.length > 0) run()

  async function isDue(): Promise<boolean> {
    if (kernel.queue.activeCount() > 0) return true
    for await (const { lane, at } of store.lanes('')) {
      const parts = readLane(lane)
      if (parts && !parts.held && at <= clock.now()) return true
    }
    return false
  }

  async function deliver() {
    run()
    const end = Date.now() + PATIENCE_MS
    do {
      // Twice: what has just been settled may have made something due.
      for (let quiet = 0; quiet < 2; quiet++) for (let turns = 0; turns < 3; turns++) await turn()
      if (Date.now() > end) throw new Error('deliveries are still due; is a channel silent?')
    } while (await isDue())
  }

  let closed: Promise<void> | undefined
  const close = (signal = AbortSignal.timeout(1000)) => {
    closed ??= (async () => {
      await kernel.close(signal)
      ports.close()
    })()
    return closed
  }
  t.after(async () => {
    await close()
    const fault = expectsFaults ? undefined : events.find(({ name }) => name.endsWith('.fault'))
    if (fault) throw new Error(`${fault.plugin ?? 'the kernel'} failed in ${fault.hook}`, { cause: fault.cause })
  })

  return {
    kernel,
    store,
    clock,
    queue: kernel.admin.queue,
    events,
    delivered,
    async submit({ channel = 'in', body = 'Hello.', content, ...message }) {
      const text =
        content ??
        `From: <${message.from}>\r\nTo: ${message.to.map((to) => (typeof to === 'string' ? to : to.address)).join(', ')}\r\nSubject: test\r\n\r\n${body}\r\n`
      const submitted = await kernel.submit(channel, { ...message, content: text })
      const queued: QueueEntry[] = []
      if (submitted.id !== undefined)
        for await (const entry of kernel.admin.queue.list({ message: submitted.id })) queued.push(entry)
      return { ...submitted, queued }
    },
    deliver,
    async advance(ms) {
      await deliver()
      await clock.advance(ms)
      await deliver()
    },
    door(channel) {
      const found = kernel.doors.find(({ plugin }) => plugin === channel)
      if (!found) throw new Error(`${channel} opened no door`)
      return found
    },
    close,
  }
}
