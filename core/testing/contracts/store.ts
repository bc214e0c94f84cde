/**
 * What every store promises, as tests: `storeContract('my store', make)` in a test file registers them all. They ask
 * for nothing that store.ts does not say, and know nothing of mail.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { below, key, unkey } from '../../store/keys.ts'
import { type Check, HINT_MAX_OCTETS, type Key, type Lease, type Op, type Store } from '../../store/store.ts'

/** A store to be tested, empty. */
export interface StoreUnderTest {
  readonly store: Store
  /** Lets so much of the store's time pass. */
  elapse(ms: number): Promise<void>
  /** Closes the store and opens it again; absent for one that forgets. */
  reopen?(): Promise<Store>
}

/** Makes an empty store and, through `t.after`, closes and removes it. */
export type MakeStore = (t: TestContext) => Promise<StoreUnderTest>

type Promised = readonly [name: string, holds: (under: StoreUnderTest, t: TestContext) => Promise<void>]

const SECOND = 1000
const MINUTE = 60 * SECOND
/** Larger than any store keeps among its records. */
const LARGE_SIZE = 300_000

const bytes = (text: string) => Buffer.from(text)
const text = (value: Uint8Array | undefined) => value && Buffer.from(value).toString()
const hasCode = (code: string) => (error: unknown) => (error as { code?: string }).code === code
const put = (name: string, value = name): Op => ({ put: key(name), value: bytes(value) })
const due = (name: string, lane: string, inMs = 0): Op => ({ due: key(name), lane, in: inMs })
const leased = (lane: string, { key: at, generation }: Lease): Check => ({ due: at, lane, lease: generation })

async function textsIn(source: AsyncIterable<readonly [Key, Uint8Array]>): Promise<(string | undefined)[]> {
  return Array.fromAsync(source, ([, value]) => text(value))
}

async function contentOf(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(source))
}

const names = (leases: readonly { readonly key: Key }[]) => leases.map(({ key: at }) => Buffer.from(at).toString('hex'))
const named = (...all: readonly string[]) => all.map((name) => Buffer.from(key(name)).toString('hex'))

async function* pieces(size: number, piece = 10_000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < size; at += piece) yield Buffer.from(pattern(size).subarray(at, at + piece))
}

/** The same numbers below n in every run, as far as its own turns are. */
function createRandom(seed: number): (n: number) => number {
  let state = seed
  return (n) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return (state >>> 8) % n
  }
}

/** Bytes that differ from place to place. */
function pattern(size: number): Buffer {
  const all = Buffer.alloc(size)
  for (let at = 0; at + 4 <= size; at += 4) all.writeUInt32BE(at, at)
  return all
}

async function kept(store: Store, size: number): Promise<string> {
  const staged = await store.blobs.stage(pieces(size))
  const { id, ops } = await staged.keep()
  assert.equal(await store.commit([...ops, put(id)]), true)
  return id
}

// --- records ---------------------------------------------------------------------------------------

