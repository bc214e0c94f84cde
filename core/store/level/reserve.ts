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

export async function openReserve(options: ReserveOptions): Promise<Reserve> {
  const reserve = new ReserveFile(options)
  await reserve.open()
  return reserve
}

class ReserveFile implements Reserve {
  readonly #options: ReserveOptions
  readonly #file: string
  #isSpent = false
  #isScarce = false
  #timer: NodeJS.Timeout | undefined
  #looking: Promise<void> = Promise.resolve()
  #isClosed = false

  constructor(options: ReserveOptions) {
    this.#options = options
    this.#file = reserveFile(options.path)
  }

  get isSpent(): boolean {
    return this.#isSpent
  }

  async open(): Promise<void> {
    if (this.#options.size === 0 || (await stat(this.#file).catch(() => undefined))) return
    this.#isSpent = true
    await this.#look().catch(() => this.#discardNew())
    this.#watch()
  }

  #discardNew(): Promise<void> {
    return rm(`${this.#file}.new`, { force: true })
  }

  async #space() {
    const { bavail, blocks, bsize } = await statfs(this.#options.path)
    return { free: bavail * bsize, size: Math.min(this.#options.size, Math.floor(blocks * bsize * PART_OF_DISK)) }
  }

  /** Looks at the disk; makes the file again when there is room for it and as much to spare. */
  async #look(): Promise<void> {
    const { free, size } = await this.#space()
    this.#isScarce = free < size / 2
    if (free < this.#options.minFree + size * 1.25) return
    await fill(`${this.#file}.new`, size)
    await rename(`${this.#file}.new`, this.#file)
    this.#isSpent = false
    this.#isScarce = false
  }

  #watch(): void {
    if (this.#isClosed || this.#timer || !this.#isSpent) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#looking = this.#look()
        .catch(() => this.#discardNew())
        // A folder that cannot be looked at is said by those who read and write in it.
        .catch(() => {})
        .finally(() => this.#watch())
    }, LOOK_MS)
    this.#timer.unref()
  }

  async spend(): Promise<void> {
    if (this.#options.size === 0) return
    this.#isSpent = true
    await this.#looking
    await rm(this.#file, { force: true })
    this.#watch()
  }

  requireRoom(): void {
    if (this.#isSpent && this.#isScarce) throw new IemsError('IEMS_STORE_FULL', { path: this.#options.path })
  }

  async free(): Promise<number> {
    return (await this.#space()).free
  }

  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    await this.#looking
  }
}

/** Octets that no file system can compress away, so that removing the file frees as many. */
async function fill(path: string, size: number): Promise<void> {
  await using file = await open(path, 'w', 0o600)
  for (let left = size; left > 0; left -= CHUNK) await file.write(randomBytes(Math.min(CHUNK, left)))
}
