/** A cc:Mail message, independent of the kind of file that it came from. */
import type { ItemKind } from './labels.ts'

export interface CcItem {
  readonly kind: ItemKind
  /** Title of a text, name of a file. */
  readonly title: string
  /** Date and time after a file's name, as written. */
  readonly stamp?: string
  /** Octets. */
  readonly size: number
  /** The octets in the file. */
  open(): AsyncIterable<Buffer>
}

export interface CcMessage {
  readonly from: string
  readonly to: readonly string[]
  readonly cc: readonly string[]
  readonly bcc: readonly string[]
  /** As written: only an administrator knows its order and zone. */
  readonly date: string
  readonly subject: string
  readonly priority?: string
  readonly isReceiptWanted?: boolean
  readonly folder?: string
  /** Users who forwarded the message, with dates. */
  readonly forwarded: readonly string[]
  readonly items: readonly CcItem[]
}

export interface ReadMessage {
  readonly message: CcMessage
  /** Octets of the file from the message's label up to the next. */
  readonly start: number
  readonly end: number
  /** Deviations from the format. */
  readonly findings: readonly string[]
  /** The reason why this is not a message: it has no contents. */
  readonly damage?: string
}
