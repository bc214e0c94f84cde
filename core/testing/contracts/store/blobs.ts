/**
 * The store contract: blobs.
 */
import assert from 'node:assert/strict'
import { key } from '../../../store/keys.ts'
import { contentOf, hasCode, kept, LARGE_SIZE, type Promised, pattern, pieces, put } from './promise.ts'

export const BLOBS: readonly Promised[] = [
  [
    'blobs of any size are read back, whole and in part',
    async ({ store }) => {
      for (const size of [0, 1, 4096, 65_536, 65_537, LARGE_SIZE]) {
        const staged = await store.blobs.stage(pieces(size))
        assert.equal(staged.size, size)
        assert.equal(staged.bytes === undefined, size > 65_536)
        if (staged.bytes) assert.ok(pattern(size).equals(staged.bytes))
        assert.ok(pattern(size).equals(await contentOf(staged.open())), 'before it is kept')
        const { id, ops } = await staged.keep()
        assert.equal(await store.commit([...ops, put(`${size}`)]), true)
        assert.ok(pattern(size).equals(await contentOf(staged.open())), 'after it was kept')
        assert.ok(pattern(size).equals(await contentOf(store.blobs.open(id))))
        const whole = await store.blobs.whole?.(id)
        if (whole) assert.ok(size <= 65_536 && pattern(size).equals(whole))
        for (const [start, end] of [
          [0, 10],
          [3, 70_000],
          [size, size + 5],
          [5, 5],
          [60_000, 2 * LARGE_SIZE],
        ] as const) {
          assert.ok(
            pattern(size)
              .subarray(start, end)
              .equals(await contentOf(store.blobs.open(id, { start, end }))),
          )
          assert.ok(
            pattern(size)
              .subarray(start, end)
              .equals(await contentOf(staged.open({ start, end }))),
          )
        }
      }
    },
  ],
  [
    'a blob that is not there is missing on the first read, and removed without a word',
    async ({ store }) => {
      for (const id of [await kept(store, 100), await kept(store, LARGE_SIZE)]) {
        assert.equal((await contentOf(store.blobs.open(id))).length > 0, true)
        await store.blobs.remove(id)
        await store.blobs.remove(id)
        await assert.rejects(contentOf(store.blobs.open(id)), hasCode('IEMS_BLOB_MISSING'))
        // Large ones are left to `open`.
        const whole = async () => store.blobs.whole?.(id)
        await whole().then(
          (octets) => assert.equal(octets, undefined),
          (cause: unknown) => assert.ok(hasCode('IEMS_BLOB_MISSING')(cause)),
        )
      }
      await assert.rejects(contentOf(store.blobs.open('nothing-of-ours')), hasCode('IEMS_BLOB_MISSING'))
    },
  ],
  [
    'blobs that are read and removed at the same time are not mixed up',
    async ({ store }) => {
      const sizes = [...Array.from({ length: 60 }, (_, index) => 10 + index), LARGE_SIZE]
      const ids = await Promise.all(sizes.map((size) => kept(store, size)))
      const missing = contentOf(store.blobs.open('nothing-of-ours'))
      const [contents] = await Promise.all([
        Promise.all(ids.map((id, start) => contentOf(store.blobs.open(id, { start, end: 1000 })))),
        assert.rejects(missing, hasCode('IEMS_BLOB_MISSING')),
      ])
      contents.forEach((content, start) => {
        assert.ok(
          pattern(sizes[start] ?? 0)
            .subarray(start, 1000)
            .equals(content),
        )
      })
      const [last, ...others] = ids.toReversed()
      await Promise.all(others.map((id) => store.blobs.remove(id)))
      assert.deepEqual(
        (await Array.fromAsync(store.blobs.list())).map(({ id }) => id),
        [last],
      )
    },
  ],
  [
    'all that was kept is listed with its age, from any place on, and what was not is not',
    async ({ store, elapse }) => {
      const ids: string[] = []
      for (const size of [10, LARGE_SIZE, 10, LARGE_SIZE]) {
        ids.push(await kept(store, size))
        await elapse(5)
      }
      await store.blobs.stage(pieces(10))
      await (await store.blobs.stage(pieces(LARGE_SIZE))).discard()
      const listed = await Array.fromAsync(store.blobs.list())
      assert.deepEqual(listed.map(({ id }) => id).sort(), [...ids].sort())
      const since = new Map(listed.map((blob) => [blob.id, blob.since]))
      assert.ok((since.get(ids[0] as string) as number) < (since.get(ids[2] as string) as number))
      assert.ok((since.get(ids[1] as string) as number) < (since.get(ids[3] as string) as number))
      for (const [index, { id }] of listed.entries()) {
        assert.deepEqual(await Array.fromAsync(store.blobs.list(id)), listed.slice(index + 1))
      }
    },
  ],
  [
    'what its source breaks off is thrown on and leaves nothing',
    async ({ store }) => {
      for (const size of [10, LARGE_SIZE]) {
        const broken = async function* () {
          yield* pieces(size)
          throw new Error('the sender went away')
        }
        await assert.rejects(store.blobs.stage(broken()), { message: 'the sender went away' })
      }
      assert.deepEqual(await Array.fromAsync(store.blobs.list()), [])
    },
  ],
  [
    'a small body shares the fate of its commit',
    async ({ store }) => {
      const { id, ops } = await (await store.blobs.stage(pieces(10))).keep()
      assert.equal(await store.commit([...ops, put('a')], [{ key: key('a'), is: 'present' }]), false)
      await assert.rejects(contentOf(store.blobs.open(id)), hasCode('IEMS_BLOB_MISSING'))
    },
  ],
]
