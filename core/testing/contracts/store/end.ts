/**
 * The store contract: closing and reopening.
 */
import assert from 'node:assert/strict'
import { below, key } from '../../../store/keys.ts'
import {
  contentOf,
  due,
  hasCode,
  kept,
  LARGE_SIZE,
  MINUTE,
  named,
  names,
  type Promised,
  pieces,
  put,
  SECOND,
  text,
} from './promise.ts'

export const END: readonly Promised[] = [
  [
    'a closed store says so, and finishes what it was asked before',
    async ({ store }) => {
      const before = store.commit([put('a')])
      await store.close()
      assert.equal(await before, true)
      const closed = hasCode('IEMS_STORE_CLOSED')
      await assert.rejects(store.get(key('a')), closed)
      await assert.rejects(store.commit([put('a')]), closed)
      await assert.rejects(store.take('lane', 1, SECOND), closed)
      await assert.rejects(Array.fromAsync(store.scan(below('a'))), closed)
      await assert.rejects(Array.fromAsync(store.lanes('')), closed)
      await assert.rejects(store.blobs.stage(pieces(10)), closed)
      await store.close()
    },
  ],
  [
    'after a restart everything is there and nothing is lost',
    async ({ store, elapse, reopen }, t) => {
      if (!reopen) return t.diagnostic('this store forgets, and says so')
      const ids = [await kept(store, 100), await kept(store, LARGE_SIZE)]
      await store.commit([
        put('a', 'one'),
        due('now', 'lane'),
        due('later', 'lane', MINUTE),
        due('taken', 'lane', 1),
        due('gone', 'lane'),
      ])
      await store.commit([{ undue: key('gone'), lane: 'lane' }, due('later', 'lane', 2 * MINUTE)])
      await elapse(5)
      assert.equal((await store.take('lane', 9, SECOND)).length, 2)
      const again = await reopen()
      assert.equal(text(await again.get(key('a'))), 'one')
      for (const id of ids) assert.ok((await contentOf(again.blobs.open(id))).length > 0)
      // At the latest when its lease has ended.
      await elapse(SECOND + 1)
      assert.deepEqual(names(await again.take('lane', 9, SECOND)).sort(), named('now', 'taken').sort())
      await elapse(2 * MINUTE)
      assert.ok(names(await again.take('lane', 9, SECOND)).includes(named('later')[0] as string))
    },
  ],
]
