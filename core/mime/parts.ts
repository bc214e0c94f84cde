/**
 * What is known of each part of a message, and where its octets are. Types only.
 */
import type { ByteRange } from '../store/store.ts'
import type { Envelope } from './envelope.ts'

export interface Readable {
  open(range?: ByteRange): AsyncIterable<Uint8Array>
}

/** The encoded body of a message within a message. */
export interface EncodedBody {
  readonly encoding: string
  readonly body: number
  readonly end: number
  /** If it stands in an encoded message itself. */
  readonly within?: EncodedBody
}

/** One part of a message's MIME structure, as BODYSTRUCTURE (RFC 9051) needs it, with where it is in the content. */
export interface MimePart {
  /** Lower case: `text`, `multipart`, … */
  readonly type: string
  readonly subtype: string
  readonly parameters: Readonly<Record<string, string>>
  readonly id?: string
  readonly description?: string
  readonly encoding: string
  readonly disposition?: { readonly type: string; readonly parameters: Readonly<Record<string, string>> }
  readonly languages?: readonly string[]
  readonly location?: string
  readonly md5?: string
  /** Octet offsets in the content: the part's header, then its body up to `end` (without the line break before a boundary). */
  readonly header: number
  readonly body: number
  readonly end: number
  /** Lines of the body, for text and message/rfc822. */
  readonly lines?: number
  /** If it stands in an encoded message: the offsets are those of what that decodes to. */
  readonly within?: EncodedBody
  /** Of a multipart, at least one; of message/rfc822 and message/global the one message inside. */
  readonly parts?: readonly MimePart[]
  /** Of the message itself and of message/rfc822. */
  readonly envelope?: Envelope
}
