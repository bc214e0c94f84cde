/**
 * New content as a list of pieces: ranges of the original content, octets, and written bodies.
 */
import type { ByteRange } from '../../store/store.ts'
import type { Rewritable } from './api.ts'

export type Piece = ByteRange | Uint8Array | (() => AsyncIterable<Uint8Array>)

/** Joins adjacent ranges, so that kept content is read in one go. */
function joined(pieces: readonly Piece[]): Piece[] {
  const list: Piece[] = []
  for (const piece of pieces) {
    const last = list.at(-1)
    if (isRange(piece) && piece.end <= piece.start) continue
    if (isRange(piece) && last && isRange(last) && last.end === piece.start)
      list[list.length - 1] = { start: last.start, end: piece.end }
    else list.push(piece)
  }
  return list
}

const isRange = (piece: Piece): piece is ByteRange => 'start' in piece

export function contentOf(message: Rewritable, pieces: readonly Piece[]): () => AsyncGenerator<Uint8Array> {
  const list = joined(pieces)
  return async function* () {
    for (const piece of list) {
      if (isRange(piece)) yield* message.open(piece)
      else if (piece instanceof Uint8Array) yield piece
      else yield* piece()
    }
  }
}
