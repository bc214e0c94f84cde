/** Blobs that are compressed, encrypted and elsewhere keep the contract of blobs; what is damaged is never returned. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type BlobKey, isPacked } from '../../core/store/blobs/frames.ts'
import { PackedBlobs, type PackedOptions } from '../../core/store/blobs/packed.ts'
import { PlacedBlobs } from '../../core/store/blobs/placed.ts'
import { S3Files } from '../../core/store/blobs/s3-files.ts'
import { copyStore } from '../../core/store/copy.ts'
import { openFiles } from '../../core/store/level/files.ts'
import { levelStore } from '../../core/store/level/level.ts'
import { memoryStore } from '../../core/store/memory.ts'
import { S3Bucket } from '../../core/store/s3.ts'
import type { ByteRange, Store } from '../../core/store/store.ts'
import { BLOBS } from '../../core/testing/contracts/store/blobs.ts'
import { contentOf, createRandom, hasCode, kept, LARGE_SIZE, put } from '../../core/testing/contracts/store/promise.ts'
import { tempFolder } from '../support/running-server.ts'
import { startS3 } from '../support/s3-server.ts'

const keyOf = (id: string): BlobKey => ({ id, octets: randomBytes(32) })
const KEY = keyOf('2026')
const keys = new Map([[KEY.id, KEY]])
const ENCRYPTED: PackedOptions = { compress: true, verify: false, encrypt: KEY, keys }
const CHECKED: PackedOptions = { compress: false, verify: true, encrypt: undefined, keys: new Map() }
const NOTHING: PackedOptions = { compress: false, verify: false, encrypt: undefined, keys: new Map() }
const COMPRESSED: PackedOptions = { compress: true, verify: false, encrypt: undefined, keys }

const packed = (store: Store, options: PackedOptions): Store => ({
  ...store,
  blobs: new PackedBlobs(store.blobs, options),
})

async function level(t: TestContext) {
  const path = join(await tempFolder(t), 'data')
  let now = Date.UTC(2026, 0, 1)
  const store = await levelStore({ path, now: () => now })
  t.after(() => store.close())
  const elapse = async (ms: number) => {
    now += ms
  }
  return { store, path, elapse }
}

async function inBucket(t: TestContext) {
  const s3 = await startS3(t)
  const { endpoint, accessKeyId, secretAccessKey } = s3
  const bucket = new S3Bucket({
    bucket: 'backups',
    prefix: 'mail',
    endpoint,
    region: 'x',
    accessKeyId,
    secretAccessKey,
  })
  return { s3, files: await S3Files.open(bucket, join(await tempFolder(t), 'to-upload')) }
}

type Make = (store: Store, t: TestContext) => Promise<Store>
const KINDS: Readonly<Record<string, Make>> = {
  compressed: async (store) => packed(store, COMPRESSED),
  encrypted: async (store) => packed(store, ENCRYPTED),
  checked: async (store) => packed(store, CHECKED),
  'in a shared folder': async (store, t) => {
    const blobs = new PlacedBlobs(store, await openFiles(join(await tempFolder(t), 'shared'), { isShared: true }))
    return packed({ ...store, blobs }, ENCRYPTED)
  },
  'in a bucket': async (store, t) => {
    const { files } = await inBucket(t)
    return packed({ ...store, blobs: new PlacedBlobs(store, files) }, CHECKED)
  },
}

// What holds of encrypted ones holds of those that are only compressed.
for (const kind of ['encrypted', 'in a shared folder', 'in a bucket']) {
  const make = KINDS[kind] as Make
  for (const [promise, holds] of BLOBS)
    test(`blobs ${kind}: ${promise}`, async (t) => {
      const { store, elapse } = await level(t)
      await holds({ store: await make(store, t), elapse }, t)
    })
}

async function keep(store: Store, content: Buffer): Promise<string> {
  const { id, ops } = await (
    await store.blobs.stage(
      (async function* () {
        for (let at = 0; at < content.length; at += 7000) yield content.subarray(at, at + 7000)
      })(),
    )
  ).keep()
  await store.commit([...ops, put(id)])
  return id
}

const part = (content: Buffer, range?: ByteRange) => (range ? content.subarray(range.start, range.end) : content)

test('any range of any content is the same in every form, beside blobs that were stored as they are', async (t) => {
  const random = createRandom(7)
  const { store } = await level(t)
  const forms = [store, ...(await Promise.all(Object.values(KINDS).map((make) => make(store, t))))]
  for (const size of [1, 511, 65_500, 65_535, 65_536, 65_537, 131_072, 400_000]) {
    // Half of it shrinks, half of it does not.
    const content = Buffer.concat([Buffer.alloc(size >> 1, 'Received: by mail\r\n'), randomBytes(size - (size >> 1))])
    for (const [index, form] of forms.entries()) {
      const id = await keep(form, content)
      const ranges = [
        undefined,
        { start: 3, end: size + 20 },
        ...Array.from({ length: 6 }, () => random(size + 9)).map((start) => ({ start, end: start + random(size) })),
      ]
      for (const range of ranges)
        assert.ok(part(content, range).equals(await contentOf(form.blobs.open(id, range))), `${size} ${index}`)
      if (index === 0)
        for (const other of forms.slice(1))
          assert.ok(
            part(content, ranges[1]).equals(await contentOf(other.blobs.open(id, ranges[1]))),
            'stored as it is',
          )
    }
  }
})

test('content is compressed where it pays, encrypted whole, and never mistaken for the stored form', async () => {
  const store = memoryStore()
  const text = Buffer.alloc(100_000, 'Dear Ann, this is much the same in every line.\r\n')
  const stored = async (options: PackedOptions, content: Buffer) => {
    const id = await keep(packed(store, options), content)
    assert.ok(content.equals(await contentOf(packed(store, options).blobs.open(id))))
    return contentOf(store.blobs.open(id))
  }
  assert.ok((await stored(COMPRESSED, text)).length < 2000)
  assert.ok((await stored(NOTHING, text)).equals(text), 'stored as it is, whatever its size')
  const noise = randomBytes(40_000)
  assert.ok((await stored(COMPRESSED, noise)).equals(noise), 'what does not shrink stays as it is')
  const secret = await stored(ENCRYPTED, text)
  assert.ok(!secret.includes('Dear Ann') && secret.length < 2000)
  const [one, two] = [await stored(ENCRYPTED, noise), await stored(ENCRYPTED, noise)]
  assert.ok(!one.subarray(-30_000).equals(two.subarray(-30_000)), 'the same content is encrypted differently')
  // A sender writes content that looks like the stored form.
  for (const options of [COMPRESSED, NOTHING]) {
    const forged = await stored(options, secret)
    assert.ok(isPacked(forged) && !forged.equals(secret))
  }
})

test('after a rotation old blobs are read with the old key; a missing or wrong key is named', async () => {
  const store = memoryStore()
  const old = await kept(packed(store, ENCRYPTED), LARGE_SIZE)
  const next = keyOf('2027')
  const rotated = packed(store, { ...ENCRYPTED, encrypt: next, keys: new Map([...keys, [next.id, next]]) })
  const fresh = await kept(rotated, 100)
  for (const [id, size] of [
    [old, LARGE_SIZE],
    [fresh, 100],
  ] as const)
    assert.equal((await contentOf(rotated.blobs.open(id))).length, size)
  await assert.rejects(contentOf(packed(store, ENCRYPTED).blobs.open(fresh)), (error: Error) => {
    assert.match(error.message, /2027 is not among blobs.keys/)
    return hasCode('IEMS_BLOB_KEY')(error)
  })
  const wrong = packed(store, { ...ENCRYPTED, keys: new Map([[KEY.id, { ...next, id: KEY.id }]]) })
  for (const range of [undefined, { start: 200_000, end: 200_010 }])
    await assert.rejects(contentOf(wrong.blobs.open(old, range)), hasCode('IEMS_BLOB_UNREADABLE'))
})

test('a blob that was altered, cut or exchanged is never returned as content', async (t) => {
  const random = createRandom(3)
  const { store, path } = await level(t)
  for (const options of [ENCRYPTED, { ...CHECKED, compress: true }]) {
    const form = packed(store, options)
    const [id, other] = [await kept(form, LARGE_SIZE), await kept(form, LARGE_SIZE + 1)]
    const files = await readdir(join(path, 'blobs'), { recursive: true })
    const fileOf = (name: string) => join(path, 'blobs', files.find((file) => file.endsWith(name)) as string)
    const whole = await readFile(fileOf(id))
    const damages = [
      ...Array.from({ length: 40 }, () => {
        const changed = Buffer.from(whole)
        const at = 10 + random(whole.length - 10)
        changed[at] = (changed[at] as number) ^ (1 << random(8))
        return changed
      }),
      whole.subarray(0, random(whole.length)),
      whole.subarray(0, whole.length - 1),
      Buffer.concat([whole, Buffer.from('x')]).subarray(0, whole.length - 70),
    ]
    for (const damaged of damages) {
      await writeFile(fileOf(id), damaged)
      // A fresh process knows no layout.
      const read = contentOf(packed(store, options).blobs.open(id))
      await assert.rejects(read, (error: { code?: string }) => /^IEMS_BLOB_(UNREADABLE|KEY)$/.test(error.code ?? ''))
      const end = contentOf(packed(store, options).blobs.open(id, { start: 280_000, end: 290_000 }))
      const result = await end.catch((error: { code?: string }) => error.code)
      if (Buffer.isBuffer(result)) assert.equal(result.length, 10_000, 'damage elsewhere')
      else assert.match(String(result), /^IEMS_BLOB_(UNREADABLE|KEY)$/)
    }
    if (options.encrypt) {
      // The end of another blob, at the same place.
      const strange = await readFile(fileOf(other))
      await writeFile(fileOf(id), Buffer.concat([whole.subarray(0, 5000), strange.subarray(5000)]))
      await assert.rejects(contentOf(form.blobs.open(id)), hasCode('IEMS_BLOB_UNREADABLE'))
    }
    await writeFile(fileOf(id), whole)
    assert.equal((await contentOf(packed(store, options).blobs.open(id))).length, LARGE_SIZE)
  }
})

test('a bucket that fails now and then is tried again; one that is away is a store that is away', async (t) => {
  const { s3, files } = await inBucket(t)
  const { store } = await level(t)
  const form = packed({ ...store, blobs: new PlacedBlobs(store, files) }, ENCRYPTED)
  s3.failures = 2
  const id = await kept(form, LARGE_SIZE)
  assert.deepEqual([...s3.objects.keys()], [`mail/blobs/${id}`])
  s3.failures = 1
  assert.equal((await contentOf(form.blobs.open(id, { start: 100_000, end: 250_000 }))).length, 150_000)
  s3.failures = 10
  await assert.rejects(kept(form, LARGE_SIZE), hasCode('IEMS_STORE_FAILED'))
  s3.failures = 0
  const small = await kept(form, 100)
  assert.equal(s3.objects.size, 1, 'small ones are in the store')
  assert.deepEqual(
    (await Array.fromAsync(form.blobs.list())).map((one) => one.id),
    [id, small],
  )
})

test('a dump has what is in the place, and nothing is removed from there until it is closed', async (t) => {
  const { s3, files } = await inBucket(t)
  const { store } = await level(t)
  const before = await kept(store, LARGE_SIZE)
  const placed = new PlacedBlobs(store, files)
  const form = { ...store, blobs: placed }
  const id = await kept(form, LARGE_SIZE)
  const dump = await placed.dump(store.dump as NonNullable<Store['dump']>)
  // Another server removes it.
  await new PlacedBlobs(store, files).remove(id)
  assert.deepEqual([...dump.files].sort(), [before, id].sort())
  for (const name of dump.files) assert.equal((await contentOf(dump.open(name))).length, LARGE_SIZE)
  await dump.close()
  await placed.remove(id)
  assert.equal(s3.objects.size, 0)
  assert.equal((await contentOf(form.blobs.open(before))).length, LARGE_SIZE, 'kept before there was a place')
})

test('a copy takes the form of its store: encrypted there, plain here, and back', async (t) => {
  const signal = new AbortController().signal
  const options = { signal, progress: () => {} }
  const [one, two, three] = [await level(t), await level(t), await level(t)]
  const ids = [await kept(one.store, 5000), await kept(one.store, LARGE_SIZE)]
  const { s3, files } = await inBucket(t)
  const elsewhere = packed({ ...two.store, blobs: new PlacedBlobs(two.store, files) }, ENCRYPTED)
  await copyStore(one.store, elsewhere, options)
  for (const id of ids)
    assert.ok(isPacked(await contentOf((id === ids[1] ? new PlacedBlobs(two.store, files) : two.store.blobs).open(id))))
  assert.equal(s3.objects.size, 1)
  await copyStore(elsewhere, packed(three.store, COMPRESSED), options)
  const content = await contentOf(packed(three.store, COMPRESSED).blobs.open(ids[1] as string))
  assert.ok(content.equals(await contentOf(one.store.blobs.open(ids[1] as string))))
  await rm(join(three.path, 'blobs', 'staging'), { recursive: true })
})
