/**
 * What a listening channel says to the kernel about one client: calls in the order of RFC 5321, then the content.
 *
 * The channel translates its protocol; what is allowed is decided behind these calls, by hooks and by the destination
 * channel.
 */
import type { SaslExchange, WholeCredentials } from '../auth/sasl/exchange.ts'
import type { SaslMechanism } from '../auth/sasl/mechanisms.ts'
import type { Step } from '../message/trace.ts'
import type { StoredContent } from '../queue/blob-references.ts'
import type { Identity, MailParameters, Priority, Protocol, Recipient, Routed, Session } from './hooks.ts'
import type { Refusal, Reply } from './reply.ts'

/** The answer to a content. */
export interface DataReply extends Reply {
  /** What the log, the queue and the trace call the message. Absent when there was no transaction. */
  readonly message?: string
  /** The message is in the queue under that id. */
  readonly queued?: boolean
  /** With `DataOptions.each`: the reply for each RCPT that was accepted, in order. Absent: this one holds for all. */
  readonly each?: readonly Reply[]
}

/** How a content is taken. */
export interface DataOptions {
  /** The same key is the same message, for a week. */
  readonly once?: string
  /** The class in which it waits; `urgent` only for clients that may relay. Default: by `mtPriority`. */
  readonly priority?: Priority
  /** The client gets a reply for each recipient (LMTP), so that `check` can refuse some of them to it. Default false. */
  readonly each?: boolean
}

/** Of a TLS connection; `tlsFacts` knows them. */
export type TlsInfo = NonNullable<Session['tls']> & {
  /** RFC 9266: what SASL can be bound to. Stays in the kernel. */
  readonly binding?: Uint8Array
}

export interface ConnectionInfo {
  readonly protocol: Protocol
  readonly remote: Session['remote']
  readonly local?: NonNullable<Session['local']>
  readonly tls?: TlsInfo
  /** Default false. */
  readonly submission?: boolean
  /** Default `mail`. A listener whose clients hand in no messages, such as IMAP's, sets `nothing`: filters then pass over them. */
  readonly brings?: Session['brings']
}

/** The kernel's side of one client's connection. Every refusal is a value; nothing here throws. */
export interface ServerSession {
  readonly session: Session
  connect(): Promise<Refusal | undefined>
  /** New facts: another protocol, TLS, a name from XCLIENT, … A new HELO, TLS or address ends the transaction. */
  update(facts: Partial<ConnectionInfo> & { readonly helo?: string; readonly identity?: Identity | undefined }): void
  /** The SASL mechanisms that can succeed now, strongest first. */
  mechanisms(): readonly SaslMechanism[]
  /**
   * Runs a SASL exchange to its end; an identity is remembered. Wrong credentials are 535; 501 says that the client gave
   * up, or that it could not be understood. May take its time when many attempts have failed. Throws what `ask` throws.
   */
  authenticate(exchange: SaslExchange): Promise<Identity | Refusal>
  /** The same for credentials that a protocol has without SASL. */
  auth(credentials: WholeCredentials): Promise<Identity | Refusal>
  /**
   * Takes up an identity that this server gave earlier and a plugin kept, as a web login does. Asks the plugins whether it
   * still holds; a refusal says that it does not, or that they cannot be asked now.
   */
  resume(identity: Identity): Promise<Refusal | undefined>
  /** Aborted when the client's identity no longer holds, with a sentence for the client: the session is to be ended. */
  readonly revoked: AbortSignal
  /** Calls `look` whenever the identity was asked about and still holds: what it may do can have changed. */
  onRechecked(look: () => void): void
  /** Begins a transaction; also runs `helo` if it has not run since the last new name. */
  mail(from: string, parameters: MailParameters): Promise<Refusal | undefined>
  rcpt(to: Pick<Recipient, 'address' | 'notify' | 'orcpt' | 'from'>): Promise<Refusal | undefined>
  /**
   * The content, dot-unstuffed, to its end, or content that is stored already. When this answers 250 the message is on
   * stable storage; it ends the transaction either way. A source that throws is a client that went away: nothing is kept.
   */
  data(content: AsyncIterable<Uint8Array> | StoredContent, options?: DataOptions): Promise<DataReply>
  /** What the transaction has come to so far: every recipient's route, and what each tap said. */
  outlook(): { readonly routed: readonly Routed[]; readonly steps: readonly Step[] } | undefined
  /** RSET: forgets the transaction. */
  reset(): void
  close(): void
}
