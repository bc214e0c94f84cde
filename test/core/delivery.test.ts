/** The way out: attempts, retries, reports, priorities, fairness, and what admins do with what waits. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Delivery, defer, type Outcome, type Reply, refuse } from '../../core/index.ts'
import { createTestKernel, type DeliverAnswer, deliveredTo } from '../../core/testing/index.ts'

const MIN = 60_000
const HOUR = 60 * MIN
const DAY = 24 * HOUR

const later = (delivery: Delivery, reply: Reply = defer(451, '4.2.0', 'Not now').reply): Outcome[] =>
  delivery.recipients.map((recipient) => ({
    recipient,
    status: 'deferred',
    reply,
    remote: 'mx.far.example [192.0.2.1]',
  }))
const never = (delivery: Delivery): Outcome[] =>
  delivery.recipients.map((recipient) => ({
    recipient,
    status: 'failed',
    reply: { ...refuse(550, '5.1.1', 'No such user').reply, said: '550 5.1.1 No such user' },
    remote: 'mx.far.example [192.0.2.1]',
  }))

/** Reports and nothing else are delivered; every other message meets `answer`. */
const unlessReport =
  (answer: (delivery: Delivery) => readonly Outcome[]): DeliverAnswer =>
  (delivery) =>
    delivery.message.from === '' ? deliveredTo(delivery) : answer(delivery)

test('a message is delivered once to each next hop with all its recipients there', async (t) => {
  const kernel = await createTestKernel(t)
  const { reply, id, queued } = await kernel.submit({
    from: 'a@x.example',
    to: ['b@one.example', 'c@two.example', 'd@one.example'],
  })
  assert.match(reply.text, new RegExp(`^Ok: queued as ${id}$`))
  assert.deepEqual(
    queued.map(({ nexthop, recipients }) => [nexthop, recipients.length]),
    [
      ['one.example', 2],
      ['two.example', 1],
    ],
  )
  await kernel.deliver()
  assert.deepEqual(
    kernel.delivered.map(({ to }) => to),
    [['b@one.example', 'd@one.example'], ['c@two.example']],
  )
  assert.match(kernel.delivered[0]?.content ?? '', /^Received: by mx\.test \(IEMS\) id /)
  assert.equal(await kernel.queue.count(), 0)
  const life = await kernel.queue.trace(id ?? '')
  assert.equal(life?.finished, true)
  assert.deepEqual(
    life?.deliveries.map(({ nexthop, attempts }) => [nexthop, attempts[0]?.fates[0]?.status]),
    [
      ['one.example', 'delivered'],
      ['two.example', 'delivered'],
    ],
  )
})

test('a body is stored once and gone with its last delivery', async (t) => {
  const kernel = await createTestKernel(t)
  await kernel.submit({ from: 'a@x.example', to: ['b@one.example', 'c@two.example', 'd@three.example'] })
  const blobs = async () => (await Array.fromAsync(kernel.store.blobs.list())).length
  assert.equal(await blobs(), 1)
  await kernel.deliver()
  assert.equal(await blobs(), 0)
})

test('a deferral waits longer each time and ends as a report when the time is over', async (t) => {
  const kernel = await createTestKernel(t, { deliver: unlessReport(later) })
  const { id } = await kernel.submit({ from: 'a@x.example', to: [{ address: 'b@far.example', notify: ['FAILURE'] }] })
  await kernel.deliver()
  assert.equal(kernel.delivered.length, 1)
  await kernel.advance(4 * MIN)
  assert.equal(kernel.delivered.length, 1)
  await kernel.advance(2 * MIN)
  assert.equal(kernel.delivered.length, 2)
  for (let hours = 0; hours < 125; hours++) await kernel.advance(HOUR)
  const report = kernel.delivered.at(-1)
  assert.equal(report?.from, '')
  assert.deepEqual(report?.to, ['a@x.example'])
  assert.match(report?.content ?? '', /Status: 5\.4\.7/)
  assert.match(report?.content ?? '', /Not now/)
  assert.equal(await kernel.queue.count(), 0)
  const life = await kernel.queue.trace(id ?? '')
  assert.equal(life?.deliveries[0]?.attempts.at(-1)?.fates[0]?.status, 'failed')
})

