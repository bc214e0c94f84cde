/**
 * A session's dependencies on the kernel, and the properties of its channel.
 */
import type { KeyObject } from 'node:crypto'
import type { Clock } from '../api/clock.ts'
import type { Attempts } from '../auth/login-throttle.ts'
import type { Rights } from '../auth/rights.ts'
import type { RememberRefusal } from '../queue/refusals.ts'
import type { Emit } from '../runtime/log.ts'
import type { Hooks } from '../runtime/wiring.ts'
import type { Examine } from './examine.ts'
import type { Receive } from './receive.ts'
import type { Resolve } from './resolve.ts'

export interface SessionDeps {
  readonly hooks: Hooks
  readonly clock: Clock
  readonly emit: Emit
  readonly resolve: Resolve
  readonly receive: Receive
  readonly examine: Examine
  /** Records a trace of a transaction without an accepted recipient. */
  readonly refusals: RememberRefusal
  readonly attempts: Attempts
  readonly rights: Rights
  readonly secret: () => Promise<KeyObject>
  /** Maximum recipients of one message, including expansions. */
  readonly recipients: number
}

/** The channel of a session. */
export interface InboundChannel {
  readonly channel: string
  trusts(address: string): boolean
  /** Ids of its open sessions. */
  readonly open?: Set<string>
}
