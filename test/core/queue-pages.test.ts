/** Pages of a long queue: the same deliveries as the whole list, without reading those before them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Recipient, Store } from 'iems'
import { createTestKernel, memoryStore } from 'iems/testing'

const MESSAGES = 6
const RECIPIENTS = 100

const deferred = (recipient: Recipient) => ({
  recipient,
  status: 'deferred' as const,
  reply: { code: 451, enhanced: '4.7.1' as const, text: 'Come back later' },
})

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
    deliver: ({ recipients }) => recipients.map(deferred),
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
  const [one, ...others] = await Array.fromAsync(kernel.queue.list({ recipient: 'R3-7@H7.test' }))
  assert.deepEqual([one?.nexthop, others.length], ['h7.test', 0])
  assert.ok(reads <= 5, `${reads} reads for one of ${all.length} deliveries`)
  const ofAnn = await Array.fromAsync(kernel.queue.list({ from: 'ann@here.test' }))
  assert.deepEqual(ofAnn.map(({ id }) => id).sort(), all.map(({ id }) => id).sort())
  reads = 0
  const found = await Array.fromAsync(kernel.queue.list({ from: 'ann@here.test' }, 3, 11))
  assert.deepEqual(found, ofAnn.slice(11, 14))
  assert.ok(reads <= 3 * 14, `${reads} reads for the first fourteen`)
  assert.deepEqual(await Array.fromAsync(kernel.queue.list({ from: 'ann@here.test', nexthop: 'nowhere.test' })), [])
})

test('a sender is found as the reverse-path of a message, and as that of some of its recipients', async (t) => {
  const kernel = await createTestKernel(t, { deliver: ({ recipients }) => recipients.map(deferred) })
  const own = { address: 'far@a.test', from: 'list-far=a.test@here.test' }
  await kernel.submit({
    from: 'list@here.test',
    to: [own, 'near@b.test'],
    content: 'Subject: x\r\n\r\nlist-other@here.test\r\n',
  })
  await kernel.submit({ from: 'ann@here.test', to: ['far@a.test'], content: 'Subject: list@here.test\r\n\r\nx\r\n' })
  const nexthops = async (from: string) =>
    (await Array.fromAsync(kernel.queue.list({ from })))
      .map(({ nexthop, from: path }) => `${path} to ${nexthop}`)
      .sort()
  assert.deepEqual(await nexthops('List-Far=a.test@HERE.test'), ['list-far=a.test@here.test to a.test'])
  assert.deepEqual(await nexthops('list@here.test'), [
    'list-far=a.test@here.test to a.test',
    'list@here.test to b.test',
  ])
  assert.equal(
    (await Array.fromAsync(kernel.queue.list({ from: 'list@here.test', recipient: 'near@b.test' }))).length,
    1,
  )
  assert.equal(await kernel.queue.hold({ from: 'list-far=a.test@here.test' }, 'looked at'), 1)
  assert.deepEqual(await nexthops('list@here'), [])
})
