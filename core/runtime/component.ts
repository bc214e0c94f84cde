/**
 * A component and its state; its owner implements start and stop.
 *
 * Invariants: starts and stops run one at a time; after a failed start or stop its state is `failed`, with the reason;
 * the names of components that an administrator stopped outlive the kernel.
 */
import type { Clock } from '../api/clock.ts'
import type { ComponentKind, ComponentState, ComponentStatus } from '../api/component.ts'
import { reasonOf } from '../api/errors.ts'
import type { Emit } from './log.ts'

export interface ComponentDeps {
  readonly clock: Clock
  readonly emit: Emit
  /** Names of components that stay stopped; see `createStopped`. */
  readonly stopped: Set<string>
  /** Where it runs instead, if not on this server. */
  readonly elsewhere?: string | undefined
}

export interface ComponentWork {
  start(): Promise<void> | void
  stop(signal: AbortSignal): Promise<void> | void
  /** Called instead of `start` when the component stays stopped. */
  hold?(): Promise<void> | void
}

export const createStopped = (): Set<string> => new Set()

/** Stands for every component of a server among the names of stopped ones. */
export const EVERYTHING = '*'

/** The name, among those of stopped components, of one that was started on a drained server. */
export const startedName = (component: string): string => `+${component}`

/** Changes the names of stopped components as an administrator's start, stop, drain or resume does. */
export function noteStopped(stopped: Set<string>, component: string, isStopped: boolean): void {
  if (component === EVERYTHING) for (const name of stopped) if (name.startsWith('+')) stopped.delete(name)
  if (isStopped) stopped.add(component).delete(startedName(component))
  else {
    stopped.delete(component)
    if (stopped.has(EVERYTHING)) stopped.add(startedName(component))
  }
}

/** Whether a component is held, by itself or because the server is drained. */
export const isHeldBy = (stopped: ReadonlySet<string>, component: string): boolean =>
  stopped.has(component) || (stopped.has(EVERYTHING) && !stopped.has(startedName(component)))

export class Component {
  readonly name: string
  readonly plugin: string
  readonly kind: ComponentKind
  readonly #deps: ComponentDeps
  readonly #work: ComponentWork
  #state: ComponentState = 'stopped'
  #why: string | undefined
  #since: number
  #busy: Promise<void> = Promise.resolve()

  constructor(about: Pick<ComponentStatus, 'plugin' | 'name' | 'kind'>, work: ComponentWork, deps: ComponentDeps) {
    this.plugin = about.plugin
    this.kind = about.kind
    this.name = `${about.plugin}/${about.name}`
    this.#work = work
    this.#deps = deps
    this.#since = deps.clock.now()
  }

  get status(): ComponentStatus {
    const { name, plugin, kind } = this
    const why = this.#why === undefined ? {} : { why: this.#why }
    return { name, plugin, kind, state: this.#state, ...why, since: this.#since }
  }

  /** Stopped by an administrator. */
  get isStopped(): boolean {
    return this.#deps.stopped.has(this.name)
  }

  /** It runs on other servers only. */
  get isElsewhere(): boolean {
    return this.#deps.elsewhere !== undefined
  }

  /** An administrator has stopped it or drained the server, or it runs on others only. */
  get #isHeld(): boolean {
    return isHeldBy(this.#deps.stopped, this.name) || this.isElsewhere
  }

  /** Starts with the kernel, unless an administrator has stopped it. */
  begin(): Promise<void> {
    return this.#isHeld ? this.#inOrder('stopped', () => this.#work.hold?.()) : this.#start()
  }

  /** Stops with the kernel. */
  end(signal: AbortSignal): Promise<void> {
    return this.#stop(signal)
  }

  /** Starts it on behalf of an administrator. */
  async start(): Promise<void> {
    noteStopped(this.#deps.stopped, this.name, false)
    await this.#start()
    if (this.#state === 'running') this.#deps.emit('component.started', { component: this.name })
  }

  async stop(signal: AbortSignal): Promise<void> {
    noteStopped(this.#deps.stopped, this.name, true)
    await this.#stop(signal)
    if (this.#state === 'stopped') this.#deps.emit('component.stopped', { component: this.name })
  }

  /** Records that it ended by itself. */
  failed(cause: unknown): void {
    this.#set('failed', reasonOf(cause))
    this.#deps.emit('component.failed', { component: this.name, cause })
  }

  #start(): Promise<void> {
    return this.#inOrder('running', () => (this.#state === 'running' ? undefined : this.#work.start()))
  }

  #stop(signal: AbortSignal): Promise<void> {
    return this.#inOrder('stopped', () => {
      if (this.#state !== 'running') return undefined
      this.#set('draining')
      return this.#work.stop(signal)
    })
  }

  #inOrder(then: ComponentState, work: () => Promise<void> | void): Promise<void> {
    this.#busy = this.#busy.then(async () => {
      try {
        await work()
        this.#set(then, then === 'stopped' ? this.#deps.elsewhere : undefined)
      } catch (cause) {
        this.failed(cause)
      }
    })
    return this.#busy
  }

  #set(state: ComponentState, why?: string): void {
    if (this.#state !== state) this.#since = this.#deps.clock.now()
    this.#state = state
    this.#why = why
  }
}
