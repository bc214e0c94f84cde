/** What the steps between content and acceptance work with: a message on its way in, and what they need. */
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
  /** Octets of content. */
  readonly messageSize: number
  /** Octets of header. */
  readonly headerSize: number
  /** Received fields after which a message is taken to be in a loop. */
  readonly hops: number
  /** Octets up to which `parse()` reads a message. */
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

/** What is known of a message when its content begins. */
export interface Envelope {
  readonly session: Session
  readonly from: string
  readonly parameters: MailParameters
  readonly priority: Priority
  readonly recipients: readonly Routed[]
  /** The recipients that each RCPT has come to, when each is to have a reply of its own. */
  readonly each?: readonly (readonly Routed[])[]
  readonly once?: string
}

/** Of the header, decoded and shortened; absent fields are left out. */
export interface Summary {
  readonly subject?: string
  readonly messageId?: string
}

/** A message on its way in. */
export interface IncomingMessage extends Envelope {
  readonly id: string
  readonly trace: Trace
  /** Octets that have come. */
  size: number
  /** Fields of its header by which it is found later. */
  summary: Summary
}
