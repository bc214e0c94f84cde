/**
 * Messages of an Import/Export file, one after another, read by position.
 *
 * With size lines (/ITEMSIZE) exactly so many octets belong to a message or an item; where no label follows them, the
 * next label at the start of a line counts, and a finding says so. Without them a message ends at the next `Message:`
 * line. Invariants: memory holds one header and one list of items; every loop has a limit; a damaged message is
 * returned as damaged, and reading continues after it.
 */
import type { OctetFile } from './file.ts'
import { type LabelLine, type LabelName, readLabel } from './labels.ts'
import { Lines } from './lines.ts'
import type { CcItem, CcMessage, ReadMessage } from './model.ts'

const MAX_HEADER_LINES = 20_000
const MAX_ITEMS = 1000
const MAX_FINDINGS = 100
const MAX_UNKNOWN = 20

export interface ReadOptions {
  /** Text of the post office's code page. */
  decode(octets: Buffer): string
}

export async function* readMessages(file: OctetFile, options: ReadOptions): AsyncGenerator<ReadMessage> {
  const lines = new Lines(file, (octets) => options.decode(octets))
  let at = await nextMessage(lines, 0)
  while (at !== undefined) {
    const reader = new MessageReader(file, lines, at)
    const read = await reader.read()
    yield read
    // Always forward, whatever the sizes say.
    at = await nextMessage(lines, Math.max(read.end, at + 1))
  }
}

/** Where the next `Message:` line begins. */
async function nextMessage(lines: Lines, from: number): Promise<number | undefined> {
  for (let at = from; ; ) {
    const line = await lines.at(at)
    if (!line) return undefined
    if (readLabel(line.text)?.header === 'message') return at
    at = line.end
  }
}

class MessageReader {
  private readonly findings: string[] = []
  private readonly unknown: string[] = []
  private readonly file: OctetFile
  private readonly lines: Lines
  private readonly start: number
  private isSized = false
  /** Where the message ends by its size. */
  private limit: number | undefined

  constructor(file: OctetFile, lines: Lines, start: number) {
    this.file = file
    this.lines = lines
    this.start = start
  }

  async read(): Promise<ReadMessage> {
    const first = await this.lines.at(this.start)
    let at = await this.sizeLine(first?.end ?? this.start, (size, end) => {
      this.isSized = true
      this.limit = end + size
    })
    if (this.limit !== undefined && this.limit > this.file.size) {
      this.find('the size of a message goes beyond the file')
      this.limit = undefined
    }
    const header = await this.header(at)
    at = header.end
    if (!header.hasContents) return this.done(header.values, [], at, 'it has no Contents label')
    at = await this.sizeLine(at, () => {})
    const items = await this.items(at)
    return this.done(header.values, items.items, items.end)
  }

  private find(what: string): void {
    if (this.findings.length < MAX_FINDINGS && !this.findings.includes(what)) this.findings.push(what)
  }

  /** A line with a number alone; answers where the next line begins. */
  private async sizeLine(at: number, found: (size: number, end: number) => void): Promise<number> {
    const line = await this.lines.at(at)
    const text = line?.text.trim() ?? ''
    if (!line || !/^\d{1,10}$/.test(text)) return at
    found(Number(text), line.end)
    return line.end
  }

  // --- header ---

  private async header(from: number) {
    const values = new Map<LabelName, string[]>()
    let last: LabelName | undefined
    let at = from
    for (let count = 0; count < MAX_HEADER_LINES; count++) {
      const line = await this.lines.at(at)
      const label = line && readLabel(line.text)
      if (!line || label?.header === 'message' || label?.item) return { values, end: at, hasContents: false }
      at = line.end
      if (label?.header === 'contents') return { values, end: at, hasContents: true }
      if (label?.header) {
        last = label.header
        values.set(last, [...(values.get(last) ?? []), label.value])
      } else if (label && !this.isContinuation(line.text, last)) this.unknownLabel(label)
      // A further recipient on a line of its own.
      else if (line.text.trim() !== '' && last) values.get(last)?.push(line.text.trim())
    }
    this.find('a header has too many lines')
    return { values, end: at, hasContents: false }
  }

  private isContinuation(text: string, last: LabelName | undefined): boolean {
    return /^[ \t]/.test(text) && (last === 'to' || last === 'cc' || last === 'bcc')
  }

