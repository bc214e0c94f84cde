/**
 * Edits the header of a part field by field, and creates headers of new parts.
 *
 * Invariants: other fields keep their octets and order; no value breaks out of its field.
 */
import { fieldName } from '../header-end.ts'
import type { NewPart } from './api.ts'

export interface RawHeaderField {
  /** In lower case; empty for a line that is not a field. */
  readonly name: string
  /** With its line endings, as octets, one character each. */
  readonly raw: string
}

const BREAK = '\r\n'

/** The fields of a header without its final blank line. */
export function splitFields(header: Buffer): RawHeaderField[] {
  const text = header.toString('latin1')
  const fields: RawHeaderField[] = []
  for (let start = 0; start < text.length; ) {
    let end = text.indexOf('\n', start) + 1 || text.length
    if (/^\r?\n?$/.test(text.slice(start, end))) break
    while (text[end] === ' ' || text[end] === '\t') end = text.indexOf('\n', end) + 1 || text.length
    const line = text.slice(start, end)
    fields.push({ name: fieldName(line) ?? '', raw: line.endsWith('\n') ? line : line + BREAK })
    start = end
  }
  return fields
}

/** A header with its final blank line. */
export function joinFields(fields: readonly RawHeaderField[]): Buffer {
  return Buffer.from(fields.map(({ raw }) => raw).join('') + BREAK, 'latin1')
}

/** Sets a single ASCII field: in place of the first with its name, or at the end. */
export function withField(fields: readonly RawHeaderField[], name: string, value: string): RawHeaderField[] {
  const wanted = name.toLowerCase()
  const field = { name: wanted, raw: `${name}: ${value}${BREAK}` }
  const first = fields.findIndex((one) => one.name === wanted)
  if (first < 0) return [...fields, field]
  return fields.flatMap((one, index) => (index === first ? [field] : one.name === wanted ? [] : [one]))
}

export const withoutField = (fields: readonly RawHeaderField[], name: string): RawHeaderField[] =>
  fields.filter((one) => one.name !== name)

export const isContentField = ({ name }: RawHeaderField): boolean => name.startsWith('content-')

// --- values ---------------------------------------------------------------------------------

const TOKEN = /^[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+$/
/** Characters of an encoded parameter section, so that its line stays below 78. */
const PIECE = 50

/** Formats parameters, each on its own line; values other than printable ASCII follow RFC 2231. */
export function parametersText(parameters: Readonly<Record<string, string>>): string {
  return Object.entries(parameters)
    .filter(([name]) => TOKEN.test(name))
    .flatMap(([name, value]) => parameter(name, value))
    .map((text) => `;${BREAK} ${text}`)
    .join('')
}

function parameter(name: string, value: string): string[] {
  if (TOKEN.test(value) && value.length <= PIECE) return [`${name}=${value}`]
  if (/^[ -~]*$/.test(value) && (value.length <= PIECE || name.includes('*') || name === 'boundary'))
    return [`${name}="${value.replace(/["\\]/g, '\\$&')}"`]
  const pieces: string[] = []
  let piece = "utf-8''"
  for (const octet of Buffer.from(value)) {
    const char = String.fromCharCode(octet)
    const text = /[A-Za-z0-9.\-_]/.test(char) ? char : `%${octet.toString(16).toUpperCase().padStart(2, '0')}`
    if (piece.length + text.length > PIECE) {
      pieces.push(piece)
      piece = ''
    }
    piece += text
  }
  pieces.push(piece)
  return pieces.length === 1 ? [`${name}*=${piece}`] : pieces.map((text, index) => `${name}*${index}*=${text}`)
}

/** Octets in one encoded word, so that the field's name and the word stay below 78 characters. */
const MAX_WORD = 30

/** Unstructured text as encoded words of at most 75 characters (RFC 2047), or unchanged if it is short ASCII. */
function unstructured(text: string): string {
  if (/^[ -~]{0,60}$/.test(text) && !text.includes('=?')) return text
  const words: string[] = []
  let word = ''
  // Removes line breaks, so that none reaches a reader through an encoded word.
  for (const char of text.replace(/\p{Cc}+/gu, ' ')) {
    if (Buffer.byteLength(word + char) > MAX_WORD) {
      words.push(word)
      word = ''
    }
    word += char
  }
  return [...words, word].map((one) => `=?utf-8?B?${Buffer.from(one).toString('base64')}?=`).join(`${BREAK} `)
}

/** The header of a new part, without the fields about its encoding. Throws TypeError for an invalid type or id. */
export function newPartFields(part: NewPart, charset: string | undefined, encoding: string): RawHeaderField[] {
  if (!/^[a-z0-9!#$&^_.+-]{1,127}\/[a-z0-9!#$&^_.+-]{1,127}$/i.test(part.type))
    throw new TypeError(`no media type: ${part.type}`)
  if (part.id !== undefined && !/^[!-;=?-~]{1,200}$/.test(part.id)) throw new TypeError(`no Content-ID: ${part.id}`)
  const { name, description, disposition, dispositionParameters = {} } = part
  const parameters = {
    ...part.parameters,
    ...(charset === undefined ? {} : { charset }),
    ...(name === undefined ? {} : { name }),
  }
  const values: [string, string][] = [['Content-Type', part.type + parametersText(parameters)]]
  const facts = { ...(name === undefined ? {} : { filename: name }), ...dispositionParameters }
  if (disposition !== undefined || Object.keys(facts).length > 0)
    values.push(['Content-Disposition', (disposition ?? 'attachment') + parametersText(facts)])
  if (part.id !== undefined) values.push(['Content-ID', `<${part.id}>`])
  if (description !== undefined) values.push(['Content-Description', unstructured(description)])
  values.push(['Content-Transfer-Encoding', encoding])
  return values.map(([name, value]) => ({ name: name.toLowerCase(), raw: `${name}: ${value}${BREAK}` }))
}
