/**
 * Start reading here. Every moment at which a plugin may speak, in the order a message meets them:
 *
 *   connect ▸ helo ▸ auth ▸ mail ▸ rcpt (expand, route) ▸ check ▸ modify ▸ ═ ACCEPT ═ ▸ queued
 *   ▸ dispatch ▸ (the channel delivers) ▸ settled, bounce                       event: told everything
 *
 * The names say the power: the session's hooks and `check` may refuse, `modify` may change, `dispatch` may hold back
 * or send elsewhere, `queued` and `settled` are told. A handler gets `(subject, context)` and answers with a value or
 * nothing; refusing is a value, throwing is a fault, and a fault never becomes a yes or a permanent no.
 * What must stay true: this file names no plugin, runs no hook and does no I/O.
 */
import type { ParsedMail } from 'mailparser'
import { AsyncParallelHook, AsyncSeriesBailHook, AsyncSeriesHook, AsyncSeriesWaterfallHook, SyncHook } from 'tapable'
import type { ByteRange } from '../store/store.ts'
import type { Attempt, Identity, Session, Verifier } from './client.ts'
import type { EventName, Level } from './events.ts'
import type { Refusal, Reply } from './reply.ts'
import type { HookRun } from './run.ts'

export type * from './client.ts'

// --- what is sent ---------------------------------------------------------------

export type Priority = 'urgent' | 'normal' | 'bulk'
export type Notify = 'NEVER' | 'SUCCESS' | 'FAILURE' | 'DELAY'

/** The parameters of MAIL FROM that live as long as the message. */
export interface MailParameters {
  /** The size the sender announced, in octets. */
  readonly size?: number
  readonly body?: '7BIT' | '8BITMIME' | 'BINARYMIME'
  readonly smtpUtf8?: boolean
  readonly requireTls?: boolean
  /** RFC 6710, from -9 to 9. */
  readonly mtPriority?: number
  /** RFC 3461: how much of the message a report returns. */
  readonly ret?: 'FULL' | 'HDRS'
  /** RFC 3461: the sender's own id for this transaction, decoded. */
  readonly envid?: string
  /** RFC 4865 HOLDUNTIL: no delivery is tried before this time, in ms since 1970. */
  readonly notBefore?: number
}

export interface Recipient {
  /** Exactly as it was sent: case, quotes and IDN form are the sender's. */
  readonly address: string
  /** The address before any expansion. */
  readonly original: string
  /** RFC 3461 NOTIFY; absent means the sender said nothing. */
  readonly notify?: readonly Notify[]
  /** RFC 3461 ORCPT as received, with its type: `rfc822;a@example.org`, decoded. */
  readonly orcpt?: string
  /**
   * The reverse-path for this recipient alone, such as a list's for each member (VERP); absent: the message's. Reports
   * about the recipient go there. What an address expands to keeps it.
   */
  readonly from?: string
}

export interface Route {
  readonly channel: string
  /** What the channel is to connect to or store in; its meaning is the channel's. */
  readonly nexthop: string
}

/** A recipient with where its mail goes. */
export interface Routed {
  readonly recipient: Recipient
  readonly route: Route
}

export interface Headers {
  /** Values of all fields of that name, unfolded, first to last. */
  get(name: string): readonly string[]
  /** Adds a field above all others. The value is folded as needed; CR and LF in it are refused. */
  prepend(name: string, value: string): void
  /** Removes all fields of that name, or those whose value, unfolded, is meant. */
  remove(name: string, isMeant?: (value: string) => boolean): void
}

/** What a plugin concluded: append-only, seen by later taps, told in the message's summary line and biography. */
export interface Finding {
  readonly plugin: string
  readonly name: string
  readonly value: string | number | boolean
}

export interface ReadableMessage {
  readonly id: string
  readonly session: Session
  /** The reverse-path; empty for reports. */
  readonly from: string
  readonly parameters: MailParameters
  readonly priority: Priority
  readonly recipients: readonly Recipient[]
  /** Octets of the whole content, with every change made so far. */
  readonly size: number
  readonly headers: Pick<Headers, 'get'>
  readonly findings: readonly Finding[]
  /**
   * The content, header and body, with every change made so far: all of it or a range of its octets. May be called any
   * number of times.
   */
  open(range?: ByteRange): AsyncIterable<Uint8Array>
  /**
   * Read by mailparser, once for all plugins; undefined for a message that is larger than `limits.parse`, has a header of
   * more than 128 KiB or more parts than mailparser takes, or cannot be understood.
   */
  parse(): Promise<ParsedMail | undefined>
}

