/**
 * The store contract: lanes, due times and takes.
 */
import assert from 'node:assert/strict'
import { setImmediate as turn } from 'node:timers/promises'
import { key, unkey } from '../../../store/keys.ts'
import type { Lease, Op } from '../../../store/store.ts'
import {
  createRandom,
  due,
  leased,
  MINUTE,
  named,
  names,
  type Promised,
  put,
  SECOND,
  text,
  textsIn,
} from './promise.ts'

export const DUE_LIST: readonly Promised[] = [
  [
    'what is due is taken once, earliest first, up to the limit',
    async ({ store, elapse }) => {
      await store.commit([
        due('c', 'lane', 3),
        due('a', 'lane', 1),
        due('b', 'lane', 2),
        due('later', 'lane', MINUTE),
        due('x', 'other'),
      ])
      await elapse(10)
      assert.deepEqual(names(await store.take('lane', 2, SECOND)), named('a', 'b'))
      assert.deepEqual(names(await store.take('lane', 2, SECOND)), named('c'))
      assert.deepEqual(await store.take('lane', 2, SECOND), [])
    },
  ],
  [
    '600 keys that six take from at the same time are each taken once',
    async ({ store }) => {
      const all = Array.from({ length: 600 }, (_, index) => `k${index}`)
      await Promise.all(all.map((name) => store.commit([due(name, 'lane')])))
      const taken: string[] = []
      const taker = async () => {
        for (let got = await store.take('lane', 7, MINUTE); got.length > 0; got = await store.take('lane', 7, MINUTE)) {
          taken.push(...names(got))
        }
      }
      await Promise.all(Array.from({ length: 6 }, taker))
      assert.deepEqual(taken.sort(), named(...all).sort())
    },
  ],
  [
    'what comes and goes while six take is taken once, and nothing is left over',
    async ({ store, elapse }) => {
      const taken: string[] = []
      let missing = 300
      const taker = async () => {
        for (let idle = 0; missing > 0 && idle < 5000; idle++) {
          const got = await store.take('lane', 5, MINUTE)
          taken.push(...names(got))
          missing -= got.length
          await Promise.all(
            got.map((lease) => store.commit([{ undue: lease.key, lane: 'lane' }], [leased('lane', lease)])),
          )
          if (got.length === 0) await turn()
        }
      }
      const giver = async (_: unknown, who: number) => {
        for (let index = 0; index < 30; index++) {
          await store.commit([due(`k${who}.${index}`, 'lane', index % 3)])
          await elapse(index % 2)
        }
      }
      const giving = Promise.all(Array.from({ length: 10 }, giver)).then(() => elapse(5))
      await Promise.all([giving, ...Array.from({ length: 6 }, taker)])
      assert.equal(taken.length, 300)
      assert.equal(new Set(taken).size, 300)
      assert.deepEqual(await Array.fromAsync(store.lanes('')), [])
    },
  ],
  [
    'a lease that has ended is taken by another, and only he may settle',
    async ({ store, elapse }) => {
      await store.commit([put('a'), due('a', 'lane')])
      const [first] = (await store.take('lane', 1, SECOND)) as [Lease]
      assert.deepEqual(await store.take('lane', 1, SECOND), [])
      await elapse(SECOND + 1)
      const [second] = (await store.take('lane', 1, MINUTE)) as [Lease]
      assert.deepEqual(names([second]), named('a'))
      const settle = (lease: Lease) =>
        store.commit([{ del: key('a') }, { undue: lease.key, lane: 'lane' }], [leased('lane', lease)])
      assert.equal(await settle(first), false)
      assert.equal(text(await store.get(key('a'))), 'a')
      assert.deepEqual((await Promise.all([settle(second), settle(second)])).sort(), [false, true])
      assert.equal(await settle(second), false)
      await elapse(2 * MINUTE)
      assert.deepEqual(await store.take('lane', 1, SECOND), [])
    },
  ],
  [
    'a settle and a take of the same ended lease do not both succeed',
    async ({ store, elapse }) => {
      for (let round = 0; round < 40; round++) {
        await store.commit([due('a', 'lane')])
        const [lease] = (await store.take('lane', 1, SECOND)) as [Lease]
        await elapse(SECOND + 1)
        const settling = store.commit([{ undue: lease.key, lane: 'lane' }], [leased('lane', lease)])
        for (let turns = 0; turns < round % 8; turns++) await turn()
        const taken = await store.take('lane', 1, SECOND)
        assert.equal(((await settling) ? 1 : 0) + taken.length, 1)
        await store.commit([{ undue: key('a'), lane: 'lane' }])
      }
    },
  ],
  [
    'under many commits and takes no key is lost, and each has one holder',
    async ({ store, elapse }) => {
      const random = createRandom(1)
      const all = Array.from({ length: 12 }, (_, index) => `k${index}`)
      const begun = new Map<string, number>()
      const ended = new Map<string, number>()
      const count = (counts: Map<string, number>, name: string) => counts.set(name, (counts.get(name) ?? 0) + 1)
      /** Undefined while the key is being scheduled; between two equal counts it was not. */
      const scheduled = (name: string) => (begun.get(name) === ended.get(name) ? (begun.get(name) ?? 0) : undefined)
      let moment = 0
      /** The beginning of the latest take that brought a key. */
      const latest = new Map<string, number>()

      const schedule = async (name: string) => {
        count(begun, name)
        await store.commit([put(name), due(name, 'lane', random(7) - 4)])
        count(ended, name)
      }
      interface Taken {
        readonly lease: Lease
        readonly at: number
        readonly before: number | undefined
      }
      const settle = async (name: string, { lease, at, before }: Taken) => {
        for (let turns = random(6); turns > 0; turns--) await turn()
        const ops: Op[] = [{ del: key(name) }, { undue: key(name), lane: 'lane' }]
        const isSettled = await store.commit(ops, [leased('lane', lease)])
        if (!isSettled || before === undefined || scheduled(name) !== before) return
        // Answers need not come in the order of what they answer: only a take that began later came later.
        assert.ok((latest.get(name) ?? 0) < at, `${name} was settled by one and taken by another`)
      }
      const takeAndSettle = async () => {
        const began = ++moment
        const leases = await store.take('lane', 1 + random(4), 3)
        const at = ++moment
        const mine = leases.map((lease) => [unkey(lease.key)[0] as string, lease] as const)
        for (const [name] of mine) latest.set(name, Math.max(began, latest.get(name) ?? 0))
        await Promise.all(mine.map(([name, lease]) => settle(name, { lease, at, before: scheduled(name) })))
      }
      const live = async () => {
        for (let left = 150; left > 0; left--) {
          await turn()
          const choice = random(4)
          if (choice === 0) await elapse(1)
          else if (choice === 1) await takeAndSettle()
          else await schedule(all[random(all.length)] as string)
        }
      }
      await Promise.all(Array.from({ length: 8 }, live))
      await elapse(MINUTE)
      const there = (await textsIn(store.scan({ from: key('k'), to: key('l') }))).map((name) => name as string)
      assert.deepEqual(names(await store.take('lane', 99, MINUTE)).sort(), named(...there).sort())
    },
  ],
  [
    'a lease is renewed while it is held, and not by a former holder',
    async ({ store, elapse }) => {
      await store.commit([due('a', 'lane')])
      const [first] = (await store.take('lane', 1, SECOND)) as [Lease]
      await elapse(SECOND / 2)
      const renewed = (await store.renew('lane', first, MINUTE)) as Lease
      assert.ok(renewed.until > first.until)
      assert.equal(await store.dueAt('lane', key('a')), renewed.until)
      // A settle that began before the renewal must not fail because of it.
      assert.equal(renewed.generation, first.generation)
      await elapse(SECOND)
      assert.deepEqual(await store.take('lane', 1, SECOND), [])
      await elapse(MINUTE)
      const [second] = (await store.take('lane', 1, SECOND)) as [Lease]
      assert.equal(await store.renew('lane', renewed, MINUTE), undefined)
      assert.equal(await store.commit([{ undue: key('a'), lane: 'lane' }], [leased('lane', renewed)]), false)
      assert.equal(await store.commit([{ undue: key('a'), lane: 'lane' }], [leased('lane', second)]), true)
      assert.equal(await store.renew('lane', second, MINUTE), undefined)
      assert.equal(await store.renew('nowhere', renewed, MINUTE), undefined)
    },
  ],
  [
    'a lease of the same time as the one before it is another lease',
    async ({ store }) => {
      await store.commit([due('a', 'lane')])
      const [first] = (await store.take('lane', 1, MINUTE)) as [Lease]
      await store.commit([due('a', 'lane')])
      const [second] = (await store.take('lane', 1, first.until - store.now())) as [Lease]
      assert.notEqual(second.generation, first.generation)
      assert.equal(await store.commit([{ undue: key('a'), lane: 'lane' }], [leased('lane', first)]), false)
      assert.equal(await store.commit([{ undue: key('a'), lane: 'lane' }], [leased('lane', second)]), true)
    },
  ],
]
