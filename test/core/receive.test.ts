/** The way in: who may send what where, what hooks may say, and what is promised when. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as z from 'zod'
import { defer, definePlugin, IemsError, type PluginEntry, type PluginInstance, refuse } from '../../core/index.ts'
import { createTestKernel, type DeliverAnswer, deliveredTo, memoryStore, testClock } from '../../core/testing/index.ts'
import { eventually } from '../support/several-kernels.ts'

/** A plugin made of nothing but hooks. */
function tapping(
  hooks: NonNullable<PluginInstance['hooks']>,
  name = 'probe',
  onError: 'defer' | 'skip' = 'defer',
): PluginEntry {
  return definePlugin({ name, config: z.undefined(), setup: () => ({ hooks }) })(undefined, { onError })
}

const LETTER = { from: 'a@x.example', to: ['b@far.example'] }

for (const hook of ['mail', 'rcpt', 'check', 'modify', 'route', 'expand'] as const) {
  test(`a fault in ${hook} is "try again later", never yes and never "never"`, async (t) => {
    const kernel = await createTestKernel(t, {
      expectsFaults: true,
      plugins: [
        tapping({
          [hook]: () => {
            throw new Error('secret detail')
          },
        }),
      ],
    })
    const { reply, queued } = await kernel.submit(LETTER)
    assert.equal(reply.code, 451)
    assert.doesNotMatch(reply.text, /secret|probe/)
    assert.equal(queued.length, 0)
    assert.equal((await Array.fromAsync(kernel.store.blobs.list())).length, 0)
  })

  test(`a fault in ${hook} is passed over when the admin says so`, async (t) => {
    const kernel = await createTestKernel(t, {
      expectsFaults: true,
      plugins: [
        tapping(
          {
            [hook]: () => {
              throw new Error('a bug')
            },
          },
          'probe',
          'skip',
        ),
      ],
    })
    assert.equal((await kernel.submit(LETTER)).reply.code, 250)
  })
}

test('a tap that never answers is a fault after its time', async (t) => {
  const kernel = await createTestKernel(t, {
    expectsFaults: true,
    plugins: [tapping({ check: { timeout: 20, handler: () => new Promise(() => {}) } })],
  })
  assert.equal((await kernel.submit(LETTER)).reply.code, 451)
})

test('null is no opinion and a synchronous throw in second place is a fault', async (t) => {
  const silent = tapping({ check: (() => null) as never }, 'silent')
  assert.equal(
    (await (await createTestKernel(t, { expectsFaults: true, plugins: [silent] })).submit(LETTER)).reply.code,
    250,
  )
  const loud = tapping(
    {
      check: () => {
        throw new Error('at once')
      },
    },
    'loud',
  )
  assert.equal(
    (await (await createTestKernel(t, { expectsFaults: true, plugins: [silent, loud] })).submit(LETTER)).reply.code,
    451,
  )
})

test('check may refuse, defer, discard and quarantine', async (t) => {
  const verdicts = [
    refuse(550, '5.7.1', 'No'),
    defer(451, '4.7.1', 'Later'),
    { kind: 'discard', reason: 'trap' },
    { kind: 'quarantine', reason: 'odd' },
  ] as const
  const seen = []
  for (const verdict of verdicts) {
    const kernel = await createTestKernel(t, { plugins: [tapping({ check: () => verdict })] })
    const { reply, queued } = await kernel.submit(LETTER)
    await kernel.deliver()
    seen.push([reply.code, queued.length, queued[0]?.held, kernel.delivered.length])
  }
  assert.deepEqual(seen, [
    [550, 0, undefined, 0],
    [451, 0, undefined, 0],
    [250, 0, undefined, 0],
    [250, 1, 'odd', 0],
  ])
})

