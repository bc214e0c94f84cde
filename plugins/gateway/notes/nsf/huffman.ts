/**
 * The Huffman coding of attachments: a sum of all plain octets, then blocks, each with its own table. Decodes as it
 * reads; holds one block of input, and refuses one that is larger than any writer makes.
 */
import { Damaged } from './source.ts'

/** Entries of a table: 257 leaves need 256 nodes of two entries; some more are tolerated. */
const MAX_TABLE = 4096
const END_OF_BLOCK = 256
const PIECE = 65_536

/** The plain octets; throws `Damaged` at the place where they stop being right, the sum at the end included. */
export async function* expandHuffman(stored: AsyncIterable<Buffer>, size: number): AsyncGenerator<Buffer> {
  const input = new Input(stored)
  const expected = (await input.octet()) + (await input.octet()) * 0x100 + (await input.octet()) * 0x10000
  const sum = (expected + (await input.octet()) * 0x1000000) % 0x100000000
  let total = 0
  let written = 0
  while (written < size) {
    const table = await readTable(input)
    for await (const piece of block(input, table, size - written)) {
      for (const octet of piece) total = (total + octet) % 0x100000000
      written += piece.length
      yield piece
    }
  }
  if (total !== sum) throw new Damaged('the checksum of a compressed file is wrong')
}

async function readTable(input: Input): Promise<Int16Array> {
  const length = (await input.octet()) + (await input.octet()) * 256
  if (length === 0 || length % 4 !== 0 || length > MAX_TABLE * 2) throw new Damaged('a Huffman table has a wrong size')
  const table = new Int16Array(length / 2)
  for (let n = 0; n < table.length; n++) table[n] = (await input.octet()) + (await input.octet()) * 256
  return table
}

async function* block(input: Input, table: Int16Array, most: number): AsyncGenerator<Buffer> {
  let out = Buffer.allocUnsafe(PIECE)
  let at = 0
  let written = 0
  let node = 0
  for (;;) {
    // Synchronous as long as there is input, because an await for each octet would cost more than the decoding.
    const octet = input.next() ?? (await input.octet())
    for (let bit = 7; bit >= 0; bit--) {
      const entry = table[2 * node + (((octet >> bit) & 1) ^ 1)]
      if (entry === undefined || (entry < 0 && -entry * 2 >= table.length))
        throw new Damaged('a Huffman table leads nowhere')
      if (entry < 0) {
        node = -entry
        continue
      }
      node = 0
      if (entry > END_OF_BLOCK) throw new Damaged('a Huffman table has an impossible octet')
      if (entry < END_OF_BLOCK) {
        out[at++] = entry
        written++
      }
      // The bits of a block that are left in its last octet are nothing.
      if (entry === END_OF_BLOCK || written >= most) {
        if (at > 0) yield out.subarray(0, at)
        return
      }
      if (at < PIECE) continue
      yield out
      out = Buffer.allocUnsafe(PIECE)
      at = 0
    }
  }
}

class Input {
  private readonly source: AsyncIterator<Buffer>
  private piece: Buffer = Buffer.alloc(0)
  private at = 0
  constructor(source: AsyncIterable<Buffer>) {
    this.source = source[Symbol.asyncIterator]()
  }
  next(): number | undefined {
    return this.at < this.piece.length ? this.piece[this.at++] : undefined
  }
  async octet(): Promise<number> {
    while (this.at >= this.piece.length) {
      const { value, done } = await this.source.next()
      if (done) throw new Damaged('a compressed file ends early')
      this.piece = value
      this.at = 0
    }
    return this.piece[this.at++] ?? 0
  }
}
