/**
 * A whole kernel without sockets, disk or waiting, for tests of plugins and of the kernel itself.
 *
 * Invariants: a message runs through the same hooks as in a running server; time advances only when the test says so;
 * everything is closed when the test ends; an unexpected fault fails the test.
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
import { createRehearsal } from '../runtime/rehearsal.ts'
import { memoryStore } from '../store/memory.ts'
import type { Store } from '../store/store.ts'
import { captureChannel, type DeliverAnswer, type Delivered } from './channels.ts'
import { type TestClock, testClock } from './clock.ts'
import type { Scope } from './scope.ts'
import { type ClientMessage, contentOf, type TestClient, type TestSession, testSession } from './session.ts'

export interface TestKernelOptions extends Omit<Partial<ConfigInput>, 'store'> {
  /**
   * Outcomes of the channel `out`, which exists when no channels are configured. Default: every recipient is delivered.
   */
  readonly deliver?: DeliverAnswer
  /** Default: a memory store with this kernel's clock. */
  readonly store?: Store
  readonly clock?: TestClock
  /** State that outlives the previous kernel, as at a reload. */
  readonly lasting?: Lasting
  /** The test expects faults of plugins or of the kernel. Default false: each fault fails the test. */
  readonly expectsFaults?: boolean
}

export interface TestSubmission extends Omit<Submission, 'content'>, Pick<ClientMessage, 'content' | 'body'> {
  /** The channel through which it arrives; default `in`. */
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
  /** Connects as a client; default: an unauthenticated one. Closed when the test ends. */
  session(client?: TestClient): TestSession
  /** Runs a plugin's command, as `iems` does, and returns its whole output. Throws if there is no such command. */
  command(words: string, call?: TestCall): Promise<CommandOutput[]>
  /** Starts the channels' loops if necessary and waits until no delivery is due. */
  deliver(): Promise<void>
  /** Delivers, advances the time by `ms`, and delivers what has become due. */
  advance(ms: number): Promise<void>
  /** The listening socket that a channel opened. */
  listener(channel: string): Listener
  /** Finishes active work until the signal aborts; default: within a second. */
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
    // Twice, because a settled delivery may make another one due.
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

/** `after` hooks run in order, so a test may close the store first; that is no fault of the kernel. */
function isFault({ name, cause }: KernelEvent): boolean {
  return name.endsWith('.fault') && !(cause instanceof IemsError && cause.code === 'IEMS_STORE_CLOSED')
}

/** Creates a kernel with the given channels and plugins, a store in memory and a stopped clock. */
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
  const kernel = await createKernel({
    config,
    store,
    ports,
    clock,
    log,
    lasting,
    watch: (event) => events.push(event),
    rehearse: (path) => createRehearsal(path, { store, clock, log }),
  })
  await kernel.listen()
  let running = false
  const run = () => {
    if (!running) kernel.run()
    running = true
  }
  if (kernel.listeners.length > 0) run()
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
    listener(channel) {
      const found = kernel.listeners.find(({ plugin }) => plugin === channel)
      if (!found) throw new Error(`the channel ${channel} opened no listener`)
      return found
    },
    close,
  }
}
