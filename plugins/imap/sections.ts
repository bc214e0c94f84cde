/**
 * Where a section that FETCH names stands in the content (RFC 9051 section 6.4.5.1).
 */
import type { MimePart } from '../mailstore/api.ts'
import type { Section } from './grammar/fetch.ts'

export interface OctetRange {
  readonly start: number
  readonly end: number
}

const isMessage = ({ type, subtype }: MimePart) => type === 'message' && (subtype === 'rfc822' || subtype === 'global')

/** The part of these numbers; of a message that is not multipart the first is its body. */
export function findPart(message: MimePart, numbers: readonly number[]): MimePart | undefined {
  let part: MimePart | undefined = message
  /** Whether it is the message itself, rather than a part that holds one. */
  let isEntered = true
  let isItself = false
  for (const number of numbers) {
    if (part && !isEntered && isMessage(part)) part = part.parts?.[0]
    if (!part) return undefined
    if (part.type === 'multipart') part = part.parts?.[number - 1]
    // What is no multipart has one part, which is itself; that one has none.
    else if (number !== 1 || isItself) return undefined
    else isItself = true
    isEntered = false
  }
  return part
}

/** Undefined when there is no such section. */
export function rangeOf(message: MimePart, { part: numbers, what }: Section): OctetRange | undefined {
  if (numbers.length === 0) {
    if (what === undefined) return { start: 0, end: message.end }
    return what === 'TEXT' ? { start: message.body, end: message.end } : { start: 0, end: message.body }
  }
  const part = findPart(message, numbers)
  if (!part) return undefined
  if (what === undefined) return { start: part.body, end: part.end }
  if (what === 'MIME') return { start: part.header, end: part.body }
  const inner = isMessage(part) ? part.parts?.[0] : undefined
  if (!inner) return undefined
  return what === 'TEXT' ? { start: inner.body, end: inner.end } : { start: inner.header, end: inner.body }
}

/** The fields of a header block that are, or are not, of these names; with the blank line that ends it, if there is one. */
export function chooseFields(header: string, names: readonly string[], isNot: boolean): string {
  const wanted = new Set(names.map((name) => name.toLowerCase()))
  const kept: string[] = []
  for (let start = 0; start < header.length; ) {
    let end = header.indexOf('\n', start) + 1 || header.length
    while (header[end] === ' ' || header[end] === '\t') end = header.indexOf('\n', end) + 1 || header.length
    const colon = header.indexOf(':', start)
    const isField = colon > start && colon < end
    if (isField && wanted.has(header.slice(start, colon).trimEnd().toLowerCase()) !== isNot)
      kept.push(header.slice(start, end))
    start = end
  }
  const fields = kept.join('')
  return /(?:^|\n)\r?\n$/.test(header) ? `${fields}\r\n` : fields
}
