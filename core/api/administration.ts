/**
 * The administration interface behind the control socket, web administration and plugins.
 *
 * Invariants: every caller is identified, and its roles decide what it may do; every change emits an event with the
 * caller's name; no secret is ever returned.
 */
import type { Backend } from '../net/backend.ts'
import type { Queue } from '../queue/admin.ts'
import type { LogView } from '../runtime/log-feed.ts'
import type { Caller, CommandOutput, JsonSchema } from './command.ts'
import type { ComponentStatus } from './component.ts'
import type { MetricStatus } from './metrics.ts'

/** Full access. */
export const ADMIN = 'admin'
/** Reads status, components, plugins and the queue, and runs the commands that admit the role. */
export const SUPPORT = 'support'

/** A server that shares the store. */
export interface NodeStatus {
  readonly name: string
  readonly pid: number
  /** When it was started, and when it was last heard of, ms since 1970. */
  readonly since: number
  readonly seen: number
  readonly state: 'running' | 'silent'
  /** It is the server that answers. */
  readonly isOwn: boolean
  /** All of its components are to be stopped, for maintenance. */
  readonly isDrained: boolean
  readonly components: readonly ComponentStatus[]
}

export interface ListenerStatus {
  readonly label: string
  readonly plugin: string
  readonly address: string
  readonly port: number
}

/** A kernel of this server: the current one, or one of an earlier configuration that is still draining. */
export interface KernelStatus {
  /** Thread number, from 1; absent when there is only one. */
  readonly worker?: number
  /** Start time, ms since 1970. */
  readonly since: number
  readonly state: 'running' | 'draining'
  /** Open sessions and active deliveries. */
  readonly sessions: number
  readonly deliveries: number
}

/** A detected fault of the server. */
export interface Problem {
  /** Stays the same while the problem lasts, whatever its text counts: `disk`, `component:out`. */
  readonly id: string
  readonly text: string
  readonly cure: string
  /** True when the server cannot do its work; false when it works with reduced function. */
  readonly isGrave: boolean
}

export interface Status {
  readonly pid: number
  readonly since: number
  readonly config: string
  readonly hostname: string
  readonly listeners: readonly ListenerStatus[]
  readonly kernels: readonly KernelStatus[]
  /** Servers that plugins depend on; those with failures are down. */
  readonly backends: readonly (Backend & { readonly plugin: string })[]
  readonly lanes: readonly { readonly lane: string; readonly due: number }[]
  /** Empty when the server is healthy. */
  readonly problems: readonly Problem[]
  /** Memory in use, in octets. */
  readonly memory: number
}

export interface PluginStatus {
  /** Name in the configuration. */
  readonly name: string
  /** Name of the plugin's definition. */
  readonly plugin: string
  readonly place: 'channel' | 'plugin'
  readonly listens: boolean
  readonly delivers: boolean
  readonly hooks: readonly string[]
  readonly offers: readonly string[]
  readonly needs: readonly string[]
  readonly commands: readonly string[]
}

/** The running configuration with defaults filled in and secrets masked, and its schemas. */
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
    /** Undefined when the plugin's schema cannot be converted to JSON Schema. */
    readonly schema?: JsonSchema
  }[]
}

/** A command as its callers see it. */
export interface CommandInfo {
  readonly words: string
  readonly summary: string
  readonly arguments: readonly string[]
  readonly options: Readonly<Record<string, string>>
  readonly reads?: boolean | 'secret'
  readonly writes?: boolean
  readonly irreversible?: boolean
  /** Schema of the input, for a form. */
  readonly input: JsonSchema
  /** Schema of the value of each output line, when the command declares one. */
  readonly row?: JsonSchema
}

export interface CommandRun {
  readonly words: string
  /** Values by field, as a form sends them. */
  readonly values?: Readonly<Record<string, unknown>>
  /** Arguments as on a command line, instead of `values`. */
  readonly arguments?: readonly string[]
  readonly options?: Readonly<Record<string, string | true>>
  readonly input?: AsyncIterable<Uint8Array>
  readonly signal: AbortSignal
}

/** All methods throw IEMS_FORBIDDEN when the caller's roles do not allow the call. */
export interface Administration {
  status(): Promise<Status>
  listeners(): readonly ListenerStatus[]
  /** The taps of each hook, in execution order. */
  hooks(): Readonly<Record<string, readonly { readonly plugin: string; readonly stage: string }[]>>
  plugins(): readonly PluginStatus[]
  configuration(): ConfigurationView
  /** Of all workers: counters and histograms added up, gauges with the label `worker`. */
  metrics(): Promise<readonly MetricStatus[]>
  components(): readonly ComponentStatus[]
  /** Throws IEMS_COMPONENT_UNKNOWN, as do the next two methods. */
  component(name: string): ComponentStatus
  startComponent(name: string): Promise<ComponentStatus>
  /**
   * Drains the component: it takes no new work and finishes the current work within `drain`. It stays stopped across
   * reloads.
   */
  wantComponent(name: string, node: string, isStopped: boolean): Promise<void>
  /** Stops every component of a server for maintenance, or ends that. Throws IEMS_NODE_UNKNOWN. */
  drainNode(node: string | undefined, isDrained: boolean): Promise<void>
  /** The servers that share the store. */
  nodes(): Promise<readonly NodeStatus[]>
  stopComponent(name: string): Promise<ComponentStatus>
  /** The commands that the caller may run. */
  commands(): readonly CommandInfo[]
  run(command: CommandRun): AsyncIterable<CommandOutput>
  /** Yields a line for each inconsistency in stored data. */
  check(): AsyncIterable<string>
  /** Recent log lines and new ones, of all workers. */
  readonly log: LogView
  /** The delivery queue. */
  readonly queue: Queue
  /** Throws when the configuration is invalid; the running one then stays unchanged. */
  reload(): Promise<void>
  /** Stops the server: drains for at most `drain`, or ends at once with `now`. Resolves when the stop has begun. */
  stop(how?: { readonly now?: boolean }): Promise<void>
}

/** The service that plugins get as `ctx.administration`. */
export interface AdministrationService {
  as(caller: Caller): Administration
}