test('modify changes header and content, and each tap sees what the one before did', async (t) => {
  const first = tapping(
    {
      async modify(message) {
        const chunks: Uint8Array[] = []
        for await (const chunk of message.open()) chunks.push(chunk)
        const text = Buffer.concat(chunks).toString()
        await message.replaceContent(
          (async function* () {
            yield Buffer.from(text.replace('Hello', 'Goodbye'))
          })(),
        )
        message.headers.prepend('X-Changed', 'yes')
      },
    },
    'first',
  )
  const second = tapping(
    {
      modify(message, { note }) {
        note('saw', message.headers.get('x-changed')[0] ?? 'nothing')
      },
    },
    'second',
  )
  const kernel = await createTestKernel(t, { plugins: [first, second] })
  const { id } = await kernel.submit({ ...LETTER, body: 'Hello.' })
  await kernel.deliver()
  assert.match(kernel.delivered[0]?.content ?? '', /^X-Changed: yes\r\nReceived: /)
  assert.match(kernel.delivered[0]?.content ?? '', /Goodbye\./)
  const life = await kernel.queue.trace(id ?? '')
  assert.deepEqual(life?.findings, [{ plugin: 'second', name: 'saw', value: 'yes' }])
  assert.match(life?.steps.find(({ plugin }) => plugin === 'first')?.change ?? '', /^\d+ → \d+ octets$/)
  assert.equal((await Array.fromAsync(kernel.store.blobs.list())).length, 0)
})

test('modify may change sender and recipients: aliases apply, relaying stays refused, no recipient is a discard', async (t) => {
  const filter = tapping({
    modify(message) {
      const [subject = ''] = message.headers.get('subject')
      for (const word of subject.split(' ')) {
        if (word.startsWith('+')) message.addRecipient(word.slice(1))
        if (word.startsWith('-')) message.removeRecipient(word.slice(1))
        if (word.startsWith('from:')) message.setSender(word.slice(5))
      }
    },
    expand({ to }) {
      if (to.address === 'all@far.example') return [{ ...to, address: 'c@far.example' }]
      return to.address === 'x@nowhere.example' ? refuse(550, '5.1.1', 'Nobody') : undefined
    },
  })
  const kernel = await createTestKernel(t, { plugins: [filter] })
  const send = async (subject: string) => {
    const before = kernel.delivered.length
    const { reply, id } = await kernel.submit({ ...LETTER, content: `Subject: ${subject}\r\n\r\nHello\r\n` })
    await kernel.deliver()
    const sent = kernel.delivered.slice(before).flatMap(({ from, to }) => to.map((one) => `${from} ${one}`))
    return { code: reply.code, id, sent }
  }
  assert.deepEqual((await send('+c@far.example from:z@x.example')).sent, [
    'z@x.example b@far.example',
    'z@x.example c@far.example',
  ])
  assert.deepEqual((await send('+all@far.example -b@far.example')).sent, ['a@x.example c@far.example'])
  assert.deepEqual((await send('+b@far.example +c@far.example -c@far.example')).sent, ['a@x.example b@far.example'])
  const nobody = await send('-b@far.example')
  assert.deepEqual([nobody.code, nobody.sent], [250, []])
  assert.ok(kernel.events.some(({ name, reason }) => name === 'message.discarded' && reason === 'no recipient is left'))
  assert.equal((await send('+x@nowhere.example')).code, 451)
  assert.equal((await Array.fromAsync(kernel.store.blobs.list())).length, 0)
})

test('a plugin’s state follows the message to dispatch, and no other plugin sees it', async (t) => {
  const boxes: unknown[] = []
  const writer = tapping(
    {
      check: (_, { state }) => {
        state.colour = 'red'
      },
      dispatch: (_, { state }) => {
        boxes.push({ ...state })
      },
    },
    'writer',
  )
  const reader = tapping(
    {
      dispatch: (_, { state }) => {
        boxes.push({ ...state })
      },
    },
    'reader',
  )
  const kernel = await createTestKernel(t, { plugins: [writer, reader] })
  await kernel.submit(LETTER)
  await kernel.deliver()
  assert.deepEqual(boxes, [{ colour: 'red' }, {}])
})

