/**
 * Collects the beginning of a stream in one buffer.
 *
 * Invariants: memory is bounded by the requested size, however many chunks there are, empty ones included.
 */

/** Initial buffer size in octets. */
const FIRST = 16_384

/** The first `most` octets of a stream; the rest is not read. */
export async function gather(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, most: number): Promise<Buffer> {
  let buffer = Buffer.allocUnsafeSlow(Math.min(most, FIRST))
  let size = 0
  for await (const chunk of source) {
    const part = chunk.subarray(0, most - size)
    if (size + part.byteLength > buffer.length) {
      const larger = Buffer.allocUnsafeSlow(Math.min(most, Math.max(2 * buffer.length, size + part.byteLength)))
      buffer.copy(larger, 0, 0, size)
      buffer = larger
    }
    buffer.set(part, size)
    size += part.byteLength
    if (size >= most) break
  }
  return buffer.subarray(0, size)
}
