/**
 * Properties of each part of a message and the position of its octets. Types only.
 */
import type { ByteRange } from '../store/store.ts'
import type { Envelope } from './envelope.ts'

export interface Readable {
  open(range?: ByteRange): AsyncIterable<Uint8Array>
}

/** The encoded body of a nested message. */
export interface EncodedBody {
  readonly encoding: string
  readonly body: number
  readonly end: number
  /** Set when it is inside an encoded message itself. */
  readonly within?: EncodedBody
}

/** One part of a message's MIME structure, as BODYSTRUCTURE (RFC 9051) needs it, with its position in the content. */
export interface MimePart {
  /** In lower case: `text`, `multipart`, … */
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
  /**
   * Octet offsets in the content: the part's header, then its body up to `end` (without the line break before a
   * boundary).
   */
  readonly header: number
  readonly body: number
  readonly end: number
  /** Lines of the body, for text and message/rfc822. */
  readonly lines?: number
  /** Set inside an encoded message: the offsets are those in its decoded body. */
  readonly within?: EncodedBody
  /** For a multipart, at least one part; for message/rfc822 and message/global the single nested message. */
  readonly parts?: readonly MimePart[]
  /** For the message itself and for message/rfc822. */
  readonly envelope?: Envelope
}