test('dispatch may postpone, fail and reroute', async (t) => {
  const until = new Date(Date.UTC(2026, 0, 1, 2))
  const answers = {
    postpone: { kind: 'postpone', until, reply: defer(450, '4.7.1', 'Slow down').reply },
    fail: { kind: 'fail', reply: refuse(550, '5.7.1', 'Stop').reply },
  } as const
  const postponed = await createTestKernel(t, { plugins: [tapping({ dispatch: () => answers.postpone })] })
  const { id } = await postponed.submit(LETTER)
  await postponed.deliver()
  const [entry] = await Array.fromAsync(postponed.queue.list({ message: id ?? '' }))
  assert.equal(entry?.due, until.getTime())
  assert.equal(entry?.attempt, 0)

  const failed = await createTestKernel(t, {
    plugins: [tapping({ dispatch: ({ message }) => (message.from === '' ? undefined : answers.fail) })],
  })
  await failed.submit(LETTER)
  await failed.deliver()
  assert.match(failed.delivered[0]?.content ?? '', /Status: 5\.7\.1/)

  const rerouted = await createTestKernel(t, {
    plugins: [
      tapping({
        dispatch: ({ route }) =>
          route.nexthop === 'far.example'
            ? { kind: 'reroute', route: { channel: 'out', nexthop: 'near.example' } }
            : undefined,
      }),
    ],
  })
  await rerouted.submit(LETTER)
  await rerouted.deliver()
  assert.equal(rerouted.delivered[0]?.nexthop, 'near.example')
})

test('dispatch may set another reverse-path at each attempt; the report goes to the sender', async (t) => {
  const sent: string[] = []
  const rewriting = tapping({
    dispatch(delivery) {
      if (delivery.message.from !== '') delivery.from = `${delivery.attempt}-of-${delivery.from}`
    },
  })
  const deliver: DeliverAnswer = (delivery) => {
    sent.push(delivery.from)
    const reply = delivery.attempt < 2 ? defer(451, '4.2.0', 'Later').reply : refuse(550, '5.1.1', 'Nobody').reply
    if (delivery.message.from === '') return deliveredTo(delivery)
    return delivery.recipients.map((recipient) => ({
      recipient,
      status: delivery.attempt < 2 ? 'deferred' : 'failed',
      reply,
    }))
  }
  const kernel = await createTestKernel(t, { plugins: [rewriting], deliver })
  await kernel.submit(LETTER)
  await kernel.advance(3_600_000)
  assert.deepEqual(sent, ['1-of-a@x.example', '2-of-a@x.example', ''])
  assert.deepEqual(kernel.delivered.at(-1)?.to, ['a@x.example'])
})

test('expand may refuse an address that it knows to be none', async (t) => {
  const refusing = tapping({
    expand: ({ to }) => (to.address.startsWith('old-') ? refuse(550, '5.7.1', 'No longer valid') : undefined),
  })
  const kernel = await createTestKernel(t, { plugins: [refusing] })
  const { reply, refused } = await kernel.submit({ ...LETTER, to: ['b@far.example', 'old-b@far.example'] })
  assert.equal(reply.code, 250)
  assert.deepEqual(refused, [
    { address: 'old-b@far.example', reply: { code: 550, enhanced: '5.7.1', text: 'No longer valid' } },
  ])
})

test('an alias becomes its members once each, and a loop ends', async (t) => {
  const members: Record<string, string[]> = {
    'all@x.example': ['b@far.example', 'team@x.example', 'all@x.example'],
    'team@x.example': ['b@far.example', 'c@far.example', 'all@x.example'],
  }
  const alias = tapping({ expand: ({ to }) => members[to.address]?.map((address) => ({ ...to, address })) })
  const kernel = await createTestKernel(t, { plugins: [alias] })
  const { queued } = await kernel.submit({ ...LETTER, to: ['all@x.example'] })
  assert.deepEqual(queued.flatMap(({ recipients }) => recipients.map(({ address }) => address)).sort(), [
    'all@x.example',
    'b@far.example',
    'c@far.example',
  ])
})

