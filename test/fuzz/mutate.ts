/** Changes octets at random, from a seed, so that every run can be repeated. */

/** A generator of numbers in [0, 1) (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** Octets an input never exceeds. */
export const MAX_INPUT = 65_536
const MAX_CHANGES = 6
const ODD = [0, 9, 10, 13, 32, 34, 40, 41, 44, 58, 59, 60, 61, 62, 64, 92, 127, 128, 255]

/** Returns a changed copy: octets replaced, pieces cut out, doubled, repeated, taken from `other` or a dictionary. */
export function mutate(
  input: Buffer,
  other: Buffer,
  words: readonly Buffer[],
  random: () => number,
): Buffer<ArrayBufferLike> {
  const below = (limit: number) => Math.floor(random() * limit)
  const pieceOf = (of: Buffer) => {
    const from = below(of.length + 1)
    return of.subarray(from, from + below(Math.min(64, of.length - from) + 1))
  }
  let octets: Buffer<ArrayBufferLike> = Buffer.from(input)
  for (let changes = 1 + below(MAX_CHANGES); changes > 0; changes--) {
    const at = below(octets.length + 1)
    const [before, after] = [octets.subarray(0, at), octets.subarray(at)]
    switch (below(8)) {
      case 0:
        octets = Buffer.concat([before, Buffer.from([below(256)]), after.subarray(1)])
        break
      case 1:
        octets = Buffer.concat([before, Buffer.from([ODD[below(ODD.length)] ?? 0]), after])
        break
      case 2:
        octets = Buffer.concat([before, after.subarray(1 + below(16))])
        break
      case 3:
        octets = Buffer.concat([before, pieceOf(octets), after])
        break
      case 4:
        octets = Buffer.concat([before, ...Array<Buffer>(1 + below(200)).fill(pieceOf(octets)), after])
        break
      case 5:
        octets = Buffer.concat([before, pieceOf(other), after])
        break
      case 6:
        octets = Buffer.concat([before, other.subarray(below(other.length + 1))])
        break
      default:
        octets = Buffer.concat([before, words[below(words.length)] ?? Buffer.alloc(0), after])
    }
  }
  return octets.subarray(0, MAX_INPUT)
}
