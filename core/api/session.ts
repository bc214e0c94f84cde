/**
 * The kernel's interface for one client of a listening channel: calls in the order of RFC 5321, then the content.
 *
 * The channel translates its protocol; hooks and the destination channel decide what is allowed.
 */
import type { SaslExchange, WholeCredentials } from '../auth/sasl/exchange.ts'
import type { SaslMechanism } from '../auth/sasl/mechanisms.ts'
import type { Step } from '../message/trace.ts'
import type { StoredContent } from '../queue/blob-references.ts'
import type {
  Finding,
  Identity,
  MailParameters,
  Priority,
  Protocol,
  Recipient,
  Routed,
  Session,
  Verdict,
} from './hooks.ts'
import type { Refusal, Reply } from './reply.ts'

/** The reply to the content of a message. */
export interface DataReply extends Reply {
  /** Message id in the log, the queue and the trace. Absent without a transaction. */
  readonly message?: string
  /** The message is queued under that id. */
  readonly queued?: boolean
  /** With `DataOptions.each`: the reply for each accepted RCPT, in order. Absent when one reply applies to all. */
  readonly each?: readonly Reply[]
}

/** Result of the plugins for a message that this server does not keep. */
export interface Examination {
  /** On the whole message; undefined when it would be accepted. */
  readonly verdict: Verdict | undefined
  /** Recipients that are refused, when others are not. */
  readonly refused: readonly { readonly recipient: Recipient; readonly refusal: Refusal }[]
  /** The message after `modify`, or the messages into which it was split. Empty when it is refused or discarded. */
  readonly messages: readonly {
    readonly from: string
    readonly recipients: readonly Recipient[]
    /** A plugin has replaced the whole content, not just header fields. */
    readonly isReplaced: boolean
    open(): AsyncIterable<Uint8Array>
  }[]
  readonly findings: readonly Finding[]
}

/** How content is accepted. */
export interface DataOptions {
  /** Idempotency key, valid for a week. */
  readonly once?: string
  /** Queue priority; `urgent` only for clients that may relay. Default: from `mtPriority`. */
  readonly priority?: Priority
  /**
   * The client gets a reply for each recipient (LMTP), so that `check` can refuse recipients individually. Default
   * false.
   */
  readonly each?: boolean
}

/** Facts about a TLS connection, from `tlsFacts`. */
export type TlsInfo = NonNullable<Session['tls']> & {
  /** RFC 9266 channel binding data for SASL. Never leaves the kernel. */
  readonly binding?: Uint8Array
}

export interface ConnectionInfo {
  readonly protocol: Protocol
  readonly remote: Session['remote']
  readonly local?: NonNullable<Session['local']>
  readonly tls?: TlsInfo
  /** Default false. */
  readonly submission?: boolean
  /**
   * Default `mail`. Listeners whose clients submit no messages, such as IMAP, set `nothing`, so that filters skip them.
   */
  readonly brings?: Session['brings']
  /**
   * The client is another mail server that keeps its messages: recipients are not routed, and `examine` takes the place
   * of `data`. Default false.
   */
  readonly isElsewhere?: boolean
}

/** The kernel's side of one client's connection. Refusals are values; methods throw only where they say so. */
export interface ServerSession {
  readonly session: Session
  connect(): Promise<Refusal | undefined>
  /** Sets new facts: another protocol, TLS, a name from XCLIENT, … A new HELO, TLS or address ends the transaction. */
  update(facts: Partial<ConnectionInfo> & { readonly helo?: string; readonly identity?: Identity | undefined }): void
  /** The SASL mechanisms that can currently succeed, strongest first. */
  mechanisms(): readonly SaslMechanism[]
  /**
   * Runs a SASL exchange to its end and remembers the identity. Wrong credentials are 535; 501 means that the client
   * cancelled or sent a malformed response. Delayed after many failed attempts. Throws what `ask` throws.
   */
  authenticate(exchange: SaslExchange): Promise<Identity | Refusal>
  /** Authenticates with credentials of a protocol without SASL. */
  auth(credentials: WholeCredentials): Promise<Identity | Refusal>
  /**
   * Resumes an identity that this server authenticated earlier and a plugin stored, as a web session does. Plugins
   * check whether it is still valid; a refusal means that it is not, or that they cannot check it now.
   */
  resume(identity: Identity): Promise<Refusal | undefined>
  /**
   * Aborts when the client's identity becomes invalid, with a sentence for the client. The channel must end the
   * session.
   */
  readonly revoked: AbortSignal
  /** Calls `look` after each check that found the identity still valid: its rights may have changed. */
  onRechecked(look: () => void): void
  /** Begins a transaction; runs `helo` first if it has not run since the last HELO or EHLO. */
  mail(from: string, parameters: MailParameters): Promise<Refusal | undefined>
  rcpt(to: Pick<Recipient, 'address' | 'notify' | 'orcpt' | 'from'>): Promise<Refusal | undefined>
  /**
   * Takes the content, dot-unstuffed, or content that is already stored. A 250 reply means that the message is on
   * stable storage. Ends the transaction either way. A source that throws means that the client disconnected: nothing
   * is stored.
   */
  data(content: AsyncIterable<Uint8Array> | StoredContent, options?: DataOptions): Promise<DataReply>
  /**
   * Runs `check` and `modify` on the content without accepting it, and passes the result to `look`; the content can be
   * read until that returns. Ends the transaction. Throws when the transaction has no recipient, the content is
   * invalid, or a plugin fails.
   */
  examine<T>(
    content: AsyncIterable<Uint8Array> | StoredContent,
    look: (examination: Examination) => Promise<T>,
  ): Promise<T>
  /** The transaction so far: every recipient's route and the answer of each tap. */
  outlook(): { readonly routed: readonly Routed[]; readonly steps: readonly Step[] } | undefined
  /** RSET: ends the transaction. */
  reset(): void
  close(): void
}
