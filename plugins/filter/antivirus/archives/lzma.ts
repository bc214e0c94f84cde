/**
 * LZMA undone (7-Zip's specification), for the headers of 7z archives: Node has no decoder, and a header is small.
 *
 * What must stay true: no more is made than was asked for; what is broken is undefined, never an error.
 */

const BITS = 11
const HALF = 1 << (BITS - 1)
const TOP = 2 ** 24

const fresh = (size: number) => new Uint16Array(size).fill(HALF)

/** Reads bits of the probabilities that they had. */
class Ranges {
  readonly #octets: Buffer
  #at = 5
  #range = 0xffffffff
  #code: number
  isBroken: boolean

  constructor(octets: Buffer) {
    this.#octets = octets
    this.isBroken = octets.length < 5 || octets[0] !== 0
    this.#code = this.isBroken ? 0 : octets.readUInt32BE(1)
  }

  #normalize(): void {
    if (this.#range >= TOP) return
    this.#range = (this.#range << 8) >>> 0
    if (this.#at >= this.#octets.length) this.isBroken = true
    this.#code = ((this.#code << 8) | (this.#octets[this.#at++] ?? 0)) >>> 0
  }

  bit(probabilities: Uint16Array, index: number): number {
    const probability = probabilities[index] as number
    const bound = (this.#range >>> BITS) * probability
    const bit = this.#code < bound ? 0 : 1
    if (bit === 0) {
      this.#range = bound
      probabilities[index] = probability + (((1 << BITS) - probability) >> 5)
    } else {
      this.#range -= bound
      this.#code -= bound
      probabilities[index] = probability - (probability >> 5)
    }
    this.#normalize()
    return bit
  }

  direct(count: number): number {
    let value = 0
    for (let n = 0; n < count; n++) {
      this.#range >>>= 1
      const bit = this.#code >= this.#range ? 1 : 0
      if (bit === 1) this.#code -= this.#range
      this.#normalize()
      value = value * 2 + bit
    }
    return value
  }

  tree(probabilities: Uint16Array, bits: number, from = 0): number {
    let node = 1
    for (let n = 0; n < bits; n++) node = node * 2 + this.bit(probabilities, from + node)
    return node - (1 << bits)
  }

  reverse(probabilities: Uint16Array, bits: number, from = 0): number {
    let node = 1
    let value = 0
    for (let n = 0; n < bits; n++) {
      const bit = this.bit(probabilities, from + node)
      node = node * 2 + bit
      value |= bit << n
    }
    return value
  }
}

/** Lengths of matches, by the position. */
class Lengths {
  readonly #choice = fresh(2)
  readonly #low = fresh(16 << 3)
  readonly #middle = fresh(16 << 3)
  readonly #high = fresh(256)

  read(ranges: Ranges, position: number): number {
    if (ranges.bit(this.#choice, 0) === 0) return 2 + ranges.tree(this.#low, 3, position << 3)
    if (ranges.bit(this.#choice, 1) === 0) return 10 + ranges.tree(this.#middle, 3, position << 3)
    return 18 + ranges.tree(this.#high, 8)
  }
}

/** The octets, `size` of them; undefined when they are not there. `properties` as a 7z coder has them. */
export function unlzma(octets: Buffer, properties: Buffer, size: number): Buffer | undefined {
  const given = properties[0] ?? 255
  if (given >= 9 * 5 * 5) return undefined
  const literalBits = given % 9
  const literalMask = (1 << (Math.floor(given / 9) % 5)) - 1
  const positionMask = (1 << Math.floor(given / 45)) - 1
  const ranges = new Ranges(octets)
  const out = Buffer.alloc(size)
  let at = 0
  const literals = fresh(0x300 << (literalBits + (Math.floor(given / 9) % 5)))
  const isMatch = fresh(12 << 4)
  const isRepeat = [fresh(12), fresh(12), fresh(12), fresh(12)] as const
  const isLongRepeat = fresh(12 << 4)
  const slots = fresh(4 << 6)
  const far = fresh(1 + 128)
  const align = fresh(16)
  const lengths = new Lengths()
  const repeatLengths = new Lengths()
  let state = 0
  let distances: readonly [number, number, number, number] = [0, 0, 0, 0]

  function literal(): void {
    const before = at > 0 ? (out[at - 1] as number) : 0
    const from = 0x300 * (((at & literalMask) << literalBits) + (before >> (8 - literalBits)))
    let symbol = 1
    if (state >= 7) {
      let match = out[at - distances[0] - 1] as number
      while (symbol < 0x100) {
        const wanted = (match >> 7) & 1
        match <<= 1
        const bit = ranges.bit(literals, from + ((1 + wanted) << 8) + symbol)
        symbol = symbol * 2 + bit
        if (wanted !== bit) break
      }
    }
    while (symbol < 0x100) symbol = symbol * 2 + ranges.bit(literals, from + symbol)
    out[at++] = symbol & 0xff
    state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6
  }

  function distance(length: number): number {
    const slot = ranges.tree(slots, 6, Math.min(length - 2, 3) << 6)
    if (slot < 4) return slot
    const bits = (slot >> 1) - 1
    const start = (2 | (slot & 1)) * 2 ** bits
    if (slot < 14) return start + ranges.reverse(far, bits, start - slot)
    return start + ranges.direct(bits - 4) * 16 + ranges.reverse(align, 4)
  }

  /** Of a match that was there before; undefined for a single octet of it. */
  function repeat(position: number): number | undefined {
    const [first, second, third, fourth] = distances
    if (ranges.bit(isRepeat[1], state) === 0) {
      if (ranges.bit(isLongRepeat, (state << 4) + position) === 0) return undefined
    } else if (ranges.bit(isRepeat[2], state) === 0) distances = [second, first, third, fourth]
    else if (ranges.bit(isRepeat[3], state) === 0) distances = [third, first, second, fourth]
    else distances = [fourth, first, second, third]
    return repeatLengths.read(ranges, position)
  }

  function match(position: number): number {
    if (ranges.bit(isRepeat[0], state) === 1) {
      const length = repeat(position)
      state = length === undefined ? (state < 7 ? 9 : 11) : state < 7 ? 8 : 11
      return length ?? 1
    }
    const length = lengths.read(ranges, position)
    state = state < 7 ? 7 : 10
    distances = [distance(length), distances[0], distances[1], distances[2]]
    return length
  }

  while (at < size && !ranges.isBroken) {
    const position = at & positionMask
    if (ranges.bit(isMatch, (state << 4) + position) === 0) {
      literal()
      continue
    }
    const length = match(position)
    const from = at - distances[0] - 1
    if (from < 0 || at + length > size) return undefined
    for (let n = 0; n < length; n++) out[at++] = out[from + n] as number
  }
  return at === size ? out : undefined
}
