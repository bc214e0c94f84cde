/**
 * What callers of `rewriteMime` say and get. Types only.
 */
import type { MimePart, Readable } from '../parts.ts'

/** Stored content that can be read from anywhere, as often as needed; a hook's `message` is one. */
export interface Rewritable extends Readable {
  /** Octets. */
  readonly size: number
}

/** A part as the editor sees it. */
export interface PartView {
  /** What its header says, and where it stands. */
  readonly part: MimePart
  /** Its position in each container from 1, outermost first; empty for the message itself. */
  readonly path: readonly number[]
  /** Containers (multiparts and messages), outermost first. */
  readonly within: readonly MimePart[]
  /** File name of Content-Disposition, or else the name of Content-Type, decoded. */
  readonly name?: string
  /** Octets of the body as it stands, encoded. */
  readonly size: number
  /** The body with its transfer encoding undone; undefined for an unknown encoding. */
  open(): AsyncIterable<Uint8Array> | undefined
}

/** Which parts the editor is asked about. Every condition must hold; none means every leaf. */
export interface PartFilter {
  /** `text/plain`, `text/*` or `*`, in lower case. */
  readonly type?: string
  /** `attachment` or `inline`, in lower case. */
  readonly disposition?: string
  /** Never asked about parts without a name, which do not match. */
  readonly name?: (name: string) => boolean
  /** Octets of the encoded body. */
  readonly minSize?: number
  readonly maxSize?: number
  /** Multiparts and attached messages are asked about too, before what stands in them. Default: false. */
  readonly containers?: boolean
}

/** A part that the rewriter writes. */
export interface NewPart {
  /** `text/plain`, `application/pdf`; `charset` and the name stand apart. */
  readonly type: string
  /** Of Content-Type, by name. */
  readonly parameters?: Readonly<Record<string, string>>
  /** For content that is octets; text is written in UTF-8. */
  readonly charset?: string
  readonly name?: string
  readonly disposition?: 'inline' | 'attachment'
  /** Of Content-Disposition beside the name: dates and size (RFC 2183). */
  readonly dispositionParameters?: Readonly<Record<string, string>>
  /** Content-ID, without angle brackets. */
  readonly id?: string
  readonly description?: string
  /** For text of any type that is to be readable as it stands, such as BinHex, where its lines allow that. */
  readonly encoding?: '7bit' | '8bit'
  /**
   * Text, octets, or a function that opens octets; it is called twice for text types and must give the same again. Of a
   * multipart also its parts; their boundary is made.
   */
  readonly content: string | Uint8Array | (() => AsyncIterable<Uint8Array>) | readonly NewPart[]
}

/** What becomes of a part; `undefined` instead keeps it byte for byte. */
export interface PartChange {
  /** Inserted before it; beside the message itself everything is put into a new multipart/mixed. */
  readonly before?: readonly NewPart[]
  readonly after?: readonly NewPart[]
  /** Where nothing would be left, an empty text/plain part stands instead. */
  readonly remove?: true
  /** The part with its header; of a message only the Content- fields. */
  readonly replace?: NewPart
  /**
   * New text of a text part. It is called twice and must give the same again. The text keeps its charset and transfer
   * encoding where they can hold it; otherwise it is written in UTF-8, in quoted-printable or base64.
   */
  readonly text?: (text: AsyncIterable<string>) => AsyncIterable<string>
  /** New octets of any leaf, written in base64; the header is kept. */
  readonly octets?: (octets: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>
}

export type PartEditor = (view: PartView) => PartChange | undefined | Promise<PartChange | undefined>

export interface RewriteOptions {
  /** The structure of the content, if it has been read. */
  readonly structure?: MimePart
  readonly filter?: PartFilter
  /** Parts in all; a message with more is not rewritten. Default: 1,000, at most 10,000. */
  readonly maxParts?: number
  /** Levels of parts; a message with more is not rewritten. Default: 50, at most 99. */
  readonly maxDepth?: number
}

export interface RewriteProblem {
  /** Of the part; empty for the message. */
  readonly path: readonly number[]
  readonly what:
    | 'too-many-parts'
    | 'too-deep'
    /** More than 256 KiB. */
    | 'header-too-long'
    /** A multipart whose boundary is missing, too long or never used. */
    | 'no-boundary'
    /** Two Content-Type or Content-Transfer-Encoding fields in a part that was to be changed. */
    | 'ambiguous-header'
    | 'unknown-encoding'
    /** The body is not what its transfer encoding says, so decoding would lose octets. */
    | 'broken-encoding'
    | 'unknown-charset'
    /** The text is not in its charset, so decoding would lose characters. */
    | 'broken-text'
}

export interface Rewritten {
  /**
   * The new content, read as often as wanted; undefined when nothing changed or there was a problem. Everything that
   * was not changed is byte for byte as it was.
   */
  readonly content: (() => AsyncIterable<Uint8Array>) | undefined
  /** Why the message was left as it is. */
  readonly problem?: RewriteProblem
}
