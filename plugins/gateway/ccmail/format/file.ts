/** A file that is read by position, in pieces. */
import { type FileHandle, open } from 'node:fs/promises'

const PIECE = 256 * 1024

export interface OctetFile {
  readonly size: number
  read(start: number, end: number): Promise<Buffer>
  range(start: number, end: number): AsyncIterable<Buffer>
  close(): Promise<void>
}

export async function openFile(path: string): Promise<OctetFile> {
  const handle = await open(path, 'r')
  const { size } = await handle.stat()
  return fileOf(
    size,
    (start, end) => readAt(handle, start, end),
    () => handle.close(),
  )
}

export const bufferFile = (octets: Buffer): OctetFile =>
  fileOf(
    octets.length,
    async (start, end) => octets.subarray(start, end),
    async () => {},
  )

function fileOf(
  size: number,
  read: (start: number, end: number) => Promise<Buffer>,
  close: () => Promise<void>,
): OctetFile {
  return {
    size,
    read: (start, end) => read(Math.min(start, size), Math.min(end, size)),
    async *range(start, end) {
      for (let at = start; at < end; at += PIECE) yield await read(at, Math.min(end, at + PIECE))
    },
    close,
  }
}

async function readAt(handle: FileHandle, start: number, end: number): Promise<Buffer> {
  const octets = Buffer.alloc(end - start)
  const { bytesRead } = await handle.read(octets, 0, octets.length, start)
  return octets.subarray(0, bytesRead)
}
