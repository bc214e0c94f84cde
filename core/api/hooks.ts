/**
 * Start reading here. The hooks that plugins tap, in the order a message meets them:
 *
 *   connect ▸ helo ▸ auth ▸ mail ▸ rcpt (expand, route) ▸ check ▸ modify ▸ ═ ACCEPT ═ ▸ queued
 *   ▸ dispatch ▸ (the channel delivers) ▸ settled, bounce                       event: every event
 *
 * Each hook has one power: session hooks and `check` may refuse, `modify` may change the message, `dispatch` may
 * postpone or reroute, `queued` and `settled` only observe. A handler gets `(subject, context)` and returns a value or
 * nothing. A refusal is a value; a throw is a fault, and a fault never becomes an acceptance or a permanent refusal.
 * Invariants: this file names no plugin, runs no hook and does no I/O.
 */
import type { ParsedMail } from 'mailparser'
import { AsyncParallelHook, AsyncSeriesBailHook, AsyncSeriesHook, AsyncSeriesWaterfallHook, SyncHook } from 'tapable'
import type { ByteRange } from '../store/store.ts'
import type { Attempt, Identity, Session, Verifier } from './client.ts'
import type { EventName, Level } from './events.ts'
import type { Refusal, Reply } from './reply.ts'
import type { HookRun } from './run.ts'

export type * from './client.ts'

// --- messages -------------------------------------------------------------------

export type Priority = 'urgent' | 'normal' | 'bulk'
export type Notify = 'NEVER' | 'SUCCESS' | 'FAILURE' | 'DELAY'

/** MAIL FROM parameters that stay with the message. */
export interface MailParameters {
  /** The size that the sender declared, in octets. */
  readonly size?: number
  readonly body?: '7BIT' | '8BITMIME' | 'BINARYMIME'
  readonly smtpUtf8?: boolean
  readonly requireTls?: boolean
  /** RFC 6710: -9 to 9. */
  readonly mtPriority?: number
  /** RFC 3461: how much of the message a report returns. */
  readonly ret?: 'FULL' | 'HDRS'
  /** RFC 3461: the sender's own id for this transaction, decoded. */
  readonly envid?: string
  /** RFC 4865 HOLDUNTIL: no delivery is attempted before this time, in ms since 1970. */
  readonly notBefore?: number
}

export interface Recipient {
  /** The address as received, with its case, quotes and IDN form. */
  readonly address: string
  /** The address before any expansion. */
  readonly original: string
  /** RFC 3461 NOTIFY; absent when the sender gave none. */
  readonly notify?: readonly Notify[]
  /** RFC 3461 ORCPT as received, with its type: `rfc822;a@example.org`, decoded. */
  readonly orcpt?: string
  /**
   * The reverse-path for this recipient alone, such as a list's VERP address; default: the message's. Reports about the
   * recipient go there. Recipients that the address expands to inherit it.
   */
  readonly from?: string
}

export interface Route {
  readonly channel: string
  /** Where the channel connects or stores; only the channel interprets it. */
  readonly nexthop: string
}

/** A recipient and its route. */
export interface Routed {
  readonly recipient: Recipient
  readonly route: Route
}

export interface Headers {
  /** Values of all fields with that name, unfolded, first to last. */
  get(name: string): readonly string[]
  /** Adds a field above all others. Folds the value as needed; throws if it contains CR or LF. */
  prepend(name: string, value: string): void
  /** Removes all fields with that name, or only those whose unfolded value `isMeant` accepts. */
  remove(name: string, isMeant?: (value: string) => boolean): void
}

/**
 * A plugin's conclusion about a message: append-only, visible to later taps, and part of the summary line and the
 * message trace.
 */
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
  /** Size of the whole content in octets, including all changes so far. */
  readonly size: number
  readonly headers: Pick<Headers, 'get'>
  readonly findings: readonly Finding[]
  /**
   * Reads the content (header and body, including all changes so far), whole or a range of octets. May be called
   * repeatedly.
   */
  open(range?: ByteRange): AsyncIterable<Uint8Array>
  /**
   * The message parsed by mailparser, once for all plugins. Undefined when the message exceeds `limits.parse`, has a
   * header of more than 128 KiB, has more parts than mailparser takes, or cannot be parsed.
   */
  parse(): Promise<ParsedMail | undefined>
}

export interface Message extends ReadableMessage {
  readonly headers: Headers
  /** Replaces the whole content, header and body. The source may read from `open()`. */
  replaceContent(source: AsyncIterable<Uint8Array>): Promise<void>
  /** Changes the reverse-path; `''` is the null reverse-path. */
  setSender(address: string): void
  /** Adds a recipient without relay checks, whatever its route. */
  addRecipient(address: string): void
  /** Removes the recipients with this address. A message without recipients is discarded. */
  removeRecipient(address: string): void
  /** Replaces a recipient's address; NOTIFY, ORCPT, the reverse-path and the original address stay. */
  replaceRecipient(address: string, by: string): void
  /**
   * Splits some recipients off into a message of their own, with the content and changes so far. Each of the two then
   * changes independently, later `modify` taps get both, and one commit accepts both. With all recipients it returns
   * the message itself.
   */
  split(recipients: readonly Recipient[]): Message
  /** To which channel the mail of a recipient goes; undefined for one that a tap has added or replaced. */
  channelOf(recipient: Recipient): string | undefined
}

