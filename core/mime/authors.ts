/**
 * The authors that a From or Sender field names, for decisions about who may write as whom.
 *
 * Invariants: linear time; every address that some program could show as the author comes out, so a field that can be
 * read in two ways gives the addresses of both readings.
 */
import { tokensOf } from './addresses.ts'

export interface Author {
  /** Without quotes and comments, as `"a b"` is `a b`; empty where no word stands before the `@`. */
  readonly local: string
  /** As it is written, without comments and white space; empty where none stands behind the `@`. */
  readonly domain: string
}

export interface Authors {
  /** In order, repeated ones included. */
  readonly authors: readonly Author[]
  /** Programs may read other addresses than these: a quote or comment without an end, quotes within a domain, … */
  readonly isAmbiguous: boolean
}

/** Reads whatever stands around each `@`, also in what is meant as a display name. */
export function authorsIn(field: string): Authors {
  const reading = new Reading()
  let rest = field
  for (const token of tokensOf(field)) {
    if (token.kind === 'comment') continue
    if (token.kind === 'unclosed') {
      reading.isAmbiguous = true
      // Programs that do not see the quote or comment read on behind it.
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
  /** The last of them that white space parts from the ones before: what is left when those are a name. */
  #last = ''
  /** What stands before the `@` whose domain is being read. */
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

  /** A domain that was being read is complete. */
  end(): void {
    for (const local of this.#locals ?? []) this.authors.push({ local, domain: this.#run })
    this.#locals = undefined
    this.#run = ''
    this.#last = ''
  }
}
