/*
 * How fast the disk under the temporary folder makes small writes durable, so that a rate can be set against it.
 */
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Appends of 4 KiB, each followed by fsync, one after the other for half a second. */
export async function fsyncsPerSecond(): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'fsync-'))
  const file = await open(join(folder, 'file'), 'w')
  const page = Buffer.alloc(4096, 'x')
  const started = performance.now()
  let count = 0
  for (; performance.now() - started < 500; count++) {
    await file.write(page)
    await file.sync()
  }
  const seconds = (performance.now() - started) / 1000
  await file.close()
  await rm(folder, { recursive: true })
  return count / seconds
}
