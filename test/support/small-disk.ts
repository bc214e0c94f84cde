/** A disk of a few megabytes, for tests that fill it. */
import { execFileSync } from 'node:child_process'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

/** Mounts a file system of `size`; undefined, with the test skipped, where that is not possible. */
export async function smallDisk(t: TestContext, size: string): Promise<string | undefined> {
  const path = await mkdtemp(join(tmpdir(), 'iems-disk-'))
  let isMounted = false
  t.after(async () => {
    if (isMounted) execFileSync('umount', ['-l', path])
    await rm(path, { recursive: true })
  })
  if (process.platform !== 'linux' || process.getuid?.() !== 0) {
    t.skip('only root on Linux can mount a small disk')
    return undefined
  }
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'iems-test', path], { stdio: 'pipe' })
  } catch (error) {
    t.skip(`a small disk cannot be mounted here: ${(error as Error).message}`)
    return undefined
  }
  isMounted = true
  return path
}

/** Writes into the file until the disk has no room left. */
export async function fillDisk(file: string): Promise<void> {
  await using handle = await open(file, 'a')
  for (let size = 1024 * 1024; size >= 512; ) {
    try {
      if ((await handle.write(Buffer.alloc(size, 'x'))).bytesWritten < size) size /= 2
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
      size /= 2
    }
  }
}
