/**
 * The one shape of a plugin, and the wall between its code and the kernel.
 *
 * A plugin is a name, a schema, and a `setup` that gives back named hooks; a channel is a plugin that also has `listen`
 * or `deliver`. What must stay true: no plugin ever holds a raw hook, the kernel or the whole store; every handler runs
 * behind `guard`, so that it always settles, its faults carry its name, null is "no opinion", and an answer of another
 * shape is a fault. tapable promises none
 * of these (a tap that throws before its first await leaves the hook pending for ever), and is never asked to order
 * taps (one with an unknown `before` would come first of all).
 */
import type { Socket } from 'node:net'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { BearerDiscovery } from '../auth/sasl/exchange.ts'
import type { CredentialMechanism } from '../auth/sasl/mechanisms.ts'
import type { ConnectionInfo, ServerSession } from '../inbound/session.ts'
import type { Backend } from '../net/backend.ts'
import type { Dns } from '../net/dns.ts'
import type { Queue } from '../queue/admin.ts'
import type { ContentStore } from '../queue/blob-references.ts'
import { checkAnswer } from '../runtime/answers.ts'
import type { RecordKinds } from '../runtime/formats.ts'
import type { Job } from '../runtime/jobs.ts'
import type { Emit, Log } from '../runtime/log.ts'
import type { PluginSettings, Settings } from '../runtime/settings.ts'
import type { Signals } from '../runtime/signals.ts'
import type { Store } from '../store/store.ts'
import { IemsError, reasonOf } from './errors.ts'
import {
  type Answer,
  createHook,
  type Delivery,
  type HookKind,
  type HookName,
  type HookTable,
  KERNEL_HOOKS,
  type Outcome,
  type ReadableMessage,
  type Subject,
} from './hooks.ts'
import type { Reply } from './reply.ts'
import type { Service } from './service.ts'

// --- what a plugin author writes ------------------------------------------------------

export type MaybePromise<T> = T | Promise<T>
export type Stage = 'first' | 'early' | 'normal' | 'late' | 'last'

/** What a handler is given beside its subject. */
export interface HookContext {
  readonly log: Log
  /** Aborted when the tap's time is up. */
  readonly signal: AbortSignal
  /** This plugin's own box on this message: JSON, committed with the message, there again at `dispatch`. */
  readonly state: Record<string, unknown>
  /** Adds a finding: later taps, the summary line and the biography show it. */
  note(name: string, value: string | number | boolean): void
}

export type Handler<K extends HookName> = (
  subject: Subject<K>,
  ctx: HookContext,
) => K extends 'event' ? void : MaybePromise<ReturnType<HookTable[K]>>

export interface PlacedHandler<K extends HookName> {
  readonly handler: Handler<K>
  /** Default `normal`. */
  readonly stage?: Stage
  /** Run before this plugin, if it is there. */
  readonly before?: string
  /** Milliseconds until a silent handler is a fault. Default 30,000. */
  readonly timeout?: number
  /**
   * For `auth`: what it judges, so that clients are offered nothing else. Default: passwords, `['PLAIN']`. It is asked
   * about everything all the same, and says nothing to what it does not judge.
   */
  readonly mechanisms?: K extends 'auth' ? readonly CredentialMechanism[] : never
  /** For `auth` with tokens: where clients get one, sent to those that show none or a wrong one. */
  readonly discovery?: K extends 'auth' ? BearerDiscovery : never
}
export type Taps = { readonly [K in HookName]?: Handler<K> | PlacedHandler<K> }

