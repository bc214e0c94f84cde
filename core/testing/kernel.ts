/**
 * A whole kernel without sockets, disk or waiting, for the tests of plugins and of the kernel itself.
 *
 * What must stay true: a message takes the same way as in a running server, hook by hook; time stands still until the
 * test moves it; everything is closed when the test ends; a fault that the test does not expect fails it.
 */
import { setImmediate as turn } from 'node:timers/promises'
import type { CommandCall, CommandOutput } from '../api/command.ts'
import { IemsError } from '../api/errors.ts'
import type { KernelEvent } from '../api/hooks.ts'
import type { ContentSource, Submission, Submitted } from '../api/plugin.ts'
import { chunksOf } from '../inbound/submit.ts'
import type { Queue, QueueEntry } from '../queue/admin.ts'
import { readLane } from '../queue/records.ts'
import { checkConfig } from '../runtime/config.ts'
import type { ConfigInput } from '../runtime/config-schema.ts'
import { createKernel, type Kernel } from '../runtime/kernel.ts'
import { createLasting, type Lasting } from '../runtime/lasting.ts'
import { type Listener, Listeners } from '../runtime/listeners.ts'
import { createLog } from '../runtime/log.ts'
import { memoryStore } from '../store/memory.ts'
import type { Store } from '../store/store.ts'
import { captureChannel, type DeliverAnswer, type Delivered } from './channels.ts'
import { type TestClock, testClock } from './clock.ts'
import type { Scope } from './scope.ts'
import { type ClientMessage, contentOf, type TestClient, type TestSession, testSession } from './session.ts'

export interface TestKernelOptions extends Omit<Partial<ConfigInput>, 'store'> {
  /** The outcomes of the channel `out`, which exists when no channels are configured. Default: every recipient is delivered. */
  readonly deliver?: DeliverAnswer
  /** Default: a memory store by this kernel's clock. */
  readonly store?: Store
  readonly clock?: TestClock
  /** The in-memory state of the kernel before this one, as at a reload. */
  readonly lasting?: Lasting
  /** The test is about faults of plugins or of the kernel. Default false: each fault fails the test. */
  readonly expectsFaults?: boolean
}

export interface TestSubmission extends Omit<Submission, 'content'>, Pick<ClientMessage, 'content' | 'body'> {
  /** The name under which it comes in; default `in`. */
  readonly channel?: string
}

export interface TestCall extends Partial<Omit<CommandCall, 'input'>> {
  readonly input?: ContentSource
}

export interface TestKernel {
  readonly kernel: Kernel
  readonly store: Store
  readonly clock: TestClock
  readonly queue: Queue
  readonly events: readonly KernelEvent[]
  /** Deliveries to the channel `out`, in order. */
  readonly delivered: readonly Delivered[]
  /**
   * Submits a message from this server itself (protocol LOCAL, trusted), as `iems send` does. `queued` are its
   * deliveries. Nothing is delivered before `deliver`.
   */
  submit(message: TestSubmission): Promise<Submitted & { readonly queued: readonly QueueEntry[] }>
  /** Connects as a client; default: a stranger. Closed when the test ends. */
  session(client?: TestClient): TestSession
  /** Runs a command of a plugin, as `iems` does, and gives its whole output. Throws if no plugin has it. */
  command(words: string, call?: TestCall): Promise<CommandOutput[]>
  /** Starts the channels' loops if need be and waits until no delivery is due. */
  deliver(): Promise<void>
  /** Delivers, advances the time by `ms`, delivers what has fallen due. */
  advance(ms: number): Promise<void>
  /** The listener that a channel opened. */
  door(channel: string): Listener
  /** Finishes work under way until the signal; default: for a second. */
  close(signal?: AbortSignal): Promise<void>
}

/** Real time in ms after which `deliver` reports deliveries that are still due. */
const DELIVER_TIMEOUT_MS = 20_000

const NOWHERE = { write() {} }

async function isDue(kernel: Kernel, store: Store, now: number): Promise<boolean> {
  if (kernel.sharedQueue.activeCount() > 0) return true
  for await (const { lane, at } of store.lanes('')) {
    const parts = readLane(lane)
    if (parts && !parts.held && at <= now) return true
  }
  return false
}

