/**
 * The destination of a message for one account: a list of actions to which each filter adds.
 *
 * Composition follows Sieve (RFC 5228): filters run in the order of their plugins, and each sees the actions of earlier
 * ones. Unless an action cancels it, the implicit keep files the message; `fileinto`, `redirect` (unless `copy`, RFC
 * 3894) and `discard` cancel it, `keep` restores it. All destinations are used; a mailbox gets the message once. The
 * first `reject` excludes everything else. A failing action leaves the message in INBOX. An action may carry its own
 * content, changed by the filter for that destination.
 */
import type { Delivery, Notify, Recipient, Refusal } from 'iems'
import type { Account } from '../../../directory/static/api.ts'
import type { SpecialUse } from './mailbox.ts'

export type MailboxChoice =
  /** With `create` the mailbox is made, if need be, with the levels above it. */
  | { readonly name: string; readonly create?: boolean }
  | { readonly id: string }
  /** The mailbox of that use; if there is none, the one of that name, which is made. */
  | { readonly specialUse: SpecialUse; readonly name: string }

/** A whole message, header and body. Read once for each place or address. */
export interface FiledContent {
  open(): AsyncIterable<Uint8Array>
}

export type FilingAction = {
  /** For people: part of the message's trace. */
  readonly reason: string
} & (
  | {
      readonly kind: 'fileinto'
      readonly mailbox: MailboxChoice
      readonly flags?: readonly string[]
      readonly copy?: boolean
      /** Default: the message as it came. */
      readonly content?: FiledContent
    }
  /** Files into the default mailbox. */
  | { readonly kind: 'keep'; readonly flags?: readonly string[]; readonly content?: FiledContent }
  /** The mailbox of the implicit keep and of `keep`, in place of INBOX; the last one counts. */
  | { readonly kind: 'default'; readonly mailbox: MailboxChoice; readonly flags?: readonly string[] }
  | { readonly kind: 'discard' }
  /** Refuses the message for this recipient, temporarily or permanently; the text goes to the sender. */
  | { readonly kind: 'reject'; readonly refusal: Refusal }
  | {
      readonly kind: 'redirect'
      readonly address: string
      readonly copy?: boolean
      readonly content?: FiledContent
      /** RFC 3461, as in RFC 6009. Default: none. */
      readonly notify?: readonly Notify[]
      readonly ret?: 'FULL' | 'HDRS'
    }
  /** For all places. */
  | { readonly kind: 'flag'; readonly flags: readonly string[] }
  /** A field above the header, in all places. */
  | { readonly kind: 'addHeader'; readonly name: string; readonly value: string }
)

/** A message for one account, before it is filed. */
export interface Filing {
  readonly account: Account
  readonly recipient: Recipient
  /** Of a subaddress. */
  readonly detail?: string
  readonly delivery: Delivery
  /** Of the filters so far, in their order. */
  readonly actions: readonly FilingAction[]
}
