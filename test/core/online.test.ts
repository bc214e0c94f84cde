/** Delivery windows: when mail goes to next hops that are online at certain times of day. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { accept, definePlugin, type Settings } from 'iems'
import { createTestKernel, testClock } from 'iems/testing'
import * as z from 'zod'

const MINUTE = 60_000
/** That time of day, by the clock of this machine as the server takes it. */
const at = (hours: number, minutes = 0) => new Date(2026, 0, 5, hours, minutes).getTime()

/** A channel that notes what it is given. */
const noting = (sent: string[]) =>
  definePlugin({
    name: 'slow',
    config: z.strictObject({}),
    setup: (_, { name }) => ({
      hooks: { route: ({ to }) => ({ channel: name, nexthop: to.address.split('@')[1] ?? '' }) },
      async deliver(delivery) {
        sent.push(`${delivery.message.priority} ${delivery.recipients[0]?.address}`)
        const reply = accept(250, '2.0.0', 'Ok')
        return delivery.recipients.map((recipient) => ({ recipient, status: 'delivered' as const, reply }))
      },
    }),
  })

async function start(t: Parameters<typeof createTestKernel>[0], online: Settings['online'], now: number) {
  const sent: string[] = []
  const channels = { slow: noting(sent)({}, { online, concurrency: 1 }) }
  const kernel = await createTestKernel(t, { clock: testClock(now), channels })
  const send = (to: string, mtPriority = 0, body = 'x') =>
    kernel.submit({ from: 'a@a.test', to: [to], parameters: { mtPriority }, body })
  return { sent, kernel, send }
}

test('what waits for a window goes when it opens, urgent mail first', async (t) => {
  const { sent, kernel, send } = await start(t, '02:00-03:00', at(1))
  for (let one = 0; one < 25; one++) await send(`bulk${one}@b.test`, -5)
  await send('normal@b.test')
  await send('urgent@b.test', 5)
  await kernel.deliver()
  assert.deepEqual(sent, [])
  await kernel.advance(59 * MINUTE)
  assert.deepEqual(sent, [])
  await kernel.advance(MINUTE)
  assert.equal(sent.length, 27)
  assert.deepEqual(sent.slice(0, 2), ['urgent urgent@b.test', 'normal normal@b.test'])
  await send('inside@b.test')
  await kernel.deliver()
  assert.equal(sent.at(-1), 'normal inside@b.test')
  await kernel.advance(60 * MINUTE)
  await send('late@b.test')
  await kernel.advance(22 * 60 * MINUTE)
  assert.equal(sent.at(-1), 'normal inside@b.test')
  await kernel.advance(60 * MINUTE)
  assert.equal(sent.at(-1), 'normal late@b.test')
})

test('a window past midnight, and next hops without a window of their own', async (t) => {
  const { sent, kernel, send } = await start(t, { 'b.test': '22:00-04:00' }, at(3, 59))
  await send('one@b.test')
  await kernel.advance(MINUTE)
  await send('two@b.test')
  await send('free@c.test')
  await kernel.deliver()
  assert.deepEqual(sent, ['normal one@b.test', 'normal free@c.test'])
  await kernel.advance(18 * 60 * MINUTE)
  assert.equal(sent.at(-1), 'normal two@b.test')
})

test('a window carries its budget of octets; a message above the budget goes alone', async (t) => {
  const rule = { at: '02:00-03:00', octets: '3 kB' }
  const { sent, kernel, send } = await start(t, { '*': rule }, at(2))
  await send('large@b.test', 5, 'y'.repeat(5000))
  await send('small@b.test')
  await kernel.deliver()
  assert.deepEqual(sent, ['urgent large@b.test'])
  await kernel.advance(24 * 60 * MINUTE)
  assert.deepEqual(sent, ['urgent large@b.test', 'normal small@b.test'])
})

test('a window carries its budget of minutes', async (t) => {
  const { sent, kernel, send } = await start(t, { at: ['02:00-03:00'], time: '10 min' }, at(2, 20))
  await send('one@b.test')
  await kernel.advance(9 * MINUTE)
  await send('two@b.test')
  await kernel.advance(MINUTE)
  await send('three@b.test')
  await kernel.deliver()
  assert.deepEqual(sent, ['normal one@b.test', 'normal two@b.test'])
})

test('an order to send opens the window', async (t) => {
  const { sent, kernel, send } = await start(t, '02:00-03:00', at(12))
  await send('one@b.test')
  await kernel.deliver()
  assert.equal(await kernel.queue.flush('b.test'), 1)
  await kernel.deliver()
  assert.deepEqual(sent, ['normal one@b.test'])
})

test('an odd window is an error of the configuration', async (t) => {
  await assert.rejects(() => start(t, '2:00-25:00', at(1)), /slow/)
})
