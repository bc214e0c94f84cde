/**
 * A rule of the standard set: what it is called, what it says about a message, what it counts, and how it is tested.
 */
import type { HtmlFacts } from '../content/html.ts'
import type { Link } from '../content/links.ts'
import type { MessageText } from '../content/message-text.ts'

export interface Address {
  /** The display name, decoded. */
  readonly name: string
  /** In lower case; empty when the field holds no address. */
  readonly address: string
  /** The registered domain of the address. */
  readonly domain: string
}

/** What rules look at; each value is computed at most once for a message. */
export interface Evidence {
  readonly letter: MessageText
  /** Values of the Received fields that other servers wrote, the last one first. */
  readonly received: readonly string[]
  /** When the last other server took the message, else now; Unix ms. */
  readonly receivedAt: number
  readonly from: readonly Address[]
  readonly replyTo: readonly Address[]
  readonly to: readonly Address[]
  /** The decoded subject. */
  readonly subject: string
  /** The text in lower case, white space reduced to single spaces. */
  readonly words: string
  readonly html: readonly HtmlFacts[]
  readonly links: readonly Link[]
}

export interface Rule {
  /** In lower case with hyphens; the reason's name in score, header and statistics. */
  readonly name: string
  /** One sentence for administrators and users: what was found. */
  readonly says: string
  /** The weight before fitting, and for good where the fitting saw no message that it applies to. */
  readonly weight: number
  /** Linear in the size of the evidence. */
  readonly test: (evidence: Evidence) => boolean
}