const RECORDS: readonly Promised[] = [
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

// --- the due-list ----------------------------------------------------------------------------------

const DUE_LIST: readonly Promised[] = [
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
    'in a storm of commits and takes no key is lost, and none is anyone’s but his who has it',
    async ({ store, elapse }) => {
      const random = createRandom(1)
      const all = Array.from({ length: 12 }, (_, index) => `k${index}`)
      /** Counts each schedule at its beginning and its end; between two equal counts nobody touched the key. */
      const touched = new Map(all.map((name) => [name, 0]))
      const touch = (name: string) => touched.set(name, (touched.get(name) ?? 0) + 1)
      /** The end of the last lease that anybody got. */
      const latest = new Map<string, number>()

      const schedule = async (name: string) => {
        touch(name)
        await store.commit([put(name), due(name, 'lane', random(7) - 4)])
        touch(name)
      }
      const settle = async (name: string, lease: Lease, before: number | undefined) => {
        for (let turns = random(6); turns > 0; turns--) await turn()
        const ops: Op[] = [{ del: key(name) }, { undue: key(name), lane: 'lane' }]
        if (!(await store.commit(ops, [leased('lane', lease)])) || touched.get(name) !== before) return
        assert.equal(latest.get(name), lease.until, `${name} was settled by one and taken by another`)
      }
      const takeAndSettle = async () => {
        const leases = await store.take('lane', 1 + random(4), 3)
        const mine = leases.map((lease) => [unkey(lease.key)[0] as string, lease] as const)
        for (const [name, { until }] of mine) latest.set(name, Math.max(until, latest.get(name) ?? 0))
        await Promise.all(mine.map(([name, lease]) => settle(name, lease, touched.get(name))))
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
    'a lease is renewed while it is held, and not by one who has lost it',
    async ({ store, elapse }) => {
      await store.commit([due('a', 'lane')])
      const [first] = (await store.take('lane', 1, SECOND)) as [Lease]
      await elapse(SECOND / 2)
      const renewed = (await store.renew('lane', first, MINUTE)) as Lease
      assert.ok(renewed.until > first.until)
      assert.equal(await store.dueAt('lane', key('a')), renewed.until)
      // A settle that began before the renewal must not lose against it.
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
        // Who took it before the commit sees it fail; who took it after sees what it wrote.
        assert.ok(taken.length === 0 || seen === 'new' || !(await changing), 'a lease on a record that then changed')
        await changing
        await store.commit([{ undue: key('a'), lane: 'lane' }])
      }
    },
  ],
  [
    'a key that is scheduled anew moves, whether it waits, is due, or is leased',
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

// --- blobs ----------------------------------------------------------------------------------------------

const BLOBS: readonly Promised[] = [
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
      }
      await assert.rejects(contentOf(store.blobs.open('nothing-of-ours')), hasCode('IEMS_BLOB_MISSING'))
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

// --- hints ------------------------------------------------------------------------------------------------

/** Waits, for so many turns of the event loop, until it is so. */
async function eventually(isSo: () => boolean): Promise<void> {
  for (let turns = 0; !isSo() && turns < 10_000; turns++) await turn()
  assert.ok(isSo())
}

const HINTS: readonly Promised[] = [
  [
    'a hint reaches all who subscribed to its topic, later, and nobody who unsubscribed',
    async ({ store }) => {
      const heard: string[] = []
      const hear = (who: string) => (hint: Uint8Array | undefined) => heard.push(`${who} ${text(hint)}`)
      store.subscribe('a', hear('one'))
      store.subscribe('a', hear('two'))
      store.subscribe('b', hear('other'))
      const end = store.subscribe('a', hear('gone'))
      end()
      end()
      store.publish('a', bytes('x'))
      assert.deepEqual(heard, [])
      await eventually(() => heard.length === 2)
      store.publish('ab', bytes('nobody hears'))
      store.publish('b', undefined)
      await eventually(() => heard.length === 3)
      assert.deepEqual(heard.sort(), ['one x', 'other undefined', 'two x'])
    },
  ],
  [
    'a hint that is too large is refused, and a flood of them becomes “look for yourself”',
    async ({ store }) => {
      const heard: (string | undefined)[] = []
      store.subscribe('a', (hint) => heard.push(text(hint)))
      assert.throws(() => store.publish('a', Buffer.alloc(HINT_MAX_OCTETS + 1)), RangeError)
      const largest = 'x'.repeat(HINT_MAX_OCTETS)
      store.publish('a', bytes(largest))
      await eventually(() => heard.length === 1)
      assert.equal(heard[0], largest)
      for (let index = 0; index < 100_000; index++) store.publish('a', bytes(String(index)))
      store.publish('a', bytes('last'))
      await eventually(() => heard.includes(undefined) || heard.includes('last'))
      assert.ok(heard.length < 100_000, 'a store holds back what nobody could follow')
    },
  ],
  [
    'a listener that throws keeps no other from hearing',
    async ({ store }) => {
      const warned: Error[] = []
      const onWarning = (warning: Error) => warned.push(warning)
      process.on('warning', onWarning)
      const heard: string[] = []
      store.subscribe('a', () => {
        throw new Error('a listener threw')
      })
      store.subscribe('a', (hint) => heard.push(String(text(hint))))
      store.publish('a', bytes('x'))
      await eventually(() => heard.length === 1 && warned.length === 1)
      process.off('warning', onWarning)
      assert.match(String(warned[0]), /a listener threw/)
    },
  ],
]

// --- the end ----------------------------------------------------------------------------------------------

const END: readonly Promised[] = [
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

/** Registers the tests of everything a store promises. */
export function storeContract(name: string, make: MakeStore): void {
  for (const [promise, holds] of [...RECORDS, ...DUE_LIST, ...BLOBS, ...HINTS, ...END]) {
    test(`${name}: ${promise}`, async (t) => holds(await make(t), t))
  }
}