/** What `setup` gives back. With `listen` or `deliver` the plugin may stand under `channels`. */
export interface PluginInstance {
  readonly hooks?: Taps
  /** Opens ports with `ctx.port`. Mail may flow at once when all plugins have listened. */
  listen?(): MaybePromise<void>
  /** One outcome for each recipient; missing ones and a throw count as deferred. Never retries, bounces or queues. */
  deliver?(delivery: Delivery, ctx: DeliverContext): Promise<readonly Outcome[]>
  /** For the `iems` command, by their words: `'account add'` is `iems account add`. They run in the server. */
  readonly commands?: Readonly<Record<string, Command>>
  /** Looks at what the plugin keeps: a line for each thing that is wrong, which `iems check` shows. Changes nothing. */
  check?(): AsyncIterable<string>
  /** The servers it depends on, for `iems status`. */
  backends?(): readonly Backend[]
  /**
   * Reads again what setup has read from files, such as certificates: a reload with the same options calls this instead
   * of setting everything up again, which would end sessions. False: only setup can take what has changed. A plugin whose
   * setup reads files has it.
   */
  refresh?(): MaybePromise<boolean>
  /** Takes no new work and finishes what is under way, until the signal says time is up; then undoes setup and listen. */
  close?(signal: AbortSignal): MaybePromise<void>
}

/** A command of a plugin's own. What it throws is told to the person who called it. */
export interface Command {
  /** One line for `--help`. */
  readonly summary: string
  /** `<needed>`, `[optional]`, and `[many...]` as the last. */
  readonly arguments?: readonly string[]
  /** `'--since <date>'` with its sentence; without `<…>` it is a switch. */
  readonly options?: Readonly<Record<string, string>>
  /** It reads a file: `--input <file>`, or standard input. `secret`: a password, which a terminal asks for and does not show. */
  readonly reads?: boolean | 'secret'
  /** It writes a file: `--output <file>`, or standard output. */
  readonly writes?: boolean
  run(call: CommandCall): AsyncIterable<CommandOutput>
}

export interface CommandCall {
  /** As given, in order. */
  readonly arguments: readonly string[]
  /** By their long names without dashes: `{ since: '2026-01-01', all: true }`. */
  readonly options: Readonly<Record<string, string | true>>
  /** What is read; empty unless the command reads. */
  readonly input: AsyncIterable<Uint8Array>
  /** Aborted when the caller has gone. */
  readonly signal: AbortSignal
}

export type CommandOutput =
  /** A line for people; programs (`--json`) get `value` instead, or nothing if there is none. */
  | { readonly text: string; readonly value?: unknown }
  /** How far it is: shown on a terminal, and replaced by the next. */
  | { readonly progress: string }
  /** A part of the file that is written. */
  | { readonly bytes: Uint8Array }

export interface DeliverContext extends Pick<HookContext, 'state' | 'note'> {
  readonly log: Log
  /** Aborted when the lease is lost or the server ends at once: what is not done then counts as deferred. */
  readonly signal: AbortSignal
}

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number
  /** Calls once after so many ms; the answer cancels. */
  after(ms: number, call: () => void): () => void
}

export interface Submission {
  readonly from: string
  readonly to: readonly (
    | string
    | { readonly address: string; readonly notify?: readonly ('NEVER' | 'SUCCESS' | 'FAILURE' | 'DELAY')[] }
  )[]
  readonly content: AsyncIterable<Uint8Array> | Uint8Array | string
  /** The same key is the same message, for a week: a sender that crashed half-way starts again without harm. */
  readonly once?: string
  readonly mtPriority?: number
  readonly submission?: boolean
}

export interface Submitted {
  /** 250 when the message was accepted for at least one recipient. */
  readonly reply: Reply
  readonly id?: string
  readonly refused: readonly { readonly address: string; readonly reply: Reply }[]
}