test('an expansion without end is refused', async (t) => {
  let n = 0
  const endless = tapping({ expand: ({ to }) => [{ ...to, address: `a${n++}@x.example` }] })
  const kernel = await createTestKernel(t, { plugins: [endless] })
  assert.equal((await kernel.submit(LETTER)).reply.enhanced, '5.4.6')
  const wide = tapping({
    expand: ({ to }) => Array.from({ length: 600 }, (_, i) => ({ ...to, address: `${i}.${to.address}` })),
  })
  const other = await createTestKernel(t, { plugins: [wide] })
  assert.equal((await other.submit(LETTER)).reply.code, 452)
})

test('a recipient without a route is refused; a route to no channel is our fault', async (t) => {
  const lost = definePlugin({
    name: 'lost',
    config: z.undefined(),
    setup: () => ({
      hooks: { route: ({ to }) => (to.address.startsWith('b') ? { channel: 'nowhere', nexthop: 'x' } : undefined) },
      deliver: async () => [],
    }),
  })
  const kernel = await createTestKernel(t, { expectsFaults: true, channels: { lost: lost() } })
  assert.equal((await kernel.submit({ ...LETTER, to: ['c@far.example'] })).reply.enhanced, '5.1.2')
  assert.equal((await kernel.submit(LETTER)).reply.code, 451)
})

test('unauthenticated clients reach only channels that accept anyone', async (t) => {
  const relay = definePlugin({
    name: 'relay',
    config: z.undefined(),
    setup: (_, { openSession }) => ({
      hooks: {
        route: ({ to }) => ({ channel: to.address.endsWith('@here.example') ? 'local' : 'relay', nexthop: 'x' }),
      },
      deliver: async () => [],
      async listen() {
        const talk = async (address: string, to: string) => {
          const session = openSession({ protocol: 'ESMTP', remote: { address } })
          assert.equal(await session.mail('a@x.example', {}), undefined)
          return (await session.rcpt({ address: to }))?.reply.enhanced
        }
        assert.equal(await talk('192.0.2.1', 'b@here.example'), undefined)
        assert.equal(await talk('192.0.2.1', 'b@far.example'), '5.7.1')
        assert.equal(await talk('10.1.2.3', 'b@far.example'), undefined)
        assert.equal(await talk('::ffff:10.1.2.3', 'b@far.example'), undefined)
      },
    }),
  })
  const local = definePlugin({ name: 'local', config: z.undefined(), setup: () => ({ deliver: async () => [] }) })
  await createTestKernel(t, {
    channels: { relay: relay(undefined, { trusts: ['10.0.0.0/8'] }), local: local(undefined, { accepts: 'anyone' }) },
  })
})

test('a message that is too large, has too long a header, or is in a loop is refused and leaves nothing', async (t) => {
  const kernel = await createTestKernel(t, { limits: { messageSize: '10 kB', headerSize: '1 kB', hops: 5 } })
  const large = await kernel.submit({ ...LETTER, body: 'x'.repeat(20_000) })
  const long = await kernel.submit({ ...LETTER, content: `Subject: ${'x'.repeat(2000)}\r\n\r\n` })
  const round = await kernel.submit({ ...LETTER, content: `${'Received: x\r\n'.repeat(5)}\r\n` })
  assert.deepEqual(
    [large, long, round].map(({ reply }) => reply.enhanced),
    ['5.3.4', '5.3.4', '5.4.6'],
  )
  assert.equal((await Array.fromAsync(kernel.store.blobs.list())).length, 0)
  assert.equal(await kernel.queue.count(), 0)
})

