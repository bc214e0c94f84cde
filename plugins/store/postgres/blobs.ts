/**
 * Blobs in PostgreSQL: a small one is a row that is written with the commit that first refers to it; a large one is
 * written chunk by chunk before it is kept.
 *
 * Invariants: memory holds a chunk, however large a blob is; staged blobs that were not kept are never listed, and
 * removed after a day; ids sort by age.
 */
import { createHash, randomBytes } from 'node:crypto'
import { type Blobs, type ByteRange, IemsError, type Staged } from 'iems'
import { plainArray } from './arrays.ts'
import type { Connections } from './connections.ts'
import { Together } from './reading.ts'

export interface BlobsDeps {
  readonly connections: Connections
  readonly now: () => number
}

/** The first letter of an id, as in LevelDB's store: `iems store copy` keeps the ids. */
const SMALL = 'r'
const LARGE = 'f'
/** Up to so many octets a blob is small. */
const SMALL_SIZE = 65_536
const CHUNK = 262_144
/** Blobs that are listed, or removed, with one statement. */
const LISTED = 1000
/** Blobs that are read with one statement: a few MB. */
const MAX_OPENED = 50
const DAY_MS = 86_400_000
const TIME_DIGITS = 9
const COUNT_DIGITS = 6
/** The most octets that `substring` counts. */
const MOST = 0x7fff_fffe

/** Each by its id, with what is asked of a small one; `offset 0` keeps it one look-up for each. */
const OPEN = {
  name: 'blobs_open',
  text: `select b.size, b.chunked, b.part
    from unnest($1::text[], $2::integer[], $3::integer[]) with ordinality as asked(id, start, octets, n)
    left join lateral (
      select size, value is null as chunked, substring(value from start + 1 for octets) as part
      from blobs where blobs.id = asked.id offset 0
    ) b on true order by n`,
}
const REMOVE = {
  name: 'remove',
  text: `with relaxed as (select set_config('synchronous_commit', 'off', true)),
    gone as (delete from chunks where id = any($1::text[]))
    delete from blobs using relaxed where id = any($1::text[])`,
}
/** Durable with the statement that keeps it, because the log is written in order. A crash before that may lose it. */
const ADD_CHUNK = {
  name: 'chunk',
  text: `with relaxed as (select set_config('synchronous_commit', 'off', true))
    insert into chunks (id, n, value) select $1::text, $2::integer, $3::bytea from relaxed
    on conflict (id, n) do update set value = excluded.value`,
}
const ADOPT = {
  name: 'adopt',
  text: `insert into blobs (id, since, size, value) values ($1, $2, $3, $4) on conflict (id) do nothing`,
}
const KEEP = {
  name: 'keep',
  text: `with whole as (select count(*) = $3::integer as is from chunks where id = $1),
    staged as (delete from staging using whole where id = $1 and whole.is returning id)
    insert into blobs (id, since, size) select id, now_ms(), $2::bigint from staged on conflict (id) do nothing
      returning id`,
}
const KEPT = { name: 'kept', text: 'select id from blobs where id = $1' }

interface Asked extends ByteRange {
  readonly id: string
}

/** A small blob's octets, or the size of one in chunks; null: there is none. */
interface Opened {
  readonly size: number | null
  readonly chunked: boolean
  readonly part: Buffer | null
}

