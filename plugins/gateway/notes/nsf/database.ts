/**
 * A Notes database: its notes one after another, a note by its id, files, folders, unread marks and the access list.
 *
 * Invariants: the file is read by position and never written to; memory does not grow with the file, except by four
 * octets for each bucket; damage is listed in `problems`, and everything that does not depend on it is read.
 */
import { Cache } from 'iems'
import { Buckets } from './buckets.ts'
import { type NsfHeader, readHeader } from './header.ts'
import { decodeLmbcs } from './lmbcs.ts'
import { type NsfNote, readNote } from './notes.ts'
import { fileOctets, type NsfFile, type NsfObject, objectOctets, readObject } from './objects.ts'
import { Problems } from './problems.ts'
import { Damaged, type Source, Unreadable } from './source.ts'
import { readSuperblock } from './superblock.ts'
import { type ItemName, type RrvBucket, type RrvEntry, readBdb, readRrv, rrvEntries } from './tables.ts'

/** RRV buckets that are kept. */
const CACHED = 64

export interface NsfDatabase {
  readonly header: NsfHeader
  /** Octets of the file. */
  readonly size: number
  readonly names: readonly ItemName[]
  readonly problems: Problems
  /** In order of id; those that only a search through damaged tables finds come last. */
  notes(): AsyncGenerator<NsfNote>
  /** Undefined when there is no note of that id. */
  note(id: number): Promise<NsfNote | undefined>
  /** An object's octets; throws `Damaged` when it is missing. */
  object(id: number): Promise<Buffer>
  /** Whether there is an object or a note of that id. */
  has(id: number): Promise<boolean>
  /** The stored form of an object; throws `Damaged` when it is missing. */
  stored(id: number): Promise<NsfObject>
  /** A file's octets as they were before compression. */
  file(file: NsfFile): AsyncGenerator<Buffer>
  /** Container pages and the like. */
  readonly source: Source
  /** How many buckets the file has; scans it. */
  countBuckets(): Promise<{ readonly summary: number; readonly other: number }>
  close(): Promise<void>
}

/** Throws `Unreadable` for a file that is not a readable database, and closes the source then. */
export async function openDatabase(source: Source): Promise<NsfDatabase> {
  try {
    const header = await readHeader(source, decodeLmbcs)
    const problems = new Problems()
    const problem = (why: string) => problems.add(why)
    const superblock = await readSuperblock(source, header.superblocks, problem)
    const buckets = new Buckets(source, superblock, problem)
    const { names, rrvBuckets } = await readBdb(source, header.bdbs, decodeLmbcs, problem).catch(unreadable)
    const rrvs = new Rrvs(source, rrvBuckets, superblock?.currentRrv, problem)
    return new Database(source, header, { names, problems, buckets, rrvs })
  } catch (error) {
    await source.close()
    throw error
  }
}

function unreadable(error: unknown): never {
  throw error instanceof Damaged ? new Unreadable(`${error.message}, so the database cannot be read`) : error
}

interface Parts {
  readonly names: readonly ItemName[]
  readonly problems: Problems
  readonly buckets: Buckets
  readonly rrvs: Rrvs
}

class Database implements NsfDatabase {
  readonly source: Source
  readonly header: NsfHeader
  readonly names: readonly ItemName[]
  readonly problems: Problems
  private readonly parts: Parts

  constructor(source: Source, header: NsfHeader, parts: Parts) {
    this.source = source
    this.header = header
    this.names = parts.names
    this.problems = parts.problems
    this.parts = parts
  }

  get size(): number {
    return this.source.size
  }

  async *notes(): AsyncGenerator<NsfNote> {
    const { rrvs } = this.parts
    const lost: IdRange[] = []
    for (const range of rrvs.ranges) {
      const entries = await rrvs.entries(range).catch((error: unknown) => {
        this.damage(error, `the table of notes from ${range.firstId.toString(16)} on`)
        lost.push(range)
        return []
      })
      for (const entry of entries) {
        const note = await this.read(entry).catch((error: unknown) =>
          this.damage(error, `note ${entry.id.toString(16)}`),
        )
        if (note) yield note
      }
    }
    if (lost.length > 0) yield* this.lostNotes(lost)
  }

