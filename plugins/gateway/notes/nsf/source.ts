/**
 * A database file, read by position. Invariants: the file is opened for reading only; one read has a stated limit; a
 * read beyond the end is damage of the place that asked, never of the whole file.
 */
import { type FileHandle, open } from 'node:fs/promises'

/** Octets of one read. */
const MAX_READ = 64 * 1024 * 1024

/** Something in the file is not as the format says; the caller lists it and goes on elsewhere. */
export class Damaged extends Error {}

/** The file as a whole cannot be read: it is no database, or encrypted. */
export class Unreadable extends Error {}

export interface Source {
  /** Octets. */
  readonly size: number
  /** Exactly so many octets; throws `Damaged` when the file ends before. */
  read(position: number, length: number): Promise<Buffer>
  close(): Promise<void>
}

export async function openSource(path: string): Promise<Source> {
  const file = await open(path, 'r')
  try {
    const { size } = await file.stat()
    return { size, read: (position, length) => readExactly(file, size, position, length), close: () => file.close() }
  } catch (error) {
    await file.close()
    throw error
  }
}

async function readExactly(file: FileHandle, size: number, position: number, length: number): Promise<Buffer> {
  if (length < 0 || length > MAX_READ || position < 0 || position + length > size)
    throw new Damaged(`${length} octets at ${position} are not in the file`)
  const octets = Buffer.allocUnsafe(length)
  for (let at = 0; at < length; ) {
    const { bytesRead } = await file.read(octets, at, length - at, position + at)
    if (bytesRead === 0) throw new Damaged(`the file has become shorter than ${position + length} octets`)
    at += bytesRead
  }
  return octets
}

/** A database that is in memory. */
export function bufferSource(octets: Buffer): Source {
  return {
    size: octets.length,
    async read(position, length) {
      if (length < 0 || position < 0 || position + length > octets.length)
        throw new Damaged(`${length} octets at ${position} are not in the file`)
      // A copy, because readers repair sector marks in place.
      return Buffer.from(octets.subarray(position, position + length))
    },
    async close() {},
  }
}
