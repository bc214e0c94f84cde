/**
 * One configuration brought to life: plugins set up in the order of their needs, doors opened, loops started; and all
 * of it undone in reverse.
 *
 * What must stay true: nothing listens before everything is set up; a start that fails half-way leaves nothing open; a
 * reload is a second kernel beside the first. This file puts the parts together and knows nothing of messages.
 */
import { setTimeout as wait } from 'node:timers/promises'
import type { Clock } from '../api/clock.ts'
import { IemsError, reasonOf, together } from '../api/errors.ts'
import type { KernelEvent } from '../api/hooks.ts'
import type { Command, PluginInstance, SetupContext } from '../api/plugin.ts'
import { format } from '../api/reply.ts'
import { NO_MESSAGE } from '../api/run.ts'
import type { Service } from '../api/service.ts'
import type { ConnectionInfo, ServerSession } from '../api/session.ts'
import { createSecret } from '../auth/authenticator.ts'
import { createAttemptState, createAttempts } from '../auth/login-throttle.ts'
import { createRights } from '../auth/rights.ts'
import { createOutcomeEvaluator } from '../delivery/outcomes.ts'
import { createDeliverer, type Deliverer } from '../delivery/worker.ts'
import { createReceive } from '../inbound/receive.ts'
import { createResolve } from '../inbound/resolve.ts'
import { openSession, type SessionDeps } from '../inbound/session.ts'
import { createSubmit } from '../inbound/submit.ts'
import type { Backend } from '../net/backend.ts'
import { createDns, type Dns } from '../net/dns.ts'
import { inNetworks } from '../net/networks.ts'
import { type Admin, createAdmin } from '../queue/admin.ts'
import { createContentStore, createRelease } from '../queue/blob-references.ts'
import { createQueue, type SharedQueue } from '../queue/queue.ts'
import { createRefusals } from '../queue/refusals.ts'
import { createSweep, type Sweep } from '../queue/sweep.ts'
import type { Store } from '../store/store.ts'
import { subspace } from '../store/subspace.ts'
import type { Config, ConfiguredPlugin as Configured } from './config.ts'
import { bringUp } from './formats.ts'
import { createJobs, type Job } from './jobs.ts'
import { createLasting, type Lasting } from './lasting.ts'
import type { Listener, Listeners, Reservation } from './listeners.ts'
import type { Emit, LogWriter } from './log.ts'
import { repeat } from './repeat.ts'
import type { ChannelSettings, PluginSettings } from './settings.ts'
import { createSignals } from './signals.ts'
import { type Hooks, type LoadedPlugin, wire } from './wiring.ts'

export interface KernelDeps {
  readonly config: Config
  readonly store: Store
  readonly ports: Listeners
  readonly clock: Clock
  readonly log: LogWriter
  /** Default: a resolver of the kernel's own. */
  readonly dns?: Dns
  /** A folder of a plugin's own beside the store; absent when nothing is kept. */
  readonly folder?: (plugin: string) => string
  /** What the kernel before counted; default: nothing. */
  readonly lasting?: Lasting
  /** Also told of every event. */
  readonly watch?: (event: KernelEvent) => void
}

export interface Kernel {
  readonly config: Config
  readonly queue: SharedQueue
  readonly admin: Admin
  readonly sweep: Sweep
  /** A job of the kernel's own; see `SetupContext.schedule`. */
  schedule(job: Job): void
  readonly hooks: Hooks
  readonly emit: Emit
  readonly doors: readonly Listener[]
  /** What is odd about the configuration. */
  readonly warnings: readonly string[]
  /** What is wrong with what is kept: a line for each. */
  check(): AsyncIterable<string>
  /** Reads again what plugins have from files. False: one of them has to be set up again to take it. */
  refresh(): Promise<boolean>
  /** What plugins add to the `iems` command, by their words. */
  readonly commands: ReadonlyMap<string, Command>
  readonly submit: ReturnType<typeof createSubmit>
  /** A client's session on a channel, as the channel itself would open it. */
  openSession(channel: string, facts: ConnectionInfo): ServerSession
  /** The servers that plugins depend on. */
  backends(): readonly (Backend & { readonly plugin: string })[]
  /** Opens the doors; mail comes in when `run` is called. Throws, with everything undone. */
  listen(): Promise<void>
  run(): void
  /** Takes nothing new, finishes what is under way until the signal, closes everything. */
  close(signal: AbortSignal): Promise<void>
}

