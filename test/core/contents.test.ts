/**
 * Content that outlives the queue: held by whoever needs it, gone after the last one, whatever comes in between.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as z from 'zod'
import { type Content, type ContentStore, definePlugin, key, type Store } from '../../core/index.ts'
import { allFreed } from '../../core/queue/records.ts'
import { createTestKernel, deliveredTo, memoryStore, testClock, textOf } from '../../core/testing/index.ts'

/** A channel that keeps what it is given, once for each recipient, and what it keeps with. */
function createKeeper() {
  const kept = new Map<string, Content>()
  const lent: { contents?: ContentStore; store?: Store } = {}
  const keeper = definePlugin({
    name: 'keeper',
    config: z.undefined(),
    setup: (_, { contents, store, name }) => {
      Object.assign(lent, { contents, store })
      return {
        hooks: { route: () => ({ channel: name, nexthop: 'here' }) },
        async deliver(delivery) {
          delivery.headers.prepend('Return-Path', `<${delivery.message.from}>`)
          for (const { address } of delivery.recipients) {
            const content = contents.of(delivery)
            const put = { put: key('kept', address), value: Buffer.from(JSON.stringify(content)) }
            assert.ok(await contents.commit({ ops: [put], hold: [{ from: delivery, owner: address }] }))
            kept.set(address, content)
          }
          return deliveredTo(delivery)
        },
      }
    },
  })
  const entry = keeper(undefined, { accepts: 'anyone' })
  return { entry, kept, lent: lent as { contents: ContentStore; store: Store } }
}

async function blobsIn(store: Store): Promise<number> {
  let count = 0
  for await (const _ of store.blobs.list()) count++
  return count
}

async function freedIn(store: Store): Promise<number> {
  let count = 0
  for await (const _ of store.scan(allFreed)) count++
  return count
}

/** Lets what runs beside a commit come to its end. */
async function settled(store: Store): Promise<void> {
  for (let turns = 0; turns < 100 && (await freedIn(store)) > 0; turns++) await new Promise(setImmediate)
}

const MESSAGE = { from: 'me@here.example', to: ['ann@x.example', 'bob@x.example'] }

test('a body with two holders is stored once, outlives the queue and is removed with the second', async (t) => {
  const { entry, kept, lent } = createKeeper()
  const { store, submit, deliver, queue } = await createTestKernel(t, { channels: { keeper: entry } })
  await submit({ ...MESSAGE, body: 'Keep me.' })
  await deliver()
  assert.equal(await queue.count(), 0)
  assert.equal(await blobsIn(store), 1)
  const ann = kept.get('ann@x.example') as Content
  const text = await textOf(lent.contents.open(ann))
  assert.match(text, /^Return-Path: <me@here\.example>\r\n(?!Return-Path)[\s\S]*\r\n\r\nKeep me\.\r\n$/)
  assert.equal(text.length, ann.size)
  assert.equal(await textOf(lent.contents.open(ann, { start: 5, end: ann.size - 3 })), text.slice(5, -3))

  assert.ok(await lent.contents.commit({ ops: [], free: [{ blob: ann.blob, owner: 'ann@x.example' }] }))
  await settled(store)
  assert.equal(await blobsIn(store), 1)
  assert.ok(await lent.contents.commit({ ops: [], free: [{ blob: ann.blob, owner: 'bob@x.example' }] }))
  await settled(store)
  assert.equal(await blobsIn(store), 0)
  const again = { from: { blob: ann.blob, owner: 'bob@x.example' }, owner: 'cid' }
  assert.equal(await lent.contents.commit({ ops: [], hold: [again] }), false, 'nobody can hold what has gone')
})

