/**
 * The shape of a plugin, as its author writes it.
 *
 * A plugin is a name, a schema and a `setup` that returns taps by hook name; a channel is a plugin that also has
 * `listen` or `deliver`. Invariants: a plugin never holds a raw hook, the kernel or the whole store; `runtime/guard.ts`
 * protects the kernel from faults of plugins.
 */
import type { Socket } from 'node:net'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { BearerDiscovery } from '../auth/sasl/exchange.ts'
import type { CredentialMechanism } from '../auth/sasl/mechanisms.ts'
import type { Backend } from '../net/backend.ts'
import type { Dns } from '../net/dns.ts'
import type { Queue } from '../queue/admin.ts'
import type { ContentStore, StoredContent } from '../queue/blob-references.ts'
import type { RecordKinds } from '../runtime/formats.ts'
import type { Job } from '../runtime/jobs.ts'
import type { Log } from '../runtime/log.ts'
import type { Settings } from '../runtime/settings.ts'
import type { Signals } from '../runtime/signals.ts'
import type { Store } from '../store/store.ts'
import type { AdministrationService, Problem } from './administration.ts'
import type { Clock } from './clock.ts'
import type { Command } from './command.ts'
import type { BackgroundHandle, BackgroundWork } from './component.ts'
import type { Level } from './events.ts'
import type {
  Answer,
  Delivery,
  HookKind,
  HookName,
  HookTable,
  KERNEL_HOOKS,
  MailParameters,
  Outcome,
  Priority,
  ReadableMessage,
  Recipient,
  Subject,
} from './hooks.ts'
import type { Metrics } from './metrics.ts'
import type { Rehearsal } from './rehearsal.ts'
import type { Reply } from './reply.ts'
import type { Service } from './service.ts'
import type { ConnectionInfo, ServerSession } from './session.ts'
import type { HearSpan } from './spans.ts'

export type MaybePromise<T> = T | Promise<T>
export type Stage = 'first' | 'early' | 'normal' | 'late' | 'last'

/** The second argument of every handler. */
export interface HookContext {
  readonly log: Log
  /** Aborts when the tap times out. */
  readonly signal: AbortSignal
  /** This plugin's own state for this message: JSON, committed with the message and available again at `dispatch`. */
  readonly state: Record<string, unknown>
  /** Adds a finding, visible to later taps and in the summary line and the message trace. */
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
  /** Run before this plugin, if it is present. */
  readonly before?: string
  /** Milliseconds until a handler without an answer is a fault. Default 30,000. */
  readonly timeout?: number
  /**
   * For `auth`: the mechanisms this tap can check; clients are offered no others. Default: `['PLAIN']`. The tap still
   * receives attempts with other mechanisms and must not answer them.
   */
  readonly mechanisms?: K extends 'auth' ? readonly CredentialMechanism[] : never
  /** For `auth` with tokens: the token issuer, sent to clients that present no token or an invalid one. */
  readonly discovery?: K extends 'auth' ? BearerDiscovery : never
}
export type Taps = { readonly [K in HookName]?: Handler<K> | PlacedHandler<K> }

/** The result of `setup`. With `listen` or `deliver` the plugin may be configured under `channels`. */
export interface PluginInstance {
  readonly hooks?: Taps
  /** Opens listening sockets with `ctx.port`. Mail may flow as soon as all plugins have listened. */
  listen?(): MaybePromise<void>
  /**
   * Returns one outcome for each recipient; missing outcomes and a throw count as deferred. Never retries, bounces or
   * queues.
   */
  deliver?(delivery: Delivery, ctx: DeliverContext): Promise<readonly Outcome[]>
  /** Commands by their words: `'account add'` is `iems account add`. They run in the server. */
  readonly commands?: Readonly<Record<string, Command>>
  /** Checks the plugin's stored data for `iems check` and yields a line for each fault. Changes nothing. */
  check?(): AsyncIterable<string>
  /**
   * Called once after the server has started and everything listens, but not after a reload. `iems start` prints the
   * returned lines, such as a password generated at the first start; they are never logged.
   */
  started?(): MaybePromise<readonly string[]>
  /** The external servers it depends on, for `iems status`. */
  backends?(): readonly Backend[]
  /** Looks for problems of its own, for `iems status` and alerts. Called each minute at most; has five seconds. */
  health?(): MaybePromise<readonly Problem[]>
  /**
   * Reads the files of `setup`, such as certificates, again. A reload with unchanged options calls this instead of a
   * new setup, which would end sessions. False: only a new setup can apply the change. Required when `setup` reads
   * files.
   */
  refresh?(): MaybePromise<boolean>
  /**
   * Applies changed options without a new setup, so that sessions and connections stay. Returns a function that puts
   * them into effect; it is called when the new configuration starts and must not fail. False: only a new setup can
   * apply them. Throws what `setup` would throw for them.
   */
  reconfigure?(options: unknown): MaybePromise<(() => void) | false>
  /** Takes no new work and finishes the current work until `signal` aborts; then undoes `setup` and `listen`. */
  close?(signal: AbortSignal): MaybePromise<void>
}