/** Ms that jobs have to end when they are told to. */
const JOBS_END_MS = 1000

async function within(done: Promise<unknown>, ms: number): Promise<void> {
  const end = new AbortController()
  await Promise.race([done, wait(ms, undefined, { signal: end.signal }).catch(() => {})])
  end.abort()
}

type AnyStanding = Configured<PluginSettings | ChannelSettings>

/** Those who offer stand before those who need. Throws when somebody is missing or they need each other in a circle. */
export function byNeeds<T extends Pick<AnyStanding, 'name' | 'definition'>>(standing: readonly T[]): T[] {
  const offers = new Map<string, T>()
  for (const one of standing) {
    for (const { name: service } of (one.definition.offers ?? []) as Service<unknown>[]) {
      const first = offers.get(service)
      if (first) throw new IemsError('IEMS_SERVICE_TWICE', { service, first: first.name, second: one.name })
      offers.set(service, one)
    }
  }
  const order: T[] = []
  const path: T[] = []
  const visit = (one: T) => {
    if (order.includes(one)) return
    if (path.includes(one))
      throw new IemsError('IEMS_NEEDS_CIRCLE', { plugins: [...path, one].map(({ name }) => name).join(' → ') })
    path.push(one)
    for (const { name: service } of (one.definition.needs ?? []) as Service<unknown>[]) {
      const provider = offers.get(service)
      if (!provider) throw new IemsError('IEMS_SERVICE_MISSING', { plugin: one.name, service })
      visit(provider)
    }
    for (const { name: service } of (one.definition.wants ?? []) as Service<unknown>[]) {
      const provider = offers.get(service)
      if (provider) visit(provider)
    }
    path.pop()
    order.push(one)
  }
  for (const one of standing) visit(one)
  return order
}

function lostRoutes(
  routes: readonly { readonly plugin: string; readonly channel: string }[],
  delivering: ReadonlySet<string>,
): string[] {
  return routes
    .filter(({ channel }) => !delivering.has(channel))
    .map(({ plugin, channel }) => {
      const known = [...delivering].join(', ') || 'none'
      return `${plugin} routes mail to the channel ${channel}, which is not configured or does not deliver; channels that deliver: ${known}`
    })
}

function commandsOf(standing: readonly LoadedPlugin[]): ReadonlyMap<string, Command> {
  const commands = new Map<string, Command>()
  for (const { name, parts } of standing) {
    for (const [words, command] of Object.entries(parts.commands ?? {})) {
      if (commands.has(words)) throw new IemsError('IEMS_COMMAND_TWICE', { plugin: name, command: words })
      commands.set(words, command)
    }
  }
  return commands
}

const offersOf = ({ offers = [] }: AnyStanding['definition']) =>
  (offers as readonly Service<unknown>[]).map(({ name }) => name)

/** By type, so that none is forgotten. */
const PARTS: Readonly<Record<keyof PluginInstance, true>> = {
  hooks: true,
  listen: true,
  deliver: true,
  commands: true,
  backends: true,
  check: true,
  refresh: true,
  close: true,
}

/** What TypeScript would have said of what `setup` gave back. */
function checkParts(plugin: string, parts: unknown): void {
  if (typeof parts !== 'object' || parts === null)
    throw new IemsError('IEMS_PLUGIN_SETUP', { plugin, why: `setup gave back ${parts}, not { hooks, … } or {}` })
  const unknown = Object.keys(parts).find((part) => !Object.hasOwn(PARTS, part))
  if (unknown !== undefined)
    throw new IemsError('IEMS_PLUGIN_SETUP', {
      plugin,
      why: `setup gave back ${unknown}, which is none of ${Object.keys(PARTS).join(', ')}`,
    })
}

