/**
 * The items of FETCH (RFC 9051 section 6.4.5 and the extensions).
 */

import { string } from '../text.ts'
import type { Cursor } from './cursor.ts'

export interface Section {
  /** `''`, `1.2`, … */
  readonly part: readonly number[]
  /** Section of the part; absent for the part itself. */
  readonly what?: 'HEADER' | 'TEXT' | 'MIME' | 'HEADER.FIELDS' | 'HEADER.FIELDS.NOT'
  readonly fields?: readonly string[]
}

export interface Partial {
  readonly start: number
  readonly length: number
}

export type FetchItem =
  | {
      readonly kind:
        | 'UID'
        | 'FLAGS'
        | 'INTERNALDATE'
        | 'RFC822.SIZE'
        | 'ENVELOPE'
        | 'MODSEQ'
        | 'EMAILID'
        | 'THREADID'
        | 'SAVEDATE'
    }
  | { readonly kind: 'structure'; readonly isExtended: boolean }
  | {
      readonly kind: 'body'
      readonly name: string
      readonly section: Section
      readonly partial?: Partial
      readonly peek: boolean
    }
  | { readonly kind: 'binary'; readonly section: Section; readonly partial?: Partial; readonly peek: boolean }
  | { readonly kind: 'binarySize'; readonly section: Section }
  | { readonly kind: 'PREVIEW'; readonly isLazy: boolean }

const SIMPLE = [
  'UID',
  'FLAGS',
  'INTERNALDATE',
  'RFC822.SIZE',
  'ENVELOPE',
  'MODSEQ',
  'EMAILID',
  'THREADID',
  'SAVEDATE',
] as const
const FAST = ['FLAGS', 'INTERNALDATE', 'RFC822.SIZE'] as const
const NAME = /[A-Za-z0-9.]+/y
/** Maximum items of one FETCH. */
const MOST = 200

export function readFetchItems(cursor: Cursor): readonly FetchItem[] {
  const simple = (...kinds: readonly (typeof SIMPLE)[number][]): FetchItem[] => kinds.map((kind) => ({ kind }))
  if (cursor.takes('ALL')) return simple(...FAST, 'ENVELOPE')
  if (cursor.takes('FULL')) return [...simple(...FAST, 'ENVELOPE'), { kind: 'structure', isExtended: false }]
  if (cursor.takes('FAST')) return simple(...FAST)
  const items = cursor.peek() === '(' ? cursor.list(() => readItem(cursor)) : [readItem(cursor)]
  return items.length > MOST ? cursor.fail('fewer items') : items
}

function readItem(cursor: Cursor): FetchItem {
  const name = cursor.need(NAME, 'an item to fetch').toUpperCase()
  const simple = SIMPLE.find((known) => known === name)
  if (simple) return { kind: simple }
  const whole = (what: Section['what'] | undefined, peek: boolean): FetchItem => ({
    kind: 'body',
    name,
    section: { part: [], ...(what ? { what } : {}) },
    peek,
  })
  switch (name) {
    case 'RFC822':
      return whole(undefined, false)
    case 'RFC822.HEADER':
      return whole('HEADER', true)
    case 'RFC822.TEXT':
      return whole('TEXT', false)
    case 'BODYSTRUCTURE':
      return { kind: 'structure', isExtended: true }
    case 'BODY':
    case 'BODY.PEEK':
      if (cursor.peek() !== '[') return name === 'BODY' ? { kind: 'structure', isExtended: false } : cursor.fail('"["')
      return readBody(cursor, name === 'BODY.PEEK')
    case 'BINARY':
    case 'BINARY.PEEK':
      return { kind: 'binary', section: readPartOnly(cursor), ...readPartial(cursor), peek: name === 'BINARY.PEEK' }
    case 'BINARY.SIZE':
      return { kind: 'binarySize', section: readPartOnly(cursor) }
    case 'PREVIEW':
      return { kind: 'PREVIEW', isLazy: cursor.takes(' (LAZY)') }
    default:
      return cursor.fail('a known item to fetch')
  }
}

function readBody(cursor: Cursor, peek: boolean): FetchItem {
  cursor.expect('[')
  const section = readSection(cursor)
  cursor.expect(']')
  return { kind: 'body', name: `BODY[${formatSection(section)}]`, section, ...readPartial(cursor), peek }
}

function readPartOnly(cursor: Cursor): Section {
  cursor.expect('[')
  const part = readPartNumbers(cursor)
  cursor.expect(']')
  return { part }
}

function readPartNumbers(cursor: Cursor): number[] {
  const text = cursor.match(/[1-9]\d{0,8}(?:\.[1-9]\d{0,8})*/y)
  const numbers = text === undefined ? [] : text.split('.').map(Number)
  return numbers.length > 100 ? cursor.fail('a valid part number') : numbers
}

export function readSection(cursor: Cursor): Section {
  const part = readPartNumbers(cursor)
  if (part.length > 0 && !cursor.takes('.')) return { part }
  // Longest first, because each begins with the next.
  for (const what of ['HEADER.FIELDS.NOT', 'HEADER.FIELDS', 'HEADER', 'TEXT', 'MIME'] as const) {
    if (!cursor.takes(what)) continue
    if (what === 'MIME' && part.length === 0) cursor.fail('a part before MIME')
    if (!what.startsWith('HEADER.')) return { part, what }
    cursor.space()
    return { part, what, fields: cursor.list(() => cursor.astring()) }
  }
  return part.length > 0 ? cursor.fail('HEADER, TEXT or MIME') : { part }
}

export function formatSection({ part, what, fields }: Section): string {
  const words = what === undefined ? [] : [fields ? `${what} (${fields.map(formatField).join(' ')})` : what]
  return [...part.map(String), ...words].join('.')
}

function formatField(name: string): string {
  return /^[!#$&'+,\-./0-9:;<=>?@A-Z[^_`a-z|}~]+$/.test(name) ? name : string(name, false)
}

function readPartial(cursor: Cursor): { partial?: Partial } {
  if (!cursor.takes('<')) return {}
  const start = cursor.number64()
  cursor.expect('.')
  const length = cursor.number64()
  cursor.expect('>')
  return length > 0 ? { partial: { start, length } } : cursor.fail('a length above 0')
}
