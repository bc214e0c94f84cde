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
  /** RFC 8474 EMAILID: the content, the same in every mailbox that holds it. */
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

/** What happened since a modseq. */
export interface Changes {
  /** Where these changes end: the `since` of the next question. */
  readonly mailbox: Mailbox
  /** Entries that are new or whose flags changed, in order of UID. */
  readonly changed: readonly Entry[]
  readonly vanished: Uids
  /** True when `since` lies before what is remembered: `vanished` is then incomplete. */
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
}

/** A copy's UID beside the original's. */
export interface Copied {
  readonly from: number
  readonly to: number
}

/** Octets of the content, or of what the body of an encoded message in it decodes to. */
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
  /** The octets of the header, the blank line after it included; undefined for one beyond a mebibyte. */
  header(): Promise<Uint8Array | undefined>
  /** Made once and kept. */
  structure(): Promise<MimePart>
  /** A part's body with its transfer encoding undone; undefined for an encoding nobody knows. */
  decoded(part: MimePart): AsyncIterable<Uint8Array> | undefined
  /** The last field of that name (lower case), unfolded and otherwise as it stands. */
  field(name: string): Promise<string | undefined>
  /** What is searched in it, up to so many characters of its parts; default 1,048,576. */
  text(most?: number): Promise<EmailText>
  /** From the digest if there is one, else from the header. */
  envelope(): Promise<Envelope>
  /** Made once and kept. */
  digest(): Promise<Digest>
  /** RFC 8970: the beginning of the visible text, at most 256 characters. Part of the digest. */
  preview(): Promise<string>
}

/** What a list of messages shows of an email. */
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
