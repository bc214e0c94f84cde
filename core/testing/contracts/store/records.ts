/**
 * The store contract: records.
 */
import assert from 'node:assert/strict'
import { below, key } from '../../../store/keys.ts'
import type { Check, Key } from '../../../store/store.ts'
import { bytes, due, named, names, type Promised, put, SECOND, text, textsIn } from './promise.ts'

export const RECORDS: readonly Promised[] = [
  [
    'a record that was committed is read back, replaced and removed',
    async ({ store }) => {
      assert.equal(await store.get(key('a')), undefined)
      assert.equal(await store.commit([put('a', 'one'), put('b', '')]), true)
      assert.equal(text(await store.get(key('a'))), 'one')
      assert.equal(text(await store.get(key('b'))), '')
      await store.commit([put('a', 'two'), { del: key('b') }, { del: key('never') }])
      assert.equal(text(await store.get(key('a'))), 'two')
      assert.equal(await store.get(key('b')), undefined)
    },
  ],
  [
    'the ops of a commit take effect in their order',
    async ({ store }) => {
      await store.commit([put('a', 'one'), { del: key('a') }, put('a', 'three'), put('b', 'one'), { del: key('b') }])
      assert.equal(text(await store.get(key('a'))), 'three')
      assert.equal(await store.get(key('b')), undefined)
    },
  ],
  [
    'a scan goes by key, within its range, forwards and backwards, up to its limit',
    async ({ store }) => {
      await store.commit([...['a', 'b', 'c', 'd'].map((name) => put(name)), { put: key('b', 1), value: bytes('b1') }])
      const range = { from: key('b'), to: key('d') }
      assert.deepEqual(await textsIn(store.scan(range)), ['b', 'b1', 'c'])
      assert.deepEqual(await textsIn(store.scan({ ...range, reverse: true })), ['c', 'b1', 'b'])
      assert.deepEqual(await textsIn(store.scan({ ...range, limit: 2 })), ['b', 'b1'])
      assert.deepEqual(await textsIn(store.scan({ ...range, limit: 1, reverse: true })), ['c'])
      assert.deepEqual(await textsIn(store.scan(below('b'))), ['b', 'b1'])
      const [found] = await Array.fromAsync(store.scan(below('b')))
      assert.deepEqual(names([{ key: found?.[0] as Key }]), named('b'))
    },
  ],
  [
    'a scan sees one moment, whatever is written meanwhile',
    async ({ store }) => {
      const all = Array.from({ length: 50 }, (_, index) => `k${String(index).padStart(2, '0')}`)
      await store.commit(all.map((name) => put(name, 'old')))
      const seen: (string | undefined)[] = []
      for await (const [, value] of store.scan({ from: key('k'), to: key('l') })) {
        if (seen.length === 0)
          await store.commit([...all.map((name) => put(name, 'new')), put('k99'), { del: key('k49') }])
        seen.push(text(value))
      }
      assert.deepEqual(
        seen,
        all.map(() => 'old'),
      )
    },
  ],
  [
    'a commit whose check fails writes nothing at all',
    async ({ store }) => {
      await store.commit([put('a', 'one')])
      const ops = [put('b'), due('b', 'lane'), { body: 'none', value: bytes('x') }]
      const failing: Check[] = [
        { key: key('a'), is: 'absent' },
        { key: key('c'), is: 'present' },
        { key: key('a'), is: bytes('two') },
        { key: key('c'), is: bytes('') },
        { due: key('a'), lane: 'lane', lease: 0 },
      ]
      for (const check of failing)
        assert.equal(await store.commit(ops, [{ key: key('a'), is: bytes('one') }, check]), false)
      assert.equal(await store.get(key('b')), undefined)
      assert.equal((await store.take('lane', 9, SECOND)).length, 0)
      assert.equal((await Array.fromAsync(store.blobs.list())).length, 0)
      assert.equal(
        await store.commit(ops, [
          { key: key('a'), is: 'present' },
          { key: key('b'), is: 'absent' },
        ]),
        true,
      )
    },
  ],
  [
    'of two that create the same record at the same time one wins',
    async ({ store }) => {
      const create = (value: string) => store.commit([put('a', value)], [{ key: key('a'), is: 'absent' }])
      const won = await Promise.all(['1', '2', '3', '4'].map(create))
      assert.equal(won.filter(Boolean).length, 1)
      assert.equal(text(await store.get(key('a'))), String(won.indexOf(true) + 1))
    },
  ],
  [
    'many who count at the same time lose nothing',
    async ({ store }) => {
      await store.commit([put('n', '0')])
      const count = async () => {
        for (;;) {
          const before = (await store.get(key('n'))) as Uint8Array
          if (await store.commit([put('n', String(Number(text(before)) + 1))], [{ key: key('n'), is: before }])) return
        }
      }
      await Promise.all(Array.from({ length: 20 }, count))
      assert.equal(text(await store.get(key('n'))), '20')
    },
  ],
  [
    'what cannot be written down is refused, and nothing else with it',
    async ({ store }) => {
      const bad = [
        [put('a'), due('a', 'a\0lane')],
        [put('a'), due('a', 'lane', Number.NaN)],
      ]
      const good = store.commit([put('b')])
      for (const ops of bad) await assert.rejects(store.commit(ops))
      assert.equal(await good, true)
      assert.equal(await store.get(key('a')), undefined)
    },
  ],
]
