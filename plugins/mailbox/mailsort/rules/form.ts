/**
 * Rules without Sieve: what a form in web mail edits. They compile to readable Sieve and back without loss.
 */

export type TextMatch = 'is' | 'contains' | 'matches' | 'regex' | 'exists'

/** `not` turns a condition round. Sizes in octets. */
export type Condition = { readonly not?: boolean } & (
  | {
      readonly kind: 'header'
      readonly fields: readonly string[]
      readonly how: TextMatch
      readonly values: readonly string[]
    }
  | {
      readonly kind: 'address'
      readonly fields: readonly string[]
      readonly part?: 'all' | 'localpart' | 'domain' | 'user' | 'detail'
      readonly how: Exclude<TextMatch, 'exists'>
      readonly values: readonly string[]
    }
  | {
      readonly kind: 'envelope'
      readonly which: 'from' | 'to'
      readonly how: Exclude<TextMatch, 'exists'>
      readonly values: readonly string[]
    }
  | {
      readonly kind: 'body'
      /** The text that is shown (default), or all octets behind the header. */
      readonly of?: 'text' | 'raw'
      readonly how: Exclude<TextMatch, 'exists'>
      readonly values: readonly string[]
    }
  | { readonly kind: 'size'; readonly is: 'over' | 'under'; readonly octets: number }
  /** A part is shown as an attachment. */
  | { readonly kind: 'attachment' }
  /** A score from 1 to 10, or above. */
  | { readonly kind: 'spam'; readonly atLeast: number }
  /** The day on which the message is delivered, `2026-12-24`, or the time, `2026-12-24T10:00:00Z`. */
  | { readonly kind: 'date'; readonly is: 'ge' | 'le'; readonly date: string }
  /** A part of the time of delivery, such as `weekday` (`0` is Sunday) or `hour`; `zone` such as `+0100`. */
  | {
      readonly kind: 'time'
      readonly part: string
      readonly zone?: string
      readonly how: Exclude<TextMatch, 'exists'>
      readonly values: readonly string[]
    }
  /** An address is in a list (RFC 6134); by default in the account's address books. */
  | { readonly kind: 'contact'; readonly fields: readonly string[]; readonly list?: string }
  /** The message has come before. */
  | { readonly kind: 'duplicate' }
)

export type RuleAction =
  | { readonly kind: 'fileinto' | 'copy'; readonly mailbox: string; readonly create?: boolean }
  | { readonly kind: 'redirect' | 'forward'; readonly address: string }
  | { readonly kind: 'keep' | 'discard' }
  | { readonly kind: 'flag' | 'setflag' | 'removeflag'; readonly flags: readonly string[] }
  | { readonly kind: 'reject' | 'ereject'; readonly text: string }
  | { readonly kind: 'addheader'; readonly name: string; readonly value: string }
  | { readonly kind: 'deleteheader'; readonly name: string }
  | VacationRule
  | { readonly kind: 'notify'; readonly address: string; readonly message?: string }

/** Text of a reply. With `variables`, `${subject}`, `${sender}` and `${today}` are replaced by those of the message. */
export interface ReplyText {
  readonly text: string
  /** HTML alternative to the text. */
  readonly html?: string
  readonly subject?: string
}

/** A text for some senders, in place of the one for all. */
export interface ReplyVariant extends ReplyText {
  readonly for: /** Senders in these domains. */
    | { readonly kind: 'domain'; readonly domains: readonly string[] }
    /** Senders in the account's address books. */
    | { readonly kind: 'contacts' }
    /** Messages in this language, such as `de` (Content-Language, or else Accept-Language). */
    | { readonly kind: 'language'; readonly language: string }
}

/** Start and end are conditions of the rule (`date`). */
export interface VacationRule extends ReplyText {
  readonly kind: 'vacation'
  readonly days?: number
  /** In place of days. */
  readonly seconds?: number
  readonly from?: string
  readonly addresses?: readonly string[]
  readonly handle?: string
  /** The text is a MIME entity with its header, as its author wrote it. Not allowed with `html`. */
  readonly mime?: true
  readonly variables?: true
  /** The first that fits counts. */
  readonly variants?: readonly ReplyVariant[]
}

export interface Rule {
  /** One line. */
  readonly name: string
  /** Further lines of comment above it. */
  readonly comments?: readonly string[]
  /** Default true. */
  readonly isEnabled?: boolean
  /** How conditions are combined; a rule without conditions applies to every message. */
  readonly match: 'all' | 'any'
  readonly conditions: readonly Condition[]
  readonly actions: readonly RuleAction[]
  /** Ends the processing of rules. */
  readonly stops?: boolean
}

/** In their order. */
export type Rules = readonly Rule[]
