/**
 * Stored octets seen through edits: a prefix holds added header fields, a list of cuts holds removed ones.
 *
 * Invariants: received octets are never rewritten; content is a stream that can be read repeatedly; content whose size
 * differs from the stored size is never taken for the whole.
 */
import { IemsError } from '../api/errors.ts'
import type { ByteRange } from '../store/store.ts'

/** The text added above the stored octets, and the octets left out: ordered, without overlap. */
export interface Edits {
  prefix: string
  cuts: [start: number, end: number][]
}

/** Stored octets that can be read from any offset: staged content or a blob. */
export interface Body {
  readonly size: number
  /** The whole body, when it is in memory already. */
  readonly bytes?: Uint8Array | undefined
  open(range?: ByteRange): AsyncIterable<Uint8Array>
}

/** Size of a body with its edits, in octets. */
export function sizeWith(body: Body, edits: Edits): number {
  const cut = edits.cuts.reduce((sum, [start, end]) => sum + end - start, 0)
  return Buffer.byteLength(edits.prefix) + body.size - cut
}

/**
 * Reads an exact range of a body. Throws `IEMS_BLOB_DAMAGED` when the body turns out shorter than its stored size or,
 * at its end, longer.
 */
async function* wholePiece(body: Body, { start, end }: ByteRange): AsyncGenerator<Uint8Array> {
  const isLast = end === body.size
  let left = end - start
  for await (const chunk of body.open({ start, end: isLast ? end + 1 : end })) {
    if (chunk.byteLength > left) throw new IemsError('IEMS_BLOB_DAMAGED', { how: 'longer', size: body.size })
    left -= chunk.byteLength
    yield chunk
  }
  if (left > 0) throw new IemsError('IEMS_BLOB_DAMAGED', { how: 'shorter', size: body.size })
}

/** The pieces of a body with its edits, or of a range of it: octets of the prefix, and ranges of the body. */
function* piecesOf(size: number, edits: Edits, range?: ByteRange): Generator<Buffer | ByteRange> {
  const { start: first, end: last } = range ?? { start: 0, end: Number.POSITIVE_INFINITY }
  const prefix = Buffer.from(edits.prefix)
  if (prefix.length > first && last > 0) yield prefix.subarray(first, last)
  /** Offset in the result at which the next piece of the body begins. */
  let seen = prefix.length
  let start = 0
  for (const [from, to] of [...edits.cuts, [size, size] as const]) {
    const piece = { start: start + Math.max(0, first - seen), end: Math.min(from, start + last - seen) }
    if (piece.end > piece.start) yield piece
    seen += Math.max(0, from - start)
    start = to
  }
}

/** Reads a body with its edits, whole or a range of the result. */
export async function* openWith(body: Body, edits: Edits, range?: ByteRange): AsyncGenerator<Uint8Array> {
  for (const piece of piecesOf(body.size, edits, range)) {
    if (!('start' in piece)) yield piece
    else if (body.bytes) yield body.bytes.subarray(piece.start, piece.end)
    else yield* wholePiece(body, piece)
  }
}

/** The same of a body in memory, in one buffer. Throws `IEMS_BLOB_DAMAGED` when it does not have its stored size. */
export function readWith(bytes: Buffer, size: number, edits: Edits, range?: ByteRange): Buffer {
  if (bytes.length !== size)
    throw new IemsError('IEMS_BLOB_DAMAGED', { how: bytes.length > size ? 'longer' : 'shorter', size })
  if (edits.prefix === '' && edits.cuts.length === 0) return range ? bytes.subarray(range.start, range.end) : bytes
  const pieces: Buffer[] = []
  for (const piece of piecesOf(size, edits, range))
    pieces.push('start' in piece ? bytes.subarray(piece.start, piece.end) : piece)
  return pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces)
}
