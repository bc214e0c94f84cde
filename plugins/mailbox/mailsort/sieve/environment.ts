/**
 * The environment of a script apart from the message, and its resulting actions.
 */
import type { ByteRange } from 'iems'

/** A message: its header at once, the rest when a test asks for it. */
export interface MessageSource {
  /** Octets. */
  readonly size: number
  /** The octets of the header, the blank line after it included. */
  readonly header: Uint8Array
  open(range?: ByteRange): AsyncIterable<Uint8Array>
}

/** RFC 5490: whose annotations; without a mailbox those of the account. */
export interface Annotated {
  readonly mailbox?: string
}

export interface Duplicate {
  readonly handle: string
  readonly id: string
  /** Lifetime in seconds. */
  readonly seconds: number
  /** Each sighting begins that time again. */
  readonly isLast: boolean
}

/** Everything but the message. Absent functions count as empty. */
export interface Environment {
  readonly envelope: { readonly from: string; readonly to: string; readonly auth?: string }
  /** The id of the account whose script it is; empty for none. */
  readonly owner?: string
  /** Ms since 1970. */
  readonly now: number
  /** Minutes east of UTC for dates without a zone of their own. Default 0. */
  readonly zone?: number
  /** Those that the message has before the script runs. */
  readonly flags?: readonly string[]
  /** It runs for an event in IMAP and not for a delivery: there is no envelope (RFC 6785 section 4.6). */
  readonly isEvent?: boolean
  /** RFC 5183, by names in lower case. */
  readonly items?: Readonly<Record<string, string>>
  /** A list of letters that divide the local part from its detail. Default `+`. */
  readonly separator?: string
  hasMailbox?(name: string): Promise<boolean>
  hasMailboxId?(id: string): Promise<boolean>
  /** With a mailbox: whether it has the use; else whether any has. */
  hasSpecialUse?(use: string, mailbox?: string): Promise<boolean>
  /** Whether the id was seen before; notes it. */
  isDuplicate?(duplicate: Duplicate): Promise<boolean>
  /** RFC 6134: whether a list has the value; undefined for an unknown list. */
  isInList?(list: string, value: string): Promise<boolean | undefined>
  /** Addresses of a list, at most `most` and one more; undefined for an unknown list. */
  membersOf?(list: string, most: number): Promise<readonly string[] | undefined>
  /** Annotations by their names in lower case; undefined for a mailbox that is not there. */
  annotations?(place: Annotated): Promise<Readonly<Record<string, string>> | undefined>
  /** 0 for not tested, else 1 to 10 as RFC 5235 has it; percent from 0 to 100. */
  readonly spam?: { readonly score: number; readonly percent: number }
  /** 0 for not tested, else 1 to 5. */
  readonly virus?: number
  /** The owner's own addresses, for vacation. */
  readonly addresses?: readonly string[]
}

/** The message at that time, if the script has changed it. */
interface Changed {
  readonly content?: MessageSource
}

export interface FileInto extends Changed {
  readonly kind: 'fileinto'
  readonly mailbox: string
  readonly create: boolean
  /** RFC 9042: this mailbox if there is one. */
  readonly mailboxId?: string
  /** RFC 8579: the mailbox of this use if there is one. */
  readonly specialUse?: string
  readonly copy: boolean
  readonly flags?: readonly string[]
}

export interface Vacation {
  readonly kind: 'vacation'
  readonly reason: string
  /** Whether the reason is a MIME entity with its header. */
  readonly isMime: boolean
  readonly seconds: number
  readonly subject?: string
  readonly from?: string
  /** Additional addresses of the owner. */
  readonly addresses: readonly string[]
  readonly handle: string
  /** RFC 8580: where a copy is filed. */
  readonly copyTo?: FileInto
}

export interface Notification {
  readonly kind: 'notify'
  /** A `mailto:` URI. */
  readonly method: string
  readonly from?: string
  readonly importance: 1 | 2 | 3
  readonly message?: string
  readonly copyTo?: FileInto
}

export interface Redirect extends Changed {
  readonly kind: 'redirect'
  readonly address: string
  readonly copy: boolean
  /** RFC 6009: of which events the sender hears. */
  readonly notify?: readonly ('NEVER' | 'SUCCESS' | 'FAILURE' | 'DELAY')[]
  readonly ret?: 'FULL' | 'HDRS'
}

/** An action of another plugin. */
export interface Extended extends Changed {
  readonly kind: 'extended'
  readonly name: string
  /** By tag, and by place from 0. */
  readonly given: GivenArguments
}

export type GivenValue = string | number | boolean | readonly string[]
export interface GivenArguments {
  readonly tags: Readonly<Record<string, GivenValue>>
  readonly values: readonly GivenValue[]
}

export type Action =
  | FileInto
  | ({ readonly kind: 'keep'; readonly flags?: readonly string[] } & Changed)
  | { readonly kind: 'discard' }
  | Redirect
  | Extended
  | { readonly kind: 'reject'; readonly text: string; readonly isEreject: boolean }
  | Vacation
  | Notification

/** One step of an evaluation, for people. */
export interface Step {
  readonly line: number
  readonly column: number
  readonly kind: 'test' | 'action' | 'control'
  /** The test or command as parsed. */
  readonly text: string
  /** The values that the test examined. */
  readonly values?: readonly string[]
  readonly result?: boolean
}

export interface Result {
  readonly actions: readonly Action[]
  /** Whether the message stays in the default mailbox, by an explicit or the implicit keep. */
  readonly isKept: boolean
  /** Of the implicit keep. */
  readonly flags: readonly string[]
  /** The content filed by keep, explicit or implicit, if the script has changed it. */
  readonly content?: MessageSource
  /** A `stop`: scripts after this one do not run. */
  readonly isStopped: boolean
  /** The error that ended the script; there are then no actions, and the message is kept. */
  readonly error?: { readonly line: number; readonly column: number; readonly message: string }
  /** Empty unless they were asked for. */
  readonly steps: readonly Step[]
}

export interface Limits {
  /** Tests and commands that are run. */
  readonly steps: number
  /** Characters that are compared. */
  readonly work: number
  readonly actions: number
  readonly redirects: number
  /** Scripts within scripts. */
  readonly includes: number
}

export const LIMITS: Limits = { steps: 10_000, work: 20_000_000, actions: 32, redirects: 5, includes: 10 }
