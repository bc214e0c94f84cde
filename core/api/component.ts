/**
 * Components: parts of a running server that administrators inspect, stop and start one by one.
 *
 * A listener, a channel's delivery, a job and a plugin's background work are components. Invariants: a stopped
 * component stays stopped across reloads until it is started or the process ends; stopping loses no work.
 */

export type ComponentKind = 'listener' | 'delivery' | 'job' | 'background'
/** `draining`: the component takes no new work and finishes its current work. */
export type ComponentState = 'running' | 'stopped' | 'draining' | 'failed'

export interface ComponentStatus {
  /** Plugin name, slash, component name: `mailstore/index`. */
  readonly name: string
  readonly plugin: string
  readonly kind: ComponentKind
  readonly state: ComponentState
  /** Reason for the failure. */
  readonly why?: string
  /** Time of the last state change, ms since 1970. */
  readonly since: number
}

/** Background work of a plugin. The kernel starts it after every plugin has listened and stops it with the plugin. */
export interface BackgroundWork {
  /** Unique among the plugin's components. */
  readonly name: string
  start(): Promise<void> | void
  /** Takes no new work and resolves when the current work is done. `start` may be called again afterwards. */
  stop(): Promise<void> | void
}

export interface BackgroundHandle {
  /** Reports that the work ended by itself; its state is `failed` until it is started again. */
  failed(cause: unknown): void
}