  /** Notes by the buckets themselves, where the table that leads to them is damaged. */
  private async *lostNotes(lost: readonly IdRange[]): AsyncGenerator<NsfNote> {
    const seen = new Set<number>()
    for await (const { id, place } of this.parts.buckets.records()) {
      const isLost = lost.some(({ firstId, endId }) => id >= firstId && id < endId)
      if (!isLost || seen.has(id)) continue
      seen.add(id)
      const note = await this.read({ id, place }).catch((error: unknown) =>
        this.damage(error, `note ${id.toString(16)}`),
      )
      if (note) yield note
    }
  }

  private async read(entry: RrvEntry): Promise<NsfNote | undefined> {
    const note = await readNote({ source: this.source, buckets: this.parts.buckets, names: this.names }, entry)
    for (const why of note?.problems ?? []) this.problems.add(`note ${entry.id.toString(16)}: ${why}`)
    return note
  }

  private damage(error: unknown, where: string): undefined {
    if (!(error instanceof Damaged)) throw error
    this.problems.add(`${where}: ${error.message}`)
  }

  async note(id: number): Promise<NsfNote | undefined> {
    const entry = await this.parts.rrvs.find(id)
    return entry && readNote({ source: this.source, buckets: this.parts.buckets, names: this.names }, entry)
  }

  async has(id: number): Promise<boolean> {
    return (await this.parts.rrvs.find(id)) !== undefined
  }

  async stored(id: number): Promise<NsfObject> {
    const entry = await this.parts.rrvs.find(id)
    if (!entry || !('position' in entry.place)) throw new Damaged(`object ${id.toString(16)} is not in the file`)
    return readObject(this.source, entry.place.position)
  }

  async object(id: number): Promise<Buffer> {
    return objectOctets(this.source, await this.stored(id))
  }

  async *file(file: NsfFile): AsyncGenerator<Buffer> {
    yield* fileOctets(this.source, await this.stored(file.objectId), file)
  }

  async countBuckets() {
    await this.parts.buckets.scan()
    return this.parts.buckets.counts
  }

  close(): Promise<void> {
    return this.source.close()
  }
}

// --- RRV buckets -----------------------------------------------------------------------------------

interface IdRange extends RrvBucket {
  /** The first id of the next bucket. */
  readonly endId: number
}

class Rrvs {
  readonly ranges: readonly IdRange[]
  private readonly cache = new Cache<readonly RrvEntry[], number>({ max: CACHED })
  private readonly source: Source
  private readonly current: { readonly firstId: number; readonly entries: readonly RrvEntry[] } | undefined
  private readonly problem: (why: string) => void

  constructor(
    source: Source,
    buckets: readonly RrvBucket[],
    current: Buffer | undefined,
    problem: (why: string) => void,
  ) {
    this.source = source
    this.problem = problem
    this.current = current && { firstId: current.readUInt32LE(6), entries: rrvEntries(current) }
    this.ranges = buckets.map((bucket, n) => ({ ...bucket, endId: buckets[n + 1]?.firstId ?? 2 ** 32 }))
  }

  /** Of one bucket in order of id. */
  async entries({ firstId, position, endId }: IdRange): Promise<readonly RrvEntry[]> {
    // The superblock's copy is newer than the one in the file.
    if (this.current?.firstId === firstId) return this.current.entries
    const known = this.cache.get(firstId)
    if (known) return known
    const read = (await readRrv(this.source, { position }, this.problem)).filter(
      ({ id }) => id >= firstId && id < endId,
    )
    this.cache.set(firstId, read)
    return read
  }

  async find(id: number): Promise<RrvEntry | undefined> {
    let low = 0
    let high = this.ranges.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if ((this.ranges[middle]?.firstId ?? 0) <= id) low = middle
      else high = middle - 1
    }
    const range = this.ranges[low]
    return range && (await this.entries(range)).find((entry) => entry.id === id)
  }
}
