/**
 * Wildcards (RFC 5228 section 2.7.1) and regular expressions (draft-murchison-sieve-regex).
 *
 * Invariants: matching is linear in the text for a given pattern; each wildcard matches as little as it can (RFC 5229
 * section 3.2); this file alone imports the library for regular expressions, which has no backtracking.
 */
import { RE2JS } from 're2js'

/** The matched text, then that of each wildcard or group; undefined without a match. */
export type Matched = readonly string[] | undefined

type Wild = { readonly kind: '*' } | { readonly kind: 'run'; readonly chars: readonly (string | undefined)[] }

/** Characters of a pattern. */
const MAX_PATTERN = 4096

/** A pattern's runs of characters (undefined for `?`) between its stars. */
function readWildcards(pattern: string): readonly Wild[] {
  const pieces: Wild[] = []
  let chars: (string | undefined)[] = []
  const finish = () => {
    if (chars.length > 0) pieces.push({ kind: 'run', chars })
    chars = []
  }
  for (let at = 0; at < pattern.length && at < MAX_PATTERN; at++) {
    const char = pattern[at] as string
    if (char === '*') {
      finish()
      pieces.push({ kind: '*' })
    } else if (char === '?') chars.push(undefined)
    else if (char === '\\' && at + 1 < pattern.length) chars.push(pattern[++at])
    else chars.push(char)
  }
  finish()
  return pieces
}

export interface Wildcards {
  /** `text` in its folded form; `original` is what captures are cut from. */
  match(text: string, original: string): Matched
  /** Characters of the pattern: what one character of a text costs at most. */
  readonly cost: number
}

export function createWildcards(pattern: string): Wildcards {
  const pieces = readWildcards(pattern)
  const isAnchored = pieces.at(-1)?.kind === 'run'
  return {
    match,
    cost: pieces.some((piece) => piece.kind === 'run' && piece.chars.includes(undefined)) ? pattern.length : 1,
  }

  function match(text: string, original: string): Matched {
    const found = [original]
    let at = 0
    let star: number | undefined
    for (const [index, piece] of pieces.entries()) {
      if (piece.kind === '*') {
        // Of two adjacent stars the first matches nothing.
        if (star !== undefined) found.push('')
        star ??= at
        continue
      }
      const isLast = isAnchored && index === pieces.length - 1
      const start = star === undefined ? at : isLast ? text.length - piece.chars.length : find(text, piece.chars, at)
      if (start < at || !fits(text, piece.chars, start)) return undefined
      if (star !== undefined) found.push(original.slice(star, start))
      star = undefined
      for (const [offset, char] of piece.chars.entries())
        if (char === undefined) found.push(original[start + offset] as string)
      at = start + piece.chars.length
    }
    if (star !== undefined) found.push(original.slice(star))
    else if (at !== text.length) return undefined
    return found
  }
}

function fits(text: string, chars: readonly (string | undefined)[], start: number): boolean {
  if (start + chars.length > text.length) return false
  return chars.every((char, offset) => char === undefined || text[start + offset] === char)
}

/** The first position of a run from `at` on, or -1. */
function find(text: string, chars: readonly (string | undefined)[], at: number): number {
  if (!chars.includes(undefined)) return text.indexOf(chars.join(''), at)
  for (let start = at; start + chars.length <= text.length; start++) if (fits(text, chars, start)) return start
  return -1
}

export interface RegularExpression {
  match(text: string): Matched
}

/** Undefined for an invalid regular expression. */
export function createRegularExpression(pattern: string, isCaseless: boolean): RegularExpression | undefined {
  if (pattern.length > MAX_PATTERN) return undefined
  try {
    const compiled = RE2JS.compile(pattern, (isCaseless ? RE2JS.CASE_INSENSITIVE : 0) | RE2JS.LONGEST_MATCH)
    return {
      match(text) {
        const matcher = compiled.matcher(text)
        if (!matcher.find()) return undefined
        return Array.from({ length: matcher.groupCount() + 1 }, (_, group) => matcher.group(group) ?? '')
      },
    }
  } catch {
    return undefined
  }
}
