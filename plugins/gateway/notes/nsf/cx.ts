/**
 * CX, the compression of superblocks and of the table of item names: a bit-wise LZ77, bits taken least significant first.
 * The output is never longer than the caller says.
 */
import { Damaged } from './source.ts'

/** A length from which on the data ends. */
const END = 0x102

class Bits {
  private at = 0
  private readonly octets: Buffer
  constructor(octets: Buffer) {
    this.octets = octets
  }
  take(count: number): number {
    let value = 0
    for (let n = 0; n < count; n++) {
      const octet = this.octets[this.at >> 3]
      if (octet === undefined) throw new Damaged('compressed data ends early')
      value += ((octet >> (this.at & 7)) & 1) << n
      this.at++
    }
    return value
  }
  /** A number in Elias' manner: zeros, a one, then as many bits and one more. */
  number(): number {
    let bits = 1
    while (this.take(1) === 0) if (++bits > 16) throw new Damaged('compressed data has an impossible length')
    return 2 ** bits - 1 + this.take(bits)
  }
}

export function expandCx(octets: Buffer, size: number): Buffer {
  const bits = new Bits(octets)
  const out = Buffer.alloc(size)
  let at = 0
  bits.take(3)
  for (;;) {
    if (bits.take(1) === 0) {
      if (at >= size) throw new Damaged('compressed data is longer than stated')
      out[at++] = bits.take(8)
      continue
    }
    const length = bits.take(1) === 1 ? 2 : 2 + bits.number()
    if (length >= END) break
    const high = length === 2 || bits.take(1) === 1 ? 0 : bits.number()
    const distance = high * 256 + bits.take(8)
    if (distance === 0 || distance > at || at + length > size) throw new Damaged('compressed data refers to nothing')
    for (let n = 0; n < length; n++, at++) out[at] = out[at - distance] ?? 0
  }
  if (at !== size) throw new Damaged(`compressed data gives ${at} octets instead of ${size}`)
  return out
}