export class PostgresBlobs implements Blobs {
  readonly #deps: BlobsDeps
  readonly #opened = new Together<Asked, Opened>({
    answer: (asked) => this.#open(asked),
    most: MAX_OPENED,
    parallel: 4,
  })
  /** One statement at a time: the removals that wait for it make one. */
  readonly #removals = new Together<string, unknown>({
    answer: (ids) => this.#deps.connections.query({ ...REMOVE, values: [ids] }),
    most: LISTED,
    parallel: 1,
  })
  /** Tells this process's ids from those of others; within it the count does. */
  readonly #run = randomBytes(6).toString('hex')
  #count = 0

  constructor(deps: BlobsDeps) {
    this.#deps = deps
  }

  async stage(source: AsyncIterable<Uint8Array>): Promise<Staged> {
    this.#deps.connections.check()
    const hash = createHash('sha256')
    const large = new Staging(this.#deps.connections, () => this.#newId(LARGE))
    try {
      const size = await large.addAll(source, (chunk) => hash.update(chunk))
      const digest = hash.digest('base64url')
      if (size <= SMALL_SIZE) return this.#small(large.rest, digest)
      await large.flush()
      return this.#large(large, size, digest)
    } catch (cause) {
      await large.discard().catch(() => {})
      throw cause
    }
  }

  async *open(id: string, range?: ByteRange): AsyncGenerator<Uint8Array> {
    this.#deps.connections.check()
    const { start, end } = range ?? { start: 0, end: Number.POSITIVE_INFINITY }
    const { size, chunked, part } = await this.#opened.ask({ id, start, end })
    if (size === null) throw new IemsError('IEMS_BLOB_MISSING', { id })
    if (chunked) yield* readChunks(this.#deps.connections, id, { start, end: Math.min(end, size) })
    else if (part && part.length > 0) yield part
  }

  #open(asked: readonly Asked[]): Promise<Opened[]> {
    const ids = asked.map(({ id }) => id)
    const starts = asked.map(({ start }) => Math.min(start, MOST))
    const octets = asked.map(({ start, end }) => Math.max(0, Math.min(end - start, MOST)))
    return this.#deps.connections.query({ ...OPEN, values: [ids, plainArray(starts), plainArray(octets)] })
  }

  async size(id: string): Promise<number> {
    const [row] = await this.#deps.connections.query<{ size: number }>({
      name: 'blob_size',
      text: 'select size from blobs where id = $1',
      values: [id],
    })
    if (!row) throw new IemsError('IEMS_BLOB_MISSING', { id })
    return row.size
  }

  async remove(id: string): Promise<void> {
    this.#deps.connections.check()
    await this.#removals.ask(id)
  }

  async *list(after = ''): ReturnType<Blobs['list']> {
    for (let last = after; ; ) {
      const rows = await this.#deps.connections.query<{ id: string; since: number }>({
        name: 'blobs',
        text: `select id, since from blobs where id > $1 order by id limit ${LISTED}`,
        values: [last],
      })
      yield* rows
      if (rows.length < LISTED) return
      last = rows.at(-1)?.id ?? ''
    }
  }

  /** Removes what was staged long ago and never kept. */
  async tidy(): Promise<void> {
    await this.#deps.connections.query({
      text: `with old as (delete from staging where since < now_ms() - $1 returning id)
        delete from chunks using old where chunks.id = old.id`,
      values: [DAY_MS],
    })
  }

  async adopt(id: string, source: AsyncIterable<Uint8Array>): Promise<void> {
    const { connections } = this.#deps
    const since = Number.parseInt(id.slice(1, 1 + TIME_DIGITS), 36)
    if (!id.startsWith(LARGE)) {
      const bytes = Buffer.concat(await Array.fromAsync(source))
      await connections.query({ ...ADOPT, values: [id, since, bytes.length, bytes] })
      return
    }
    const staging = new Staging(connections, () => id)
    const size = await staging.addAll(source)
    await staging.keep(size)
    await connections.query({ text: 'update blobs set since = $2 where id = $1', values: [id, since] })
  }

  #newId(kind: string): string {
    const time = this.#deps.now().toString(36).padStart(TIME_DIGITS, '0')
    return `${kind}${time}${(this.#count++).toString(36).padStart(COUNT_DIGITS, '0')}${this.#run}`
  }

  #small(bytes: Buffer, hash: string): Staged {
    const id = this.#newId(SMALL)
    return {
      size: bytes.length,
      hash,
      bytes,
      async *open(range) {
        yield range ? bytes.subarray(range.start, range.end) : bytes
      },
      keep: async () => ({ id, ops: [{ body: id, value: bytes }] }),
      async discard() {},
    }
  }

  #large(large: Staging, size: number, hash: string): Staged {
    const { connections } = this.#deps
    return {
      size,
      hash,
      open: ({ start, end } = { start: 0, end: size }) =>
        readChunks(connections, large.id, { start, end: Math.min(end, size) }),
      async keep() {
        await large.keep(size)
        return { id: large.id, ops: [] }
      },
      discard: () => large.discard(),
    }
  }
}

/** Chunks of a blob that is being written. */
class Staging {
  readonly #connections: Connections
  readonly #newId: () => string
  #id = ''
  #count = 0
  #held: Uint8Array[] = []
  #heldSize = 0
  #isKept = false

  constructor(connections: Connections, newId: () => string) {
    this.#connections = connections
    this.#newId = newId
  }

  get id(): string {
    return this.#id
  }

  /** Octets that are held and not yet written. */
  get rest(): Buffer {
    return Buffer.concat(this.#held)
  }

  /** Writes whole chunks of the source and holds the rest. Returns its size. */
  async addAll(source: AsyncIterable<Uint8Array>, see: (chunk: Uint8Array) => void = () => {}): Promise<number> {
    let size = 0
    for await (const chunk of source) {
      see(chunk)
      size += chunk.byteLength
      this.#held.push(chunk)
      this.#heldSize += chunk.byteLength
      if (this.#heldSize >= CHUNK) await this.#write(CHUNK)
    }
    return size
  }

  /** Writes the held octets. */
  flush(): Promise<void> {
    return this.#write(1)
  }

  async #write(least: number): Promise<void> {
    let rest = this.rest
    for (; rest.length >= least; rest = rest.subarray(CHUNK)) await this.#add(rest.subarray(0, CHUNK))
    this.#held = [rest]
    this.#heldSize = rest.length
  }

  async #add(bytes: Uint8Array): Promise<void> {
    if (this.#id === '') {
      this.#id = this.#newId()
      await this.#connections.query({
        text: 'insert into staging (id, since) values ($1, now_ms()) on conflict do nothing',
        values: [this.#id],
      })
    }
    await this.#connections.query({ ...ADD_CHUNK, values: [this.#id, this.#count++, bytes] })
  }

  async keep(size: number): Promise<void> {
    await this.flush()
    const connections = this.#connections
    const [kept] = await connections.query({ ...KEEP, values: [this.#id, size, this.#count] })
    // An attempt whose answer was lost may have kept it.
    const [before] = kept ? [kept] : await connections.query({ ...KEPT, values: [this.#id] })
    if (!before) throw new IemsError('IEMS_STORE_FAILED', { path: 'The database', why: 'a crash took staged content' })
    this.#isKept = true
  }

  async discard(): Promise<void> {
    if (this.#isKept || this.#id === '') return
    await this.#connections.query({
      text: 'with gone as (delete from staging where id = $1) delete from chunks where id = $1',
      values: [this.#id],
    })
  }
}

async function* readChunks(
  connections: Connections,
  id: string,
  { start, end }: ByteRange,
): AsyncGenerator<Uint8Array> {
  for (let at = start; at < end; ) {
    const n = Math.floor(at / CHUNK)
    const [row] = await connections.query<{ value: Buffer }>({
      name: 'read',
      text: 'select value from chunks where id = $1 and n = $2',
      values: [id, n],
    })
    if (!row) throw new IemsError('IEMS_BLOB_MISSING', { id })
    const from = n * CHUNK
    yield row.value.subarray(at - from, end - from)
    at = from + CHUNK
  }
}
