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
  | { readonly kind: 'body'; readonly how: Exclude<TextMatch, 'exists'>; readonly values: readonly string[] }
  | { readonly kind: 'size'; readonly is: 'over' | 'under'; readonly octets: number }
  /** A part is shown as an attachment. */
  | { readonly kind: 'attachment' }
  /** A score from 1 to 10, or above. */
  | { readonly kind: 'spam'; readonly atLeast: number }
  /** The day on which the message is delivered, `2026-12-24`. */
  | { readonly kind: 'date'; readonly is: 'ge' | 'le'; readonly date: string }
)

export type RuleAction =
  | { readonly kind: 'fileinto' | 'copy'; readonly mailbox: string; readonly create?: boolean }
  | { readonly kind: 'redirect' | 'forward'; readonly address: string }
  | { readonly kind: 'keep' | 'discard' }
  | { readonly kind: 'flag'; readonly flags: readonly string[] }
  | { readonly kind: 'reject'; readonly text: string }
  | {
      readonly kind: 'vacation'
      readonly text: string
      readonly days?: number
      readonly subject?: string
      readonly from?: string
      readonly addresses?: readonly string[]
    }
  | { readonly kind: 'notify'; readonly address: string; readonly message?: string }

export interface Rule {
  /** One line. */
  readonly name: string
  /** Default true. */
  readonly isEnabled?: boolean
  /** How conditions are joined; without conditions the rule is for every message. */
  readonly match: 'all' | 'any'
  readonly conditions: readonly Condition[]
  readonly actions: readonly RuleAction[]
  /** No rule after this one is looked at. */
  readonly stops?: boolean
}

/** In their order. */
export type Rules = readonly Rule[]
