/** `copyStore`: everything arrives, also when it is stopped on its way, and what differs is found. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { key, type Store } from 'iems'
import { postgresStore } from 'iems/plugins/postgres'
import type { BlobKey } from '../../core/store/blobs/frames.ts'
import { PackedBlobs } from '../../core/store/blobs/packed.ts'
import { COPY_KEY, copyStore } from '../../core/store/copy.ts'
import { restoreStore } from '../../core/store/level/dump.ts'
import { levelStore } from '../../core/store/level/level.ts'
import { fileScope, type Postgres, startPostgres, whyNoPostgres } from '../support/postgres.ts'

const scope = fileScope()
let postgres: Promise<Postgres> | undefined
let schemas = 0
const quiet = { progress: () => {}, signal: new AbortController().signal }

const KEY: BlobKey = { id: 'main', octets: randomBytes(32) }

/** Each store has content in a form of its own: compressed in LevelDB, encrypted in PostgreSQL. */
const packed = (store: Store, encrypt: BlobKey | undefined): Store => ({
  ...store,
  blobs: new PackedBlobs(store.blobs, {
    compress: true,
    verify: true,
    encrypt,
    keys: new Map(encrypt ? [[encrypt.id, encrypt]] : []),
  }),
})

async function level(t: TestContext): Promise<Store> {
  const path = await mkdtemp(join(tmpdir(), 'iems-copy-'))
  const store = await levelStore({ path })
  t.after(async () => {
    await store.close()
    await rm(path, { recursive: true })
  })
  return packed(store, undefined)
}

async function database(t: TestContext): Promise<Store> {
  postgres ??= startPostgres(scope)
  const store = await postgresStore({ url: (await postgres).url(), schema: `copy_${++schemas}` }).open()
  t.after(() => store.close())
  return packed(store, KEY)
}

async function* octets(size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < size; at += 50_000) yield Buffer.alloc(Math.min(50_000, size - at), `${size} `)
}

/** Records, blobs of all sizes, keys in lanes, one of them leased. */
async function fill(store: Store): Promise<void> {
  for (let index = 0; index < 1200; index += 300)
    await store.commit(
      Array.from({ length: 300 }, (_, one) => ({ put: key('r', index + one), value: Buffer.alloc(one, 'v') })),
    )
  for (const size of [0, 10, 65_536, 65_537, 300_000, 1_000_000]) {
    const { id, ops } = await (await store.blobs.stage(octets(size))).keep()
    await store.commit([...ops, { put: key('b', size), value: Buffer.from(id) }])
  }
  await store.commit(
    [0, 1, 2].map((index) => ({ due: key('d', index), lane: `lane/${index % 2}`, in: index * 60_000 })),
  )
  assert.equal((await store.take('lane/0', 1, 30_000)).length, 1)
}

async function assertSame(a: Store, b: Store): Promise<void> {
  const all = { from: Buffer.alloc(0), to: Buffer.from([0xff]) }
  assert.deepEqual(await Array.fromAsync(a.scan(all)), await Array.fromAsync(b.scan(all)))
  for (const size of [0, 10, 65_536, 65_537, 300_000, 1_000_000]) {
    const id = Buffer.from((await b.get(key('b', size))) ?? []).toString()
    assert.equal(Buffer.concat(await Array.fromAsync(b.blobs.open(id))).length, size)
  }
  const [mine, theirs] = [await Array.fromAsync(a.blobs.list()), await Array.fromAsync(b.blobs.list())]
  assert.deepEqual(
    mine.map(({ id }) => id),
    theirs.map(({ id }) => id),
  )
  const times = async (store: Store, index: number) =>
    ((await store.dueAt(`lane/${index % 2}`, key('d', index))) ?? Number.NaN) - store.now()
  for (const index of [0, 1, 2]) assert.ok(Math.abs((await times(a, index)) - (await times(b, index))) < 20_000)
  assert.equal(await b.get(COPY_KEY), undefined)
}

for (const [name, from, to] of [
  ['LevelDB to PostgreSQL', level, database],
  ['PostgreSQL to LevelDB', database, level],
] as const) {
  const skip = whyNoPostgres()
  test(`a store is copied from ${name}, and a copy that was stopped goes on`, { skip }, async (t) => {
    const [source, copy] = [await from(t), await to(t)]
    await fill(source)
    for (const stopAt of ['blobs checked', 'records', 'scheduled', 'records checked']) {
      const stop = new AbortController()
      // Each piece of progress is one of many; the signal is looked at with every item.
      const seen = { ...source, blobs: source.blobs }
      const progress = (what: string) => {
        if (what === stopAt) stop.abort(new Error('stopped'))
      }
      const each = { progress, signal: stop.signal, every: 1 }
      await assert.rejects(copyStore(seen, copy, each), { message: 'stopped' })
      assert.ok(await copy.get(COPY_KEY), 'an unfinished copy says so')
    }
    // The source has gone on meanwhile.
    await source.commit([{ put: key('r', 5000), value: Buffer.from('new') }, { del: key('r', 7) }])
    const done = await copyStore(source, copy, quiet)
    assert.equal(done.blobs, 6)
    assert.equal(done.scheduled, 3)
    await assertSame(source, copy)
    await assert.rejects(copyStore(source, copy, quiet), { code: 'IEMS_STORE_NOT_EMPTY' })
  })
}

test('a backup of PostgreSQL is one moment, and is restored as a data folder', { skip: whyNoPostgres() }, async (t) => {
  const source = await database(t)
  await fill(source)
  const dump = await (source.dump as NonNullable<Store['dump']>)()
  const before = await Array.fromAsync(source.blobs.list())
  // What happens from now on is not in it.
  for (const { id } of before) await source.blobs.remove(id)
  await source.commit([{ put: key('late'), value: Buffer.from('x') }, { del: key('r', 7) }])
  const path = join(await mkdtemp(join(tmpdir(), 'iems-restored-')), 'data')
  t.after(() => rm(join(path, '..'), { recursive: true }))
  await restoreStore(path, dump)
  await dump.close()
  const restored = packed(await levelStore({ path }), KEY)
  t.after(() => restored.close())
  assert.equal(await restored.get(key('late')), undefined)
  assert.ok(await restored.get(key('r', 7)))
  assert.deepEqual(
    (await Array.fromAsync(restored.blobs.list())).map(({ id }) => id),
    before.map(({ id }) => id),
  )
  for (const size of [0, 10, 65_536, 65_537, 300_000, 1_000_000]) {
    const id = Buffer.from((await restored.get(key('b', size))) ?? []).toString()
    assert.equal(Buffer.concat(await Array.fromAsync(restored.blobs.open(id))).length, size)
  }
  const times = await Promise.all([0, 1, 2].map((index) => restored.dueAt(`lane/${index % 2}`, key('d', index))))
  assert.ok(times.every((at) => at !== undefined))
  assert.deepEqual(await restored.take('lane/1', 5, 1000), [], 'it is due in a minute')
})