/** What the kernel lends a plugin. */
export interface SetupContext {
  /** The name it stands under in the config. */
  readonly name: string
  readonly hostname: string
  readonly log: Log
  readonly clock: Clock
  /** The resolver of the server, with its cache. */
  readonly dns: Dns
  /** Aborted when the plugin is to be gone. */
  readonly signal: AbortSignal
  /** Records of this plugin alone, in a key space of its own; blobs are everybody's. */
  readonly store: Store
  /** Hints to the kernels of other processes, and of the configuration before and after this one. */
  readonly signals: Signals
  /** Content that outlives the queue. */
  readonly contents: ContentStore
  /** A folder for what can be made again from the store; undefined when the server keeps nothing. Made on first use. */
  folder(): string | undefined
  readonly queue: Queue
  /** Says that this plugin routes mail to a channel: `iems check` and the log warn when it does not exist or deliver. */
  routesTo(channel: string): void
  /** For channels: speaks to the kernel for one client. */
  openSession(facts: ConnectionInfo): ServerSession
  /**
   * Periodic work that one kernel does for all that share the store, such as a sweep: it outlives reloads and restarts,
   * runs in one kernel at a time, and is taken over when that kernel dies. Names are the plugin's own.
   */
  schedule(job: Job): void
  /**
   * Work on this kernel's own memory, every so many ms from the start of this kernel on, never twice at a time; a failure
   * is logged as `what` and tried again.
   */
  repeat(ms: number, what: string, run: () => Promise<unknown>): void
  /**
   * State in memory that outlives a reload, such as counts for a limit; made when it is first asked for. During a reload
   * both kernels have the same object. It is not shared with other servers and ends with the process.
   */
  lasting<T extends object>(name: string, make: () => T): T
  /** Hands in a message in this plugin's name; it meets every hook from `mail` on. */
  submit(message: Submission): Promise<Submitted>
  /**
   * Opens `host:port`, `:port`, `[v6]:port` or `unix:/path` and gets its connections, only from within `listen`.
   * A port that stays configured survives a reload without a moment's gap. Port 0 takes a free one.
   */
  port(
    address: string,
    label: string,
    connection: (socket: Socket) => void,
  ): Promise<{ readonly address: string; readonly port: number }>
  offer<T>(service: Service<T>, implementation: T): void
  use<T>(service: Service<T>): T
  /** A service that is only wanted, if somebody offers it. */
  find<T>(service: Service<T>): T | undefined
  /**
   * Runs a hook that this plugin declares. A fault comes as an exception unless its plugin stands with onError skip.
   * With `of`, a delivery or message that the kernel gave, the taps run as its own hooks do: `from` and `to` of the
   * configuration hold, and findings, state and steps are recorded with it.
   */
  call<K extends Exclude<HookName, keyof typeof KERNEL_HOOKS>>(
    hook: K,
    subject: Subject<K>,
    about?: { readonly of: Delivery | ReadableMessage },
  ): Promise<Answer<K> | undefined>
}

export interface PluginDefinition<S extends StandardSchemaV1> {
  readonly name: string
  readonly config: S
  /** The version of this API the plugin is made for; 1 is the only one. */
  readonly api?: 1
  /** Hooks of its own that others may tap, and how each runs. */
  readonly hooks?: { readonly [K in HookName]?: HookKind }
  readonly offers?: readonly Service<unknown>[]
  readonly needs?: readonly Service<unknown>[]
  /** Used if somebody offers them. */
  readonly wants?: readonly Service<unknown>[]
  /**
   * For channels: who may send to it when the configuration does not say. Default `authorised`; `anyone` only where
   * nothing can leave the server, as with mailboxes.
   */
  readonly accepts?: 'anyone' | 'authorised'
  /** The kinds of records it keeps, each with the version it writes; older ones are upgraded before setup. */
  readonly records?: RecordKinds
  /** Quick, and without effects that outlive a failed start: opens files and pools, never listens. */
  setup(config: StandardSchemaV1.InferOutput<S>, ctx: SetupContext): MaybePromise<PluginInstance>
}

/** A plugin with its options, as it stands in the config. */
export interface PluginEntry {
  // any: an entry is kept beside others with other schemas
  readonly definition: PluginDefinition<any>
  readonly input: unknown
  readonly placement: Settings
}
type Optional<Input> = undefined extends Input ? true : Record<never, never> extends Input ? true : false
export type PluginFactory<S extends StandardSchemaV1> = (
  ...given: Optional<StandardSchemaV1.InferInput<S>> extends true
    ? [config?: StandardSchemaV1.InferInput<S>, placement?: Settings]
    : [config: StandardSchemaV1.InferInput<S>, placement?: Settings]
) => PluginEntry

/** Makes a plugin: gives back the function that admins call in `iems.config.ts`. */
export function definePlugin<S extends StandardSchemaV1>(definition: PluginDefinition<S>): PluginFactory<S> {
  const make = (input?: unknown, placement: Settings = {}) => ({ definition, input, placement })
  return make as PluginFactory<S>
}

