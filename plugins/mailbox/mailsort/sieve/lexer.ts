/**
 * The tokens of a Sieve script (RFC 5228 section 8.1).
 *
 * Invariants: linear time; any text gives tokens or a SieveError; each token knows where it begins.
 */
import { type Position, SieveError } from './syntax.ts'

export type Token = {
  readonly at: Position
  /** Comments since the token before. */
  readonly comments: readonly string[]
} & (
  | { readonly kind: 'identifier' | 'tag'; readonly text: string }
  | { readonly kind: 'string'; readonly text: string }
  | { readonly kind: 'number'; readonly number: number }
  | { readonly kind: 'mark'; readonly text: string }
  | { readonly kind: 'end' }
)

const WORD = /[A-Za-z_]\w*/y
const NUMBER = /(\d+)([KMG]?)(?!\w)/iy
const MULTILINE = /text:[ \t]*(?:#[^\n]*)?\r?\n/iy
const MARKS = ';,(){}[]'
const UNITS: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 }
/** RFC 5228 section 2.4.1: at least 31 bits. */
const MAX_NUMBER = 2 ** 53 - 1

export class Lexer {
  readonly #text: string
  #at = 0
  #line = 1
  #lineStart = 0

  constructor(text: string) {
    this.#text = text.startsWith('\uFEFF') ? text.slice(1) : text
  }

  next(): Token {
    const comments = this.#skip()
    const at = this.#position()
    const char = this.#text[this.#at]
    if (char === undefined) return { kind: 'end', at, comments }
    if (char === '"') return { kind: 'string', text: this.#quoted(at), at, comments }
    if (MARKS.includes(char)) {
      this.#at++
      return { kind: 'mark', text: char, at, comments }
    }
    if (char === ':') {
      this.#at++
      const name = this.#match(WORD)
      if (!name) throw new SieveError(at, "':' without a name", 'a tag is written as :name')
      return { kind: 'tag', text: name[0].toLowerCase(), at, comments }
    }
    if (/\d/.test(char)) return { kind: 'number', number: this.#number(at), at, comments }
    if (this.#match(MULTILINE)) return { kind: 'string', text: this.#multiline(at), at, comments }
    const word = this.#match(WORD)
    if (word) return { kind: 'identifier', text: word[0].toLowerCase(), at, comments }
    throw new SieveError(at, `unexpected character ${JSON.stringify(char)}`)
  }

  #position(): Position {
    return { line: this.#line, column: this.#at - this.#lineStart + 1 }
  }

  #match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)
    if (!found) return undefined
    this.#advance(found[0].length)
    return found
  }

  #advance(count: number): void {
    const end = this.#at + count
    for (; this.#at < end; this.#at++) {
      if (this.#text[this.#at] !== '\n') continue
      this.#line++
      this.#lineStart = this.#at + 1
    }
  }

  /** Passes over white space and comments. */
  #skip(): readonly string[] {
    const comments: string[] = []
    for (;;) {
      const char = this.#text[this.#at]
      if (char === ' ' || char === '\t' || char === '\r' || char === '\n') this.#advance(1)
      else if (char === '#') {
        const end = this.#text.indexOf('\n', this.#at)
        const stop = end < 0 ? this.#text.length : end
        comments.push(this.#text.slice(this.#at + 1, stop).trim())
        this.#advance(stop - this.#at)
      } else if (this.#text.startsWith('/*', this.#at)) {
        const end = this.#text.indexOf('*/', this.#at + 2)
        if (end < 0) throw new SieveError(this.#position(), 'a comment has no end', 'close it with */')
        for (const line of this.#text.slice(this.#at + 2, end).split('\n')) comments.push(line.trim())
        this.#advance(end + 2 - this.#at)
      } else return comments
    }
  }

  #quoted(at: Position): string {
    const start = this.#at + 1
    let end = start
    while (end < this.#text.length && this.#text[end] !== '"') end += this.#text[end] === '\\' ? 2 : 1
    if (end >= this.#text.length) throw new SieveError(at, 'a string has no end', 'close it with "')
    const text = this.#text.slice(start, end)
    this.#advance(end + 1 - this.#at)
    this.#refuseNul(text, at)
    return text.replace(/\\([\s\S])/g, '$1')
  }

  #multiline(at: Position): string {
    const lines: string[] = []
    for (;;) {
      const end = this.#text.indexOf('\n', this.#at)
      const isLast = end < 0
      const line = this.#text.slice(this.#at, isLast ? this.#text.length : end).replace(/\r$/, '')
      if (isLast && line !== '.')
        throw new SieveError(at, 'a text: has no end', 'end it with a line that is a single dot')
      this.#advance((isLast ? this.#text.length : end + 1) - this.#at)
      if (line === '.') break
      lines.push(line.startsWith('..') ? line.slice(1) : line)
    }
    const text = lines.map((line) => `${line}\r\n`).join('')
    this.#refuseNul(text, at)
    return text
  }

  #refuseNul(text: string, at: Position): void {
    if (text.includes('\0')) throw new SieveError(at, 'a string contains a NUL octet')
  }

  #number(at: Position): number {
    const found = this.#match(NUMBER)
    if (!found) throw new SieveError(at, 'not a number', 'write digits with K, M or G behind them')
    const number = Number(found[1]) * (UNITS[(found[2] ?? '').toUpperCase()] as number)
    if (!(number <= MAX_NUMBER)) throw new SieveError(at, 'the number is too large')
    return number
  }
}
