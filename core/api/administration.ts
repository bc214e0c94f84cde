/**
 * What administrators may see and do, for whatever serves them: the control socket, web administration, a plugin.
 *
 * Invariants: a caller is always named, and its roles decide what it may do; every change is an event with the caller's
 * name; no secret is ever shown.
 */
import type { Backend } from '../net/backend.ts'
import type { Queue } from '../queue/admin.ts'
import type { LogFeed } from '../runtime/log-feed.ts'
import type { Caller, CommandOutput, JsonSchema } from './command.ts'
import type { ComponentStatus } from './component.ts'
import type { MetricStatus } from './metrics.ts'

/** May do everything. */
export const ADMIN = 'admin'
/** May see status, components, plugins and the queue, and runs the commands that admit it. */
export const SUPPORT = 'support'

export interface ListenerStatus {
  readonly label: string
  readonly plugin: string
  readonly address: string
  readonly port: number
}

/** A kernel of this server: the one that runs, and those of earlier configurations that end what they have begun. */
export interface KernelStatus {
  /** The number of its thread, from 1 on; absent when there is only one. */
  readonly worker?: number
  /** When it began to run, ms since 1970. */
  readonly since: number
  readonly state: 'running' | 'draining'
  /** Open sessions, and deliveries under way. */
  readonly sessions: number
  readonly deliveries: number
}

/** What is ill about a server. */
export interface Problem {
  readonly text: string
  readonly cure: string
  /** The server does not do its work. Otherwise it works without something that it should have. */
  readonly isGrave: boolean
}

export interface Status {
  readonly pid: number
  readonly since: number
  readonly config: string
  readonly hostname: string
  readonly doors: readonly ListenerStatus[]
  readonly kernels: readonly KernelStatus[]
  /** Servers that plugins depend on; those with failures are down. */
  readonly backends: readonly (Backend & { readonly plugin: string })[]
  readonly lanes: readonly { readonly lane: string; readonly due: number }[]
  /** Empty when all is well. */
  readonly problems: readonly Problem[]
  /** Octets of memory. */
  readonly memory: number
}

export interface PluginStatus {
  /** The name it has in the configuration. */
  readonly name: string
  /** The plugin's own name. */
  readonly plugin: string
  readonly place: 'channel' | 'plugin'
  readonly listens: boolean
  readonly delivers: boolean
  readonly hooks: readonly string[]
  readonly offers: readonly string[]
  readonly needs: readonly string[]
  readonly commands: readonly string[]
}

/** The configuration that runs, every default filled in and every secret masked, with the schemas that explain it. */
export interface ConfigurationView {
  readonly path: string
  readonly values: Readonly<Record<string, unknown>>
  readonly schema: JsonSchema
  readonly plugins: readonly {
    readonly name: string
    readonly plugin: string
    readonly place: 'channel' | 'plugin'
    readonly options: unknown
    readonly settings: unknown
    /** Undefined when the plugin's schema cannot be given as JSON Schema. */
    readonly schema?: JsonSchema
  }[]
}

/** A command as its callers need to know it. */
export interface CommandInfo {
  readonly words: string
  readonly summary: string
  readonly arguments: readonly string[]
  readonly options: Readonly<Record<string, string>>
  readonly reads?: boolean | 'secret'
  readonly writes?: boolean
  /** What it takes, for a form. */
  readonly input: JsonSchema
  /** What the value of a line is, where the command says so. */
  readonly row?: JsonSchema
}

export interface CommandRun {
  readonly words: string
  /** By field, as a form has them. */
  readonly values?: Readonly<Record<string, unknown>>
  /** As on a command line, instead of `values`. */
  readonly arguments?: readonly string[]
  readonly options?: Readonly<Record<string, string | true>>
  readonly input?: AsyncIterable<Uint8Array>
  readonly signal: AbortSignal
}

/** All methods throw IEMS_FORBIDDEN when the caller's roles do not allow them. */
export interface Administration {
  status(): Promise<Status>
  listeners(): readonly ListenerStatus[]
  /** The taps of each hook in the order in which they run. */
  hooks(): Readonly<Record<string, readonly { readonly plugin: string; readonly stage: string }[]>>
  plugins(): readonly PluginStatus[]
  configuration(): ConfigurationView
  metrics(): readonly MetricStatus[]
  components(): readonly ComponentStatus[]
  /** Throws IEMS_COMPONENT_UNKNOWN, as the next two do. */
  component(name: string): ComponentStatus
  startComponent(name: string): Promise<ComponentStatus>
  /** Takes nothing new and finishes what is under way, for at most `drain`. It stays stopped across reloads. */
  stopComponent(name: string): Promise<ComponentStatus>
  /** Those that the caller may run. */
  commands(): readonly CommandInfo[]
  run(command: CommandRun): AsyncIterable<CommandOutput>
  /** A line for each thing that is wrong with what is kept. */
  check(): AsyncIterable<string>
  /** Lines of the log: the last ones, and those to come. */
  readonly log: LogFeed
  /** What waits; an administrator may change it. */
  readonly queue: Queue
  /** Throws, with nothing changed, when the configuration is wrong. */
  reload(): Promise<void>
  /** Finishes what is under way for at most `drain`; `now` cuts it off. Resolves when the stop has begun. */
  stop(how?: { readonly now?: boolean }): Promise<void>
}

/** What plugins get as `ctx.administration`. */
export interface AdministrationService {
  as(caller: Caller): Administration
}