// --- the wall ---------------------------------------------------------------------------

/** What one run of a hook carries: whose message it is, so that the guard can give each plugin its own box and log. */
export interface HookRun {
  readonly message?: string
  readonly from?: string
  /** The channels it goes to, as far as they are known. */
  readonly to?: string | readonly string[]
  box(plugin: string): Record<string, unknown>
  note(plugin: string, name: string, value: string | number | boolean): void
  /** For the biography. */
  step?(step: {
    readonly hook: string
    readonly plugin: string
    readonly recipient?: string
    readonly ms: number
    readonly answer?: unknown
    readonly fault?: string
  }): void
}

export class PluginFault extends IemsError {
  constructor(plugin: string, hook: string, cause: unknown) {
    super('IEMS_PLUGIN_FAULT', { plugin, hook, why: reasonOf(cause) }, cause)
  }
}

interface GuardOptions {
  readonly plugin: string
  readonly hook: string
  readonly timeout: number
  readonly onError: 'defer' | 'skip'
  readonly log: Log
  readonly emit: Emit
}

/** Settles with what the handler answers, or throws after `timeout` ms with the signal aborted. */
async function withinTime(ms: number, call: (signal: AbortSignal) => unknown): Promise<unknown> {
  const stop = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const error = new Error(`no answer within ${ms} ms`)
      stop.abort(error)
      reject(error)
    }, ms)
  })
  try {
    return await Promise.race([(async () => call(stop.signal))(), late])
  } finally {
    clearTimeout(timer)
  }
}

/** Whom a hook about one recipient is about. */
function recipientOf(subject: unknown): { readonly recipient?: string } {
  const { address } = (subject as { to?: { address?: unknown } } | undefined)?.to ?? {}
  return typeof address === 'string' ? { recipient: address } : {}
}

/** One handler behind the kernel's promises: it settles, its faults carry its name, null is no opinion. */
export function guard(handler: Handler<HookName>, { plugin, hook, timeout, onError, log, emit }: GuardOptions) {
  return async (subject: unknown, run: HookRun): Promise<unknown> => {
    const since = performance.now()
    const step = (rest: object) =>
      run.step?.({
        hook,
        plugin,
        ...recipientOf(subject),
        ms: Math.round((performance.now() - since) * 10) / 10,
        ...rest,
      })
    const base = {
      log,
      state: run.box(plugin),
      note: (name: string, value: string | number | boolean) => run.note(plugin, name, value),
    }
    try {
      // any: the hook table has typed the handler against its subject already
      const answer = (await withinTime(timeout, (signal) => handler(subject as any, { ...base, signal }))) ?? undefined
      if (answer !== undefined) checkAnswer(hook, answer)
      step(answer === undefined ? {} : { answer })
      return answer
    } catch (cause) {
      step({ fault: reasonOf(cause) })
      emit('plugin.fault', { plugin, hook, ...(run.message === undefined ? {} : { message: run.message }), cause })
      if (onError === 'skip') return undefined
      throw new PluginFault(plugin, hook, cause)
    }
  }
}

// --- order ---------------------------------------------------------------------------------

const STAGES: readonly Stage[] = ['first', 'early', 'normal', 'late', 'last']

export interface Tap {
  readonly plugin: string
  readonly stage: Stage
  readonly before?: string | undefined
  readonly mechanisms: readonly CredentialMechanism[]
  readonly discovery?: BearerDiscovery | undefined
  /** Whether it is asked about what comes by that channel. */
  readonly hears: (channel: string) => boolean
  readonly run: (subject: any, run: HookRun) => unknown
}

