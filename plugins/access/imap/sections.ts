/**
 * Locates a section of FETCH in the content (RFC 9051 section 6.4.5.1).
 */
import { fieldName } from 'iems'
import type { MimePart, PartRange } from '../../mailbox/store/api.ts'
import type { Section } from './grammar/fetch.ts'

export const isMessage = ({ type, subtype }: MimePart) =>
  type === 'message' && (subtype === 'rfc822' || subtype === 'global')

/** The part with these numbers; part 1 of a message that is not multipart is its body. */
export function findPart(message: MimePart, numbers: readonly number[]): MimePart | undefined {
  /** The message or multipart to which the next number refers. */
  let container: MimePart | undefined = message
  let part: MimePart | undefined = message
  for (const number of numbers) {
    const isItself: boolean = container?.type !== 'multipart'
    part = isItself ? (number === 1 ? container : undefined) : container?.parts?.[number - 1]
    if (!part) return undefined
    if (isMessage(part)) container = part.parts?.[0]
    // A part that is not multipart has one part, itself, which has none.
    else container = isItself ? undefined : part
  }
  return part
}

/** Undefined when there is no such section. */
export function rangeOf(message: MimePart, { part: numbers, what }: Section): PartRange | undefined {
  if (numbers.length === 0) {
    if (what === undefined) return { start: 0, end: message.end }
    return what === 'TEXT' ? { start: message.body, end: message.end } : { start: 0, end: message.body }
  }
  const part = findPart(message, numbers)
  if (!part) return undefined
  if (what === undefined) return range(part, part.body, part.end)
  if (what === 'MIME') return range(part, part.header, part.body)
  const inner = isMessage(part) ? part.parts?.[0] : undefined
  if (!inner) return undefined
  return what === 'TEXT' ? range(inner, inner.body, inner.end) : range(inner, inner.header, inner.body)
}

function range({ within }: MimePart, start: number, end: number): PartRange {
  return { start, end, ...(within ? { within } : {}) }
}

/** The fields of a header block with, or without, these names, including the final blank line if there is one. */
export function chooseFields(header: string, names: readonly string[], isNot: boolean): string {
  const wanted = new Set(names.map((name) => name.toLowerCase()))
  const kept: string[] = []
  for (let start = 0; start < header.length; ) {
    let end = header.indexOf('\n', start) + 1 || header.length
    while (header[end] === ' ' || header[end] === '\t') end = header.indexOf('\n', end) + 1 || header.length
    const field = header.slice(start, end)
    const name = fieldName(field)
    if (name !== undefined && wanted.has(name) !== isNot) kept.push(field)
    start = end
  }
  const fields = kept.join('')
  return /(?:^|\n)\r?\n$/.test(header) ? `${fields}\r\n` : fields
}
