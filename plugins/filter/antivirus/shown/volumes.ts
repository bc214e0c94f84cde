/**
 * Files for clamd, in as few streams as its limit allows.
 *
 * What must stay true: each file is in one of them; they are read again for each stream, so that one file at a time is
 * held.
 */
import type { ShownDeps } from './parts.ts'
import { sizeInTar, tarOf } from './tar.ts'

export type Volumes = readonly (() => AsyncGenerator<Uint8Array>)[]

/** Goes through the files once. Throws what reading them throws. */
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
