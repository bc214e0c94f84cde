/**
 * What a plugin may hand in: stored content without a copy, a reverse-path for each recipient, a time before which
 * nothing is sent, and the parameters of SMTP.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Content, definePlugin, refuse, type SetupContext, type Store, type Submission } from 'iems'
import { createTestKernel, type Delivered, memoryStore, testClock } from 'iems/testing'
import * as z from 'zod'

const HOUR = 3_600_000
const DAY = 24 * HOUR

/** A plugin that lends the test what it is lent. */
function createSubmitter() {
  const lent: { ctx?: SetupContext } = {}
  const submitter = definePlugin({
    name: 'submitter',
    config: z.undefined(),
    setup(_, ctx) {
      lent.ctx = ctx
      return {}
    },
  })
  return { entry: submitter(), ctx: () => lent.ctx as SetupContext }
}

async function blobsIn(store: Store): Promise<number> {
  let count = 0
  for await (const _ of store.blobs.list()) count++
  return count
}

/** A store that counts what is staged. */
function countingStore(store: Store) {
  let staged = 0
  const counting: Store = {
    ...store,
    blobs: {
      ...store.blobs,
      stage(source) {
        staged++
        return store.blobs.stage(source)
      },
    },
  }
  return { store: counting, staged: () => staged }
}

const TEXT = 'Subject: news\r\n\r\nHello all.\r\n'

async function hold(ctx: SetupContext, text: string): Promise<Content> {
  const staged = await ctx.contents.stage([Buffer.from(text)] as unknown as AsyncIterable<Uint8Array>)
  assert.ok(await ctx.contents.commit({ ops: staged.ops, hold: [{ from: staged, owner: 'post' }] }))
  return staged.content
}

const free = (ctx: SetupContext, { blob }: Content) => ctx.contents.commit({ ops: [], free: [{ blob, owner: 'post' }] })

test('ten thousand recipients of stored content cost one body, which is gone with the last of them', async (t) => {
  const clock = testClock()
  const counting = countingStore(memoryStore({ now: clock.now }))
  const { entry, ctx } = createSubmitter()
  const { store, deliver, delivered } = await createTestKernel(t, { store: counting.store, clock, plugins: [entry] })
  const content = await hold(ctx(), TEXT)
  const before = counting.staged()
  const batches = Array.from({ length: 100 }, (_, batch) => ({
    from: 'list@here.example',
    to: Array.from({ length: 100 }, (_, i) => `m${batch}-${i}@${i % 10}.example`),
    content,
  }))
  // Some at the same time: they overtake each other in becoming holders.
  const answers = await Promise.all(batches.slice(0, 8).map((one) => ctx().submit(one)))
  for (const one of batches.slice(8)) answers.push(await ctx().submit(one))
  assert.equal(answers.filter(({ reply, refused }) => reply.code === 250 && refused.length === 0).length, 100)
  assert.equal(new Set(answers.map(({ id }) => id)).size, 100)
  assert.equal(counting.staged(), before, 'nothing is staged again')
  assert.equal(await blobsIn(store), 1)

  await free(ctx(), content)
  await deliver()
  assert.equal(delivered.flatMap(({ to }) => to).length, 10_000)
  assert.match((delivered[0] as Delivered).content, /^Received: [\s\S]*Subject: news\r\n\r\nHello all\.\r\n$/)
  assert.equal(await blobsIn(store), 0)
})

test('content of a delivery is submitted with its header changes, whichever ends first', async (t) => {
  const { entry, ctx } = createSubmitter()
  let isFirst = true
  const kernel = await createTestKernel(t, {
    plugins: [entry],
    async deliver(delivery) {
      if (isFirst) {
        isFirst = false
        delivery.headers.prepend('List-Id', '<all.here.example>')
        const { reply } = await ctx().submit({ from: 'list@here.example', to: ['ann@x.example'], content: delivery })
        assert.equal(reply.code, 250)
      }
      return delivery.recipients.map((recipient) => ({
        recipient,
        status: 'delivered',
        reply: { code: 250, enhanced: '2.0.0', text: 'Ok' },
      }))
    },
  })
  await kernel.submit({ from: 'me@here.example', to: ['list@here.example'] })
  await kernel.deliver()
  const [, second] = kernel.delivered
  assert.equal(second?.from, 'list@here.example')
  assert.match(second?.content ?? '', /^Received: .*[\s\S]*\r\nList-Id: <all\.here\.example>\r\nReceived: /)
  assert.equal(await blobsIn(kernel.store), 0)
})

test('content that no holder keeps is refused for now, and content with lone line ends is copied', async (t) => {
  const { entry, ctx } = createSubmitter()
  const { store, deliver, delivered } = await createTestKernel(t, { plugins: [entry], expectsFaults: true })
  const content = await hold(ctx(), 'Subject: a\n\nlone\n')
  assert.equal((await ctx().submit({ from: 'me@here.example', to: ['ann@x.example'], content })).reply.code, 250)
  await deliver()
  assert.match(delivered[0]?.content ?? '', /Subject: a\r\n\r\nlone\r\n$/)

  await free(ctx(), content)
  for (let turns = 0; turns < 100 && (await blobsIn(store)) > 0; turns++) await new Promise(setImmediate)
  const { reply, id } = await ctx().submit({ from: 'me@here.example', to: ['ann@x.example'], content })
  assert.equal(reply.code, 451)
  assert.equal(id, undefined)
})

