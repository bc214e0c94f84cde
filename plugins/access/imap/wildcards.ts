/**
 * The patterns of LIST and LSUB (RFC 9051 section 6.3.9): `*` stands for any characters, `%` for any but the separator.
 *
 * What must stay true: a match takes no longer than the lengths of pattern and name multiplied, whatever they are.
 */

/** A run of wildcards matches what its widest one matches; INBOX is the same in any case, also as a first level. */
function simplified(pattern: string): string {
  return pattern.replace(/[*%]+/g, (run) => (run.includes('*') ? '*' : '%')).replace(/^inbox(?=$|\/)/i, 'INBOX')
}

/** A test for names. */
export function toTest(given: string): (name: string) => boolean {
  const pattern = simplified(given)
  const first = pattern.search(/[*%]/)
  if (first < 0) return (name) => name === pattern
  if (pattern === '*') return () => true
  const prefix = pattern.slice(0, first)
  const literals = pattern.replaceAll(/[*%]/g, '').length
  return (name) => literals <= name.length && name.startsWith(prefix) && fits(pattern, name, first)
}

/** All places of the pattern that the name read so far can have reached, moved on character by character. */
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

/** Marks a place, and those behind wildcards that stand there, which may be for nothing. */
function reach(places: Uint8Array, pattern: string, from: number): void {
  for (let place = from; places[place] === 0; place++) {
    places[place] = 1
    if (pattern[place] !== '*' && pattern[place] !== '%') return
  }
}