test('a submission gets the Date and Message-ID that it lacks, other mail does not', async (t) => {
  const kernel = await createTestKernel(t)
  const bare = { ...LETTER, content: 'Subject: x\r\n\r\n' }
  for (const message of [
    { ...bare, submission: true },
    { ...LETTER, content: 'Subject: x\r\nDate: mine\r\nMessage-ID: <mine@x>\r\n\r\n', submission: true },
    bare,
  ]) {
    await kernel.submit(message)
    await kernel.deliver()
  }
  const has = kernel.delivered.map(({ content }) => [
    (content.match(/^Date:/gm) ?? []).length,
    (content.match(/^Message-ID:/gm) ?? []).length,
  ])
  assert.deepEqual(has, [
    [1, 1],
    [1, 1],
    [0, 0],
  ])
  assert.match(kernel.delivered[1]?.content ?? '', /Date: mine/)
})

test('a client that disconnects during content leaves nothing', async (t) => {
  const kernel = await createTestKernel(t)
  const { reply } = await kernel.submit({
    ...LETTER,
    content: (async function* () {
      yield Buffer.from('Subject: x\r\n')
      throw new Error('gone')
    })(),
  })
  assert.equal(reply.code, 451)
  assert.equal(await kernel.queue.count(), 0)
  assert.equal((await Array.fromAsync(kernel.store.blobs.list())).length, 0)
})

test('lone CR and LF never get into the queue by a submission', async (t) => {
  const kernel = await createTestKernel(t)
  await kernel.submit({ ...LETTER, content: 'Subject: x\n\none\rtwo\r\n.\nthree\r' })
  await kernel.deliver()
  assert.match(kernel.delivered[0]?.content ?? '', /Subject: x\r\n\r\none\r\ntwo\r\n\.\r\nthree\r\n$/)
})

test('the parsed message is shared by all plugins and absent over the limit', async (t) => {
  const parsed: unknown[] = []
  const reader = (name: string) =>
    tapping(
      {
        async check(message) {
          parsed.push(await message.parse())
        },
      },
      name,
    )
  const kernel = await createTestKernel(t, { limits: { parse: '1 kB' }, plugins: [reader('one'), reader('two')] })
  await kernel.submit({ ...LETTER, content: 'Subject: =?utf-8?Q?caf=C3=A9?=\r\n\r\nHi\r\n' })
  assert.equal((parsed[0] as { subject: string }).subject, 'café')
  assert.equal(parsed[0], parsed[1])
  await kernel.submit({ ...LETTER, body: 'x'.repeat(3000) })
  assert.equal(parsed[2], undefined)
})

test('a message beyond the limits of mailparser is not parsed, and continues', async (t) => {
  const parsed: unknown[] = []
  const plugin = tapping({
    async check(message) {
      parsed.push(await message.parse())
    },
  })
  const kernel = await createTestKernel(t, { plugins: [plugin] })
  const nested = Array.from(
    { length: 10_000 },
    (_, level) => `Content-Type: multipart/mixed; boundary=b${level}x\r\n\r\n--b${level}x\r\n`,
  ).join('')
  const many = `Content-Type: multipart/mixed; boundary=b\r\n\r\n${'--b\r\n\r\nx\r\n'.repeat(10_000)}--b--\r\n`
  for (const content of [
    `${'a:\r\n'.repeat(60_000)}\r\nx\r\n`,
    `From: ${'a:b,;\r\n '.repeat(20_000)}c@d\r\n\r\nx\r\n`,
    nested,
    many,
  ]) {
    const { reply } = await kernel.submit({ ...LETTER, content })
    assert.equal(reply.code, 250, reply.text)
  }
  assert.deepEqual(parsed, [undefined, undefined, undefined, undefined])
})