/** Stage, then the order of the config, then `before`; an absent name is told to `warn`. */
export function inOrder<T extends Pick<Tap, 'plugin' | 'stage' | 'before'>>(
  hook: string,
  taps: readonly T[],
  warn: (text: string) => void,
): T[] {
  const order = [...taps].sort((a, b) => STAGES.indexOf(a.stage) - STAGES.indexOf(b.stage))
  const place = (plugin: string | undefined) => order.findIndex((tap) => tap.plugin === plugin)
  for (const tap of taps) {
    if (tap.before === undefined) continue
    if (place(tap.before) < 0) warn(`${tap.plugin} wants to run before ${tap.before} in ${hook}, which is not here`)
    else if (order.indexOf(tap) > place(tap.before)) {
      order.splice(order.indexOf(tap), 1)
      order.splice(place(tap.before), 0, tap)
    }
  }
  const broken = order.find((tap) => place(tap.before) >= 0 && order.indexOf(tap) > place(tap.before))
  if (broken) throw new IemsError('IEMS_ORDER_IMPOSSIBLE', { plugin: broken.plugin, before: broken.before, hook })
  return order
}

// --- wiring ----------------------------------------------------------------------------------

/** A plugin that has been set up. */
export interface LoadedPlugin {
  readonly name: string
  readonly definition: PluginDefinition<any>
  readonly placement: PluginSettings
  readonly parts: PluginInstance
  readonly log: Log
}

/** After ACCEPT nothing a plugin does can hurt a message. */
const TOLD: readonly string[] = ['queued', 'settled', 'event']

/** Whether a placement lets this run through. */
function placed({ from, to }: PluginSettings, run: HookRun): boolean {
  if (from && run.from !== undefined && !from.includes(run.from)) return false
  return !(to && run.to !== undefined && ![run.to].flat().some((channel) => to.includes(channel)))
}

const PASSWORDS: readonly CredentialMechanism[] = ['PLAIN']

const TAP_FIELDS: readonly string[] = ['handler', 'stage', 'before', 'timeout', 'mechanisms', 'discovery']

/** Throws IEMS_HOOK_INVALID: what TypeScript would have said. */
function checkPlaced(plugin: string, hook: string, placed: Partial<PlacedHandler<'auth'>> | undefined): void {
  const { handler, stage, before, timeout } = placed ?? {}
  const unknown = Object.keys(placed ?? {}).find((field) => !TAP_FIELDS.includes(field))
  const why =
    typeof handler !== 'function'
      ? 'the handler is no function'
      : stage !== undefined && !STAGES.includes(stage)
        ? `the stage is ${JSON.stringify(stage)}, not one of ${STAGES.join(', ')}`
        : before !== undefined && typeof before !== 'string'
          ? 'before is not the name of a plugin'
          : timeout !== undefined && !(timeout > 0)
            ? 'the timeout is not a number of milliseconds'
            : unknown !== undefined && `${unknown} is none of ${TAP_FIELDS.join(', ')}`
  if (why) throw new IemsError('IEMS_HOOK_INVALID', { plugin, hook, why })
}

function tapsOf({ name, placement, parts, log }: LoadedPlugin, emit: Emit): [hook: string, tap: Tap][] {
  return Object.entries(parts.hooks ?? {}).map(([hook, given]) => {
    const settings = (typeof given === 'function' ? { handler: given } : given) as PlacedHandler<'auth'>
    checkPlaced(name, hook, settings)
    const { handler, stage = 'normal', before, timeout = 30_000, mechanisms = PASSWORDS, discovery } = settings
    const onError = TOLD.includes(hook) ? 'skip' : placement.onError
    const guarded = hook === 'event' ? handler : guard(handler, { plugin: name, hook, timeout, onError, log, emit })
    const filtered = placement.from || placement.to
    // A bail hook's "no opinion" is undefined; a waterfall keeps its subject when a tap says nothing.
    const run: Tap['run'] = filtered
      ? (subject, run) => (placed(placement, run) ? guarded(subject, run as never) : Promise.resolve(undefined))
      : (guarded as Tap['run'])
    const hears = (channel: string) => placement.from?.includes(channel) ?? true
    return [hook, { plugin: name, stage, before, mechanisms, discovery, hears, run }]
  })
}

