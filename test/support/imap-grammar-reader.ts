/**
 * Reads one line of an IMAP server by the rules that all productions share (RFC 9051 section 9).
 */

export class GrammarFault extends Error {}

export const ATOM = /[!#$&'+,\-./0-9:;<=>?@A-Z[^_`a-z|}~]+/y
export const ASTRING = /[!#$&'+,\-./0-9:;<=>?@A-Z[\]^_`a-z|}~]+/y
export const TAG = /[!#$&',\-./0-9:;<=>?@A-Z[^_`a-z|}~]+/y
export const NUMBER = /0|[1-9]\d*/y
export const SET = /(?:[1-9]\d*(?::[1-9]\d*)?)(?:,[1-9]\d*(?::[1-9]\d*)?)*/y
export const FLAG = /\\?[!#$&'+,\-./0-9:;<=>?@A-Z[^_`a-z|}~]+/y
// biome-ignore lint/suspicious/noControlCharactersInRegex: RFC 9051: TEXT-CHAR is any character but CR, LF and NUL
export const TEXT = /[\x01-\x09\x0b\x0c\x0e-\x7f]+/y
export const QUOTED = /"(?:[^"\\]|\\["\\])*"/y
export const DATE_TIME = /"[ \d]\d-(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)-\d{4} \d\d:\d\d:\d\d [+-]\d{4}"/y
export const BASE64 = /(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?/y
export const MAX_32 = 4_294_967_295

export class Reader {
  readonly #text: string
  readonly #isUtf8: boolean
  #at = 0
  constructor(text: string, isUtf8: boolean) {
    this.#text = text
    this.#isUtf8 = isUtf8
  }

  fail(wanted: string): never {
    throw new GrammarFault(`${wanted} expected at ${JSON.stringify(this.#text.slice(this.#at, this.#at + 60))}`)
  }

  get atEnd(): boolean {
    return this.#at >= this.#text.length
  }

  end(): void {
    if (!this.atEnd) this.fail('the end of the line')
  }

  sees(word: string): boolean {
    return this.#text.slice(this.#at, this.#at + word.length).toUpperCase() === word.toUpperCase()
  }

  takes(word: string): boolean {
    if (!this.sees(word)) return false
    this.#at += word.length
    return true
  }

  expect(word: string): void {
    if (!this.takes(word)) this.fail(JSON.stringify(word))
  }

  match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at
    const [found] = pattern.exec(this.#text) ?? []
    if (found !== undefined) this.#at += found.length
    return found
  }

  need(pattern: RegExp, what: string): string {
    return this.match(pattern) ?? this.fail(what)
  }

  number(most = MAX_32, least = 0): number {
    const value = Number(this.need(NUMBER, 'a number'))
    return value < least || value > most ? this.fail(`a number from ${least} to ${most}`) : value
  }

  /** Items with one space between them, in parentheses. */
  list(item: () => void, least = 0): void {
    this.expect('(')
    let count = 0
    if (!this.takes(')')) {
      do {
        item()
        count++
      } while (this.takes(' '))
      this.expect(')')
    }
    if (count < least) this.fail(`${least} items`)
  }

  string(): string {
    return this.#literal('{') ?? this.#quoted() ?? this.fail('a string')
  }

  nstring(): string | undefined {
    return this.takes('NIL') ? undefined : this.string()
  }

  /** For BINARY alone (RFC 3516). */
  literal8(): string | undefined {
    return this.#literal('~{')
  }

  astring(): string {
    return this.match(ASTRING) ?? this.string()
  }

  #quoted(): string | undefined {
    const found = this.match(QUOTED)
    if (found === undefined) return undefined
    const inner = found.slice(1, -1)
    if (/[\0\r\n]/.test(inner)) this.fail('a quoted string without NUL, CR and LF')
    if (/[\x80-\xff]/.test(inner) && !(this.#isUtf8 && isUtf8(inner))) this.fail('a quoted string in ASCII')
    return inner.replace(/\\(.)/g, '$1')
  }

  #literal(start: '{' | '~{'): string | undefined {
    const pattern = start === '{' ? /\{(\d+)\}\r\n/y : /~\{(\d+)\}\r\n/y
    pattern.lastIndex = this.#at
    const [all, size] = pattern.exec(this.#text) ?? []
    if (all === undefined) return undefined
    const from = this.#at + all.length
    const text = this.#text.slice(from, from + Number(size))
    if (text.length !== Number(size)) this.fail('a whole literal')
    if (start === '{' && text.includes('\0')) this.fail('a literal without NUL')
    this.#at = from + text.length
    return text
  }
}

export function isUtf8(text: string): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(text, 'latin1'))
    return true
  } catch {
    return false
  }
}

export function number(r: Reader, least: number, most = MAX_32): void {
  r.expect(' ')
  r.number(most, least)
}

export function set(r: Reader): void {
  r.expect(' ')
  const text = r.need(SET, 'a set')
  if (/\d{11}/.test(text)) r.fail('a set of 32-bit numbers')
}

export function objectId(r: Reader): void {
  r.expect(' (')
  r.need(/[A-Za-z0-9_-]{1,255}/y, 'an object id')
  r.expect(')')
}

export function capabilities(r: Reader): void {
  const all: string[] = []
  while (r.takes(' ')) all.push(r.need(ATOM, 'a capability'))
  for (const wanted of ['IMAP4rev2', 'IMAP4rev1']) if (!all.includes(wanted)) r.fail(`${wanted} among ${all}`)
}

export function flag(r: Reader): void {
  const name = r.need(FLAG, 'a flag')
  if (name.startsWith('\\') && !/^\\(?:Answered|Flagged|Deleted|Seen|Draft|Recent)$/.test(name)) r.fail('a known flag')
}

export const flags = (r: Reader) => r.list(() => flag(r))