test('each recipient may have a reverse-path, which is sent and gets the reports', async (t) => {
  const kernel = await createTestKernel(t, {
    deliver: ({ recipients, from }) =>
      recipients.map((recipient) =>
        from.includes('list')
          ? { recipient, status: 'failed', reply: refuse(550, '5.1.1', 'No such user').reply }
          : { recipient, status: 'delivered', reply: { code: 250, enhanced: '2.0.0', text: 'Ok' } },
      ),
  })
  const to = ['ann', 'bob'].map((name) => ({
    address: `${name}@x.example`,
    from: `list+${name}=x.example@here.example`,
    orcpt: `rfc822;${name}@old.example`,
  }))
  const { queued } = await kernel.submit({ from: 'list@here.example', to: [...to, 'carl@x.example'] })
  assert.deepEqual(
    queued.map(({ from }) => from),
    [...to.map(({ from }) => from), 'list@here.example'],
  )
  await kernel.deliver()
  const reports = kernel.delivered.filter(({ from }) => from === '')
  assert.deepEqual(reports.map(({ to: [one] }) => one).sort(), [
    'list+ann=x.example@here.example',
    'list+bob=x.example@here.example',
    'list@here.example',
  ])
  const about = reports.find(({ to: [one] }) => one?.startsWith('list+ann'))
  assert.match(about?.content ?? '', /Original-Recipient: rfc822;ann@old\.example/)
})

test('expanded recipients inherit the reverse-path', async (t) => {
  const alias = definePlugin({
    name: 'alias',
    config: z.undefined(),
    setup: () => ({
      hooks: {
        expand: ({ to }) =>
          to.address === 'all@x.example' ? [{ address: 'ann@x.example', original: to.original }] : undefined,
      },
    }),
  })
  const { submit, deliver, delivered } = await createTestKernel(t, { plugins: [alias()] })
  await submit({ from: 'me@here.example', to: [{ address: 'all@x.example', from: 'me+all@here.example' }] })
  await deliver()
  assert.deepEqual([delivered[0]?.from, delivered[0]?.to], ['me+all@here.example', ['ann@x.example']])
})

const LATER: Pick<Submission, 'from' | 'to'> = { from: 'me@here.example', to: ['ann@x.example', 'bob@y.example'] }

test('a scheduled message waits, despite flush and retry, and its age counts from its time', async (t) => {
  let isDown = true
  const { kernel, submit, deliver, delivered, queue, clock, advance } = await createTestKernel(t, {
    deliver: ({ recipients }) =>
      recipients.map((recipient) => ({
        recipient,
        status: isDown ? 'deferred' : 'delivered',
        reply: isDown ? { code: 451, enhanced: '4.3.0', text: 'Later' } : { code: 250, enhanced: '2.0.0', text: 'Ok' },
      })),
  })
  const notBefore = clock.now() + 7 * DAY
  await submit({ ...LATER, parameters: { notBefore } })
  const [entry] = await Array.fromAsync(queue.list())
  assert.deepEqual([entry?.notBefore, entry?.due], [notBefore, notBefore])
  await deliver()
  await queue.flush('x.example')
  assert.equal(await queue.retry({}), 0)
  await advance(6 * DAY)
  await queue.flush('x.example')
  await deliver()
  assert.equal(delivered.length, 0)
  assert.equal(await queue.count({ scheduled: true }), 2)

  await advance(DAY + 1000)
  assert.equal(delivered.length, 2, 'both are tried when their time has come')
  assert.equal(await queue.count({ scheduled: true }), 0)
  isDown = false
  await advance(2 * HOUR)
  assert.equal(delivered.length, 4, 'a week of waiting is no reason to give up')
  assert.equal(kernel.sharedQueue.activeCount(), 0)
})

test('a scheduled message can be cancelled until its time, or sent at once', async (t) => {
  const { submit, deliver, delivered, queue, clock, advance } = await createTestKernel(t)
  const parameters = { notBefore: clock.now() + 30_000 }
  const first = await submit({ ...LATER, parameters })
  const second = await submit({ ...LATER, parameters })
  const third = await submit({ ...LATER, parameters })
  const undo = (message = '') => queue.remove({ message, scheduled: true })
  assert.equal(await undo(first.id), 2)
  assert.equal(await undo(first.id), 0)
  assert.equal(await queue.release({ message: second.id ?? '', scheduled: true }), 2)
  await deliver()
  assert.deepEqual([...new Set(delivered.map(({ message }) => message))], [second.id])
  await advance(31_000)
  assert.deepEqual([...new Set(delivered.map(({ message }) => message))], [second.id, third.id])
  assert.equal(await undo(third.id), 0, 'too late')
})

test('a submission says what MAIL would say, and in which class it waits', async (t) => {
  const seen: unknown[] = []
  const { submit, deliver } = await createTestKernel(t, {
    deliver: ({ message, recipients }) => {
      seen.push([message.parameters, message.priority])
      return recipients.map((recipient) => ({
        recipient,
        status: 'delivered',
        reply: { code: 250, enhanced: '2.0.0', text: 'Ok' },
      }))
    },
  })
  const parameters = { ret: 'HDRS', envid: 'e1', requireTls: true, smtpUtf8: true } as const
  const { queued } = await submit({ ...LATER, to: ['ann@x.example'], parameters, priority: 'bulk' })
  assert.equal(queued[0]?.priority, 'bulk')
  await deliver()
  assert.deepEqual(seen, [[parameters, 'bulk']])
})
