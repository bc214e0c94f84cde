/**
 * Authors named by a From or Sender field, for decisions about who may send as whom.
 *
 * Invariants: linear time; every address that some mail program could show as the author is included, so an ambiguous
 * field yields the addresses of each reading.
 */
import { tokensOf } from './addresses.ts'

export interface Author {
  /** Without quotes and comments, as `"a b"` is `a b`; empty when no word precedes the `@`. */
  readonly local: string
  /** As written, without comments and white space; empty when nothing follows the `@`. */
  readonly domain: string
}

export interface Authors {
  /** In order, including duplicates. */
  readonly authors: readonly Author[]
  /** Mail programs may read other addresses: an unterminated quote or comment, quotes in a domain, … */
  readonly isAmbiguous: boolean
}

/** Reads the text around each `@`, even inside a display name. */
export function authorsIn(field: string): Authors {
  const reading = new Reading()
  let rest = field
  for (const token of tokensOf(field)) {
    if (token.kind === 'comment') continue
    if (token.kind === 'unclosed') {
      reading.isAmbiguous = true
      // Mail programs that do not recognize the quote or comment continue after it.
      rest = field.replace(/["()[\]\\]/g, ' ')
    } else if (token.kind === 'mark') reading.mark(token.text)
    else reading.word(token)
  }
  reading.end()
  if (reading.isAmbiguous && rest !== field) {
    for (const token of tokensOf(rest)) {
      if (token.kind === 'mark') reading.mark(token.text)
      else if (token.kind === 'word') reading.word(token)
    }
    reading.end()
  }
  return reading
}

class Reading implements Authors {
  readonly authors: Author[] = []
  isAmbiguous = false
  /** Words joined by dots. */
  #run = ''
  /** The last word, separated by white space: the local part if the preceding words are a name. */
  #last = ''
  /** The local parts before the `@` whose domain is being read. */
  #locals: readonly string[] | undefined
  #before: 'word' | 'dot' | 'mark' = 'mark'

  mark(text: string): void {
    if (text === '.') {
      this.#run += '.'
      this.#last += '.'
      this.#before = 'dot'
    } else {
      const locals = text === '@' ? [...new Set([this.#run, this.#last])] : undefined
      this.end()
      this.#locals = locals
      this.#before = 'mark'
    }
  }

  word({ text, spaced, quoted }: { readonly text: string; readonly spaced: boolean; readonly quoted: boolean }): void {
    const isJoined = this.#before !== 'word'
    if (this.#before === 'word' && !spaced) this.isAmbiguous = true
    if (quoted ? this.#locals !== undefined && isJoined : /[)\\]/.test(text)) this.isAmbiguous = true
    if (!isJoined) this.end()
    this.#run += text
    this.#last = spaced && this.#locals === undefined ? text : this.#last + text
    this.#before = 'word'
  }

  /** Ends the domain being read. */
  end(): void {
    for (const local of this.#locals ?? []) this.authors.push({ local, domain: this.#run })
    this.#locals = undefined
    this.#run = ''
    this.#last = ''
  }
}