async function untilDelivered(kernel: Kernel, store: Store, clock: TestClock): Promise<void> {
  const end = Date.now() + DELIVER_TIMEOUT_MS
  do {
    // Twice: a settled delivery may have made another one due.
    for (let quiet = 0; quiet < 2; quiet++) for (let turns = 0; turns < 3; turns++) await turn()
    if (Date.now() > end) throw new Error('deliveries are still due; is a channel silent?')
  } while (await isDue(kernel, store, clock.now()))
}

async function submitLocally(kernel: Kernel, { channel = 'in', body, content, ...message }: TestSubmission) {
  const whole = contentOf({ ...message, ...(body === undefined ? {} : { body }), ...(content ? { content } : {}) })
  const submitted = await kernel.submit(channel, { ...message, content: whole })
  const queued: QueueEntry[] = []
  if (submitted.id !== undefined)
    for await (const entry of kernel.admin.queue.list({ message: submitted.id })) queued.push(entry)
  return { ...submitted, queued }
}

function runCommand(kernel: Kernel, words: string, { input = '', ...call }: TestCall): Promise<CommandOutput[]> {
  const command = kernel.commands.get(words)
  if (!command) throw new Error(`no plugin has the command "${words}"; there are: ${[...kernel.commands.keys()]}`)
  const { signal } = new AbortController()
  return Array.fromAsync(command.run({ arguments: [], options: {}, signal, ...call, input: chunksOf(input) }))
}

/** A store that a test closes first, as hooks run in the order in which they were set, is no fault of the kernel. */
function isFault({ name, cause }: KernelEvent): boolean {
  return name.endsWith('.fault') && !(cause instanceof IemsError && cause.code === 'IEMS_STORE_CLOSED')
}

/** A kernel with the given channels and plugins, a store in memory and a clock that stands still. */
export async function createTestKernel(t: Scope, options: TestKernelOptions = {}): Promise<TestKernel> {
  const { deliver: answer, clock = testClock(), lasting = createLasting(), expectsFaults = false, ...input } = options
  const { store = memoryStore({ now: clock.now }), ...rest } = input
  const events: KernelEvent[] = []
  const delivered: Delivered[] = []
  const isAlone = Object.keys(rest.channels ?? {}).length === 0
  const channels = answer || isAlone ? { ...rest.channels, out: captureChannel(delivered, answer) } : rest.channels
  const config = await checkConfig(
    { hostname: 'mx.test', drain: '1 s', dns: { servers: [] }, ...rest, channels },
    '/nowhere/iems.config.ts',
  )
  const log = createLog({ level: 'error', privacy: false, to: NOWHERE })
  const ports = new Listeners(() => {})
  const kernel = await createKernel({ config, store, ports, clock, log, lasting, watch: (event) => events.push(event) })
  await kernel.listen()
  let running = false
  const run = () => {
    if (!running) kernel.run()
    running = true
  }
  if (kernel.doors.length > 0) run()
  const deliver = () => {
    run()
    return untilDelivered(kernel, store, clock)
  }
  const sessions: TestSession[] = []
  let closed: Promise<void> | undefined
  const close = (signal = AbortSignal.timeout(1000)) => {
    closed ??= (async () => {
      for (const session of sessions) session.close()
      await kernel.close(signal)
      ports.close()
    })()
    return closed
  }
  t.after(async () => {
    await close()
    const fault = expectsFaults ? undefined : events.find(isFault)
    if (fault) throw new Error(`${fault.plugin ?? 'the kernel'} failed in ${fault.hook}`, { cause: fault.cause })
  })
  return {
    kernel,
    store,
    clock,
    queue: kernel.admin.queue,
    events,
    delivered,
    submit: (message) => submitLocally(kernel, message),
    session(client = {}) {
      const session = testSession((channel, facts) => kernel.openSession(channel, facts), client)
      sessions.push(session)
      return session
    },
    command: (words, call = {}) => runCommand(kernel, words, call),
    deliver,
    async advance(ms) {
      await deliver()
      await clock.advance(ms)
      await deliver()
    },
    door(channel) {
      const found = kernel.doors.find(({ plugin }) => plugin === channel)
      if (!found) throw new Error(`the channel ${channel} opened no listener`)
      return found
    },
    close,
  }
}
