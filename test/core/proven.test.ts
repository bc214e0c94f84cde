/** Where logins have succeeded is known after a restart and to every kernel, and decays. */
import assert from 'node:assert/strict'
import { createSecretKey } from 'node:crypto'
import { test } from 'node:test'
import { Cache } from '../../core/api/cache.ts'
import { type Attempt, createAttemptState, LoginThrottle } from '../../core/auth/login-throttle.ts'
import { Proven } from '../../core/auth/proven.ts'
import type { Store } from '../../core/store/store.ts'
import { memoryStore, type TestClock, testClock } from '../../core/testing/index.ts'

const DAY_MS = 86_400_000
const EVERYTHING = { from: Buffer.alloc(0), to: Buffer.from([0xff]) }
const ann = { address: '192.0.2.7', trusted: false, username: 'Ann' }

/** A kernel that has just started: nothing is in its memory. */
function start(store: Store, clock: TestClock) {
  const limits = { free: 2, delay: 1000, longest: 30_000, forget: 3_600_000, remembered: 100 }
  const proven = new Proven({
    clock,
    store,
    known: new Cache({ max: limits.remembered }),
    secret: async () => createSecretKey(Buffer.from('k')),
  })
  const attempts = new LoginThrottle(clock, limits, createAttemptState(), proven)
  return {
    proven,
    rank: async (who = ann) => (await attempts.begin(who))?.rank,
    begin: (attempt: Attempt) => attempts.begin(attempt),
  }
}

async function succeed({ begin }: ReturnType<typeof start>) {
  await (await begin(ann))?.succeeded()
}

test('a success is known after a restart, for the name, the network and the two together', async () => {
  const clock = testClock()
  const store = memoryStore({ now: clock.now })
  await succeed(start(store, clock))
  const after = start(store, clock)
  assert.equal(await after.rank({ ...ann, username: 'ann' }), 0)
  assert.equal(await after.rank({ ...ann, username: 'bob' }), 1)
  assert.equal(await after.rank({ ...ann, address: '198.51.100.1' }), 1)
  assert.equal(await after.rank({ ...ann, username: 'bob', address: '198.51.100.1' }), 2)
  for await (const [at, value] of store.scan(EVERYTHING))
    assert.ok(!/ann|192\.0\.2/i.test(Buffer.concat([at, value]).toString('latin1')), 'no name and no address is kept')
})

test('a failure from a network takes away what was known of it, for every kernel', async () => {
  const clock = testClock()
  const store = memoryStore({ now: clock.now })
  const [one, other] = [start(store, clock), start(store, clock)]
  await succeed(one)
  assert.equal(await other.rank(), 0)
  await (await other.begin(ann))?.failed()
  assert.equal(await other.rank(), 1, 'the name is proven from elsewhere')
  await clock.advance(3_600_000)
  assert.equal(await one.rank(), 1)
})

test('a success that is not renewed decays, and the sweep removes its records', async () => {
  const clock = testClock()
  const store = memoryStore({ now: clock.now })
  const count = async () => (await Array.fromAsync(store.scan(EVERYTHING))).length
  await succeed(start(store, clock))
  await clock.advance(20 * DAY_MS)
  await succeed(start(store, clock))
  await clock.advance(20 * DAY_MS)
  assert.equal(await start(store, clock).rank(), 0, 'it was renewed')
  await clock.advance(11 * DAY_MS)
  const late = start(store, clock)
  assert.equal(await late.rank(), 2)
  assert.equal(await count(), 3)
  await late.proven.sweep(new AbortController().signal)
  assert.equal(await count(), 0)
})

test('a store that fails says nothing of a client', async () => {
  const clock = testClock()
  const store = memoryStore({ now: clock.now })
  const failing: Store = {
    ...store,
    get: () => Promise.reject(new Error('disk')),
    commit: () => Promise.reject(new Error('disk')),
  }
  const kernel = start(failing, clock)
  assert.equal(await kernel.rank(), 2)
  await succeed(kernel)
  assert.equal(await kernel.rank(), 0)
})
