/** Faults on the way out: of taps, of channels, of the store. Mail waits, and nobody gets a message twice. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as z from 'zod'
import { type Delivery, definePlugin, type Outcome, refuse, type Store } from '../../core/index.ts'
import { createTestKernel, deliveredTo, memoryStore, testClock } from '../../core/testing/index.ts'

const HOUR = 3_600_000

/** A memory store whose blobs can be made to fail. */
function storeWithFaults() {
  const clock = testClock()
  const store = memoryStore({ now: clock.now })
  const faults = { stage: false, open: false }
  const failing = () => {
    throw new Error('the disk is full')
  }
  const blobs: Store['blobs'] = Object.assign(Object.create(store.blobs), {
    stage: (source: AsyncIterable<Uint8Array>) => (faults.stage ? failing() : store.blobs.stage(source)),
    open: (...given: Parameters<Store['blobs']['open']>) => (faults.open ? failing() : store.blobs.open(...given)),
  })
  return { clock, faults, store: Object.assign(Object.create(store), { blobs }) as Store }
}

const named = (events: readonly { readonly name: string }[], name: string) => events.filter((one) => one.name === name)

test('a fault of dispatch postpones the delivery, and is no attempt', async (t) => {
  let isBroken = true
  const signer = definePlugin({
    name: 'signer',
    config: z.undefined(),
    setup: () => ({
      hooks: {
        dispatch() {
          if (isBroken) throw new Error('no key')
          return undefined
        },
      },
    }),
  })
  const kernel = await createTestKernel(t, { plugins: [signer()], expectsFaults: true })
  const { id = '' } = await kernel.submit({ from: 'a@x.example', to: ['b@y.example'] })
  await kernel.deliver()
  const [entry] = await Array.fromAsync(kernel.queue.list({ message: id }))
  assert.deepEqual([kernel.delivered.length, entry?.attempt], [0, 0])
  isBroken = false
  await kernel.advance(HOUR)
  assert.deepEqual(
    kernel.delivered.map(({ attempt }) => attempt),
    [1],
  )
})

test('an answer that is no list of outcomes is a fault of the channel, and the mail waits', async (t) => {
  const answers: unknown[] = ['ok', [{ status: 'delivered' }], undefined]
  const kernel = await createTestKernel(t, {
    expectsFaults: true,
    deliver: (delivery) => (answers.length > 0 ? (answers.shift() as Outcome[]) : deliveredTo(delivery)),
  })
  const { id = '' } = await kernel.submit({ from: 'a@x.example', to: ['b@y.example'] })
  for (let count = 0; count < 3; count++) await kernel.advance(6 * HOUR)
  assert.ok(named(kernel.events, 'plugin.fault').length >= 2)
  assert.equal(named(kernel.events, 'delivery.failed').length, 0)
  await kernel.advance(6 * HOUR)
  assert.equal(named(kernel.events, 'delivery.delivered').length, 1)
  assert.equal((await kernel.queue.trace(id))?.finished, true)
})

test('mail whose content cannot be read waits until it can', async (t) => {
  const { store, clock, faults } = storeWithFaults()
  const delivered: string[] = []
  const deliver = async (delivery: Delivery) => {
    for await (const chunk of delivery.open()) delivered.push(Buffer.from(chunk).toString('latin1'))
    return deliveredTo(delivery)
  }
  const kernel = await createTestKernel(t, { store, clock, deliver, expectsFaults: true })
  await kernel.submit({ from: 'a@x.example', to: ['b@y.example'], body: 'Good day.' })
  faults.open = true
  await kernel.deliver()
  assert.equal(await kernel.queue.count(), 1)
  assert.equal(named(kernel.events, 'delivery.failed').length, 0)
  faults.open = false
  await kernel.advance(6 * HOUR)
  assert.match(delivered.join(''), /Good day\./)
  assert.equal(await kernel.queue.count(), 0)
})

test('when no report can be written, who was delivered does not get the message again, and the report follows', async (t) => {
  const { store, clock, faults } = storeWithFaults()
  const arrived: string[] = []
  const deliver = (delivery: Delivery): Outcome[] => {
    arrived.push(...delivery.recipients.map(({ address }) => address))
    if (delivery.message.from === '') return deliveredTo(delivery)
    return delivery.recipients.map((recipient) =>
      recipient.address.startsWith('never')
        ? { recipient, status: 'failed', reply: refuse(550, '5.1.1', 'No such user').reply }
        : (deliveredTo({ ...delivery, recipients: [recipient] })[0] as Outcome),
    )
  }
  const kernel = await createTestKernel(t, { store, clock, deliver, expectsFaults: true })
  await kernel.submit({ from: 'a@x.example', to: ['b@y.example', 'never@y.example'] })
  faults.stage = true
  await kernel.deliver()
  assert.deepEqual(arrived, ['b@y.example', 'never@y.example'])
  const [entry] = await Array.fromAsync(kernel.queue.list())
  assert.deepEqual(
    entry?.recipients.map(({ address }) => address),
    ['never@y.example'],
  )
  faults.stage = false
  await kernel.advance(6 * HOUR)
  assert.deepEqual(arrived, ['b@y.example', 'never@y.example', 'never@y.example', 'a@x.example'])
  assert.equal(await kernel.queue.count(), 0)
})