test('a refused recipient is reported, a deferred one is retried, a delivered one is done', async (t) => {
  const kernel = await createTestKernel(t, {
    deliver: unlessReport((delivery) =>
      delivery.recipients.map(
        (recipient) =>
          ({
            ...(recipient.address.startsWith('no')
              ? never
              : recipient.address.startsWith('wait')
                ? later
                : deliveredTo)(delivery)[0],
            recipient,
          }) as Outcome,
      ),
    ),
  })
  const { id } = await kernel.submit({
    from: 'a@x.example',
    to: ['yes@far.example', 'no@far.example', 'wait@far.example'],
    body: 'Precious',
  })
  await kernel.deliver()
  const [first, report] = kernel.delivered
  assert.equal(first?.to.length, 3)
  assert.match(report?.content ?? '', /Content-Type: multipart\/report; report-type=delivery-status/)
  assert.match(
    report?.content ?? '',
    /Final-Recipient: rfc822;no@far\.example\r\nAction: failed\r\nStatus: 5\.1\.1\r\nRemote-MTA: dns;mx\.far\.example\r\nDiagnostic-Code: smtp; 550 5\.1\.1 No such user/,
  )
  assert.doesNotMatch(report?.content ?? '', /Final-Recipient: rfc822;(yes|wait)/)
  assert.doesNotMatch(report?.content ?? '', /Precious/, 'only the header goes back')
  const [entry] = await Array.fromAsync(kernel.queue.list({ message: id ?? '' }))
  assert.deepEqual(entry?.recipients, [{ address: 'wait@far.example', last: '451 4.2.0 Not now', enhanced: '4.2.0' }])
})

test('the sender is warned once when a message waits long', async (t) => {
  const kernel = await createTestKernel(t, {
    deliver: unlessReport(later),
    reports: { delay: { subject: 'Verspätet: {subject}', text: 'Wartet seit {age}:\n{recipients}\n' } },
  })
  await kernel.submit({ from: 'a@x.example', to: ['b@far.example'] })
  for (let hours = 0; hours < 24; hours++) await kernel.advance(HOUR)
  const reports = kernel.delivered.filter(({ from }) => from === '')
  assert.equal(reports.length, 1)
  assert.match(reports[0]?.content ?? '', /Action: delayed/)
  assert.match(reports[0]?.content ?? '', /Will-Retry-Until: /)
  assert.match(reports[0]?.content ?? '', /Subject: =\?utf-8\?B\?/, 'the admin’s own words, encoded')
})

for (const [notify, kinds] of [
  [['NEVER'], []],
  [['SUCCESS'], ['delivered']],
  [['SUCCESS', 'FAILURE'], ['delivered']],
  [undefined, []],
] as const) {
  test(`NOTIFY=${notify ?? '(absent)'} gets ${kinds.length} reports of a delivery`, async (t) => {
    const kernel = await createTestKernel(t, { deliver: (delivery) => deliveredTo(delivery) })
    await kernel.submit({ from: 'a@x.example', to: [notify ? { address: 'b@far.example', notify } : 'b@far.example'] })
    await kernel.deliver()
    const actions = kernel.delivered
      .filter(({ from }) => from === '')
      .map(({ content }) => /Action: (\w+)/.exec(content)?.[1])
    assert.deepEqual(actions, kinds)
  })
}

test('NOTIFY=NEVER gets no failure report either', async (t) => {
  const kernel = await createTestKernel(t, { deliver: unlessReport(never) })
  await kernel.submit({ from: 'a@x.example', to: [{ address: 'b@far.example', notify: ['NEVER'] }] })
  await kernel.deliver()
  assert.equal(kernel.delivered.length, 1)
})

test('a failing report is sent to the postmaster once, and then dropped', async (t) => {
  const kernel = await createTestKernel(t, { deliver: never, reports: { postmaster: 'postmaster@mx.test' } })
  await kernel.submit({ from: 'forged@nowhere.example', to: ['b@far.example'] })
  await kernel.deliver()
  assert.deepEqual(
    kernel.delivered.map(({ to }) => to[0]),
    ['b@far.example', 'forged@nowhere.example', 'postmaster@mx.test'],
  )
  assert.equal(kernel.events.filter(({ name }) => name === 'bounce.dropped').length, 1)
  assert.equal(await kernel.queue.count(), 0)
})