export interface DeliverContext extends Pick<HookContext, 'state' | 'note'> {
  readonly log: Log
  /** Aborts when the lease is lost or the server ends at once. Work that is not done then counts as deferred. */
  readonly signal: AbortSignal
}

/** A recipient of a submission. */
export type SubmissionRecipient = Pick<Recipient, 'address' | 'notify' | 'orcpt' | 'from'>

/** Content that is not stored yet. */
export type ContentSource = AsyncIterable<Uint8Array> | Uint8Array | string

/** A message that a plugin submits. */
export interface Submission {
  /** The reverse-path; each recipient may override it. */
  readonly from: string
  /** At most `limits.recipients`. Split larger lists into several submissions, which may share stored content. */
  readonly to: readonly (string | SubmissionRecipient)[]
  /**
   * Octets, or stored content, which is not copied: a current delivery with its header changes so far, or content that
   * its holder retains until this returns.
   */
  readonly content: ContentSource | StoredContent
  /** MAIL FROM parameters: `ret`, `envid`, `requireTls`, `mtPriority`, `notBefore` for delayed sending, … */
  readonly parameters?: MailParameters
  /** Queue priority. Default: from `parameters.mtPriority`, else `normal`. */
  readonly priority?: Priority
  /** Idempotency key, valid for a week: a sender that repeats a submission after a crash creates no duplicate. */
  readonly once?: string
  /** Treats the message as an initial submission (RFC 6409): adds a missing Date and Message-ID. Default false. */
  readonly submission?: boolean
}

export interface Submitted {
  /** 250 when the message was accepted for at least one recipient. */
  readonly reply: Reply
  readonly id?: string
  readonly refused: readonly { readonly address: string; readonly reply: Reply }[]
}

