/** What the main thread and its workers ask of each other; see `Peer`. */
import type { MessagePort } from 'node:worker_threads'
import type { KernelStatus } from '../../api/administration.ts'
import type { Level } from '../../api/events.ts'
import type { Listener } from '../listeners.ts'
import type { Handlers } from './peer.ts'

/** What a worker is started with. */
export interface WorkerData {
  /** From 1 on. */
  readonly worker: number
  /** The configuration file. */
  readonly config: string
  /** What of it must be as the main thread has it. */
  readonly fixed: FixedSettings
  readonly memory: boolean
  readonly level: Level
  readonly format: 'json' | 'text'
  /** To the thread that owns the store. */
  readonly port: MessagePort
  /** The folder of a LevelDB store, which the worker reads directly. */
  readonly path?: string
  /** It opens the control socket, and the listeners that only one worker can have. */
  readonly isLead: boolean
  /** Ports whose number the system has chosen for another worker. */
  readonly chosen: readonly Listener[]
  /** Components that an administrator has stopped. */
  readonly stopped: readonly string[]
}

/** Settings on which the threads have to agree. */
export interface FixedSettings {
  readonly store: string
  readonly folder: string
  readonly control: string
  readonly workers: number | 'auto'
}

/** How a worker came up. */
export interface WorkerReady {
  readonly doors: readonly Listener[]
  readonly commands: readonly string[]
  /** Ms that it takes to end at most. */
  readonly drain: number
}

/** What a worker answers. */
export interface WorkerCalls extends Handlers {
  start(): Promise<WorkerReady>
  /** The lines that plugins have for the person who started the server. */
  started(): Promise<readonly string[]>
  reload(chosen: readonly Listener[]): Promise<WorkerReady>
  /** Called again: at once. */
  stop(): Promise<void>
  kernels(): readonly KernelStatus[]
  lead(): Promise<void>
  component(change: ComponentChange): Promise<void>
}

/** What the main thread answers. */
export interface MainCalls extends Handlers {
  reload(): Promise<void>
  stop(): Promise<void>
  kernels(): Promise<readonly KernelStatus[]>
  /** The other workers do as the one that tells has done. */
  component(change: ComponentChange): Promise<void>
  /** Lines of the log. */
  lines(text: string): void
  /** The event loop turns. */
  beat(): void
}

export interface ComponentChange {
  readonly name: string
  readonly isStopped: boolean
}
