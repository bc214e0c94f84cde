/**
 * Stored octets seen through edits: what the header gains stands in a prefix, what it loses is a list of cuts.
 *
 * What must stay true: the octets that came in are never rewritten; content is read as a stream and as often as wanted;
 * content of another size than was stored is never taken for the whole.
 */
import { IemsError } from '../api/errors.ts'
import type { ByteRange } from '../store/store.ts'

/** What is added above the stored bytes, and which of them are left out: ordered, without overlap. */
export interface Edits {
  prefix: string
  cuts: [start: number, end: number][]
}

/** Stored bytes that can be read from anywhere: what is staged, or a blob. */
export interface Body {
  readonly size: number
  /** All of them, when they are in memory anyhow. */
  readonly bytes?: Uint8Array | undefined
  open(range?: ByteRange): AsyncIterable<Uint8Array>
}

/** Octets of a body seen through edits. */
export function sizeWith(body: Body, edits: Edits): number {
  const cut = edits.cuts.reduce((sum, [start, end]) => sum + end - start, 0)
  return Buffer.byteLength(edits.prefix) + body.size - cut
}

/**
 * A piece of a body, exactly. Throws `IEMS_BLOB_DAMAGED` behind it when it is shorter than it was when it was stored,
 * or, at the end of the body, when more follows: content of another size is never taken for the whole.
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

/** A body seen through edits: all of it, or a range of what is seen. */
export async function* openWith(body: Body, edits: Edits, range?: ByteRange): AsyncGenerator<Uint8Array> {
  const { start: first, end: last } = range ?? { start: 0, end: Number.POSITIVE_INFINITY }
  const prefix = Buffer.from(edits.prefix)
  if (prefix.length > first && last > 0) yield prefix.subarray(first, last)
  /** Where the next piece of the body begins in what is seen. */
  let seen = prefix.length
  let start = 0
  for (const [from, to] of [...edits.cuts, [body.size, body.size] as const]) {
    const piece = { start: start + Math.max(0, first - seen), end: Math.min(from, start + last - seen) }
    if (piece.end > piece.start) {
      if (body.bytes) yield body.bytes.subarray(piece.start, piece.end)
      else yield* wholePiece(body, piece)
    }
    seen += Math.max(0, from - start)
    start = to
  }
}
