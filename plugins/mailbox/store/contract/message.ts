/**
 * Messages in mailboxes, and their content whichever mailbox holds it.
 */
import type { ByteRange } from 'iems'
import type { EmailText, EncodedBody, Envelope, MimePart } from 'iems/mime'
import type { Mailbox } from './mailbox.ts'

export type { EmailText, Envelope, EnvelopeAddress, MimePart } from 'iems/mime'

/** UIDs from the first to the last, both included. */
export type UidRange = readonly [first: number, last: number]
/** In order and without overlap. */
export type Uids = readonly UidRange[]

/** A message in a mailbox. */
export interface Entry {
  readonly uid: number
  /** RFC 8474 EMAILID: identifies the content across all mailboxes. */
  readonly email: string
  /** RFC 8474 THREADID. */
  readonly thread: string
  /** System flags with their backslash, keywords without. */
  readonly flags: readonly string[]
  readonly modseq: number
  /** INTERNALDATE, ms since 1970. */
  readonly received: number
  /** RFC 8514 SAVEDATE, ms since 1970. */
  readonly saved: number
  /** Octets. */
  readonly size: number
}

/** A mailbox at one moment, from which a session counts its sequence numbers. */
export interface Snapshot {
  readonly mailbox: Mailbox
  readonly uids: Uids
}

/** Changes since a modseq. */
export interface Changes {
  /** The mailbox after these changes, whose modseq is the next `since`. */
  readonly mailbox: Mailbox
  /** Entries that are new or whose flags changed, in order of UID. */
  readonly changed: readonly Entry[]
  readonly vanished: Uids
  /** True when `since` is too old: `vanished` is then incomplete. */
  readonly forgotten: boolean
}

export interface FlagChange {
  readonly how: 'add' | 'remove' | 'set'
  readonly flags: readonly string[]
  /** RFC 7162 UNCHANGEDSINCE. */
  readonly unchangedSince?: number
}

export interface NewMessage {
  readonly content: AsyncIterable<Uint8Array>
  readonly flags?: readonly string[]
  /** Default: now. */
  readonly received?: number
  /** For a move from another server: the UID that it gets, if the mailbox has not reached it yet; else the next. */
  readonly uid?: number
}

/** The UIDs of a copy and its original. */
export interface Copied {
  readonly from: number
  readonly to: number
}

/** Octets of the content, or of the decoded body of an encoded message in it. */
export interface PartRange extends ByteRange {
  readonly within?: EncodedBody
}

/** A message's content, whichever mailbox it is in. */
export interface Email {
  readonly id: string
  readonly size: number
  /** Octets of the header, the blank line after it included. */
  readonly headerSize: number
  open(range?: PartRange): AsyncIterable<Uint8Array>
  /** A range in one buffer, for octets that have to be in memory; cheaper than `open` for a small message. */
  read(range: ByteRange): Promise<Buffer>
  /** The octets of the header, the blank line after it included; undefined for one beyond a mebibyte. */
  header(): Promise<Uint8Array | undefined>
  /** Computed once and stored. */
  structure(): Promise<MimePart>
  /** A part's body with its transfer encoding decoded; undefined for an unknown encoding. */
  decoded(part: MimePart): AsyncIterable<Uint8Array> | undefined
  /** The last field with that lower-case name, unfolded but otherwise raw. */
  field(name: string): Promise<string | undefined>
  /** Searchable text, up to a number of characters of its parts; default 1,048,576. */
  text(most?: number): Promise<EmailText>
  /** From the digest if there is one, else from the header. */
  envelope(): Promise<Envelope>
  /** Computed once and stored. */
  digest(): Promise<Digest>
  /** RFC 8970: the beginning of the visible text, at most 256 characters. Part of the digest. */
  preview(): Promise<string>
}

/** An email as a row of a list. */
export interface Digest {
  readonly envelope: Envelope
  /** The beginning of the visible text, at most 256 characters. */
  readonly preview: string
  /** Some part is what clients show as an attachment. */
  readonly hasAttachments: boolean
  /** Of the Date field, ms since 1970. */
  readonly sent?: number
  /** Without its brackets. */
  readonly messageId?: string
  /** Message ids without their brackets: of References (the nearest 100), or else the first of In-Reply-To. */
  readonly references: readonly string[]
}
