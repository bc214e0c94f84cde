/**
 * The calls between the main thread and its workers; see `Peer`.
 */
import type { MessagePort } from 'node:worker_threads'
import type { KernelStatus, Status } from '../../api/administration.ts'
import type { Level } from '../../api/events.ts'
import type { MetricStatus } from '../../api/metrics.ts'
import type { Listener } from '../listeners.ts'
import type { WatchedLine } from '../log-feed.ts'
import type { Handlers } from './peer.ts'

/** Start parameters of a worker. */
export interface WorkerData {
  /** From 1. */
  readonly worker: number
  /** Path of the configuration file. */
  readonly config: string
  /** Settings that must equal the main thread's. */
  readonly fixed: FixedSettings
  readonly memory: boolean
  readonly level: Level
  readonly format: 'json' | 'text'
  /** Connects to the thread that owns the store. */
  readonly port: MessagePort
  /** Folder of a LevelDB store, which the worker reads directly. */
  readonly path?: string
  /** This worker opens the control socket and the listeners that only one can have. */
  readonly isLead: boolean
  /** Ports whose number the system chose for another worker. */
  readonly chosen: readonly Listener[]
  /** Components that an administrator stopped. */
  readonly stopped: readonly string[]
}

/** Settings that all threads must agree on. */
export interface FixedSettings {
  readonly store: string
  readonly blobs: string
  readonly folder: string
  readonly control: string
  readonly workers: number | 'auto'
}

/** Result of a worker's start. */
export interface WorkerReady {
  readonly listeners: readonly Listener[]
  readonly commands: readonly string[]
  /** Maximum ms that it takes to end. */
  readonly drain: number
}

/** Calls that a worker answers. */
export interface WorkerCalls extends Handlers {
  start(): Promise<WorkerReady>
  /** Lines from plugins for the person who started the server. */
  started(): Promise<readonly string[]>
  reload(chosen: readonly Listener[]): Promise<WorkerReady>
  /** A second call ends at once. */
  stop(): Promise<void>
  kernels(): readonly KernelStatus[]
  metrics(): readonly MetricStatus[]
  recentLines(): readonly WatchedLine[]
  backends(): Status['backends']
  /** Its log lines go to the main thread, or no longer. */
  forward(isOn: boolean): void
  /** Log lines of other threads. */
  hear(lines: WatchedLines): void
  lead(): Promise<void>
  component(change: ComponentChange): Promise<void>
}

/** Calls that the main thread answers. */
export interface MainCalls extends Handlers {
  reload(): Promise<void>
  stop(): Promise<void>
  kernels(): Promise<readonly KernelStatus[]>
  metrics(): Promise<readonly MetricStatus[]>
  recentLines(): Promise<readonly WatchedLine[]>
  backends(): Promise<Status['backends']>
  /** This worker wants the log lines of all threads, or no longer. */
  watch(isOn: boolean): void
  /** Log lines of this worker for those that watch. */
  watched(lines: WatchedLines): void
  /** The other workers apply the change of this one. */
  component(change: ComponentChange): Promise<void>
  /** Log lines. */
  lines(text: string): void
  /** A turn of the event loop. */
  beat(): void
}

/** Undefined: some were left out. */
export type WatchedLines = readonly (WatchedLine | undefined)[]

export interface ComponentChange {
  readonly name: string
  readonly isStopped: boolean
}
