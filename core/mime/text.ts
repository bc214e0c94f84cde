/**
 * The readable text of a message, for search and preview: decoded fields, the text of its parts, attachment names.
 *
 * Invariants: limits bound the text for any message; HTML is only read for its words and never shown.
 */
import { gather } from './gather.ts'
import { type Field, readFields } from './header.ts'
import { attachmentName } from './names.ts'
import { createCharsets } from './parameters.ts'
import { decodePart } from './part-text.ts'
import type { MimePart, Readable } from './parts.ts'
import { createSources } from './sources.ts'
import { eachPart } from './structure.ts'
import { partBody } from './transfer.ts'
import { decodeWords } from './words.ts'

/** The readable text of a message: charsets, transfer encodings and encoded words decoded, within limits. */
export interface EmailText {
  /** Names in lower case. */
  readonly fields: readonly { readonly name: string; readonly value: string }[]
  /** Text of all parts; HTML without markup. */
  readonly body: string
  /** Names of attachments. */
  readonly attachments: readonly string[]
  /** The limits cut it short. */
  readonly isPartial: boolean
}

type SourceOf = ReturnType<typeof createSources>

/** Limits: octets of header, octets of decoded text over all parts (by default), and number of parts. */
const HEADER = 262_144
const TEXT = 1_048_576
const PARTS = 200
/** Encoded octets read per wanted octet: quoted-printable needs three, and more for its line breaks. */
const ENCODED = 4

export async function readText(email: Readable, structure: MimePart, most = TEXT): Promise<EmailText> {
  const sourceOf = createSources(email)
  const fields: Field[] = []
  const bodies: string[] = []
  const attachments: string[] = []
  let left = most
  let isPartial = false
  let count = 0
  for (const part of eachPart(structure)) {
    if (++count > PARTS) {
      isPartial = true
      break
    }
    const name = attachmentName(part)
    if (name !== undefined) attachments.push(name)
    // The header of a nested message counts as body text.
    if (part === structure) fields.push(...(await readHeader(sourceOf(part), part)))
    else if (part.envelope && left > 0) {
      const header = (await readHeader(sourceOf(part), part)).map(({ name, value }) => `${name}: ${value}`).join('\n')
      left -= header.length
      bodies.push(header)
    }
    if (part.envelope && part.body - part.header > HEADER) isPartial = true
    if (part.type !== 'text' || part.disposition?.type === 'attachment') continue
    if (part.end - part.body > left) isPartial = true
    if (left <= 0) continue
    const text = await textOf(sourceOf, part, left)
    left -= text.length
    bodies.push(text)
  }
  return { fields, body: bodies.join('\n'), attachments, isPartial }
}

async function readHeader(email: Readable, { header, body }: MimePart): Promise<readonly Field[]> {
  const octets = await gather(email.open({ start: header, end: Math.min(body, header + HEADER) }), HEADER)
  const charsets = createCharsets()
  return readFields(octets).list.map(({ name, value }) => ({ name, value: decodeWords(value, charsets) }))
}

async function textOf(sourceOf: SourceOf, part: MimePart, most: number): Promise<string> {
  const source = partBody(sourceOf(part), { ...part, end: Math.min(part.end, part.body + most * ENCODED) })
  if (!source) return ''
  // Decoding makes nothing longer, so a short text needs no large buffer.
  const text = decodePart(await gather(source, Math.min(most, part.end - part.body)), part)
  return part.subtype === 'html' ? fromHtml(text) : text
}

const ENTITIES: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  nbsp: ' ',
  auml: 'ä',
  ouml: 'ö',
  uuml: 'ü',
  Auml: 'Ä',
  Ouml: 'Ö',
  Uuml: 'Ü',
  szlig: 'ß',
  eacute: 'é',
  egrave: 'è',
  agrave: 'à',
  ccedil: 'ç',
  euro: '€',
  copy: '©',
  ndash: '–',
  mdash: '—',
  hellip: '…',
}

/** The words of HTML, without markup, scripts and styles. */
export function fromHtml(html: string): string {
  let text = ''
  let at = 0
  while (at < html.length) {
    const open = html.indexOf('<', at)
    if (open < 0) {
      text += html.slice(at)
      break
    }
    text += html.slice(at, open)
    const hidden = /^<(script|style|title|template)\b/i.exec(html.slice(open, open + 12))
    if (hidden) {
      at = endOf(html, open, hidden[1] as string)
      continue
    }
    const end = html.startsWith('<!--', open) ? html.indexOf('-->', open) + 2 : html.indexOf('>', open)
    if (end < open) break
    if (/^<\/?(?:p|br|div|tr|td|th|li|h\d|table|ul|ol|blockquote)\b/i.test(html.slice(open, open + 14))) text += ' '
    at = end + 1
  }
  return text
    .replace(
      /&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|([a-z]{2,8}));/gi,
      (all, decimal?: string, hex?: string, name?: string) => {
        if (name !== undefined) return ENTITIES[name] ?? all
        const code = decimal === undefined ? Number.parseInt(hex ?? '', 16) : Number(decimal)
        return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : all
      },
    )
    .replace(/[ \t\r\n\f\u00a0]+/g, ' ')
    .trim()
}

/** The offset after an element whose text is skipped. Linear, because each end is searched once from its start. */
function endOf(html: string, start: number, name: string): number {
  const end = /<\/(script|style|title|template)\s*>/gi
  end.lastIndex = start
  for (let found = end.exec(html); found; found = end.exec(html))
    if (found[1]?.toLowerCase() === name.toLowerCase()) return end.lastIndex
  return html.length
}

/** Characters of a preview (RFC 8970). */
const PREVIEW = 256
const PREVIEW_SOURCE = 16_384
/** Where a file begins in a text: uuencode, and its form in base64, or yEnc. */
const FILE_IN_TEXT = /^(?:begin [0-7]{3,4} [^\r\n]{1,250}\r?\nM|begin-base64 [0-7]{3,4} |=ybegin )/m

/** The beginning of the first text part that is not empty, plain text preferred. */
export async function preview(email: Readable, structure: MimePart): Promise<string> {
  const sourceOf = createSources(email)
  const texts = [...eachPart(structure)]
    .slice(0, PARTS)
    .filter(({ type, disposition }) => type === 'text' && disposition?.type !== 'attachment')
  const inOrder = [
    ...texts.filter(({ subtype }) => subtype !== 'html'),
    ...texts.filter(({ subtype }) => subtype === 'html'),
  ]
  for (const part of inOrder.slice(0, 10)) {
    const whole = await textOf(sourceOf, part, PREVIEW_SOURCE)
    const file = whole.search(FILE_IN_TEXT)
    const text = (file < 0 ? whole : whole.slice(0, file)).replace(/\s+/g, ' ').trim()
    // A character has at most two code units.
    if (text !== '')
      return Array.from(text.slice(0, 2 * PREVIEW))
        .slice(0, PREVIEW)
        .join('')
  }
  return ''
}
