/**
 * Packs files for clamd into as few streams as its limit allows.
 *
 * Invariants: each file is in one of them; files are read again for each stream, so that memory holds one at a time.
 */
import type { ShownDeps } from './parts.ts'
import { sizeInTar, tarOf } from './tar.ts'

export type Volumes = readonly (() => AsyncGenerator<Uint8Array>)[]

/** Reads all files once. Throws what reading them throws. */
export async function createVolumes(
  files: (report: ShownDeps['report']) => AsyncIterable<Buffer>,
  most: number,
  report: ShownDeps['report'],
): Promise<Volumes> {
  const volumes: { first: number; end: number; size: number }[] = []
  let number = 0
  for await (const { length } of files(report)) {
    const size = sizeInTar(length)
    const last = volumes.at(-1)
    if (last && last.size + size <= most) {
      last.size += size
      last.end = ++number
    } else volumes.push({ first: number, end: ++number, size })
  }
  return volumes.map(
    ({ first, end }) =>
      () =>
        tarOf(
          between(
            files(() => undefined),
            first,
            end,
          ),
        ),
  )
}

async function* between(files: AsyncIterable<Buffer>, first: number, end: number): AsyncGenerator<Buffer> {
  let number = 0
  for await (const file of files) {
    if (number >= first) yield file
    if (++number >= end) return
  }
}