export interface Message extends ReadableMessage {
  readonly headers: Headers
  /** Puts other content, header and body, in the place of this one. The source may read from `open()`. */
  replaceContent(source: AsyncIterable<Uint8Array>): Promise<void>
  /** Changes the reverse-path; `''` for none. */
  setSender(address: string): void
  /** Adds a recipient, wherever the address leads, as if the sender had been allowed to name it. */
  addRecipient(address: string): void
  /** Removes the recipients with this address; a message with no recipient left is discarded. */
  removeRecipient(address: string): void
  /** Sends what was for one address to another; NOTIFY, ORCPT, the reverse-path and the original address stay. */
  replaceRecipient(address: string, by: string): void
  /**
   * Makes a message of its own of some of its recipients, with the content and changes so far. From then on each of the
   * two is changed alone, later `modify` taps get both, and both are accepted in one commit. All recipients: itself.
   */
  split(recipients: readonly Recipient[]): Message
}

// --- what becomes of it -----------------------------------------------------------

/** Answer 250 and drop: the one admitted exception to the promise, so it is told at level warn. */
export interface Discard {
  readonly kind: 'discard'
  readonly reason: string
}
/** Accept, and hold every delivery until an admin releases it. */
export interface Quarantine {
  readonly kind: 'quarantine'
  readonly reason: string
}
export type Verdict = Refusal | Discard | Quarantine
/**
 * A verdict for some recipients of a message; it goes on for the others. A client that gets a reply for each recipient
 * (LMTP) gets theirs. Over SMTP a temporary refusal for one defers the whole message, and a permanent one for some is
 * reported to the sender.
 */
export type RecipientVerdict = Verdict & { readonly recipients: readonly Recipient[] }

/** One message for one next hop, with all its recipients there. */
export interface Delivery {
  readonly id: string
  readonly message: ReadableMessage
  readonly route: Route
  readonly recipients: readonly Recipient[]
  /** 1 for the first. */
  readonly attempt: number
  /**
   * The reverse-path that channels send: that of the recipients, or the message's, unless a `dispatch` tap sets another
   * for this attempt. Reports of this server ignore what `dispatch` sets.
   */
  from: string
  /** Changes for this delivery alone, such as a signature. */
  readonly headers: Headers
  /** Octets of the content with this delivery's own header changes. */
  readonly size: number
  /** What the content needs of a transport. */
  readonly needs: { readonly eightBit: boolean; readonly binary: boolean; readonly utf8: boolean }
  /** The content with this delivery's own header changes. */
  open(): AsyncIterable<Uint8Array>
}

export type Disposition =
  | { readonly kind: 'postpone'; readonly until: Date; readonly reply: Reply }
  | { readonly kind: 'fail'; readonly reply: Reply }
  | { readonly kind: 'reroute'; readonly route: Route }

/** What became of one recipient in one attempt. */
export interface Outcome {
  readonly recipient: Recipient
  readonly status: 'delivered' | 'deferred' | 'failed'
  /** As it was understood; what a remote server said stands in its `said`, word for word. */
  readonly reply: Reply
  /** The server that was asked: `mx.example.org [192.0.2.1]`. */
  readonly remote?: string
  /**
   * RFC 3461, only for `delivered`: `final` (the default) is in a mailbox; `relayed` went to a system that sends no
   * reports, so we do; `reported` went to one that took that duty over.
   */
  readonly handover?: 'final' | 'relayed' | 'reported'
  /** Nobody was reached at all: other deliveries to this next hop need not try for a while. */
  readonly unreachable?: boolean
}

/** A report (RFC 3464) that is about to be written. */
export interface Bounce {
  readonly kind: 'failure' | 'delay' | 'success'
  readonly message: ReadableMessage
  readonly to: string
  readonly about: readonly Outcome[]
  /** The words for the human reader; the rest of the report is fixed. */
  readonly subject: string
  readonly text: string
  /** Gives the header back and nothing of the body, whatever the sender asked for. */
  readonly headerOnly?: boolean
  readonly suppress?: boolean
}

