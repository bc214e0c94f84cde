/** What a kernel is made of. */
import type { AdministrationService } from '../api/administration.ts'
import type { Clock } from '../api/clock.ts'
import type { KernelEvent } from '../api/hooks.ts'
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
  /** Default: a resolver of the kernel's own. */
  readonly dns?: Dns
  /** A folder of a plugin's own beside the store; absent when nothing is kept. */
  readonly folder?: (plugin: string) => string
  /** What the kernel before counted; default: nothing. */
  readonly lasting?: Lasting
  /** The server's; default: the kernel's own, which can neither reload nor stop. */
  readonly administration?: AdministrationService
  /** Also gets every event. */
  readonly watch?: (event: KernelEvent) => void
}