test('recipients that a channel omits, and those of a throw, are deferred', async (t) => {
  const kernel = await createTestKernel(t, {
    expectsFaults: true,
    deliver: (delivery) => {
      if (delivery.recipients[0]?.address.startsWith('throw')) throw new Error('a bug')
      return deliveredTo(delivery).slice(1)
    },
  })
  await kernel.submit({ from: 'a@x.example', to: ['b@one.example', 'c@one.example'] })
  await kernel.submit({ from: 'a@x.example', to: ['throw@two.example'] })
  await kernel.deliver()
  const waiting = (await Array.fromAsync(kernel.queue.list())).map(({ recipients }) => recipients[0])
  assert.deepEqual(
    waiting.map((recipient) => recipient?.address),
    ['b@one.example', 'throw@two.example'],
  )
  assert.equal(waiting[0]?.last, '451 4.3.0 No answer for this recipient')
})

test('a next hop that does not answer rests: others for it wait without a try, others elsewhere do not', async (t) => {
  let tries = 0
  const kernel = await createTestKernel(t, {
    deliver: (delivery) => {
      if (delivery.route.nexthop !== 'dead.example') return deliveredTo(delivery)
      tries++
      return later(delivery).map((outcome) => ({ ...outcome, unreachable: true }))
    },
  })
  await kernel.submit({ from: 'a@x.example', to: ['b@dead.example'] })
  await kernel.deliver()
  for (let i = 0; i < 50; i++) await kernel.submit({ from: 'a@x.example', to: ['b@dead.example'] })
  await kernel.submit({ from: 'a@x.example', to: ['c@fine.example'] })
  await kernel.deliver()
  assert.equal(tries, 1)
  assert.deepEqual(kernel.delivered.at(-1)?.to, ['c@fine.example'])
  assert.equal(await kernel.queue.flush('dead.example'), 51)
  await kernel.deliver()
  assert.ok(tries > 1, 'a flush forgets the rest')
})

test('urgent mail overtakes, bulk mail still moves', async (t) => {
  let open = () => {}
  const gate = new Promise<void>((resolve) => {
    open = resolve
  })
  const order: string[] = []
  const kernel = await createTestKernel(t, {
    channels: {},
    deliver: async (delivery) => {
      await gate
      order.push(delivery.message.priority)
      return deliveredTo(delivery)
    },
  })
  const send = (mtPriority: number, i: number) =>
    kernel.submit({ from: 'a@x.example', to: [`b@${mtPriority}-${i % 40}.example`], parameters: { mtPriority } })
  for (let i = 0; i < 120; i++) await send(-4, i)
  for (let i = 0; i < 120; i++) await send(0, i)
  for (let i = 0; i < 120; i++) await send(4, i)
  const done = kernel.deliver()
  open()
  await done
  const place = (priority: string) => order.map((one, i) => (one === priority ? i : -1)).filter((i) => i >= 0)
  const mean = (list: number[]) => list.reduce((sum, i) => sum + i, 0) / list.length
  assert.ok(mean(place('urgent')) < mean(place('normal')) && mean(place('normal')) < mean(place('bulk')))
  assert.ok(
    (place('bulk')[0] ?? 999) < (place('urgent').at(-1) ?? 0),
    'the first bulk message goes before the last urgent one',
  )
})

test('mail for a host that never answers does not delay mail for others', async (t) => {
  const kernel = await createTestKernel(t, {
    deliver: (delivery, { signal }) =>
      delivery.route.nexthop === 'hole.example'
        ? new Promise((resolve) => signal.addEventListener('abort', () => resolve(later(delivery)), { once: true }))
        : deliveredTo(delivery),
  })
  for (let i = 0; i < 500; i++) await kernel.submit({ from: 'a@x.example', to: [`b${i}@hole.example`] })
  kernel.kernel.run()
  for (let i = 0; i < 50; i++) await kernel.submit({ from: 'a@x.example', to: [`c@fine${i}.example`] })
  for (let turns = 0; kernel.delivered.length < 50 && turns < 2000; turns++)
    await new Promise((resolve) => setImmediate(resolve))
  assert.equal(kernel.delivered.length, 50)
  assert.ok(
    (await Array.fromAsync(kernel.queue.list({ nexthop: 'hole.example' }))).filter(({ active }) => active).length <= 20,
  )
})

