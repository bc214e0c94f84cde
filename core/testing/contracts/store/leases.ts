/**
 * The store contract: leases, and lanes under load.
 */
import assert from 'node:assert/strict'
import { setImmediate as turn } from 'node:timers/promises'
import { key } from '../../../store/keys.ts'
import type { Check, Lease, Op } from '../../../store/store.ts'
import { due, leased, MINUTE, named, names, type Promised, put, SECOND, text } from './promise.ts'

export const LEASES: readonly Promised[] = [
  [
    'whether a key is leased can be asked, checked, and left alone',
    async ({ store, elapse }) => {
      const isFree: Check = { free: key('a'), lane: 'lane' }
      const flush: Op = { due: key('a'), lane: 'lane', in: 0, ifFree: true }
      assert.equal(await store.commit([put('x')], [isFree]), true)
      await store.commit([flush])
      assert.equal(await store.dueAt('lane', key('a')), undefined, 'what is not in the lane does not come into it')
      await store.commit([due('a', 'lane', MINUTE)])
      await store.commit([flush])
      assert.deepEqual(
        (await Array.fromAsync(store.due('lane', 9))).map((one) => one.leased),
        [false],
      )
      const [lease] = (await store.take('lane', 1, SECOND)) as [Lease]
      assert.equal(await store.isLeased('lane', key('a')), true)
      assert.equal(await store.isLeased('other', key('a')), false)
      assert.deepEqual(
        (await Array.fromAsync(store.due('lane', 9))).map((one) => one.leased),
        [true],
      )
      assert.equal(await store.commit([flush, put('beside')]), true)
      assert.equal(text(await store.get(key('beside'))), 'beside')
      assert.equal(await store.commit([put('x')], [isFree]), false)
      assert.deepEqual(await store.take('lane', 1, SECOND), [])
      assert.ok(await store.renew('lane', lease, SECOND))
      await elapse(SECOND)
      assert.equal(await store.isLeased('lane', key('a')), false)
      assert.equal(await store.commit([flush, put('x')], [isFree]), true)
      assert.equal(await store.commit([{ undue: key('a'), lane: 'lane' }], [leased('lane', lease)]), false)
    },
  ],
  [
    'a key that is checked to be free is not leased while the commit is being written',
    async ({ store }) => {
      for (let round = 0; round < 20; round++) {
        await store.commit([put('a', 'old'), due('a', 'lane')])
        const changing = store.commit([put('a', 'new')], [{ free: key('a'), lane: 'lane' }])
        for (let turns = 0; turns < round % 5; turns++) await turn()
        const taken = await store.take('lane', 1, MINUTE)
        const seen = text(await store.get(key('a')))
        // A take before the commit makes the commit fail; a take after it sees what it wrote.
        assert.ok(taken.length === 0 || seen === 'new' || !(await changing), 'a lease on a record that then changed')
        await changing
        await store.commit([{ undue: key('a'), lane: 'lane' }])
      }
    },
  ],
  [
    'rescheduling moves a key, whether it waits, is due, or is leased',
    async ({ store, elapse }) => {
      await store.commit([due('a', 'lane'), due('b', 'lane', MINUTE)])
      const [lease] = (await store.take('lane', 1, MINUTE)) as [Lease]
      await store.commit([due('a', 'lane', 3 * SECOND), due('b', 'lane', -SECOND)])
      assert.equal(await store.commit([{ undue: key('a'), lane: 'lane' }], [leased('lane', lease)]), false)
      assert.deepEqual(names(await store.take('lane', 9, SECOND)), named('b'))
      await store.commit([{ undue: key('b'), lane: 'lane' }])
      await elapse(3 * SECOND)
      assert.deepEqual(names(await store.take('lane', 9, MINUTE)), named('a'))
      await store.commit([due('a', 'lane', -MINUTE)])
      assert.deepEqual(names(await store.take('lane', 9, MINUTE)), named('a'))
    },
  ],
  [
    'a key that is taken out of a lane is not due there, in no state',
    async ({ store, elapse }) => {
      await store.commit([due('waits', 'lane', SECOND), due('ready', 'lane', 1), due('leased', 'lane')])
      assert.deepEqual(names(await store.take('lane', 1, SECOND)), named('leased'))
      await elapse(5)
      await store.commit(['waits', 'ready', 'leased', 'never'].map((name) => ({ undue: key(name), lane: 'lane' })))
      assert.deepEqual(await Array.fromAsync(store.lanes('')), [])
      await elapse(MINUTE)
      assert.deepEqual(await store.take('lane', 9, SECOND), [])
    },
  ],
  [
    'a key may be in two lanes, and move from one to another in one commit',
    async ({ store }) => {
      await store.commit([due('a', 'one'), due('a', 'two')])
      const [lease] = (await store.take('one', 1, MINUTE)) as [Lease]
      assert.deepEqual(names(await store.take('two', 1, MINUTE)), named('a'))
      await store.commit([due('a', 'three'), { undue: key('a'), lane: 'one' }], [leased('one', lease)])
      assert.equal(await store.dueAt('one', key('a')), undefined)
      assert.deepEqual(names(await store.take('three', 1, MINUTE)), named('a'))
    },
  ],
  [
    'lanes are listed by name with the time of their next key, and not when empty',
    async ({ store, elapse }) => {
      await store.commit([
        due('a', 'in/x', SECOND),
        due('b', 'in/x', MINUTE),
        due('a', 'in/x.y', MINUTE),
        due('a', 'out/ä'),
        due('a', 'im'),
      ])
      const times = async (prefix: string) => Array.fromAsync(store.lanes(prefix), async ({ lane, at }) => [lane, at])
      const at = async (name: string, lane: string) => (await store.dueAt(lane, key(name))) as number
      const [first, second] = [await at('a', 'in/x'), await at('b', 'in/x')]
      assert.equal(second - first, MINUTE - SECOND)
      const dotted = ['in/x.y', await at('a', 'in/x.y')]
      assert.deepEqual(await times('in/'), [['in/x', first], dotted])
      assert.deepEqual(
        (await times('')).map(([lane]) => lane),
        ['im', 'in/x', 'in/x.y', 'out/ä'],
      )
      await elapse(SECOND)
      const [lease] = (await store.take('in/x', 9, SECOND)) as [Lease]
      assert.deepEqual(await times('in/x'), [['in/x', lease.until], dotted])
      await store.commit([{ undue: lease.key, lane: 'in/x' }], [leased('in/x', lease)])
      assert.deepEqual(await times('in/x'), [['in/x', second], dotted])
      await store.commit([{ undue: key('b'), lane: 'in/x' }])
      assert.deepEqual(await times('in/x'), [dotted])
      await store.commit([due('c', 'in/x', 5)])
      assert.deepEqual(await times('in/x'), [['in/x', await at('c', 'in/x')], dotted])
      assert.deepEqual(await times('nothing'), [])
    },
  ],
  [
    'the keys of a lane are listed in order of time, leased ones in their place',
    async ({ store }) => {
      await store.commit([due('a', 'lane'), due('b', 'lane', SECOND), due('c', 'lane', MINUTE), due('x', 'lane2')])
      const [lease] = (await store.take('lane', 1, 2 * SECOND)) as [Lease]
      const listed = await Array.fromAsync(store.due('lane', 9))
      assert.deepEqual(names(listed), named('b', 'a', 'c'))
      assert.equal(listed[1]?.at, lease.until)
      assert.equal(listed[2]?.at, await store.dueAt('lane', key('c')))
      for (const limit of [0, 1, 2, 3]) {
        assert.deepEqual(names(await Array.fromAsync(store.due('lane', limit))), named('b', 'a', 'c').slice(0, limit))
      }
    },
  ],
  [
    'a lane with many keys is served to its end, also behind many that are leased',
    async ({ store, elapse }) => {
      const all = Array.from({ length: 2000 }, (_, index) => `k${index}`)
      await store.commit(all.map((name, index) => due(name, 'lane', index)))
      await elapse(2000)
      assert.deepEqual(names(await store.take('lane', 1500, MINUTE)), named(...all.slice(0, 1500)))
      const [next] = await Array.fromAsync(store.lanes('lane'))
      assert.equal(next?.at, await store.dueAt('lane', key('k1500')))
      assert.deepEqual(names(await store.take('lane', 1500, MINUTE)), named(...all.slice(1500)))
      await elapse(MINUTE + 1)
      assert.equal((await store.take('lane', 5000, MINUTE)).length, 2000)
    },
  ],
  [
    'who watches is woken for the lanes he named, when what woke him can be taken',
    async ({ store }) => {
      const woken: string[] = []
      const took = new Promise<readonly Lease[]>((resolve) => {
        store.watch('in/', (lane) => {
          woken.push(lane)
          resolve(store.take(lane, 1, SECOND))
        })
      })
      const stop = store.watch('', (lane) => woken.push(`all ${lane}`))
      await store.commit([due('a', 'out/x')])
      stop()
      await store.commit([due('a', 'in/x')])
      assert.deepEqual(names(await took), named('a'))
      assert.ok(!woken.includes('out/x'))
      assert.ok(!woken.includes('all in/x'))
    },
  ],
]
