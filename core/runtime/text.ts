/**
 * Text for people: escapes remote text for terminals; formats counts and sizes.
 *
 * Invariants: text that passes `escapeText` moves no cursor, and reorders and hides no character; the `iems` command
 * prints no other text.
 */

/** C0, DEL and C1; direction, joining and invisible characters; line separators; replacement characters. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029\u115f\u1160\u3164\uffa0]|\u034f|\u17b4|\u17b5/gu

/** Most text that is logged or printed: a search for `UNSAFE`, with its Unicode properties, takes ten times as long. */
const isPrintableAscii = (text: string): boolean => !/[^ -~]/.test(text)

const codeOf = (character: string) => (character.codePointAt(0) as number).toString(16).padStart(4, '0')

/** Escapes unsafe characters as `\u{1b}`. In multi-line text, `\n` and `\t` stay. */
export function escapeText(text: string): string {
  if (isPrintableAscii(text)) return text
  return text.replace(UNSAFE, (one) => (one === '\n' || one === '\t' ? one : `\\u{${codeOf(one)}}`))
}

/** Escapes text of one line, including line breaks. */
export const escapeLine = (text: string): string =>
  isPrintableAscii(text) ? text : text.replace(UNSAFE, (one) => `\\u{${codeOf(one)}}`)

/** Whether text has no unsafe character: for names and addresses, which people compare by eye. */
export const isPlainLine = (text: string): boolean => text.search(UNSAFE) < 0

/** One line of JSON that is harmless on a terminal and that a program reads as the same value. */
export function jsonLine(value: unknown): string {
  return (JSON.stringify(value) ?? 'null').replace(UNSAFE, (one) =>
    Array.from({ length: one.length }, (_, at) => `\\u${one.charCodeAt(at).toString(16).padStart(4, '0')}`).join(''),
  )
}

/** Escapes every string in a value as one line; field names are the program's own. */
export function escapeValue<T>(value: T): T {
  if (typeof value === 'string') return escapeLine(value) as T
  if (Array.isArray(value)) return value.map(escapeValue) as T
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, escapeValue(one)])) as T
}

/** `1 message`, `2 messages`, `0 deliveries`. */
export function counted(count: number, noun: string): string {
  if (count === 1) return `1 ${noun}`
  return `${count} ${/[^aeiou]y$/.test(noun) ? `${noun.slice(0, -1)}ies` : /(?:s|x|ch|sh)$/.test(noun) ? `${noun}es` : `${noun}s`}`
}

/** `an account`, `a group`. */
export const withArticle = (noun: string): string => `${/^[aeio]/i.test(noun) ? 'an' : 'a'} ${noun}`

const UNITS = [
  [1e12, 'TB'],
  [1024 ** 4, 'TiB'],
  [1e9, 'GB'],
  [1024 ** 3, 'GiB'],
  [1e6, 'MB'],
  [1024 ** 2, 'MiB'],
  [1e3, 'kB'],
  [1024, 'KiB'],
] as const

/** Amounts from here on are read in the next unit. */
const MAX_AMOUNT = 10_000

/** A size as in the configuration: `5 GB`, `20 KiB`, `1.3 MB`, `300 B`; powers of two only when exact and short. */
export function formatSize(octets: number): string {
  const exact = UNITS.find(
    ([size]) => octets >= size && octets < size * MAX_AMOUNT && Number.isInteger((octets * 10) / size),
  )
  const nearest = UNITS.find(([size, unit]) => octets >= size && !unit.includes('i'))
  const [size, unit] = exact ?? nearest ?? [1, 'B']
  return `${Number((octets / size).toFixed(1))} ${unit}`
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Escapes text for HTML, in an element or in a quoted attribute. */
export const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (found) => ENTITIES[found] ?? found)