// --- verdicts and outcomes --------------------------------------------------------

/** Reply 250 and drop the message. The only exception to the promise of delivery, so it is logged at level warn. */
export interface Discard {
  readonly kind: 'discard'
  readonly reason: string
}
/** Accept the message and hold every delivery until an administrator releases it. */
export interface Quarantine {
  readonly kind: 'quarantine'
  readonly reason: string
}
export type Verdict = Refusal | Discard | Quarantine
/**
 * A verdict for some of a message's recipients; the message continues for the others. LMTP clients get a reply for each
 * recipient. Over SMTP, a temporary refusal of one recipient defers the whole message, and a permanent refusal of some
 * is reported to the sender.
 */
export type RecipientVerdict = Verdict & { readonly recipients: readonly Recipient[] }

/** One message for one next hop, with all its recipients there. */
export interface Delivery {
  readonly id: string
  readonly message: ReadableMessage
  readonly route: Route
  readonly recipients: readonly Recipient[]
  /** 1 for the first attempt. */
  readonly attempt: number
  /**
   * The reverse-path that channels send: the recipients' or the message's, unless a `dispatch` tap sets another for
   * this attempt. This server's own reports ignore the one that `dispatch` sets.
   */
  from: string
  /** Header changes for this delivery alone, such as a signature. */
  readonly headers: Headers
  /** Size of the content in octets, including this delivery's header changes. */
  readonly size: number
  /** Transport extensions that the content requires. */
  readonly needs: { readonly eightBit: boolean; readonly binary: boolean; readonly utf8: boolean }
  /** Reads the content or a range of it, including this delivery's header changes. */
  open(range?: ByteRange): AsyncIterable<Uint8Array>
}

export type Disposition =
  | { readonly kind: 'postpone'; readonly until: Date; readonly reply: Reply }
  | { readonly kind: 'fail'; readonly reply: Reply }
  | { readonly kind: 'reroute'; readonly route: Route }

/** The result for one recipient in one attempt. */
export interface Outcome {
  readonly recipient: Recipient
  readonly status: 'delivered' | 'deferred' | 'failed'
  /** The interpreted reply; `said` holds the remote server's words verbatim. */
  readonly reply: Reply
  /** The remote server: `mx.example.org [192.0.2.1]`. */
  readonly remote?: string
  /**
   * RFC 3461, only for `delivered`. `final` (default): delivered to a mailbox. `relayed`: the next system sends no
   * reports, so this server does. `reported`: the next system has taken over reporting.
   */
  readonly handover?: 'final' | 'relayed' | 'reported'
  /** No server of the next hop could be reached: other deliveries to it back off. */
  readonly unreachable?: boolean
}

/** A report (RFC 3464) before it is written. */
export interface Bounce {
  readonly kind: 'failure' | 'delay' | 'success'
  readonly message: ReadableMessage
  readonly to: string
  readonly about: readonly Outcome[]
  /** Subject and text for the human reader; the rest of the report is fixed. */
  readonly subject: string
  readonly text: string
  /** Returns only the header, whatever RET says. */
  readonly headerOnly?: boolean
  readonly suppress?: boolean
}

/** An event, for logs and metrics. `events.ts` lists the names. */
export interface KernelEvent {
  readonly name: EventName
  /** Milliseconds since 1970. */
  readonly at: number
  /** Log level; default: that of the kernel's event, else `info`. */
  readonly level?: Level
  readonly message?: string
  readonly [field: string]: unknown
}

// --- the hook table ------------------------------------------------------------------

declare global {
  /**
   * Plugins declare their hooks here. Global, because the re-exported interfaces of a package cannot be merged into.
   */
  interface IemsHooks {}
}

/** Every hook with its subject and its possible answers. `void` is "no opinion". */
export interface HookTable extends IemsHooks {
  connect: (session: Session) => Refusal | void
  helo: (session: Session) => Refusal | void
  auth: (attempt: Attempt) => Identity | Verifier | Refusal | void
  /**
   * Checks whether the identity of an open session is still valid. Answers the current identity, or a refusal, which
   * ends the session.
   */
  reidentify: (client: { readonly identity: Identity; readonly session: Session }) => Identity | Refusal | void
  /**
   * A client authenticated as `identity` asks to act as `username` (RFC 4422 authzid). Answers the identity it gets; no
   * answer refuses. Compare names by the account they resolve to, never as text.
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
    /** The address after expansion and routing: at least one entry. */
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
 * How a hook runs, in tapable's terms. `bail`: in order, the first answer wins. `series`: in order, no answers.
 * `parallel`: concurrently, no answers. `waterfall`: each tap gets the answer of the one before. `sync`: synchronously,
 * no answers.
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

/** The tapable hook for a kind; its second argument carries one run (see `HookRun`). */
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
