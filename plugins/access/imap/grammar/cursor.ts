/**
 * Reads a command from left to right: text, and the literals between its pieces.
 *
 * What must stay true: nothing is read twice, nothing is guessed; whatever does not fit is a SyntaxFault with a word
 * about where; nesting and lists have bounds, so hostile input costs no more than its length.
 */

export class SyntaxFault extends Error {}

/** Text as it stood on a line (one character an octet), or the octets of a literal. */
export type Piece = string | Buffer

/** Deepest parentheses. */
const DEPTH = 50

export class Cursor {
  readonly #pieces: readonly Piece[]
  #index = 0
  #at = 0
  #depth = 0
  constructor(pieces: readonly Piece[]) {
    this.#pieces = pieces
  }

  /** The rest of the present line. */
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

  /** The next character without reading it; '' at the end or before a literal. */
  peek(): string {
    return this.#text[this.#at] ?? ''
  }

  /** Whether the rest begins with this, in any case. */
  sees(word: string): boolean {
    return this.#text.slice(this.#at, this.#at + word.length).toUpperCase() === word
  }

  /** Reads exactly this, in any case, if it is there. */
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

  /** What a sticky pattern matches here; undefined if nothing. */
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
    // A literal stands where its line's text has been read to the end.
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

  /** As text: UTF-8 where it is that, otherwise one character an octet. */
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

  /** RFC 7162 and others have 63-bit numbers; those beyond 2^53 are of no use to anybody. */
  number64(what = 'a number'): number {
    const value = Number(this.need(DIGITS, what))
    if (!Number.isSafeInteger(value)) this.fail('a smaller number')
    return value
  }

  /** `(` items with a space between `)`; none is a list too where the caller says so. */
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

  /** Runs what reads something nested. */
  nested<T>(read: () => T): T {
    if (++this.#depth > DEPTH) throw new SyntaxFault('parentheses nested too deeply')
    const value = read()
    this.#depth--
    return value
  }

  flag(): string {
    return this.need(FLAG, 'a flag')
  }

  /** A flag that a message can be given. */
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

  /** A date without a time, as the ms of its beginning in UTC. */
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
// RFC 9051 section 2.3.2: others with a backslash are for future standards.
const SYSTEM_FLAGS = ['\\answered', '\\flagged', '\\deleted', '\\seen', '\\draft']
const DATE_TIME = /"[ \d]\d-[A-Za-z]{3}-\d{4} \d\d:\d\d:\d\d [+-]\d{4}"/y
const DATE_TIME_PARTS = /"([ \d]\d)-([A-Za-z]{3})-(\d{4}) (\d\d:\d\d:\d\d) ([+-])(\d\d)(\d\d)"/
const DATE = /"?\d{1,2}-[A-Za-z]{3}-\d{4}"?/y
const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']

/** Whether a time is one, and of that day: the 31st of February is not. */
const isDay = (at: number, day: string) => !Number.isNaN(at) && new Date(at).getUTCDate() === Number(day)

function monthNumber(name: string): string {
  return String(MONTHS.indexOf(name.toLowerCase()) + 1).padStart(2, '0')
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Octets as text: UTF-8 where it is that, otherwise one character an octet. */
export function textOf(octets: Buffer): string {
  try {
    return UTF8.decode(octets)
  } catch {
    // Old clients send Latin-1 or worse: what they meant is anybody's guess, and they get their own octets back.
    return octets.toString('latin1')
  }
}