export interface Hooks {
  /** Runs a hook; undefined when nobody answers. Throws PluginFault. */
  call<K extends HookName>(hook: K, subject: Subject<K>, run: HookRun): Promise<Answer<K> | undefined>
  /** Says in whose run a delivery or message is seen, for hooks that plugins run about it. */
  bind(subject: object, run: HookRun): void
  /** The run of a delivery or message; throws TypeError for what the kernel did not give. */
  runOf(subject: object): HookRun
  /** Whether anybody taps it, so that the kernel need not prepare what nobody will see. */
  isTapped(hook: HookName): boolean
  emit(event: Subject<'event'>): void
  /** What the `auth` taps judge of what comes by that channel. Passwords are asked for also where nobody does. */
  mechanisms(channel: string): ReadonlySet<CredentialMechanism>
  /** Where clients of that channel get tokens; the first plugin that says so. */
  discovery(channel: string): BearerDiscovery | undefined
  /** The names of the taps of each hook, in the order in which they run. */
  readonly order: ReadonlyMap<string, readonly { readonly plugin: string; readonly stage: Stage }[]>
  readonly warnings: readonly string[]
}

/** Hangs every plugin's handlers on a fresh set of hooks: tapable cannot untap, so a reload builds anew. */
export function wire(plugins: readonly LoadedPlugin[], emit: Emit): Hooks {
  const kinds = new Map<string, HookKind>(Object.entries(KERNEL_HOOKS))
  const owners = new Map<string, PluginDefinition<any>>()
  for (const { name: plugin, definition } of plugins) {
    for (const [hook, kind] of Object.entries(definition.hooks ?? {})) {
      // A plugin that stands twice, such as a listener with and without TLS, has its hooks once.
      if (kinds.has(hook) && owners.get(hook) !== definition) throw new IemsError('IEMS_HOOK_TWICE', { plugin, hook })
      kinds.set(hook, kind as HookKind)
      owners.set(hook, definition)
    }
  }
  const taps = new Map<string, Tap[]>([...kinds.keys()].map((hook) => [hook, []]))
  for (const standing of plugins) {
    for (const [hook, tap] of tapsOf(standing, emit)) {
      const list = taps.get(hook)
      if (!list) throw new IemsError('IEMS_HOOK_UNKNOWN', { plugin: standing.name, hook })
      list.push(tap)
    }
  }
  const warnings: string[] = []
  const hooks = new Map<string, ReturnType<typeof createHook>>()
  const order = new Map<string, readonly Tap[]>()
  for (const [hook, list] of taps) {
    const sorted = inOrder(hook, list, (text) => warnings.push(text))
    order.set(hook, sorted)
    if (sorted.length === 0) continue
    const made = createHook(kinds.get(hook) as HookKind, hook)
    hooks.set(hook, made)
    for (const { plugin, run } of sorted) {
      // any: the table above has typed this handler already
      if (kinds.get(hook) === 'sync') (made as any).tap(plugin, quietly(run))
      else (made as any).tapPromise(plugin, run)
    }
  }
  const runs = new WeakMap<object, HookRun>()
  return {
    bind: (subject, run) => void runs.set(subject, run),
    runOf(subject) {
      const run = runs.get(subject)
      if (!run) throw new TypeError('not a delivery or message that the kernel gave')
      return run
    },
    // any: as above
    call: (hook, subject, run) => (hooks.get(hook) as any)?.promise(subject, run) ?? Promise.resolve(undefined),
    isTapped: (hook) => hooks.has(hook),
    mechanisms: (channel) =>
      new Set([
        ...PASSWORDS,
        ...(order.get('auth') ?? []).filter(({ hears }) => hears(channel)).flatMap(({ mechanisms }) => mechanisms),
      ]),
    discovery: (channel) =>
      (order.get('auth') ?? []).find(({ hears, discovery }) => discovery && hears(channel))?.discovery,
    emit: (event) => (hooks.get('event') as any)?.call(event, NO_MESSAGE),
    order,
    warnings,
  }
}

/** A run about no message. */
export const NO_MESSAGE: HookRun = Object.freeze({ box: () => ({}), note() {} })

function quietly(run: Tap['run']): (event: unknown) => void {
  return (event) => {
    try {
      run(event, NO_MESSAGE)
    } catch {
      // a watcher must not hurt what it watches
    }
  }
}
