/**
 * Messages in the Import/Export format with size lines, as `IMPORT /ITEMSIZE` reads it.
 */
import { type ItemKind, type LabelName, written, writtenItem } from './labels.ts'

export interface NewItem {
  readonly kind: ItemKind
  readonly title: string
  readonly octets: Buffer
}

export interface NewCcMessage {
  readonly from: string
  readonly date: string
  readonly to: readonly string[]
  readonly cc: readonly string[]
  readonly subject: string
  readonly priority?: string
  readonly isReceiptWanted?: boolean
  readonly folder?: string
  readonly items: readonly NewItem[]
}

export interface WriteOptions {
  encode(text: string): Buffer
  /** Pads size lines to this many columns. */
  readonly columns?: number
  /** Writes labels that are only supposed. */
  readonly supposed?: boolean
}

/** One line of a value: cc:Mail has no continuation, and 8.x takes no square brackets. */
export const oneLine = (text: string) =>
  text
    .replace(/[\p{Cc}\u2028\u2029]+/gu, ' ')
    .replaceAll('[', '(')
    .replaceAll(']', ')')
    .trim()

export function writeMessage(message: NewCcMessage, { encode, columns = 0, supposed = false }: WriteOptions): Buffer {
  const line = (text: string) => encode(`${text}\r\n`)
  const size = (octets: number) => line(String(octets).padStart(columns))
  const field = (name: LabelName, value: string) => (value === '' ? [] : [line(`${written(name)}: ${oneLine(value)}`)])
  const items = Buffer.concat(
    message.items.flatMap(({ kind, title, octets }) => [
      line(`${writtenItem(kind)}: ${oneLine(title)}`),
      size(octets.length),
      octets,
    ]),
  )
  const body = Buffer.concat([
    ...field('from', message.from),
    ...field('date', message.date),
    ...message.to.flatMap((to) => field('to', to)),
    ...message.cc.flatMap((cc) => field('cc', cc)),
    line(`${written('subject')}: ${oneLine(message.subject)}`),
    ...(supposed ? field('priority', message.priority ?? '') : []),
    ...(supposed && message.isReceiptWanted ? field('receipt', 'Yes') : []),
    ...(supposed ? field('folder', message.folder ?? '') : []),
    line(`${written('contents')}:`),
    size(items.length),
    items,
  ])
  return Buffer.concat([line(`${written('message')}:`), size(body.length), body])
}
