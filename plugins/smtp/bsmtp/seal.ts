/**
 * Compresses a batch, with a dictionary that both sides have, then encrypts it in records.
 *
 * Invariants: no decrypted octet is passed on before its record has been verified, and records can be neither moved nor
 * cut off; the expanded size of a compressed stream is bounded; memory does not depend on the size of the batch.
 */
import { createCipheriv, createDecipheriv } from 'node:crypto'
import { pipeline, Readable, type Transform } from 'node:stream'
import { constants, createGunzip, createGzip, createZstdCompress, createZstdDecompress } from 'node:zlib'

type Octets = AsyncIterable<Uint8Array>
export type Compression = 'zstd' | 'gzip' | 'none'

/** Octets of plain text in one record. */
const RECORD = 65_536
const TAG = 16
/** Matches reach back 32 MiB, so that a repeated attachment is stored once; a reader needs as much memory. */
const WINDOW_LOG = 25
const CUT = 'the encrypted batch is damaged or cut off'

/** Thrown when a sealed batch is too long or damaged, or cannot be read. */
export class SealError extends Error {}

/** A stream of which the beginning was read already. */
export async function* following(rest: Uint8Array, chunks: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    if (rest.byteLength > 0) yield rest
    for (let next = await chunks.next(); !next.done; next = await chunks.next()) yield next.value
  } finally {
    await chunks.return?.()
  }
}

async function* through(source: Octets, transform: Transform): AsyncGenerator<Uint8Array> {
  // An error destroys the transform with its cause, which `yield*` then throws.
  pipeline(Readable.from(source, { objectMode: false }), transform, () => {})
  yield* transform
}

export function compress(source: Octets, kind: Compression, level: number, dictionary?: Buffer): Octets {
  if (kind === 'none') return source
  if (kind === 'gzip') return through(source, createGzip({ level: Math.min(9, level) }))
  const params = {
    [constants.ZSTD_c_compressionLevel]: level,
    [constants.ZSTD_c_windowLog]: WINDOW_LOG,
    [constants.ZSTD_c_enableLongDistanceMatching]: 1,
  }
  return through(source, createZstdCompress({ params, ...(dictionary ? { dictionary } : {}) }))
}

/** Undoes it; throws SealError above `max` octets, and where the stream is damaged. */
export async function* decompress(
  source: Octets,
  kind: Compression,
  max: number,
  dictionary?: Buffer,
): AsyncGenerator<Uint8Array> {
  const params = { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG }
  const zipped =
    kind === 'none'
      ? source
      : through(
          source,
          kind === 'gzip' ? createGunzip() : createZstdDecompress({ params, ...(dictionary ? { dictionary } : {}) }),
        )
  let left = max
  try {
    for await (const chunk of zipped) {
      left -= chunk.byteLength
      if (left < 0) throw new SealError('the batch unpacks to more than is allowed')
      yield chunk
    }
  } catch (cause) {
    const code = String((cause as NodeJS.ErrnoException).code ?? '')
    if (/^(?:Z_|ZSTD_)/.test(code)) throw new SealError('the compressed batch is damaged', { cause })
    throw cause
  }
}

/** The number of a record and whether it is the last one: no two records of a key share a nonce (RFC 5116). */
function nonceOf(number: number, isLast: boolean): Buffer {
  const nonce = Buffer.alloc(12)
  nonce.writeUIntBE(number, 4, 6)
  nonce[11] = isLast ? 1 : 0
  return nonce
}

/** Cuts a stream into pieces of one size; the last is shorter, or empty. */
async function* pieces(source: Octets, size: number): AsyncGenerator<{ piece: Buffer; isLast: boolean }> {
  let held: Buffer[] = []
  let length = 0
  for await (const chunk of source) {
    held.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength))
    length += chunk.byteLength
    if (length <= size) continue
    let whole = Buffer.concat(held)
    // A full piece may be the last one, so one is kept back.
    for (; whole.length > size; whole = whole.subarray(size)) yield { piece: whole.subarray(0, size), isLast: false }
    held = [whole]
    length = whole.length
  }
  yield { piece: Buffer.concat(held), isLast: true }
}

export async function* encrypt(source: Octets, key: Uint8Array): AsyncGenerator<Uint8Array> {
  let number = 0
  for await (const { piece, isLast } of pieces(source, RECORD)) {
    const cipher = createCipheriv('aes-256-gcm', key, nonceOf(number++, isLast))
    yield Buffer.concat([cipher.update(piece), cipher.final(), cipher.getAuthTag()])
  }
}

export async function* decrypt(source: Octets, key: Uint8Array): AsyncGenerator<Uint8Array> {
  let number = 0
  for await (const { piece, isLast } of pieces(source, RECORD + TAG)) {
    if (piece.length < TAG) throw new SealError(CUT)
    const decipher = createDecipheriv('aes-256-gcm', key, nonceOf(number++, isLast))
    decipher.setAuthTag(piece.subarray(-TAG))
    const plain = decipher.update(piece.subarray(0, -TAG))
    try {
      decipher.final()
    } catch (cause) {
      throw new SealError(CUT, { cause })
    }
    if (plain.length > 0) yield plain
  }
}
