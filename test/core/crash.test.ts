/**
 * The promise, at every point where it could break: the store fails or the process dies at its nth operation, once for
 * each n; afterwards a second kernel goes on with what is left.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defer, type Key, type Outcome, refuse } from '../../core/index.ts'
import { createTestKernel, type DeliverAnswer, memoryStore, testClock } from '../../core/testing/index.ts'
import { type Fault, faultyStore } from '../support/faulty-store.ts'

const HOUR = 3_600_000
const RECIPIENTS = ['ok@one.example', 'also@one.example', 'later@two.example', 'never@three.example']

const REFUSED = { reply: { code: 451 } }

/** The outside world: it remembers what it took. */
function createWorld() {
  const taken: string[] = []
  const tries = new Map<string, number>()
  const answer: DeliverAnswer = ({ recipients, message }) =>
    recipients.map((recipient): Outcome => {
      const { address } = recipient
      const count = (tries.get(address) ?? 0) + 1
      tries.set(address, count)
      if (address.startsWith('later') && count === 1)
        return { recipient, status: 'deferred', reply: defer(451, '4.2.0', 'Later').reply }
      if (address.startsWith('never')) return { recipient, status: 'failed', reply: refuse(550, '5.1.1', 'No').reply }
      taken.push(message.from === '' ? `report to ${address}` : address)
      return { recipient, status: 'delivered', reply: { code: 250, enhanced: '2.0.0', text: 'Ok' } }
    })
  return { taken, answer }
}

for (const fault of ['fail before', 'fail after', 'stop before', 'stop after'] as const satisfies Fault[]) {
  test(`nothing that was answered 250 is lost when the store says "${fault}" at any operation`, async (t) => {
    for (let nth = 1; ; nth++) {
      const world = createWorld()
      let clock = testClock()
      const store = memoryStore({ now: () => clock.now() })
      const faulty = faultyStore(store, nth, fault)
      // A kernel that cannot read the store does not start, and has answered nothing.
      const first = await createTestKernel(t, {
        expectsFaults: true,
        store: faulty,
        clock,
        deliver: world.answer,
      }).catch(() => undefined)
      const { reply } =
        (await first?.submit({ from: 'me@here.example', to: RECIPIENTS }).catch(() => undefined)) ?? REFUSED
      first?.kernel.run()
      // Turns instead of an end: a process that has stopped has none.
      for (let turns = 0; turns < 100; turns++) await new Promise((resolve) => setImmediate(resolve))
      await first?.close(AbortSignal.abort())

      // Another process, when every lease of the first has ended.
      clock = testClock(clock.now() + HOUR)
      const second = await createTestKernel(t, { expectsFaults: true, store, clock, deliver: world.answer })
      for (let times = 0; times < 3; times++) await second.advance(HOUR / 8)
      const where = `${fault} at operation ${nth}, answered ${reply.code}: ${world.taken.join(', ')}`
      const expected = ['ok@one.example', 'also@one.example', 'later@two.example', 'report to me@here.example']
      for (const one of expected) {
        const times = world.taken.filter((taken) => taken === one).length
        if (reply.code === 250) assert.ok(times >= 1, `${one} was lost: ${where}`)
        // Only a settle that was not written may repeat a delivery; with the process die all those under way.
        assert.ok(
          times <= (faulty.hit.settling || fault.startsWith('stop') ? 2 : 1),
          `${one} came ${times} times: ${where}`,
        )
      }
      assert.equal(await second.queue.count(), 0, where)
      await second.clock.advance(72 * HOUR)
      await second.kernel.sweep(new AbortController().signal)
      assert.equal((await Array.fromAsync(store.blobs.list())).length, 0, `a body stayed: ${where}`)
      await second.close()
      if (!faulty.hit.reached) break
      assert.ok(nth < 200)
    }
  })
}

test('a delivered recipient gets no second copy when the report about another cannot be written', async (t) => {
  const clock = testClock()
  const inner = memoryStore({ now: clock.now })
  let full = false
  const store = {
    ...inner,
    blobs: {
      ...inner.blobs,
      stage: (source: AsyncIterable<Uint8Array>) =>
        full ? Promise.reject(new Error('no space')) : inner.blobs.stage(source),
    },
  }
  const world = createWorld()
  const kernel = await createTestKernel(t, { expectsFaults: true, store, clock, deliver: world.answer })
  await kernel.submit({ from: 'me@here.example', to: ['ok@one.example', 'never@one.example'] })
  full = true
  await kernel.deliver()
  assert.deepEqual(world.taken, ['ok@one.example'])
  full = false
  await kernel.advance(HOUR)
  await kernel.advance(HOUR)
  assert.deepEqual(world.taken, ['ok@one.example', 'report to me@here.example'])
})

test('a delivery whose record cannot be read now does not keep back those taken with it', async (t) => {
  const clock = testClock()
  const inner = memoryStore({ now: clock.now })
  let failing: string | undefined
  const isBad = (key: Key) => failing !== undefined && Buffer.from(key).includes(failing)
  const store = { ...inner, get: (key: Key) => (isBad(key) ? Promise.reject(new Error('bad sector')) : inner.get(key)) }
  const world = createWorld()
  // Two in one lane, only the first of which can be read.
  const first = await createTestKernel(t, { store, clock, deliver: world.answer })
  await first.submit({ from: 'me@here.example', to: ['ok@one.example'] })
  const { id } = await first.submit({ from: 'me@here.example', to: ['also@one.example'] })
  failing = id
  first.kernel.run()
  for (let turns = 0; turns < 100; turns++) await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(world.taken, ['ok@one.example'])
  failing = undefined
  await first.advance(HOUR)
  assert.deepEqual(world.taken, ['ok@one.example', 'also@one.example'])
})