/** RFC 5321 section 4.5.1: who takes mail for anybody must have a postmaster. */
function roleWarnings({ reports }: Config, accepts: ReadonlyMap<string, string>): string[] {
  if (reports.postmaster !== undefined || ![...accepts.values()].includes('anyone')) return []
  return ['reports.postmaster is not set: mail for postmaster and abuse is refused where no mailbox has that name']
}

async function* unreachable(postmaster: string, session: ServerSession): AsyncGenerator<string> {
  const refusal = (await session.mail('', {})) ?? (await session.rcpt({ address: postmaster }))
  session.close()
  if (refusal) yield `reports.postmaster ${postmaster} gets no mail: ${format(refusal.reply)}`
}

/** Sets every plugin up. Throws IEMS_PLUGIN_SETUP with what stood already closed again. */
export async function createKernel({
  config,
  store,
  ports,
  clock,
  log,
  dns = createDns(config.dns, clock.now),
  folder,
  lasting = createLasting(),
  watch,
}: KernelDeps): Promise<Kernel> {
  const channels = new Map(config.channels.map((channel) => [channel.name, channel]))
  const claim: Reservation = ports.claim()
  const gone = new AbortController()
  const underWay = new Set<Promise<unknown>>()
  const services = new Map<string, unknown>()
  const standing: LoadedPlugin[] = []
  const routes: { readonly plugin: string; readonly channel: string }[] = []
  const deliverers: Deliverer[] = []
  let hooks: Hooks | undefined
  let commands: ReadonlyMap<string, Command> = new Map()
  const emit: Emit = (name, fields = {}) => {
    const event: KernelEvent = { ...fields, name, at: clock.now() }
    log.event(event)
    watch?.(event)
    if (hooks?.isTapped('event')) hooks.emit(event)
  }
  const queue = createQueue({ store, clock, emit, historyMs: config.history.keep })
  const signals = createSignals({ store, log: log.child({}), signal: gone.signal })
  const admin = createAdmin({ store, clock, emit, queue, signals })
  const attempts = createAttempts(clock, config.limits.logins, lasting.of('logins', createAttemptState))
  const rights = createRights({ signals, clock, interval: config.limits.recheckInterval })
  // Filled in when the hooks are wired: sessions come only after that.
  let sessions: SessionDeps | undefined
  const later = <T>(value: T | undefined): T => {
    if (value === undefined) throw new IemsError('IEMS_CLOSED')
    return value
  }
  const release = createRelease(store)
  const failed = (blob: string, cause: unknown) => emit('store.failing', { blob, cause })
  const submit = createSubmit(() => later(sessions))

  function contextFor({ name, placement, definition }: AnyStanding): SetupContext {
    const trusts = inNetworks('trusts' in placement ? placement.trusts : [])
    const narrowed = subspace(store, 'p', name)
    const lent = { clock, dns, log: log.child({ plugin: name }), signal: gone.signal }
    return {
      ...lent,
      name,
      hostname: config.hostname,
      store: narrowed,
      signals: createSignals({ store, log: lent.log, signal: gone.signal }),
      contents: createContentStore({ store, plugin: name, narrowed, release, failed }),
      folder: () => folder?.(name),
      queue: admin.queue,
      routesTo: (channel) => void routes.push({ plugin: name, channel }),
      openSession: (facts) => openSession(later(sessions), { channel: name, trusts }, facts),
      schedule: createJobs({ ...lent, store, underWay }, name),
      repeat: (ms, what, run) => repeat(lent, ms, what, run),
      submit: (message) => submit(name, message),
      lasting: (state, make) => lasting.of(`p ${name} ${state}`, make),
      port: (address, label, connection) => claim.open(address, { label, plugin: name }, connection),
      offer(service, implementation) {
        if (!offersOf(definition).includes(service.name))
          throw new IemsError('IEMS_SERVICE_UNOFFERED', {
            plugin: name,
            service: service.name,
            why: 'it is offered, and does not stand under offers',
          })
        services.set(service.name, implementation)
      },
      use<T>(service: Service<T>): T {
        if (!services.has(service.name))
          throw new IemsError('IEMS_SERVICE_MISSING', { plugin: name, service: service.name })
        return services.get(service.name) as T
      },
      find: <T>(service: Service<T>) => services.get(service.name) as T | undefined,
      async call(hook, subject, about) {
        const wiredHooks = later(hooks)
        return wiredHooks.call(hook, subject, about ? wiredHooks.runOf(about.of) : NO_MESSAGE)
      },
    }
  }

  async function closeOne({ name, parts }: LoadedPlugin, signal: AbortSignal) {
    try {
      await parts.close?.(signal)
    } catch (cause) {
      // One plugin that cannot close must not keep the others open.
      emit('plugin.fault', { plugin: name, hook: 'close', cause })
    }
  }

  /** Who only takes in ends first, while deliveries under way still find everything they need. */
  async function closeAll(signal: AbortSignal) {
    const entrances = standing.filter(({ parts }) => parts.listen && !parts.deliver)
    attempts.close()
    const stopping = deliverers.map((deliverer) => deliverer.stop(signal))
    await Promise.all([...entrances.map((one) => closeOne(one, signal)), ...stopping])
    gone.abort(new IemsError('IEMS_CLOSED'))
    await within(Promise.allSettled(underWay), JOBS_END_MS)
    for (const one of [...standing].reverse()) if (!entrances.includes(one)) await closeOne(one, signal)
  }

  async function setUp(one: AnyStanding): Promise<LoadedPlugin> {
    const ctx = contextFor(one)
    let parts: PluginInstance
    try {
      await bringUp({ store, view: ctx.store, owner: one.name }, one.definition.records ?? {})
      parts = await one.definition.setup(one.options, ctx)
      checkParts(one.name, parts)
    } catch (cause) {
      if (cause instanceof IemsError && ('plugin' in cause.details || 'owner' in cause.details)) throw cause
      throw new IemsError('IEMS_PLUGIN_SETUP', { plugin: one.name, why: reasonOf(cause) }, cause)
    }
    for (const service of offersOf(one.definition))
      if (!services.has(service))
        throw new IemsError('IEMS_SERVICE_UNOFFERED', {
          plugin: one.name,
          service,
          why: 'it stands under offers, and setup did not offer it',
        })
    if (parts.deliver && !channels.has(one.name)) {
      await parts.close?.(AbortSignal.abort())
      throw new IemsError('IEMS_CHANNEL_MISPLACED', { plugin: one.name })
    }
    const { as: _, onError, from, to } = one.placement
    const place = { onError, ...(from ? { from } : {}), ...(to ? { to } : {}) } as PluginSettings
    return { name: one.name, definition: one.definition, placement: place, parts, log: ctx.log }
  }

  /** A client that is this server itself. */
  const openLocal = () =>
    openSession(
      later(sessions),
      { channel: 'iems', trusts: () => true },
      { protocol: 'LOCAL', remote: { address: '127.0.0.1' } },
    )

  const undo = async () => {
    claim.rollback()
    await closeAll(AbortSignal.abort())
  }

  try {
    const inConfigOrder: AnyStanding[] = [...config.channels, ...config.plugins]
    const faults: unknown[] = []
    await bringUp({ store, view: store, owner: '' }, { message: { version: 1 }, delivery: { version: 1 } })
    for (const one of byNeeds(inConfigOrder)) {
      try {
        standing.push(await setUp(one))
      } catch (cause) {
        faults.push(cause)
      }
    }
    if (faults.length > 0) throw together(faults)
    hooks = wire(
      [...standing].sort(
        (a, b) =>
          inConfigOrder.findIndex(({ name }) => name === a.name) -
          inConfigOrder.findIndex(({ name }) => name === b.name),
      ),
      emit,
    )
    commands = commandsOf(standing)
  } catch (error) {
    await undo()
    throw error
  }
  const wired = hooks

  const delivering = standing.filter(({ name, parts }) => parts.deliver && channels.has(name))
  const accepts = new Map(delivering.map(({ name }) => [name, channels.get(name)?.placement.accepts ?? 'authorised']))
  const { hostname, limits } = config
  const { postmaster } = config.reports
  const resolve = createResolve({ hooks: wired, accepts, expansion: limits.recipients, hostname, postmaster })
  const refusals = createRefusals({ store, clock, emit, historyMs: config.history.keep })
  const receive = createReceive({ store, queue, hooks: wired, clock, emit, hostname, limits, resolve, refusals })
  const warnings = [...wired.warnings, ...lostRoutes(routes, new Set(accepts.keys())), ...roleWarnings(config, accepts)]
  for (const text of warnings) log.child({}).warn(text)
  const secret = createSecret(store)
  sessions = { hooks: wired, clock, emit, resolve, receive, attempts, rights, secret, recipients: limits.recipients }

  for (const { name, parts, log: channelLog } of delivering) {
    const {
      retry,
      lease,
      concurrency,
      perNextHop,
      rate = 0,
    } = (channels.get(name) as Configured<ChannelSettings>).placement
    const { postmaster: _, returnSize, ...texts } = config.reports
    const conclude = createOutcomeEvaluator(
      {
        store,
        hooks: wired,
        clock,
        emit,
        resolve,
        hostname,
        texts,
        returnSize,
        ...(postmaster === undefined ? {} : { postmaster }),
      },
      { retry, warnAfter: retry.warnAfter },
    )
    const settings = { concurrency, perNextHop, gapMs: rate, leaseMs: lease }
    const deliver = parts.deliver as NonNullable<PluginInstance['deliver']>
    deliverers.push(
      createDeliverer({
        channel: name,
        resting: lasting.of(`resting ${name}`, () => new Map()),
        settings,
        deliver,
        store,
        queue,
        signals,
        hooks: wired,
        conclude,
        clock,
        emit,
        log: channelLog,
        parseLimit: limits.parse,
      }),
    )
  }

  return {
    config,
    queue,
    admin,
    sweep: createSweep({ store, clock, queue, release, historyMs: config.history.keep }),
    schedule: createJobs({ store, clock, log: log.child({}), signal: gone.signal, underWay }, ''),
    hooks: wired,
    emit,
    doors: claim.doors,
    commands,
    warnings,
    async *check() {
      if (postmaster !== undefined) yield* unreachable(postmaster, openLocal())
      for (const { name, parts } of standing) {
        try {
          if (parts.check) yield* parts.check()
        } catch (cause) {
          yield `${name} could not be checked: ${reasonOf(cause)}`
        }
      }
    },
    submit,
    openSession: (channel, facts) =>
      openSession(
        later(sessions),
        { channel, trusts: inNetworks(channels.get(channel)?.placement.trusts ?? []) },
        facts,
      ),
    backends: () =>
      standing.flatMap(({ name, parts }) => (parts.backends?.() ?? []).map((one) => ({ plugin: name, ...one }))),
    async listen() {
      const faults: unknown[] = []
      for (const { name, parts } of standing) {
        try {
          await parts.listen?.()
        } catch (cause) {
          faults.push(
            cause instanceof IemsError
              ? cause
              : new IemsError('IEMS_PLUGIN_SETUP', { plugin: name, why: reasonOf(cause) }, cause),
          )
        }
      }
      if (faults.length === 0) return
      await undo()
      throw together(faults)
    },
    async refresh() {
      let isDone = true
      for (const { parts } of standing) isDone = (await parts.refresh?.()) !== false && isDone
      return isDone
    },
    run() {
      claim.commit()
      for (const deliverer of deliverers) deliverer.start()
    },
    close: closeAll,
  }
}
