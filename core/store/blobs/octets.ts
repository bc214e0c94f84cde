/** Takes so many octets at a time from a stream, and copies only where they span its chunks. */
import { Damage } from './frames.ts'

const EMPTY = Buffer.alloc(0)
const asBuffer = ({ buffer, byteOffset, byteLength }: Uint8Array) => Buffer.from(buffer, byteOffset, byteLength)

export class Octets {
  readonly #source: AsyncIterator<Uint8Array>
  #held: Buffer = EMPTY
  #isOver = false

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]()
  }

  /** So many octets, or as many as there are; they stay. */
  async peek(count: number): Promise<Buffer> {
    if (this.#held.length < count && !this.#isOver) {
      const parts: Uint8Array[] = this.#held.length > 0 ? [this.#held] : []
      for (let size = this.#held.length; size < count && !this.#isOver; ) {
        const { value, done } = await this.#source.next()
        if (done) this.#isOver = true
        else {
          parts.push(value)
          size += value.byteLength
        }
      }
      this.#held = parts.length === 1 ? asBuffer(parts[0] as Uint8Array) : Buffer.concat(parts)
    }
    return this.#held.subarray(0, count)
  }

  /** So many octets; they stay. Throws Damage when there are fewer. */
  async wanted(count: number): Promise<Buffer> {
    const octets = await this.peek(count)
    if (octets.length < count) throw new Damage('its end is missing')
    return octets
  }

  async take(count: number): Promise<Buffer> {
    const octets = await this.wanted(count)
    this.#held = this.#held.subarray(count)
    return octets
  }

  /** So many octets, or as many as there are. */
  async upTo(count: number): Promise<Buffer> {
    const octets = await this.peek(count)
    this.#held = this.#held.subarray(octets.length)
    return octets
  }

  async *rest(): AsyncGenerator<Uint8Array> {
    try {
      if (this.#held.length > 0) yield this.#held
      this.#held = EMPTY
      while (!this.#isOver) {
        const { value, done } = await this.#source.next()
        if (done) this.#isOver = true
        else yield value
      }
    } finally {
      await this.end()
    }
  }

  /** Lets go of the source, whether it has come to its end or not. */
  async end(): Promise<void> {
    if (this.#isOver) return
    this.#isOver = true
    await this.#source.return?.()
  }
}
