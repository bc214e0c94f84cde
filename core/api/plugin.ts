/**
 * The one shape of a plugin: what its author writes.
 *
 * A plugin is a name, a schema, and a `setup` that gives back named hooks; a channel is a plugin that also has `listen`
 * or `deliver`. What must stay true: no plugin ever holds a raw hook, the kernel or the whole store; what protects the
 * kernel from it stands in `runtime/guard.ts`.
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
import type { AdministrationService } from './administration.ts'
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
import type { Reply } from './reply.ts'
import type { Service } from './service.ts'
import type { ConnectionInfo, ServerSession } from './session.ts'

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
  /**
   * Called once when the server has started and everything listens, and not after a reload. `iems start` prints the lines
   * it gives back, such as a password made at the first start; they are never logged.
   */
  started?(): MaybePromise<readonly string[]>
  /** The servers it depends on, for `iems status`. */
  backends?(): readonly Backend[]
  /**
   * Reads again what setup has read from files, such as certificates: a reload with the same options calls this instead
   * of setting everything up again, which would end sessions. False: only setup can take what has changed. A plugin whose
   * setup reads files has it.
   */
  refresh?(): MaybePromise<boolean>
  /**
   * Takes other options without being set up again, so that sessions and connections stay. Returns what makes them hold,
   * which is called when the new configuration begins to run and must not fail; false when only setup can take them.
   * Throws what `setup` would throw of them.
   */
  reconfigure?(options: unknown): MaybePromise<(() => void) | false>
  /** Takes no new work and finishes what is under way, until the signal says time is up; then undoes setup and listen. */
  close?(signal: AbortSignal): MaybePromise<void>
}

export interface DeliverContext extends Pick<HookContext, 'state' | 'note'> {
  readonly log: Log
  /** Aborted when the lease is lost or the server ends at once: what is not done then counts as deferred. */
  readonly signal: AbortSignal
}

/** A recipient of a submission. */
export type SubmissionRecipient = Pick<Recipient, 'address' | 'notify' | 'orcpt' | 'from'>

/** Content that is not stored yet. */
export type ContentSource = AsyncIterable<Uint8Array> | Uint8Array | string

/** A message that a plugin hands in. */
export interface Submission {
  /** The reverse-path; recipients may have one of their own. */
  readonly from: string
  /** At most `limits.recipients`: larger lists are several submissions, which may share stored content. */
  readonly to: readonly (string | SubmissionRecipient)[]
  /**
   * Octets, or content that is stored already and is not copied: a delivery under way, with its header changes so far,
   * or content that a holder keeps for as long as this takes.
   */
  readonly content: ContentSource | StoredContent
  /** What MAIL would say: `ret`, `envid`, `requireTls`, `mtPriority`, `notBefore` to send later, … */
  readonly parameters?: MailParameters
  /** The class in which it waits. Default: what `parameters.mtPriority` says, `normal` without one. */
  readonly priority?: Priority
  /** The same key is the same message, for a week: a sender that crashed half-way starts again without harm. */
  readonly once?: string
  /** A mail user agent's first hop: a missing Date and Message-ID are added. Default false. */
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
  /** What administrators may see and do, for plugins that serve them; the caller's roles decide. */
  readonly administration: AdministrationService
  /** Numbers for dashboards and alerts; their names begin with the plugin's. */
  readonly metrics: Metrics
  /** Background work that administrators see, stop and start. */
  background(work: BackgroundWork): BackgroundHandle
  /** Logs an event of the plugin's own, which its definition declares, and gives it to the `event` hook. */
  emit<K extends keyof IemsEvents & string>(event: K, fields: IemsEvents[K]): void
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
  /** Events of its own, declared in `IemsEvents`, and the level at which each is logged. */
  readonly events?: Readonly<Record<string, Level>>
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
