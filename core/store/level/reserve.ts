/**
 * The reserve: a file that keeps disk space for a full disk.
 *
 * LevelDB needs free space to accept writes again after a failed one, and a client needs a write to delete anything.
 * The file is given up first; its space is for small changes and those that free space. New mail is refused until the
 * disk has room for the file again. Invariants: failure to create the reserve has no other effect; the file holds no
 * data.
 */
import { randomBytes } from 'node:crypto'
import { open, rename, rm, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { IemsError } from '../../api/errors.ts'

export interface ReserveOptions {
  /** The folder of the store. */
  readonly path: string
  /** Octets; at most a quarter of the file system. 0: no reserve. */
  readonly size: number
  /** Octets that must be free in addition before the reserve is created again. */
  readonly minFree: number
}

export interface Reserve {
  /** The reserve was given up, or the disk has no room for it: new content is refused. */
  readonly isSpent: boolean
  /** Gives up the file. */
  spend(): Promise<void>
  /** Throws IEMS_STORE_FULL when the remaining space is kept for changes that free space. */
  requireRoom(): void
  /** Octets that can be written. */
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

  /** Checks the disk and creates the file again when there is room for it and as much to spare. */
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
        // Reads and writes in the folder report its failure.
        .catch(() => {})
        .finally(() => this.#watch())
    }, LOOK_MS)
    this.#timer.unref()
  }

  async spend(): Promise<void> {
    if (this.#options.size === 0) return
    this.#isSpent = true
    await this.#looking
    // A look that was under way may have created the file: without this, nothing would ever create it again.
    this.#isSpent = true
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

/** Random octets, which no file system can compress, so that removing the file frees its size. */
async function fill(path: string, size: number): Promise<void> {
  await using file = await open(path, 'w', 0o600)
  for (let left = size; left > 0; left -= CHUNK) await file.write(randomBytes(Math.min(CHUNK, left)))
}
