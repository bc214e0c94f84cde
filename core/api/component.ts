/**
 * Components: parts of a running server that administrators see, stop and start one by one.
 *
 * A listener, a channel's delivery, a job and a plugin's background work are components. Invariants: a component that was
 * stopped stays stopped across reloads until it is started or the process ends; stopping loses no work.
 */

export type ComponentKind = 'listener' | 'delivery' | 'job' | 'background'
/** `draining`: it takes nothing new and finishes what is under way. */
export type ComponentState = 'running' | 'stopped' | 'draining' | 'failed'

export interface ComponentStatus {
  /** The plugin's name, a slash, and the component's name in it: `mailstore/index`. */
  readonly name: string
  readonly plugin: string
  readonly kind: ComponentKind
  readonly state: ComponentState
  /** Why it failed. */
  readonly why?: string
  /** Since when it has been in this state, ms since 1970. */
  readonly since: number
}

/** Background work of a plugin. It is started when every plugin has listened, and stopped with the plugin. */
export interface BackgroundWork {
  /** Its own among the plugin's components. */
  readonly name: string
  start(): Promise<void> | void
  /** Takes nothing new and resolves when what is under way is done. It may be started again. */
  stop(): Promise<void> | void
}

export interface BackgroundHandle {
  /** It has ended by itself; it is shown as failed until it is started again. */
  failed(cause: unknown): void
}
