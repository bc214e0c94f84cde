/**
 * An LZMA decoder (7-Zip's specification) for the small headers of 7z archives: Node has none.
 *
 * Invariants: output never exceeds the requested size; invalid input is undefined, never an error.
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

/** Decodes `size` octets; undefined when they are missing. `properties` as in a 7z coder. */
export function unlzma(octets: Buffer, properties: Buffer, size: number): Buffer | undefined {
  const given = properties[0] ?? 255
  return given >= 9 * 5 * 5 ? undefined : new Decoder(octets, given, size).run()
}

type Distances = readonly [number, number, number, number]

/** The state of one decompression, by the names of the LZMA specification's reference decoder. */
class Decoder {
  readonly #literalBits: number
  readonly #literalMask: number
  readonly #positionMask: number
  readonly #ranges: Ranges
  readonly #out: Buffer
  readonly #literals: Uint16Array
  readonly #isMatch = fresh(12 << 4)
  readonly #isRepeat = [fresh(12), fresh(12), fresh(12), fresh(12)] as const
  readonly #isLongRepeat = fresh(12 << 4)
  readonly #slots = fresh(4 << 6)
  readonly #far = fresh(1 + 128)
  readonly #align = fresh(16)
  readonly #lengths = new Lengths()
  readonly #repeatLengths = new Lengths()
  #at = 0
  #state = 0
  #distances: Distances = [0, 0, 0, 0]

  constructor(octets: Buffer, properties: number, size: number) {
    const positionBits = Math.floor(properties / 9) % 5
    this.#literalBits = properties % 9
    this.#literalMask = (1 << positionBits) - 1
    this.#positionMask = (1 << Math.floor(properties / 45)) - 1
    this.#ranges = new Ranges(octets)
    this.#out = Buffer.alloc(size)
    this.#literals = fresh(0x300 << (this.#literalBits + positionBits))
  }

  run(): Buffer | undefined {
    const out = this.#out
    const size = out.length
    while (this.#at < size && !this.#ranges.isBroken) {
      const position = this.#at & this.#positionMask
      if (this.#ranges.bit(this.#isMatch, (this.#state << 4) + position) === 0) {
        this.#literal()
        continue
      }
      const length = this.#match(position)
      const from = this.#at - this.#distances[0] - 1
      if (from < 0 || this.#at + length > size) return undefined
      for (let n = 0; n < length; n++) out[this.#at++] = out[from + n] as number
    }
    return this.#at === size ? out : undefined
  }

  #literal(): void {
    const before = this.#at > 0 ? (this.#out[this.#at - 1] as number) : 0
    const context = ((this.#at & this.#literalMask) << this.#literalBits) + (before >> (8 - this.#literalBits))
    const from = 0x300 * context
    let symbol = 1
    if (this.#state >= 7) {
      let match = this.#out[this.#at - this.#distances[0] - 1] as number
      while (symbol < 0x100) {
        const wanted = (match >> 7) & 1
        match <<= 1
        const bit = this.#ranges.bit(this.#literals, from + ((1 + wanted) << 8) + symbol)
        symbol = symbol * 2 + bit
        if (wanted !== bit) break
      }
    }
    while (symbol < 0x100) symbol = symbol * 2 + this.#ranges.bit(this.#literals, from + symbol)
    this.#out[this.#at++] = symbol & 0xff
    this.#state = this.#state < 4 ? 0 : this.#state < 10 ? this.#state - 3 : this.#state - 6
  }

  #match(position: number): number {
    if (this.#ranges.bit(this.#isRepeat[0], this.#state) === 1) {
      const length = this.#repeat(position)
      const isEarly = this.#state < 7
      this.#state = length === undefined ? (isEarly ? 9 : 11) : isEarly ? 8 : 11
      return length ?? 1
    }
    const length = this.#lengths.read(this.#ranges, position)
    this.#state = this.#state < 7 ? 7 : 10
    this.#distances = [this.#distance(length), this.#distances[0], this.#distances[1], this.#distances[2]]
    return length
  }

  /** The length of a match at an earlier distance; undefined for a single octet of it. */
  #repeat(position: number): number | undefined {
    const [first, second, third, fourth] = this.#distances
    const [, isSecond, isThird, isFourth] = this.#isRepeat
    if (this.#ranges.bit(isSecond, this.#state) === 0) {
      if (this.#ranges.bit(this.#isLongRepeat, (this.#state << 4) + position) === 0) return undefined
    } else if (this.#ranges.bit(isThird, this.#state) === 0) this.#distances = [second, first, third, fourth]
    else if (this.#ranges.bit(isFourth, this.#state) === 0) this.#distances = [third, first, second, fourth]
    else this.#distances = [fourth, first, second, third]
    return this.#repeatLengths.read(this.#ranges, position)
  }

  #distance(length: number): number {
    const slot = this.#ranges.tree(this.#slots, 6, Math.min(length - 2, 3) << 6)
    if (slot < 4) return slot
    const bits = (slot >> 1) - 1
    const start = (2 | (slot & 1)) * 2 ** bits
    if (slot < 14) return start + this.#ranges.reverse(this.#far, bits, start - slot)
    return start + this.#ranges.direct(bits - 4) * 16 + this.#ranges.reverse(this.#align, 4)
  }
}
