/**
 * The dependencies of a kernel.
 */
import type { AdministrationService } from '../api/administration.ts'
import type { Clock } from '../api/clock.ts'
import type { KernelEvent } from '../api/hooks.ts'
import type { Rehearsal } from '../api/rehearsal.ts'
import type { Dns } from '../net/dns.ts'
import type { Store } from '../store/store.ts'
import type { Config } from './config-schema.ts'
import type { Lasting } from './lasting.ts'
import type { Listeners } from './listeners.ts'
import type { LogWriter } from './log.ts'

export interface KernelDeps {
  readonly config: Config
  readonly store: Store
  readonly ports: Listeners
  readonly clock: Clock
  readonly log: LogWriter
  /** Default: the kernel's own resolver. */
  readonly dns?: Dns
  /** Returns a plugin's folder beside the store; absent when the server runs in memory. */
  readonly folder?: (plugin: string) => string
  /** State that outlives the previous kernel; default: none. */
  readonly lasting?: Lasting
  /** The server's service; default: the kernel's own, which can neither reload nor stop. */
  readonly administration?: AdministrationService
  /** Sets another configuration up beside this one; default: it cannot be done. */
  readonly rehearse?: (path: string) => Promise<Rehearsal>
  /** Receives every event too. */
  readonly watch?: (event: KernelEvent) => void
}