test('held mail is not tried until it is released', async (t) => {
  const kernel = await createTestKernel(t)
  const { id } = await kernel.submit({ from: 'a@x.example', to: ['b@far.example'] })
  assert.equal(await kernel.queue.hold({ message: id ?? '' }, 'looks odd'), 1)
  await kernel.advance(DAY)
  assert.equal(kernel.delivered.length, 0)
  const [entry] = await Array.fromAsync(kernel.queue.list({ held: true }))
  assert.equal(entry?.held, 'looks odd')
  assert.equal(await kernel.queue.release({ message: id ?? '' }), 1)
  await kernel.deliver()
  assert.equal(kernel.delivered.length, 1)
})

test('an admin returns, removes and reroutes what waits', async (t) => {
  const kernel = await createTestKernel(t, {
    deliver: (delivery) => (delivery.route.nexthop === 'far.example' ? later(delivery) : deliveredTo(delivery)),
  })
  const ids: string[] = []
  for (let i = 0; i < 3; i++)
    ids.push((await kernel.submit({ from: `a${i}@x.example`, to: ['b@far.example'] })).id ?? '')
  await kernel.deliver()
  const before = kernel.delivered.length
  assert.equal(await kernel.queue.bounce({ message: ids[0] ?? '' }, 'Against our rules'), 1)
  assert.equal(await kernel.queue.remove({ message: ids[1] ?? '' }), 1)
  assert.equal(await kernel.queue.reroute({ message: ids[2] ?? '' }, { channel: 'out', nexthop: 'other.example' }), 1)
  await kernel.deliver()
  const rest = kernel.delivered.slice(before)
  assert.deepEqual(rest.map(({ to }) => to[0]).sort(), ['a0@x.example', 'b@far.example'])
  assert.match(rest.find(({ from }) => from === '')?.content ?? '', /Against our rules/)
  assert.equal(rest.find(({ from }) => from !== '')?.nexthop, 'other.example')
  assert.equal(await kernel.queue.count(), 0)
  assert.equal((await kernel.queue.trace(ids[1] ?? ''))?.deliveries[0]?.attempts.at(-1)?.fates[0]?.status, 'removed')
  assert.equal((await Array.fromAsync(kernel.store.blobs.list())).length, 0)
})

test('the same once key is the same message', async (t) => {
  const kernel = await createTestKernel(t)
  const first = await kernel.submit({ from: 'a@x.example', to: ['b@far.example'], once: 'post-1' })
  const second = await kernel.submit({ from: 'a@x.example', to: ['b@far.example'], once: 'post-1' })
  assert.equal(second.id, first.id)
  await kernel.deliver()
  assert.equal(kernel.delivered.length, 1)
  assert.equal((await kernel.submit({ from: 'a@x.example', to: ['b@far.example'], once: 'post-1' })).id, first.id)
  await kernel.deliver()
  assert.equal(kernel.delivered.length, 1)
})

test('a delivery that was tried is never taken from memory as if it had not been', async (t) => {
  const answered: string[] = []
  const kernel = await createTestKernel(t, {
    deliver: (delivery, { signal }) => {
      // The second next hop is silent, so the message stays as young as can be.
      if (delivery.route.nexthop === 'silent.example')
        return new Promise((resolve) =>
          signal.addEventListener('abort', () => resolve(later(delivery)), { once: true }),
        )
      answered.push(...delivery.recipients.map(({ address }) => address))
      return delivery.recipients.map(
        (recipient): Outcome =>
          recipient.address.startsWith('wait')
            ? ({ ...later(delivery)[0], recipient } as Outcome)
            : (deliveredTo({ ...delivery, recipients: [recipient] })[0] as Outcome),
      )
    },
  })
  for (let i = 0; i < 20; i++) await kernel.submit({ from: 'a@x.example', to: [`${i}@silent.example`] })
  await kernel.clock.advance(1000)
  await kernel.submit({ from: 'a@x.example', to: ['ok@one.example', 'wait@one.example', 'b@silent.example'] })
  kernel.kernel.run()
  const until = async (count: number) => {
    for (let turns = 0; answered.length < count && turns < 500; turns++)
      await new Promise((resolve) => setImmediate(resolve))
  }
  await until(2)
  await kernel.clock.advance(6 * MIN)
  await until(3)
  assert.deepEqual(answered, ['ok@one.example', 'wait@one.example', 'wait@one.example'])
})