test('a full disk is "try again later" with 452, and nothing is left half-written', async (t) => {
  const clock = testClock()
  const store = memoryStore({ now: clock.now })
  let full = true
  const commit: typeof store.commit = (ops, checks) => {
    if (full) throw new IemsError('IEMS_STORE_FULL', { path: '/data' })
    return store.commit(ops, checks)
  }
  const kernel = await createTestKernel(t, { clock, store: { ...store, commit } })
  assert.deepEqual((await kernel.submit(LETTER)).reply, {
    code: 452,
    enhanced: '4.3.1',
    text: 'No space left, try again later',
  })
  assert.equal(await kernel.queue.count(), 0)
  full = false
  assert.equal((await kernel.submit(LETTER)).reply.code, 250)
})

test('a forged sender gets no report, and a plugin may suppress or reword a report', async (t) => {
  const failing: DeliverAnswer = (delivery) =>
    delivery.message.from === ''
      ? deliveredTo(delivery)
      : delivery.recipients.map((recipient) => ({
          recipient,
          status: 'failed',
          reply: refuse(550, '5.1.1', 'No').reply,
        }))
  const reports = async (plugin: PluginEntry) => {
    const kernel = await createTestKernel(t, { expectsFaults: true, deliver: failing, plugins: [plugin] })
    await kernel.submit(LETTER)
    await kernel.deliver()
    return kernel.delivered.filter(({ from }) => from === '')
  }
  assert.equal((await reports(tapping({ check: (_, { note }) => note('sender', 'forged') }))).length, 0)
  assert.equal((await reports(tapping({ bounce: (bounce) => ({ ...bounce, suppress: true }) }))).length, 0)
  assert.match(
    (await reports(tapping({ bounce: (bounce) => ({ ...bounce, text: 'Leider nicht.\n' }) })))[0]?.content ?? '',
    /Leider nicht\./,
  )
  assert.match(
    (
      await reports(
        tapping({
          bounce: () => {
            throw new Error('a bug')
          },
        }),
      )
    )[0]?.content ?? '',
    /could not be delivered/,
  )
})

test('a refused message is logged with its client and recipients, and its trace is kept', async (t) => {
  const kernel = await createTestKernel(t, {
    deliver: deliveredTo,
    plugins: [tapping({ check: () => refuse(554, '5.6.0', 'Infected') })],
  })
  const session = kernel.session()
  await session.mail('a@x.example', {})
  await session.rcpt({ address: 'b@far.example' })
  const reply = await session.data(
    (async function* () {
      yield Buffer.from('Subject: x\r\n\r\nHello\r\n')
    })(),
  )
  assert.deepEqual([reply.code, reply.text, reply.queued], [554, `Infected (${reply.message})`, undefined])
  const told = kernel.events.find(({ name }) => name === 'message.refused')
  assert.deepEqual(
    [told?.message, told?.remote, told?.recipients, told?.reply],
    [reply.message, '192.0.2.1', ['b@far.example'], '554 5.6.0 Infected'],
  )
  // The answer does not wait for the trace.
  assert.ok(await eventually(async () => (await kernel.queue.trace(reply.message ?? '')) !== undefined))
  const life = await kernel.queue.trace(reply.message ?? '')
  assert.equal(life?.refused, '554 5.6.0 Infected')
  assert.equal(life.steps.at(-1)?.verdict, 'refuse 554 5.6.0 Infected')
  assert.deepEqual([life.from, life.size, life.deliveries, life.finished], ['a@x.example', 21, [], true])
  session.close()
})

test('the id of an accepted message is a value, whatever the reply says', async (t) => {
  const kernel = await createTestKernel(t)
  const first = await kernel.submit({ ...LETTER, once: 'key' })
  const again = await kernel.submit({ ...LETTER, once: 'key' })
  assert.equal(first.id, again.id)
  assert.deepEqual(Object.keys(first.reply).sort(), ['code', 'enhanced', 'text'])
  const dropping = await createTestKernel(t, {
    plugins: [tapping({ check: () => ({ kind: 'discard', reason: 'queued as X' }) })],
  })
  const { reply, id } = await dropping.submit(LETTER)
  assert.deepEqual([reply.code, id], [250, undefined])
})