/** Something that happened, for logs and metrics. Names are those of `log.ts`. */
export interface KernelEvent {
  readonly name: EventName
  /** Milliseconds since 1970. */
  readonly at: number
  /** At which it is logged; default: that of the kernel's event, else `info`. */
  readonly level?: Level
  readonly message?: string
  readonly [field: string]: unknown
}

// --- the table ----------------------------------------------------------------------

declare global {
  /** Where plugins declare hooks of their own. Global, because a package's re-exported interfaces cannot be merged into. */
  interface IemsHooks {}
}

/** Every hook: what it is given, what it may answer. `void` is "no opinion". */
export interface HookTable extends IemsHooks {
  connect: (session: Session) => Refusal | void
  helo: (session: Session) => Refusal | void
  auth: (attempt: Attempt) => Identity | Verifier | Refusal | void
  /** Whether the identity of an open session still holds: what it is now, or a refusal, which ends the session. */
  reidentify: (client: { readonly identity: Identity; readonly session: Session }) => Identity | Refusal | void
  /**
   * A client that has shown to be `identity` asks to act as `username` (RFC 4422 authzid): the identity that it gets.
   * No answer refuses. Names are compared by the account that they resolve to, never as text.
   */
  authorize: (wish: {
    readonly identity: Identity
    readonly username: string
    readonly session: Session
  }) => Identity | Refusal | void
  mail: (mail: {
    readonly from: string
    readonly parameters: MailParameters
    readonly session: Session
  }) => Refusal | void
  rcpt: (rcpt: {
    readonly to: Recipient
    readonly from: string
    readonly session: Session
    readonly parameters: MailParameters
    /** What the address comes to: at least one. */
    readonly routed: readonly Routed[]
  }) => Refusal | void
  check: (message: ReadableMessage) => Verdict | readonly RecipientVerdict[] | void
  modify: (message: Message) => void
  expand: (rcpt: { readonly to: Recipient; readonly from: string }) => readonly Recipient[] | Refusal | void
  route: (rcpt: { readonly to: Recipient; readonly from: string }) => Route | void
  queued: (message: ReadableMessage) => void
  dispatch: (delivery: Delivery) => Disposition | void
  settled: (result: { readonly delivery: Delivery; readonly outcomes: readonly Outcome[] }) => void
  bounce: (bounce: Bounce) => Bounce | void
  event: (event: KernelEvent) => void
}
export type HookName = keyof HookTable
export type Subject<K extends HookName> = Parameters<HookTable[K]>[0]
export type Answer<K extends HookName> = Exclude<ReturnType<HookTable[K]>, void>

/**
 * How a hook runs, in tapable's words. `bail`: in order, the first answer wins. `series`: in order, no answers.
 * `parallel`: all at once, no answers. `waterfall`: each gets what the one before answered. `sync`: told, at once.
 */
export type HookKind = 'bail' | 'series' | 'parallel' | 'waterfall' | 'sync'

export const KERNEL_HOOKS = {
  connect: 'bail',
  helo: 'bail',
  auth: 'bail',
  reidentify: 'bail',
  authorize: 'bail',
  mail: 'bail',
  rcpt: 'bail',
  check: 'bail',
  modify: 'series',
  expand: 'bail',
  route: 'bail',
  queued: 'parallel',
  dispatch: 'bail',
  settled: 'parallel',
  bounce: 'waterfall',
  event: 'sync',
} as const satisfies Partial<Record<HookName, HookKind>>

/** tapable's hook for a kind; its second argument is what one run carries (see `Run`). */
export function createHook(kind: HookKind, name: string) {
  switch (kind) {
    case 'bail':
      return new AsyncSeriesBailHook<[unknown, HookRun], unknown>(['subject', 'run'], name)
    case 'series':
      return new AsyncSeriesHook<[unknown, HookRun]>(['subject', 'run'], name)
    case 'parallel':
      return new AsyncParallelHook<[unknown, HookRun]>(['subject', 'run'], name)
    case 'waterfall':
      return new AsyncSeriesWaterfallHook<[unknown, HookRun], unknown>(['subject', 'run'], name)
    case 'sync':
      return new SyncHook<[unknown, HookRun]>(['subject', 'run'], name)
  }
}