/** The kernel's services for one plugin. */
export interface SetupContext {
  /** Name in the configuration. */
  readonly name: string
  readonly hostname: string
  readonly log: Log
  readonly clock: Clock
  /** The server's resolver, with its cache. */
  readonly dns: Dns
  /** Aborts when the plugin is to end. */
  readonly signal: AbortSignal
  /** Records of this plugin, in its own key space; blobs are shared by all plugins. */
  readonly store: Store
  /** Hints to the kernels of other processes and to those of the previous and next configuration. */
  readonly signals: Signals
  /** Content that outlives the queue. */
  readonly contents: ContentStore
  /**
   * A folder for data that can be rebuilt from the store, created on first use. Undefined when the server runs in
   * memory.
   */
  folder(): string | undefined
  /**
   * Sets the configuration of a file up beside the running one, to examine messages with it. Relative paths are those
   * of the running configuration. Absent in a configuration that is set up so itself. Throws what a start would throw.
   */
  readonly rehearse?: (path: string) => Promise<Rehearsal>
  readonly queue: Queue
  /** The administration service, for plugins that expose it; the caller's roles decide. */
  readonly administration: AdministrationService
  /** Metrics for dashboards and alerts; their names begin with the plugin's name. */
  readonly metrics: Metrics
  /** Calls `hear` with a span for each plugin at each hook and for each delivery, until the plugin ends. */
  spans(hear: HearSpan): void
  /** Registers background work that administrators can inspect, stop and start. */
  background(work: BackgroundWork): BackgroundHandle
  /** Logs an event that the plugin's definition declares, and passes it to the `event` hook. */
  emit<K extends keyof IemsEvents & string>(event: K, fields: IemsEvents[K]): void
  /**
   * Declares that this plugin routes mail to a channel. `iems check` and the log warn when that channel is missing or
   * cannot deliver.
   */
  routesTo(channel: string): void
  /** For channels: opens the kernel's side of one client's session. */
  openSession(facts: ConnectionInfo): ServerSession
  /**
   * Schedules a periodic job, such as a sweep, that one kernel runs for all that share the store. It outlives reloads
   * and restarts, runs in one kernel at a time, and another kernel takes it over when that one dies. Names are the
   * plugin's own.
   */
  schedule(job: Job): void
  /**
   * Runs work on this kernel's own memory every `ms` milliseconds, never concurrently with itself. A failure is logged
   * as `what`; the next run still happens.
   */
  repeat(ms: number, what: string, run: () => Promise<unknown>): void
  /**
   * State in memory that outlives a reload, such as the counts of a rate limit; `make` creates it on first use. During
   * a reload both kernels have the same object. Other servers do not share it, and it ends with the process.
   */
  lasting<T extends object>(name: string, make: () => T): T
  /** Submits a message in this plugin's name; it runs through every hook from `mail` on. */
  submit(message: Submission): Promise<Submitted>
  /**
   * Listens on `host:port`, `:port`, `[v6]:port` or `unix:/path`; call it only within `listen`. A port that stays
   * configured stays open across a reload. Port 0 chooses a free port.
   */
  port(
    address: string,
    label: string,
    connection: (socket: Socket) => void,
  ): Promise<{ readonly address: string; readonly port: number }>
  offer<T>(service: Service<T>, implementation: T): void
  use<T>(service: Service<T>): T
  /** An optional service; undefined when no plugin provides it. */
  find<T>(service: Service<T>): T | undefined
  /**
   * Runs a hook that this plugin declares. A fault throws unless its plugin is configured with onError `skip`. With
   * `of` (a delivery or message from the kernel), the taps run as those of the kernel's hooks do: the `from` and `to`
   * of the configuration apply, and findings, state and steps are recorded with it.
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
  /** Version of this API that the plugin is written for; 1 is the only one. */
  readonly api?: 1
  /** Hooks that this plugin declares for others to tap, and how each runs. */
  readonly hooks?: { readonly [K in HookName]?: HookKind }
  readonly offers?: readonly Service<unknown>[]
  readonly needs?: readonly Service<unknown>[]
  /** Optional services. */
  readonly wants?: readonly Service<unknown>[]
  /**
   * For channels: who may send to it when the configuration does not say. Default `authorised`. Use `anyone` only when
   * nothing can leave the server, as with mailboxes.
   */
  readonly accepts?: 'anyone' | 'authorised'
  /** Events of this plugin, declared in `IemsEvents`, with their log levels. */
  readonly events?: Readonly<Record<string, Level>>
  /** Kinds of records it stores, each with its current version; older records are upgraded before setup. */
  readonly records?: RecordKinds
  /** Opens files and pools; never listens. Must be quick and leave nothing behind that outlives a failed start. */
  setup(config: StandardSchemaV1.InferOutput<S>, ctx: SetupContext): MaybePromise<PluginInstance>
}

/** A plugin definition, whatever its options. */
// biome-ignore lint/suspicious/noExplicitAny: plugins with different schemas are in one list
export type AnyPluginDefinition = PluginDefinition<any>

/** A plugin with its options, as the configuration lists it. */
export interface PluginEntry {
  readonly definition: AnyPluginDefinition
  readonly input: unknown
  readonly settings: Settings
}
type Optional<Input> = undefined extends Input ? true : Record<never, never> extends Input ? true : false
export type PluginFactory<S extends StandardSchemaV1> = (
  ...given: Optional<StandardSchemaV1.InferInput<S>> extends true
    ? [config?: StandardSchemaV1.InferInput<S>, settings?: Settings]
    : [config: StandardSchemaV1.InferInput<S>, settings?: Settings]
) => PluginEntry

/** Defines a plugin. Returns the function that administrators call in `iems.config.ts`. */
export function definePlugin<S extends StandardSchemaV1>(definition: PluginDefinition<S>): PluginFactory<S> {
  const make = (input?: unknown, settings: Settings = {}) => ({ definition, input, settings })
  return make as PluginFactory<S>
}
