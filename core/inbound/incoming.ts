/**
 * A message on its way in, and the dependencies of the steps between content and acceptance.
 */
import type { Clock } from '../api/clock.ts'
import type { MailParameters, Priority, Routed, Session } from '../api/hooks.ts'
import type { Trace } from '../message/trace.ts'
import type { SharedQueue } from '../queue/queue.ts'
import type { RememberRefusal } from '../queue/refusals.ts'
import type { Emit } from '../runtime/log.ts'
import type { Hooks } from '../runtime/wiring.ts'
import type { Store } from '../store/store.ts'
import type { Resolve } from './resolve.ts'

export interface ReceiveLimits {
  /** Maximum size of the content in octets. */
  readonly messageSize: number
  /** Maximum size of the header in octets. */
  readonly headerSize: number
  /** Maximum number of Received fields; more mean a mail loop. */
  readonly hops: number
  /** Maximum size in octets of a message that `parse()` reads. */
  readonly parse: number
}

export interface ReceiveDeps {
  readonly store: Store
  readonly queue: SharedQueue
  readonly hooks: Hooks
  readonly clock: Clock
  readonly emit: Emit
  readonly hostname: string
  readonly limits: ReceiveLimits
  readonly resolve: Resolve
  readonly refusals: RememberRefusal
}

/** The envelope, known when the content begins. */
export interface Envelope {
  readonly session: Session
  readonly from: string
  readonly parameters: MailParameters
  readonly priority: Priority
  readonly recipients: readonly Routed[]
  /** The recipients that each RCPT resolved to, when each gets its own reply. */
  readonly each?: readonly (readonly Routed[])[]
  readonly once?: string
}

/** Header fields, decoded and shortened; absent fields are left out. */
export interface Summary {
  readonly subject?: string
  readonly messageId?: string
}

/** A message on its way in. */
export interface IncomingMessage extends Envelope {
  readonly id: string
  readonly trace: Trace
  /** Octets received. */
  size: number
  /** Header fields for later searches. */
  summary: Summary
}
