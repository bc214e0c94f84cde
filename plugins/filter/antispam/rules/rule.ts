/**
 * A rule of the standard set: its name, sentence, weight and test.
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

/** The facts for rules; each is computed at most once per message. */
export interface Evidence {
  readonly letter: MessageText
  /** Values of other servers' Received fields, latest first. */
  readonly received: readonly string[]
  /** When the last other server received the message, else now; Unix ms. */
  readonly receivedAt: number
  /** The date of the message, Unix ms; undefined without a readable one. */
  readonly date: number | undefined
  readonly from: readonly Address[]
  readonly replyTo: readonly Address[]
  readonly to: readonly Address[]
  /** The decoded subject. */
  readonly subject: string
  /** The text in lower case, with white space reduced to single spaces. */
  readonly words: string
  /** Names of the wordings that subject and words contain. */
  readonly wordings: ReadonlySet<string>
  readonly html: readonly HtmlFacts[]
  /** Each different link once. */
  readonly links: readonly Link[]
}

export interface Rule {
  /** In lower case with hyphens; the reason's name in score, header and statistics. */
  readonly name: string
  /** One sentence for administrators and users: what was found. */
  readonly says: string
  /** The weight before fitting; it stays if the fitting had no applicable message. */
  readonly weight: number
  /** Linear in the size of the evidence. */
  readonly test: (evidence: Evidence) => boolean
}
