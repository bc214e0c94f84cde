/**
 * Reads a command from left to right: text, and the literals between.
 *
 * Invariants: no backtracking and no guessing; anything invalid is a SyntaxFault that names the position; nesting and
 * lists are bounded, so hostile input costs no more than its length.
 */

export class SyntaxFault extends Error {}

/** Text of a line (one character per octet), or the octets of a literal. */
export type Piece = string | Buffer

/** Maximum depth of parentheses. */
const DEPTH = 50

export class Cursor {
  readonly #pieces: readonly Piece[]
  #index = 0
  #at = 0
  #depth = 0
  constructor(pieces: readonly Piece[]) {
    this.#pieces = pieces
  }

  /** The rest of the current line. */
  get #text(): string {
    const piece = this.#pieces[this.#index]
    return typeof piece === 'string' ? piece : ''
  }

  get atEnd(): boolean {
    return (
      this.#index >= this.#pieces.length || (this.#index === this.#pieces.length - 1 && this.#at >= this.#text.length)
    )
  }

  fail(wanted: string): never {
    throw new SyntaxFault(`${wanted} expected at "${this.#text.slice(this.#at, this.#at + 20)}"`)
  }

  /** The next character without consuming it; '' at the end or before a literal. */
  peek(): string {
    return this.#text[this.#at] ?? ''
  }

  /** Whether the rest begins with this word, case-insensitively. */
  sees(word: string): boolean {
    return this.#text.slice(this.#at, this.#at + word.length).toUpperCase() === word
  }

  /** Consumes this word, case-insensitively, if present. */
  takes(word: string): boolean {
    if (!this.sees(word)) return false
    this.#at += word.length
    return true
  }

  expect(word: string): void {
    if (!this.takes(word)) this.fail(`"${word}"`)
  }

  space(): void {
    this.expect(' ')
  }

  end(): void {
    if (!this.atEnd) this.fail('the end of the command')
  }

  /** The match of a sticky pattern at this position; undefined if none. */
  match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at
    const [found] = pattern.exec(this.#text) ?? []
    if (found === undefined) return undefined
    this.#at += found.length
    return found
  }

  need(pattern: RegExp, what: string): string {
    return this.match(pattern) ?? this.fail(what)
  }

  atom(what = 'an atom'): string {
    return this.need(ATOM, what)
  }

  /** A quoted string or a literal, as octets. */
  #string(): Buffer | undefined {
    if (this.peek() === '"') return Buffer.from(this.#quoted(), 'latin1')
    const next = this.#pieces[this.#index + 1]
    // A literal can only follow the end of its line's text.
    if (this.#at < this.#text.length || !(next instanceof Buffer)) return undefined
    this.#index += 2
    this.#at = 0
    return next
  }

  #quoted(): string {
    const text = this.need(QUOTED, 'a quoted string')
    return text.slice(1, -1).replace(/\\(.)/g, '$1')
  }

  string(): Buffer {
    return this.#string() ?? this.fail('a string')
  }

  nstring(): Buffer | undefined {
    if (this.sees('NIL') && !/[^\s)\]]/.test(this.#text[this.#at + 3] ?? '')) {
      this.#at += 3
      return undefined
    }
    return this.string()
  }

  /** As text: UTF-8 if valid, otherwise one character per octet. */
  astring(): string {
    return textOf(this.astringOctets())
  }

  astringOctets(): Buffer {
    return this.#string() ?? Buffer.from(this.need(ASTRING, 'a string or an atom'), 'latin1')
  }

  number(what = 'a number'): number {
    const value = Number(this.need(DIGITS, what))
    if (value > 4_294_967_295) this.fail('a smaller number')
    return value
  }

  /** RFC 7162 and others have 63-bit numbers; no real value exceeds 2^53. */
  number64(what = 'a number'): number {
    const value = Number(this.need(DIGITS, what))
    if (!Number.isSafeInteger(value)) this.fail('a smaller number')
    return value
  }

  /** `(` items separated by spaces `)`; may be empty if the caller allows it. */
  list<T>(item: () => T, { least = 1 }: { readonly least?: number } = {}): T[] {
    this.expect('(')
    if (++this.#depth > DEPTH) throw new SyntaxFault('parentheses nested too deeply')
    const items: T[] = []
    if (!this.takes(')')) {
      do items.push(item())
      while (this.takes(' '))
      this.expect(')')
    }
    this.#depth--
    if (items.length < least) this.fail('at least one item')
    return items
  }

  /** Runs a function that reads something nested. */
  nested<T>(read: () => T): T {
    if (++this.#depth > DEPTH) throw new SyntaxFault('parentheses nested too deeply')
    const value = read()
    this.#depth--
    return value
  }

  flag(): string {
    return this.need(FLAG, 'a flag')
  }

  /** A flag that can be set on a message. */
  messageFlag(): string {
    const flag = this.flag()
    return !flag.startsWith('\\') || SYSTEM_FLAGS.includes(flag.toLowerCase()) ? flag : this.fail('a known flag')
  }

  flags(): string[] {
    return this.list(() => this.messageFlag(), { least: 0 })
  }

  /** RFC 9051 date-time, in ms since 1970. */
  dateTime(): number {
    const text = this.need(DATE_TIME, 'a date and time')
    const [, day = '', month = '', year = '', time = '', sign, hours = '', minutes = ''] =
      DATE_TIME_PARTS.exec(text) ?? []
    const at = Date.parse(`${year}-${monthNumber(month)}-${day.trim().padStart(2, '0')}T${time}Z`)
    const zone = (Number(hours) * 60 + Number(minutes)) * 60_000 * (sign === '-' ? -1 : 1)
    if (!isDay(at, day)) this.fail('a valid date')
    return at - zone
  }

  /** A date without a time, as the start of the day in UTC, in ms. */
  date(): number {
    const text = this.need(DATE, 'a date').replaceAll('"', '')
    const [day = '', month = '', year = ''] = text.split('-')
    const at = Date.parse(`${year}-${monthNumber(month)}-${day.padStart(2, '0')}T00:00:00Z`)
    if (!isDay(at, day)) this.fail('a valid date')
    return at
  }
}

// RFC 9051: printable ASCII but ( ) { % * " \ and, for atoms, ].
const ATOM = /[!#$&'+,\-./0-9:;<=>?@A-Z[^_`a-z|}~]+/y
const ASTRING = /[!#$&'+,\-./0-9:;<=>?@A-Z[\]^_`a-z|}~]+/y
const QUOTED = /"(?:[^"\\\r\n]|\\["\\])*"/y
const DIGITS = /\d{1,19}/y
const FLAG = /\\?[!#$&'+,\-./0-9:;<=>?@A-Z[^_`a-z|}~]+/y
// RFC 9051 section 2.3.2: other names with a backslash are reserved.
const SYSTEM_FLAGS = ['\\answered', '\\flagged', '\\deleted', '\\seen', '\\draft']
const DATE_TIME = /"[ \d]\d-[A-Za-z]{3}-\d{4} \d\d:\d\d:\d\d [+-]\d{4}"/y
const DATE_TIME_PARTS = /"([ \d]\d)-([A-Za-z]{3})-(\d{4}) (\d\d:\d\d:\d\d) ([+-])(\d\d)(\d\d)"/
const DATE = /"?\d{1,2}-[A-Za-z]{3}-\d{4}"?/y
const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']

/** Whether a time is valid and on that day: 31 February is not. */
const isDay = (at: number, day: string) => !Number.isNaN(at) && new Date(at).getUTCDate() === Number(day)

function monthNumber(name: string): string {
  return String(MONTHS.indexOf(name.toLowerCase()) + 1).padStart(2, '0')
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Octets as text: UTF-8 if valid, otherwise one character per octet. */
export function textOf(octets: Buffer): string {
  try {
    return UTF8.decode(octets)
  } catch {
    // Old clients send Latin-1 or other charsets; they get their own octets back.
    return octets.toString('latin1')
  }
}
