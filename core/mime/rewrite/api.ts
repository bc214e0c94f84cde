/**
 * The interface of `rewriteMime`. Types only.
 */
import type { MimePart, Readable } from '../parts.ts'

/** Stored content that can be read from any offset, repeatedly; a hook's `message` is one. */
export interface Rewritable extends Readable {
  /** Octets. */
  readonly size: number
}

/** A part as the editor sees it. */
export interface PartView {
  /** Its properties and position. */
  readonly part: MimePart
  /** Its position in each container from 1, outermost first; empty for the message itself. */
  readonly path: readonly number[]
  /** Containers (multiparts and messages), outermost first. */
  readonly within: readonly MimePart[]
  /** File name from Content-Disposition, else the name from Content-Type, decoded. */
  readonly name?: string
  /** Size of the encoded body in octets. */
  readonly size: number
  /** The body with its transfer encoding decoded; undefined for an unknown encoding. */
  open(): AsyncIterable<Uint8Array> | undefined
}

/** Selects the parts that the editor is called for. All conditions must hold; without any, every leaf matches. */
export interface PartFilter {
  /** `text/plain`, `text/*` or `*`, in lower case. */
  readonly type?: string
  /** `attachment` or `inline`, in lower case. */
  readonly disposition?: string
  /** Parts without a name never match. */
  readonly name?: (name: string) => boolean
  /** Octets of the encoded body. */
  readonly minSize?: number
  readonly maxSize?: number
  /** Calls the editor for multiparts and attached messages too, before their contents. Default: false. */
  readonly containers?: boolean
}

/** A new part. */
export interface NewPart {
  /** `text/plain`, `application/pdf`, without charset and name. */
  readonly type: string
  /** Parameters of Content-Type by name. */
  readonly parameters?: Readonly<Record<string, string>>
  /** Charset of octets; text is written in UTF-8. */
  readonly charset?: string
  readonly name?: string
  readonly disposition?: 'inline' | 'attachment'
  /** Of Content-Disposition beside the name: dates and size (RFC 2183). */
  readonly dispositionParameters?: Readonly<Record<string, string>>
  /** Content-ID, without angle brackets. */
  readonly id?: string
  readonly description?: string
  /** For text of any type that is to be readable without decoding, such as BinHex, where its lines allow that. */
  readonly encoding?: '7bit' | '8bit'
  /**
   * Text, octets, or a function that opens octets; it is called twice for text types and must give the same again. Of a
   * multipart also its parts; their boundary is made.
   */
  readonly content: string | Uint8Array | (() => AsyncIterable<Uint8Array>) | readonly NewPart[]
}

/** The change to a part; `undefined` instead keeps it byte for byte. */
export interface PartChange {
  /** Parts inserted before it; beside the message itself everything moves into a new multipart/mixed. */
  readonly before?: readonly NewPart[]
  readonly after?: readonly NewPart[]
  /** Parts that an HTML part shows: both are in a multipart/related, which is created if necessary. */
  readonly related?: readonly NewPart[]
  /** If nothing is left, an empty text/plain part takes its place. */
  readonly remove?: true
  /** Replaces the part with its header; of the message itself, only the Content- fields. */
  readonly replace?: NewPart
  /**
   * Replaces the text of a text part. It is called twice and must return the same text. Charset and transfer encoding
   * are kept if they can represent it; otherwise it is written in UTF-8, as quoted-printable or base64.
   */
  readonly text?: (text: AsyncIterable<string>) => AsyncIterable<string>
  /** Replaces the octets of any leaf, written as base64; the header is kept. */
  readonly octets?: (octets: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>
}

export type PartEditor = (view: PartView) => PartChange | undefined | Promise<PartChange | undefined>

export interface RewriteOptions {
  /** The structure of the content, if it has been read. */
  readonly structure?: MimePart
  readonly filter?: PartFilter
  /** Maximum number of parts; a message with more is not rewritten. Default: 1,000, at most 10,000. */
  readonly maxParts?: number
  /** Maximum depth of parts; a deeper message is not rewritten. Default: 50, at most 99. */
  readonly maxDepth?: number
}

export interface RewriteProblem {
  /** Path of the part; empty for the message. */
  readonly path: readonly number[]
  readonly what:
    | 'too-many-parts'
    | 'too-deep'
    /** More than 256 KiB. */
    | 'header-too-long'
    /** A multipart whose boundary is missing, too long or never used. */
    | 'no-boundary'
    /** Two Content-Type or Content-Transfer-Encoding fields in a part to be changed. */
    | 'ambiguous-header'
    | 'unknown-encoding'
    /** The body does not follow its transfer encoding, so decoding would lose octets. */
    | 'broken-encoding'
    | 'unknown-charset'
    /** The text does not follow its charset, so decoding would lose characters. */
    | 'broken-text'
}

export interface Rewritten {
  /**
   * Opens the new content, repeatedly; undefined when nothing changed or there was a problem. Unchanged parts stay byte
   * for byte as they were.
   */
  readonly content: (() => AsyncIterable<Uint8Array>) | undefined
  /** The reason for leaving the message unchanged. */
  readonly problem?: RewriteProblem
}
