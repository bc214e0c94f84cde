/**
 * Matches the patterns of LIST and LSUB (RFC 9051 section 6.3.9): `*` matches any characters, `%` any but the
 * separator.
 *
 * Invariants: matching time is at most the product of the lengths of pattern and name.
 */

/** A run of wildcards equals its widest one; INBOX is case-insensitive, also as a first level. */
function simplified(pattern: string): string {
  return pattern.replace(/[*%]+/g, (run) => (run.includes('*') ? '*' : '%')).replace(/^inbox(?=$|\/)/i, 'INBOX')
}

/** Returns a predicate for names. */
export function toTest(given: string): (name: string) => boolean {
  const pattern = simplified(given)
  const first = pattern.search(/[*%]/)
  if (first < 0) return (name) => name === pattern
  if (pattern === '*') return () => true
  const prefix = pattern.slice(0, first)
  const literals = pattern.replaceAll(/[*%]/g, '').length
  return (name) => literals <= name.length && name.startsWith(prefix) && fits(pattern, name, first)
}

/** Tracks all positions in the pattern that the name so far can have reached, character by character. */
function fits(pattern: string, name: string, from: number): boolean {
  let places = new Uint8Array(pattern.length + 1)
  reach(places, pattern, from)
  for (let at = from; at < name.length; at++) {
    const char = name[at] as string
    const next = new Uint8Array(pattern.length + 1)
    let isAlive = false
    for (let place = from; place < pattern.length; place++) {
      if (places[place] === 0) continue
      const wanted = pattern[place]
      const stays = wanted === '*' || (wanted === '%' && char !== '/')
      if (stays) reach(next, pattern, place)
      else if (wanted === char) reach(next, pattern, place + 1)
      else continue
      isAlive = true
    }
    if (!isAlive) return false
    places = next
  }
  return places[pattern.length] === 1
}

/** Marks a position, and those after wildcards at it, which may match nothing. */
function reach(places: Uint8Array, pattern: string, from: number): void {
  for (let place = from; places[place] === 0; place++) {
    places[place] = 1
    if (pattern[place] !== '*' && pattern[place] !== '%') return
  }
}
