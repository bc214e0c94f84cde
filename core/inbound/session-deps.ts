/** What a session needs of the kernel that serves its channel, and what it needs to know of the channel. */
import type { Clock } from '../api/clock.ts'
import type { Attempts } from '../auth/login-throttle.ts'
import type { Rights } from '../auth/rights.ts'
import type { RememberRefusal } from '../queue/refusals.ts'
import type { Emit } from '../runtime/log.ts'
import type { Hooks } from '../runtime/wiring.ts'
import type { Receive } from './receive.ts'
import type { Resolve } from './resolve.ts'

export interface SessionDeps {
  readonly hooks: Hooks
  readonly clock: Clock
  readonly emit: Emit
  readonly resolve: Resolve
  readonly receive: Receive
  /** Keeps a trace of a transaction of which no recipient was taken. */
  readonly refusals: RememberRefusal
  readonly attempts: Attempts
  readonly rights: Rights
  readonly secret: () => Promise<Uint8Array>
  /** Most recipients of one message, expansions included. */
  readonly recipients: number
}

/** Where this session comes in. */
export interface InboundChannel {
  readonly channel: string
  trusts(address: string): boolean
  /** Has the ids of its open sessions. */
  readonly open?: Set<string>
}