test('a body released while its message waits is removed by the queue, not before', async (t) => {
  const { entry, kept, lent } = createKeeper()
  const { store, submit, deliver, queue } = await createTestKernel(t, {
    channels: { keeper: entry },
    plugins: [
      definePlugin({
        name: 'other-way',
        config: z.undefined(),
        setup: () => ({
          hooks: {
            route: {
              stage: 'first',
              handler: ({ to }) => (to.address.startsWith('bob') ? { channel: 'out', nexthop: 'x' } : undefined),
            },
          },
        }),
      })(),
    ],
    deliver: ({ recipients }) =>
      recipients.map((recipient) => ({
        recipient,
        status: 'deferred',
        reply: { code: 451, enhanced: '4.0.0', text: 'no' },
      })),
  })
  await submit(MESSAGE)
  await deliver()
  const { blob } = kept.get('ann@x.example') as Content
  await lent.contents.commit({ ops: [], free: [{ blob, owner: 'ann@x.example' }] })
  await settled(store)
  assert.equal(await blobsIn(store), 1)
  await queue.remove({ nexthop: 'x' })
  assert.equal(await blobsIn(store), 0)
})

test('a body let go of just before a crash is found by the sweeper', async (t) => {
  const { entry, kept, lent } = createKeeper()
  const clock = testClock()
  const inner = memoryStore({ now: clock.now })
  let broken = false
  const store: Store = {
    ...inner,
    scan: (range) => {
      if (broken) throw new Error('the process has died')
      return inner.scan(range)
    },
  }
  const first = await createTestKernel(t, { store, clock, channels: { keeper: entry } })
  await first.submit({ ...MESSAGE, to: ['ann@x.example'] })
  await first.deliver()
  const { blob } = kept.get('ann@x.example') as Content
  broken = true
  await lent.contents.commit({ ops: [], free: [{ blob, owner: 'ann@x.example' }] })
  await new Promise(setImmediate)
  assert.equal(await blobsIn(inner), 1)
  broken = false
  await first.kernel.sweep(new AbortController().signal)
  assert.equal(await blobsIn(inner), 0)
  assert.equal(await freedIn(inner), 0)
})

test('new content is held from the commit that names it, and can be forgotten before', async (t) => {
  const { entry, lent } = createKeeper()
  const { store } = await createTestKernel(t, { channels: { keeper: entry } })
  const large = Buffer.alloc(200_000, 'x')
  const staged = await lent.contents.stage([Buffer.from('A: b\r\n\r\n'), large] as unknown as AsyncIterable<Uint8Array>)
  assert.deepEqual([staged.content.headerSize, staged.content.size], [8, 200_008])
  assert.ok(await lent.contents.commit({ ops: [], hold: [{ from: staged, owner: 'one' }] }))
  assert.equal((await textOf(lent.contents.open(staged.content))).length, 200_008)
  const other = await lent.contents.stage([large] as unknown as AsyncIterable<Uint8Array>)
  await other.discard()
  assert.equal(await blobsIn(store), 1)
})

for (const isWhole of [true, false])
  test(`ranges of content in one piece, from a store that ${isWhole ? 'has' : 'does not have'} small blobs whole`, async (t) => {
    const below = memoryStore()
    const whole = async (id: string) => Buffer.concat(await Array.fromAsync(below.blobs.open(id)))
    const store = isWhole ? { ...below, blobs: { ...below.blobs, whole } } : below
    const { entry, kept, lent } = createKeeper()
    const { submit, deliver } = await createTestKernel(t, { store, channels: { keeper: entry } })
    await submit({ ...MESSAGE, body: 'Keep me.' })
    await deliver()
    const ann = kept.get('ann@x.example') as Content
    const text = await textOf(lent.contents.open(ann))
    for (const [start, end] of [
      [0, ann.size],
      [5, ann.size - 3],
      [0, 7],
      [ann.size - 9, ann.size],
      [4, 4],
    ] as const) {
      assert.equal(await textOf(lent.contents.open(ann, { start, end })), text.slice(start, end))
      assert.equal((await lent.contents.read(ann, { start, end })).toString(), text.slice(start, end))
    }
    // What the store has is not what the record says.
    for (const blobSize of [ann.blobSize - 1, ann.blobSize + 1]) {
      const wrong = { ...ann, blobSize, size: ann.size + 1 }
      await assert.rejects(lent.contents.read(wrong, { start: 0, end: wrong.size }), { code: 'IEMS_BLOB_DAMAGED' })
    }
  })
