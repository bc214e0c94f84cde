/** Pages of a long queue: the same deliveries as the whole list, without reading those before them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Store } from 'iems'
import { createTestKernel, memoryStore } from 'iems/testing'

const MESSAGES = 6
const RECIPIENTS = 100

test('a page late in the queue reads its own deliveries, and a message once for all of its recipients', async (t) => {
  const clock = { now: () => Date.now() }
  const memory = memoryStore(clock)
  let reads = 0
  const store: Store = {
    ...memory,
    get: (key) => {
      reads++
      return memory.get(key)
    },
  }
  const kernel = await createTestKernel(t, {
    store,
    deliver: ({ recipients }) =>
      recipients.map((recipient) => ({
        recipient,
        status: 'deferred' as const,
        reply: { code: 451, enhanced: '4.7.1' as const, text: 'Come back later' },
      })),
  })
  for (let message = 0; message < MESSAGES; message++)
    await kernel.submit({
      from: 'ann@here.test',
      to: Array.from({ length: RECIPIENTS }, (_, index) => `r${message}-${index}@h${index % 20}.test`),
      content: 'Subject: x\r\n\r\nx\r\n',
    })
  const all = await Array.fromAsync(kernel.queue.list())
  assert.ok(all.length >= MESSAGES * 20)
  assert.ok(all.length === (await kernel.queue.count()))
  for (const [limit, skip] of [
    [10, 0],
    [10, 45],
    [7, all.length - 3],
    [5, all.length + 5],
  ] as const)
    assert.deepEqual(
      (await Array.fromAsync(kernel.queue.list({}, limit, skip))).map(({ id }) => id),
      all.slice(skip, skip + limit).map(({ id }) => id),
      `${limit} after ${skip}`,
    )
  reads = 0
  await Array.fromAsync(kernel.queue.list({}, 5, all.length - 5))
  assert.ok(reads <= 40, `${reads} reads for the last five of ${all.length}`)
  reads = 0
  const [one, ...others] = await Array.fromAsync(kernel.queue.list({ recipient: 'r3-7@h7.test' }))
  assert.deepEqual([one?.nexthop, others.length], ['h7.test', 0])
  // One for each delivery, and few for the messages, not one for each of their deliveries.
  assert.ok(reads <= all.length + 20 * MESSAGES, `${reads} reads for ${all.length} deliveries of ${MESSAGES} messages`)
  const found = await Array.fromAsync(kernel.queue.list({ from: 'ann@here.test' }, 3, 11))
  assert.deepEqual(
    found.map(({ id }) => id),
    all.slice(11, 14).map(({ id }) => id),
  )
})