  private unknownLabel({ label, value }: LabelLine): void {
    if (this.unknown.length < MAX_UNKNOWN) this.unknown.push(`${label}: ${value}`)
    this.find(`unknown label ${label}: ${value.slice(0, 60)}`)
  }

  // --- items ---

  private async items(from: number) {
    const items: CcItem[] = []
    let at = await this.skipBlank(from)
    while (items.length < MAX_ITEMS) {
      if (this.limit !== undefined && at >= this.limit) break
      const line = await this.lines.at(at)
      if (!line) break
      const label = readLabel(line.text)
      if (label?.header === 'message') break
      if (label?.item) at = await this.item(items, label, line.end)
      // Without an item label the contents are text.
      else at = await this.unsized(items, { kind: 'text', title: '' }, at)
    }
    return { items, end: this.limit !== undefined && at <= this.limit ? this.limit : at }
  }

  private async skipBlank(from: number): Promise<number> {
    for (let at = from, count = 0; count < MAX_HEADER_LINES; count++) {
      const line = await this.lines.at(at)
      if (line?.text.trim() !== '') return at
      at = line.end
    }
    return from
  }

  private async item(items: CcItem[], { item = 'text', value }: LabelLine, from: number): Promise<number> {
    const about = item === 'text' ? { kind: item, title: value } : { kind: item, ...splitStamp(value) }
    let size: number | undefined
    const at = this.isSized
      ? await this.sizeLine(from, (found) => {
          size = found
        })
      : from
    if (size === undefined) return this.unsized(items, about, at)
    const end = at + size
    const next = end <= this.file.size ? await this.labelBehind(end) : undefined
    if (next === undefined) {
      this.find(`the size of ${about.title || `a ${item} item`} does not lead to a label: the next label counts`)
      return this.unsized(items, about, at)
    }
    items.push(this.itemOf(about, at, end))
    return next
  }

  /** Where the next label, or the end of the file, is behind blank lines; undefined when something else is there. */
  private async labelBehind(end: number): Promise<number | undefined> {
    const at = await this.skipBlank(end)
    const line = await this.lines.at(at)
    if (!line) return at
    const label = readLabel(line.text)
    return label?.item || label?.header === 'message' ? at : undefined
  }

  /** An item up to the next item or message. */
  private async unsized(items: CcItem[], about: Pick<CcItem, 'kind' | 'title'>, from: number): Promise<number> {
    let at = from
    for (;;) {
      const line = await this.lines.at(at)
      if (!line) break
      const label = readLabel(line.text)
      if (label?.item || label?.header === 'message') break
      at = line.end
    }
    items.push(this.itemOf(about, from, at))
    return at
  }

  private itemOf(about: Pick<CcItem, 'kind' | 'title' | 'stamp'>, start: number, end: number): CcItem {
    return { ...about, size: end - start, open: () => this.file.range(start, end) }
  }

  private done(
    values: ReadonlyMap<LabelName, readonly string[]>,
    items: readonly CcItem[],
    end: number,
    damage?: string,
  ): ReadMessage {
    const first = (name: LabelName) => values.get(name)?.[0] ?? ''
    const all = (name: LabelName) => values.get(name)?.filter((value) => value !== '') ?? []
    const optional = (name: 'priority' | 'folder') => (first(name) === '' ? {} : { [name]: first(name) })
    const message: CcMessage = {
      from: first('from'),
      to: all('to'),
      cc: all('cc'),
      bcc: all('bcc'),
      date: first('date'),
      subject: first('subject'),
      ...optional('priority'),
      ...optional('folder'),
      ...(/^(?:y|yes|1|true|requested|on)$/i.test(first('receipt')) ? { isReceiptWanted: true } : {}),
      forwarded: all('forwarded'),
      items,
    }
    return { message, start: this.start, end, findings: this.findings, ...(damage === undefined ? {} : { damage }) }
  }
}

const DATE = /^\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}$/
const TIME = /^\d{1,2}[:.]\d{2}(?:[:.]\d{2})?[ap]?m?$/i

/** The date and time behind a file's name; only if both are there. */
export function splitStamp(title: string): { readonly title: string; readonly stamp?: string } {
  const words = title.split(' ')
  const tail = /^[ap]\.?m\.?$/i.test(words.at(-1) ?? '') ? 3 : 2
  const [date = '', time = ''] = words.slice(-tail)
  if (words.length <= tail || !DATE.test(date) || !TIME.test(time)) return { title }
  return { title: words.slice(0, -tail).join(' ').trim(), stamp: words.slice(-tail).join(' ') }
}
