/**
 * Texts in plain text: the lines to add, and where a quotation begins.
 *
 * Invariants: lines added to format=flowed text (RFC 3676) never join the line before them; linear time.
 */

export interface PlainForm {
  readonly isFlowed: boolean
  /** RFC 3676 DelSp: the space of a soft line break is no space of the text. */
  readonly delSp: boolean
}

/** RFC 3676 section 4.2. */
const WIDTH = 72

/** One line of the text as flowed lines. */
function flow(line: string, { delSp }: PlainForm): string[] {
  const stuffed = (text: string) => (/^(?: |>|From )/.test(text) ? ` ${text}` : text)
  const soft = delSp ? '  ' : ' '
  const lines: string[] = []
  let current = ''
  for (const word of line.trimEnd().split(' ')) {
    if (current !== '' && current.length + 1 + word.length > WIDTH) {
      lines.push(stuffed(current) + soft)
      current = word
    } else
      current = current === '' && lines.length === 0 && word === '' ? ' ' : current === '' ? word : `${current} ${word}`
  }
  return [...lines, stuffed(current.trimEnd())]
}

/** The lines of a text, without empty ones at its end. */
export function linesOf(text: string): string[] {
  const lines = text.replace(/\r\n?/g, '\n').split('\n')
  while (lines.length > 1 && lines.at(-1) === '') lines.pop()
  return lines
}

/** The text in lines with CRLF, none of which ends with a space that would join the next. */
export function plainLines(text: string, form: PlainForm): string {
  const lines = linesOf(text)
  const written = form.isFlowed ? lines.flatMap((line) => flow(line, form)) : lines.map((line) => line.trimEnd())
  return `${written.join('\r\n')}\r\n`
}

const MARKS =
  /^(?:>|-{2,}\s?(?:Original Message|Ursprüngliche Nachricht|Forwarded message|Weitergeleitete Nachricht)|_{20,}\s*$)/i
const ATTRIBUTION = /\b(?:wrote|schrieb|a écrit|escribió|ha scritto)\b.{0,200}:$/i
const BEGINNING = /^(?:On|Am|Le|El|Il)\b/
/** Lines of an attribution that is folded, and characters of it. */
const MAX_ATTRIBUTION = 3
const MAX_CHARACTERS = 600

/** The offset of the quotation, with its attribution; undefined without one. */
export function quotationIn(text: string): number | undefined {
  const starts: number[] = []
  let at = 0
  while (at < text.length) {
    const end = text.indexOf('\n', at)
    const line = text.slice(at, Math.min(end < 0 ? text.length : end, at + 1000)).trimEnd()
    if (MARKS.test(line)) return attributionBefore(text, starts, at) ?? at
    if (line !== '') {
      starts.push(at)
      if (starts.length > MAX_ATTRIBUTION) starts.shift()
    }
    if (end < 0) return undefined
    at = end + 1
  }
  return undefined
}

/** Start of the attribution line before a quotation, in one of the preceding lines. */
function attributionBefore(text: string, starts: readonly number[], end: number): number | undefined {
  const read = (start: number) =>
    text
      .slice(Math.max(start, end - MAX_CHARACTERS), end)
      .replace(/\s+/g, ' ')
      .trim()
  const isAttribution = (start: number) => ATTRIBUTION.test(read(start))
  const whole = starts.findLast((start) => BEGINNING.test(read(start)) && isAttribution(start))
  const last = starts.at(-1)
  return whole ?? (last !== undefined && isAttribution(last) ? last : undefined)
}

export interface Inserted {
  readonly text: string
  readonly place: 'top' | 'bottom'
  readonly quotation: 'above' | 'below'
}

/** Puts a text into another. */
export function insertPlain(whole: string, { text, place, quotation }: Inserted, form: PlainForm): string {
  const added = plainLines(text, form)
  if (place === 'top') return `${added}\r\n${whole}`
  const at = quotation === 'above' ? quotationIn(whole) : undefined
  if (at !== undefined) return `${ended(whole.slice(0, at), form)}${added}\r\n${whole.slice(at)}`
  return `${ended(whole, form)}${added}`
}

/** The text before, with an empty line behind it. */
function ended(before: string, { isFlowed }: PlainForm): string {
  if (before === '') return ''
  const line = before.endsWith('\n') ? before : `${before}\r\n`
  // An empty line ends a paragraph whose last line is soft; only the next one is seen.
  return isFlowed && / \r?\n$/.test(line) && !/(?:^|\n)-- \r?\n$/.test(line) ? `${line}\r\n\r\n` : `${line}\r\n`
}
