/**
 * The reserve: a file that keeps some of the disk for the day on which the disk is full.
 *
 * LevelDB needs free space to take writes again after one has failed, and a client needs a write to delete anything.
 * The file is given up first; what it leaves is for changes that free space, and for small ones. New mail is refused
 * until the disk has room for the file again. What must stay true: a reserve that cannot be made costs the server
 * nothing else; the file holds no data of anybody.
 */
import { randomBytes } from 'node:crypto'
import { open, rename, rm, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { IemsError } from '../../api/errors.ts'

export interface ReserveOptions {
  /** The folder of the store. */
  readonly path: string
  /** Octets; at most a quarter of the file system is used. 0: no reserve. */
  readonly size: number
  /** Octets that must be free beside the reserve before it is made again. */
  readonly minFree: number
}

export interface Reserve {
  /** It was given up, or the disk has no room for it: nothing new is staged. */
  readonly isSpent: boolean
  /** Gives the file up. */
  spend(): Promise<void>
  /** Throws IEMS_STORE_FULL when what is left is kept for changes that free space. */
  requireRoom(): void
  /** Octets that can be written now. */
  free(): Promise<number>
  close(): Promise<void>
}

const LOOK_MS = 1000
const CHUNK = 1024 * 1024
const PART_OF_DISK = 1 / 4

export const reserveFile = (path: string) => join(path, 'reserve')

export async function openReserve({ path, size: wanted, minFree }: ReserveOptions): Promise<Reserve> {
  const file = reserveFile(path)
  let isSpent = false
  let isScarce = false
  let timer: NodeJS.Timeout | undefined
  let looking: Promise<void> = Promise.resolve()
  let isClosed = false

  const space = async () => {
    const { bavail, blocks, bsize } = await statfs(path)
    return { free: bavail * bsize, size: Math.min(wanted, Math.floor(blocks * bsize * PART_OF_DISK)) }
  }

  /** Looks at the disk; makes the file again when there is room for it and as much to spare. */
  async function look(): Promise<void> {
    const { free, size } = await space()
    isScarce = free < size / 2
    if (free < minFree + size * 1.25) return
    await fill(`${file}.new`, size)
    await rename(`${file}.new`, file)
    isSpent = false
    isScarce = false
  }

  function watch(): void {
    if (isClosed || timer || !isSpent) return
    timer = setTimeout(() => {
      timer = undefined
      looking = look()
        .catch(() => rm(`${file}.new`, { force: true }))
        // A folder that cannot be looked at is said by those who read and write in it.
        .catch(() => {})
        .finally(watch)
    }, LOOK_MS)
    timer.unref()
  }

  async function spend(): Promise<void> {
    if (wanted === 0) return
    isSpent = true
    await looking
    await rm(file, { force: true })
    watch()
  }

  if (wanted > 0 && !(await stat(file).catch(() => undefined))) {
    isSpent = true
    await look().catch(() => rm(`${file}.new`, { force: true }))
    watch()
  }

  return {
    get isSpent() {
      return isSpent
    },
    spend,
    requireRoom() {
      if (isSpent && isScarce) throw new IemsError('IEMS_STORE_FULL', { path })
    },
    free: async () => (await space()).free,
    async close() {
      isClosed = true
      clearTimeout(timer)
      await looking
    },
  }
}

/** Octets that no file system can compress away, so that removing the file frees as many. */
async function fill(path: string, size: number): Promise<void> {
  await using file = await open(path, 'w', 0o600)
  for (let left = size; left > 0; left -= CHUNK) await file.write(randomBytes(Math.min(CHUNK, left)))
}
