/**
 * Reads and edits the header of a message without touching stored octets.
 *
 * Invariants: an edit can neither split a field nor inject another one.
 */
import { IemsError } from '../api/errors.ts'
import type { Headers } from '../api/hooks.ts'
import { createHeaderScanner, fieldName, type HeaderEnd } from '../mime/header-end.ts'
import type { Edits } from './edits.ts'

interface Field {
  readonly name: string
  readonly start: number
  readonly end: number
}

/** Offsets of each field of a header block, including continuation lines. */
function fieldsOf(block: string): Field[] {
  const fields: Field[] = []
  for (let start = 0; start < block.length; ) {
    let end = block.indexOf('\n', start) + 1 || block.length
    while (block[end] === ' ' || block[end] === '\t') end = block.indexOf('\n', end) + 1 || block.length
    const name = fieldName(block, start)
    if (name !== undefined) fields.push({ name, start, end })
    start = end
  }
  return fields
}

/** A field as octets, one character each. */
export interface RawField {
  readonly name: string
  /** Everything after the colon except the final line break: spaces and folds are kept. */
  readonly value: string
}

export interface SplitContent {
  /** Top to bottom, without lines that are not fields. */
  readonly fields: readonly RawField[]
  /** Can be read only once. */
  readonly body: AsyncIterable<Uint8Array>
}

/** Splits content into header and body; undefined when the header is longer than `most` octets. */
export async function splitContent(
  content: AsyncIterable<Uint8Array>,
  most: number,
): Promise<SplitContent | undefined> {
  const pieces = content[Symbol.asyncIterator]()
  const scanner = createHeaderScanner()
  const read: Uint8Array[] = []
  let size = 0
  let found: HeaderEnd | undefined
  while (!found && size <= most) {
    const { done, value } = await pieces.next()
    if (done) break
    read.push(value)
    size += value.byteLength
    found = scanner.push(value)
  }
  const end = found?.body ?? (size > most ? size : scanner.finish().body)
  if (end > most) {
    await pieces.return?.()
    return undefined
  }
  const head = Buffer.concat(read)
  const block = head.toString('latin1', 0, end)
  const fields = fieldsOf(block).map((field) => {
    const colon = block.indexOf(':', field.start)
    return {
      name: block.slice(field.start, colon).trimEnd(),
      value: block.slice(colon + 1, field.end).replace(/\r?\n$/, ''),
    }
  })
  async function* rest() {
    if (end < head.length) yield head.subarray(end)
    yield* { [Symbol.asyncIterator]: () => pieces }
  }
  return { fields, body: rest() }
}

function fieldValue(block: string, { start, end }: Field): string {
  const raw = block.slice(block.indexOf(':', start) + 1, end)
  return Buffer.from(raw, 'latin1')
    .toString('utf8')
    .replace(/\r?\n(?=[ \t])/g, '')
    .trim()
}

/** Folds at spaces so that lines stay within 78 characters where possible (RFC 5322 section 2.2.3). */
function fold(field: string): string {
  let line = ''
  const lines: string[] = []
  for (const word of field.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > 78 && line.trim() !== '') {
      lines.push(line)
      line = ` ${word}`
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line].join('\r\n')
}

/** Formats a header field, folded. Throws IEMS_HEADER_INVALID. */
export function headerField(name: string, value: string): string {
  if (!/^[!-9;-~]+$/.test(name))
    throw new IemsError('IEMS_HEADER_INVALID', { name, why: 'the name has forbidden characters' })
  // Existing folds stay; any other line break would begin a new field or the body.
  if (/[\r\n](?![ \t])|\0/.test(value.replace(/\r\n(?=[ \t])/g, ''))) {
    throw new IemsError('IEMS_HEADER_INVALID', { name, why: 'the value has line breaks or NUL' })
  }
  return `${value.includes('\r\n') ? `${name}: ${value}` : fold(`${name}: ${value}`)}\r\n`
}

function named(source: string, list: readonly Field[], name: string): string[] {
  const values: string[] = []
  for (const field of list) if (field.name === name) values.push(fieldValue(source, field))
  return values
}

/** The stored fields that no edit has cut. Fields and cuts are both ordered, so a single pass suffices. */
function uncut(fields: readonly Field[], { cuts }: Edits): readonly Field[] {
  if (cuts.length === 0) return fields
  let next = 0
  return fields.filter(({ start }) => {
    while ((cuts[next]?.[1] ?? Number.POSITIVE_INFINITY) <= start) next++
    return start < (cuts[next]?.[0] ?? Number.POSITIVE_INFINITY)
  })
}

/** A prefix without the fields for which `goes` is true. */
function prefixWithout(prefix: string, goes: (source: string, field: Field) => boolean): string {
  const kept = fieldsOf(prefix).filter((field) => !goes(prefix, field))
  return Buffer.from(kept.map(({ start, end }) => prefix.slice(start, end)).join(''), 'latin1').toString()
}

/** The header of stored octets with edits, which `prepend` and `remove` extend. */
export function createHeaders(block: Uint8Array, edits: Edits): Headers {
  const text = Buffer.from(block.buffer, block.byteOffset, block.byteLength).toString('latin1')
  let fields: Field[] | undefined
  const stored = () => {
    fields ??= fieldsOf(text)
    return uncut(fields, edits)
  }
  const added = () => Buffer.from(edits.prefix).toString('latin1')
  return {
    get(name) {
      const wanted = name.toLowerCase()
      const below = named(text, stored(), wanted)
      if (edits.prefix === '') return below
      const prefix = added()
      return [...named(prefix, fieldsOf(prefix), wanted), ...below]
    },
    prepend(name, value) {
      edits.prefix = headerField(name, value) + edits.prefix
    },
    remove(name, isMeant = () => true) {
      const wanted = name.toLowerCase()
      const goes = (source: string, field: Field) => field.name === wanted && isMeant(fieldValue(source, field))
      edits.prefix = prefixWithout(added(), goes)
      const cuts = stored().filter((field) => goes(text, field))
      edits.cuts = [...edits.cuts, ...cuts.map(({ start, end }): [number, number] => [start, end])].sort(
        ([a], [b]) => a - b,
      )
    },
  }
}
