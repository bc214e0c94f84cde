/**
 * Comparators (RFC 4790, RFC 5051): what makes two strings equal, and which of them comes first.
 */

export interface Comparator {
  /** Equal strings have the same folded form. */
  fold(text: string): string
  /** Below zero if the first comes first. */
  compare(a: string, b: string): number
  /** Whether a part of a string can be looked for. */
  readonly hasSubstrings: boolean
  /** Whether folding keeps the length, so that positions correspond. */
  readonly keepsLength: boolean
}

const order = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)
const UPPER = /[A-Z]/
const lower = (text: string) => (UPPER.test(text) ? text.replace(/[A-Z]+/g, (run) => run.toLowerCase()) : text)
const casemap = (text: string) => text.normalize('NFKD').toUpperCase()

/** RFC 4790 section 9.1: the digits it begins with; without any it is the largest of all. */
const leading = (text: string) => /^\d+/.exec(text)?.[0].replace(/^0+(?=\d)/, '')

function compareNumbers(a: string, b: string): number {
  const [first, second] = [leading(a), leading(b)]
  if (first === undefined || second === undefined) return first === second ? 0 : first === undefined ? 1 : -1
  return first.length - second.length || order(first, second)
}

const COMPARATORS: ReadonlyMap<string, Comparator> = new Map<string, Comparator>([
  // Compares octets; UTF-8 keeps the order of code points.
  [
    'i;octet',
    {
      fold: (text) => text,
      compare: (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)),
      hasSubstrings: true,
      keepsLength: true,
    },
  ],
  [
    'i;ascii-casemap',
    { fold: lower, compare: (a, b) => order(lower(a), lower(b)), hasSubstrings: true, keepsLength: true },
  ],
  [
    'i;unicode-casemap',
    { fold: casemap, compare: (a, b) => order(casemap(a), casemap(b)), hasSubstrings: true, keepsLength: false },
  ],
  [
    'i;ascii-numeric',
    { fold: (text) => leading(text) ?? 'none', compare: compareNumbers, hasSubstrings: false, keepsLength: false },
  ],
])

export const DEFAULT_COMPARATOR = 'i;ascii-casemap'

export const comparatorOf = (name: string): Comparator | undefined => COMPARATORS.get(name)

export const COMPARATOR_NAMES: readonly string[] = [...COMPARATORS.keys()]
