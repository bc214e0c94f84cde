/**
 * Two and three kernels on one store: whatever one of them keeps in memory, mail is given to a channel once.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { accept, type Delivery, defer, type Outcome } from 'iems'
import { createTestKernel, type DeliverAnswer, type TestKernel } from 'iems/testing'
import type { Store } from '../../core/store/store.ts'
import { eventually, goOn, STORES, seeded } from '../support/several-kernels.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE

const addresses = ({ recipients }: Delivery) => recipients.map(({ address }) => address)
const outcome = (recipient: Outcome['recipient'], status: 'delivered' | 'deferred'): Outcome => ({
  recipient,
  status,
  reply: status === 'delivered' ? accept('Taken') : defer(451, '4.3.0', 'Later').reply,
})

for (const [name, makeStore] of Object.entries(STORES)) {
  test(`${name}: what one kernel delivers is given out by no other’s flush, retry or change`, async (t) => {
    const shared = await makeStore(t)
    const given: string[] = []
    const gate = Promise.withResolvers<void>()
    const old = await createTestKernel(t, {
      ...shared,
      async deliver(delivery) {
        given.push('old')
        await gate.promise
        return delivery.recipients.map((one) => outcome(one, 'delivered'))
      },
    })
    const other = await createTestKernel(t, {
      ...shared,
      deliver(delivery) {
        given.push('new')
        return delivery.recipients.map((one) => outcome(one, 'delivered'))
      },
    })
    old.kernel.run()
    const { id: message = '' } = await old.submit({ from: 'me@here.test', to: ['a@far.test'] })
    assert.ok(await eventually(() => given.length > 0))
    other.kernel.run()
    const [entry] = await Array.fromAsync(other.queue.list())
    assert.equal(entry?.active, true, 'a kernel sees that another delivers')
    assert.equal(await other.queue.flush('far.test'), 0)
    for (const change of [
      other.queue.retry({ message }),
      other.queue.retry({ nexthop: 'far.test' }),
      other.queue.hold({ message }, 'stop'),
      other.queue.reroute({ message }, { channel: 'out', nexthop: 'else.test' }),
      other.queue.bounce({ message }, 'no'),
      other.queue.remove({ message }),
    ])
      assert.equal(await change, 0)
    await goOn()
    assert.deepEqual(given, ['old'])
    gate.resolve()
    await eventually(async () => (await other.queue.count()) === 0)
    await shared.clock.advance(HOUR)
    await goOn()
    assert.deepEqual(given, ['old'])
    assert.equal((await other.queue.trace(message))?.finished, true)
  })

  test(`${name}: what a kernel remembers of a message it accepted is never older than the store`, async (t) => {
    const shared = await makeStore(t)
    const given: string[] = []
    const deliver =
      (who: string): DeliverAnswer =>
      (delivery) => {
        given.push(`${who} ${addresses(delivery).join(' ')}`)
        return delivery.recipients.map((one) =>
          outcome(one, who === 'B' && one.address === 'b@far.test' ? 'deferred' : 'delivered'),
        )
      }
    const a = await createTestKernel(t, { ...shared, deliver: deliver('A') })
    const b = await createTestKernel(t, { ...shared, deliver: deliver('B') })
    await a.submit({ from: 'me@here.test', to: ['a@far.test', 'b@far.test'] })
    b.kernel.run()
    assert.ok(await eventually(() => given.length === 1))
    await eventually(async () => (await Array.fromAsync(a.queue.list())).every(({ active }) => !active))
    await b.close()
    a.kernel.run()
    await shared.clock.advance(HOUR)
    assert.ok(await eventually(() => given.length === 2))
    assert.deepEqual(given, ['B a@far.test b@far.test', 'A b@far.test'])
  })

  test(`${name}: a late settlement undoes nothing, and is not undone`, async (t) => {
    const shared = await makeStore(t)
    const gates: PromiseWithResolvers<void>[] = []
    const delivered: string[] = []
    const deliver =
      (gets: string): DeliverAnswer =>
      async (delivery) => {
        const gate = Promise.withResolvers<void>()
        gates.push(gate)
        await gate.promise
        return delivery.recipients.map((one) => {
          if (one.address === gets) delivered.push(gets)
          return outcome(one, one.address === gets ? 'delivered' : 'deferred')
        })
      }
    // While it delivers the first kernel can neither renew its lease nor take again.
    let isCutOff = false
    const cutOff: Store = {
      ...shared.store,
      renew: async () => undefined,
      take: async (...asked) => (isCutOff ? [] : shared.store.take(...asked)),
    }
    const first = await createTestKernel(t, { ...shared, store: cutOff, deliver: deliver('a@far.test') })
    await first.submit({ from: 'me@here.test', to: ['a@far.test', 'b@far.test', 'c@far.test'] })
    first.kernel.run()
    assert.ok(await eventually(() => gates.length === 1))
    isCutOff = true
    await shared.clock.advance(HOUR)
    const second = await createTestKernel(t, { ...shared, deliver: deliver('b@far.test') })
    second.kernel.run()
    assert.ok(await eventually(() => gates.length === 2))
    gates[0]?.resolve()
    assert.ok(await eventually(() => first.events.some((event) => event.name === 'delivery.lease-lost')))
    gates[1]?.resolve()
    assert.ok(await eventually(async () => (await Array.fromAsync(second.queue.list())).every(({ active }) => !active)))
    const [left] = await Array.fromAsync(second.queue.list())
    assert.deepEqual(
      left?.recipients.map(({ address }) => address),
      ['c@far.test'],
    )
    assert.deepEqual(delivered, ['a@far.test', 'b@far.test'])
  })

  for (const seed of [1, 2, 3]) {
    test(`${name}: in any order of what three kernels do, each recipient gets each message once (seed ${seed})`, async (t) => {
      const shared = await makeStore(t)
      const random = seeded(seed)
      const got = new Map<string, number>()
      const under = new Set<string>()
      const deliver: DeliverAnswer = async (delivery) => {
        assert.ok(!under.has(delivery.id), `${delivery.id} is being delivered twice at a time`)
        under.add(delivery.id)
        for (let turns = random(20); turns > 0; turns--) await turn()
        under.delete(delivery.id)
        return delivery.recipients.map((one) => {
          if (random(3) === 0) return outcome(one, 'deferred')
          const name = `${delivery.message.id} ${one.address}`
          got.set(name, (got.get(name) ?? 0) + 1)
          return outcome(one, 'delivered')
        })
      }
      const kernels: TestKernel[] = []
      const begin = async () => {
        const kernel = await createTestKernel(t, { ...shared, deliver })
        kernel.kernel.run()
        return kernel
      }
      for (let count = 0; count < 3; count++) kernels.push(await begin())
      const wanted = new Set<string>()
      let stepped = Promise.resolve()
      const act = async (kernel: TestKernel) => {
        const nexthop = `${'xyz'[random(3)]}.test`
        switch (random(8)) {
          case 0:
          case 1: {
            const to = Array.from({ length: 1 + random(3) }, (_, index) => `${index}@${nexthop}`)
            const { id } = await kernel.submit({ from: 'me@here.test', to })
            for (const address of to) wanted.add(`${id} ${address}`)
            return
          }
          case 2:
            return kernel.queue.flush(nexthop)
          case 3:
            return kernel.queue.retry({ nexthop })
          case 4:
            return kernel.queue.hold({ nexthop }, 'held by the test')
          case 5:
            return kernel.queue.release({ nexthop })
          case 6:
            // One step at a time, each seen by the store before the next: leases are renewed in half of their time.
            stepped = stepped.then(async () => {
              await shared.clock.advance(random(3) * MINUTE)
              await kernel.queue.count()
            })
            return stepped
          default: {
            // A reload: another one takes over while this one finishes.
            const place = kernels.indexOf(kernel)
            if (place < 0 || random(4) > 0) return
            kernels[place] = await begin()
            await kernel.close()
          }
        }
      }
      const live = async () => {
        for (let left = 25; left > 0; left--) {
          await act(kernels[random(3)] as TestKernel)
          for (let turns = random(4); turns > 0; turns--) await turn()
        }
      }
      await Promise.all([live(), live(), live()])
      const [last] = kernels as [TestKernel]
      await last.queue.release({})
      for (let hours = 0; hours < 200 && (await last.queue.count()) > 0; hours++) {
        await last.queue.flush('x.test')
        await goOn(60)
        await shared.clock.advance(HOUR / 2)
      }
      assert.equal(await last.queue.count(), 0)
      assert.deepEqual(new Map([...got].filter(([, times]) => times !== 1)), new Map())
      assert.deepEqual([...got.keys()].sort(), [...wanted].sort())
    })
  }
}
