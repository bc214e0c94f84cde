/**
 * Wildcards in local parts: `*` stands for any characters, none too.
 *
 * What must stay true: it takes no longer than the lengths of pattern and text multiplied, whatever they are.
 */

/** What each `*` stands for, the first as little as it can be; undefined when it does not fit. */
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

/** Each `*` of a target replaced by what the one of that place stood for; the last for those beyond. */
export function filledIn(target: string, captures: readonly string[]): string {
  let place = 0
  return target.replaceAll('*', () => captures[Math.min(place++, captures.length - 1)] ?? '')
}

/** How much of a pattern is said outright: the most exact one counts. */
export const exactness = (pattern: string) => pattern.replaceAll('*', '').length
