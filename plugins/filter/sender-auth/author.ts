/**
 * The domain of a From field in any program that might show it (RFC 9989 section 5.3.1).
 *
 * DMARC authenticates one domain. A field that one reader takes for `a@a.test` and another for `b@b.test` must not pass
 * as either. Invariants: a field with one domain contains no address of another domain outside quoted strings, comments
 * and encoded display names; each character is examined a bounded number of times.
 */

import { foldDomain } from 'iems'

/** Longer than any legitimate field. */
const MAX_FIELD = 16_384

export type AuthorProblem = 'several From fields' | 'no author' | 'no one author domain'

/** The reason why the author has no single domain; undefined if `parsed`, another parser's result, is unambiguous. */
export function authorProblem(fields: readonly string[], parsed: readonly string[]): AuthorProblem | undefined {
  const [field = '', second] = fields
  if (second !== undefined) return 'several From fields'
  if (field.length > MAX_FIELD) return 'no one author domain'
  const own = domainsOf(field)
  if (own === undefined) return 'no one author domain'
  const theirs = parsed
    .filter((address) => address.includes('@'))
    .map((one) => fold(one.slice(one.lastIndexOf('@') + 1)))
  const all = new Set([...own, ...theirs])
  if (all.size === 0) return 'no author'
  return all.size === 1 && own.length > 0 && theirs.length > 0 ? undefined : 'no one author domain'
}

/** The domain of every address in the field; undefined where readers may differ. */
function domainsOf(field: string): string[] | undefined {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters end or hide text in some programs
  if (/[\x00-\x08\x0a-\x1f\x7f]/.test(field)) return undefined
  const text = withoutQuotesAndComments(field)
  if (text === undefined) return undefined
  const domains: string[] = []
  for (const element of text.split(/[,;]/)) {
    const found = ofElement(element)
    if (found === undefined) return undefined
    domains.push(...found)
  }
  return domains
}

/** Replaces a quoted string. */
const QUOTED = '\u0001'

/**
 * Replaces comments by a space and quoted strings by a mark; undefined if one is unterminated, or if programs without
 * support for escapes would read it differently.
 */
function withoutQuotesAndComments(field: string): string | undefined {
  let text = ''
  let depth = 0
  for (let at = 0; at < field.length; at++) {
    const char = field[at] as string
    if (char === '"' && depth === 0) {
      const end = endOfQuoted(field, at)
      const quoted = field.slice(at + 1, end)
      if (end < 0 || (quoted.includes('\\"') && quoted.includes('@'))) return undefined
      // As a local part it must not resemble another address.
      if (/^\s*@/.test(field.slice(end + 1, end + 100)) && /[@<>,]/.test(quoted)) return undefined
      text += QUOTED
      at = end
    } else if (char === '\\' && depth > 0) at++
    else if (char === '(') {
      depth++
      text += ' '
    } else if (char === ')' && depth > 0) depth--
    else if (depth === 0) text += char
  }
  return depth === 0 ? text : undefined
}

function endOfQuoted(field: string, start: number): number {
  for (let at = start + 1; at < field.length; at++) {
    if (field[at] === '\\') at++
    else if (field[at] === '"') return at
  }
  return -1
}

/** A mailbox, or the text in place of one. */
function ofElement(element: string): string[] | undefined {
  // A group's name, or a route: `g: a@a.test`, `<@a.test:b@b.test>`.
  const parts = element.split(':')
  const isGroup = parts.length === 2 && !/[@<]/.test(parts[0] ?? '')
  if (parts.length > 1 && !isGroup && element.includes('@')) return undefined
  const joined = joinAddress(parts.at(-1) ?? '')
  const domains: string[] = []
  for (const token of joined.split(/[\s<>]+/)) {
    if (!token.includes('@')) continue
    const [local = '', domain = '', more] = token.split('@')
    if (local === '' || domain === '' || more !== undefined || domain.includes('\\')) return undefined
    domains.push(fold(domain))
  }
  const isOpen = (joined.match(/</g) ?? []).length !== (joined.match(/>/g) ?? []).length
  if (isOpen && domains.length > 0) return undefined
  return domains.length === 0 && hidesAddress(joined) ? undefined : domains
}

/** RFC 5322 section 4.4 allows white space and comments around the dots and the at sign of an address. */
function joinAddress(text: string): string {
  const words: string[] = []
  for (const word of text.split(/[ \t]+/)) {
    const last = words.at(-1)
    const isOne = last !== undefined && ('@.'.includes(last.at(-1) ?? ' ') || '@.'.includes(word.at(0) ?? ' '))
    if (isOne) words[words.length - 1] = last + word
    else words.push(word)
  }
  return words.join(' ')
}

/** An encoded word in place of an address, which some programs decode first. */
function hidesAddress(text: string): boolean {
  for (const [, encoding = '', encoded = ''] of text.matchAll(/=\?[^?\s]{1,40}\?([bq])\?([^?\s]*)\?=/gi)) {
    const decoded =
      encoding.toLowerCase() === 'b' ? Buffer.from(encoded, 'base64').toString('latin1') : encoded.replace(/=40/g, '@')
    if (decoded.includes('@')) return true
  }
  return false
}

function fold(domain: string): string {
  return foldDomain(domain) ?? domain.replace(/\.$/, '').toLowerCase()
}
