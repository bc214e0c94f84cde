/**
 * Content by its blob id.
 */
import type { ByteRange } from 'iems'

export interface Blob {
  /** Octets; undefined for a part whose decoded size is not known. */
  readonly size: number | undefined
  /** A range only with a size. */
  open(range?: ByteRange): AsyncIterable<Uint8Array>
}
