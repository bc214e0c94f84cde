/**
 * Wildcards in local parts: `*` matches any characters, or none.
 *
 * Invariants: matching time is at most the product of the lengths of pattern and text.
 */

/** The text that each `*` matches, earlier ones as short as possible; undefined without a match. */
export function captured(pattern: string, text: string): readonly string[] | undefined {
  const [first = '', ...rest] = pattern.split('*')
  if (!text.startsWith(first)) return undefined
  const last = rest.pop()
  if (last === undefined) return text === first ? [] : undefined
  if (text.length < first.length + last.length || !text.endsWith(last)) return undefined
  const captures: string[] = []
  const end = text.length - last.length
  let at = first.length
  for (const literal of rest) {
    const found = text.indexOf(literal, at)
    if (found < 0 || found + literal.length > end) return undefined
    captures.push(text.slice(at, found))
    at = found + literal.length
  }
  return [...captures, text.slice(at, end)]
}

/** Replaces each `*` of a target by the corresponding capture; the last one for any beyond. */
export function filledIn(target: string, captures: readonly string[]): string {
  let place = 0
  return target.replaceAll('*', () => captures[Math.min(place++, captures.length - 1)] ?? '')
}

/** The number of literal characters: the most specific pattern wins. */
export const exactness = (pattern: string) => pattern.replaceAll('*', '').length
