/**
 * Recipients of one message that are treated apart: verdicts of `check` for some of them, and messages that `modify`
 * splits so that each part has content of its own.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type DataReply, defer, definePlugin, type Message, type RecipientVerdict, refuse, type Taps } from 'iems'
import { createTestKernel, memoryStore, type TestKernel, testClock } from 'iems/testing'
import * as z from 'zod'

const plugin = (name: string, hooks: Taps) => definePlugin({ name, config: z.undefined(), setup: () => ({ hooks }) })()

const TO = ['ann@x.example', 'bob@x.example', 'carl@y.example']
const MESSAGE = { from: 'me@here.example', to: TO, body: 'Hello.' }
const isOut = ({ address }: { readonly address: string }) => address.endsWith('@y.example')

async function* octets(text: string) {
  yield Buffer.from(text)
}

/** Adds a line to the end of a message. */
async function append(message: Message, line: string) {
  async function* changed() {
    yield* message.open()
    yield Buffer.from(`${line}\r\n`)
  }
  await message.replaceContent(changed())
}

const contentsOf = ({ delivered }: TestKernel) =>
  Object.fromEntries(delivered.flatMap(({ to, content }) => to.map((one) => [one, content.split('\r\n\r\n')[1]])))

test('a message is split in modify: each part has its content, later taps see both, one commit accepts all', async (t) => {
  const seen: string[][] = []
  const clock = testClock()
  const plain = memoryStore({ now: clock.now })
  let accepting = 0
  const store = {
    ...plain,
    commit(...[ops, checks]: Parameters<typeof plain.commit>) {
      if (ops.some((op) => 'due' in op)) accepting++
      return plain.commit(ops, checks)
    },
  }
  const disclaimer = plugin('disclaimer', {
    async modify(message, { note }) {
      note('before', true)
      const outside = message.split(message.recipients.filter(isOut))
      await append(outside, 'For outside.')
      outside.headers.prepend('X-Outside', 'yes')
    },
  })
  const footer = plugin('footer', {
    async modify(message, { note }) {
      seen.push(message.recipients.map(({ address }) => address))
      note('recipients', message.recipients.length)
      await append(message, 'Footer.')
    },
  })
  const kernel = await createTestKernel(t, { store, clock, plugins: [disclaimer, footer] })
  const { id = '' } = await kernel.submit(MESSAGE)
  assert.equal(accepting, 1)
  await kernel.deliver()
  assert.deepEqual(seen, [TO.slice(0, 2), TO.slice(2)])
  assert.deepEqual(contentsOf(kernel), {
    'ann@x.example': 'Hello.\r\nFooter.\r\n',
    'bob@x.example': 'Hello.\r\nFooter.\r\n',
    'carl@y.example': 'Hello.\r\nFor outside.\r\nFooter.\r\n',
  })
  const outside = kernel.delivered.find(({ to }) => to.some((address) => isOut({ address })))
  assert.match(outside?.content ?? '', /^X-Outside: yes\r\n|\r\nX-Outside: yes\r\n/)
  const trace = await kernel.queue.trace(outside?.message ?? '')
  assert.equal(trace?.splitFrom, id)
  assert.deepEqual(
    trace?.findings.map(({ name, value }) => [name, value]),
    [
      ['before', true],
      ['recipients', 1],
    ],
  )
  assert.equal((await Array.fromAsync(store.blobs.list())).length, 0)
})

test('parts of a split message that keep its content share one body, gone with the last', async (t) => {
  const splitter = plugin('splitter', {
    modify(message) {
      for (const one of message.recipients) message.split([one]).headers.prepend('X-For', one.address)
    },
  })
  const kernel = await createTestKernel(t, { plugins: [splitter] })
  await kernel.submit(MESSAGE)
  assert.equal((await Array.fromAsync(kernel.store.blobs.list())).length, 1)
  await kernel.deliver()
  assert.deepEqual(
    kernel.delivered.map(({ to, content }) => [to, /X-For: (\S+)/.exec(content)?.[1]]).sort(),
    TO.map((one) => [[one], one]),
  )
  assert.equal((await Array.fromAsync(kernel.store.blobs.list())).length, 0)
})

test('the configuration’s `to` holds for each part, and the part that loses its recipients is discarded alone', async (t) => {
  const splitter = plugin('splitter', {
    modify(message) {
      const outside = message.split(message.recipients.filter(isOut))
      outside.removeRecipient('carl@y.example')
    },
  })
  const kernel = await createTestKernel(t, { plugins: [splitter] })
  const { reply } = await kernel.submit(MESSAGE)
  assert.equal(reply.code, 250)
  await kernel.deliver()
  assert.deepEqual(Object.keys(contentsOf(kernel)), TO.slice(0, 2))
  assert.equal((await Array.fromAsync(kernel.store.blobs.list())).length, 0)
})

test('a fault after a split keeps nothing of any part', async (t) => {
  const splitter = plugin('splitter', {
    async modify(message) {
      await append(message.split(message.recipients.filter(isOut)), 'x')
      throw new Error('out of order')
    },
  })
  const kernel = await createTestKernel(t, { plugins: [splitter], expectsFaults: true })
  const { reply } = await kernel.submit(MESSAGE)
  assert.equal(reply.code, 451)
  assert.equal(await kernel.queue.count(), 0)
  assert.equal((await Array.fromAsync(kernel.store.blobs.list())).length, 0)
})

test('a replaced recipient keeps NOTIFY, ORCPT, reverse-path and original address', async (t) => {
  const recipients: unknown[] = []
  const gateway = plugin('gateway', {
    modify: (message) => message.replaceRecipient('ann@x.example', 'ann@post.example'),
    dispatch: (delivery) => void recipients.push(...delivery.recipients),
  })
  const kernel = await createTestKernel(t, { plugins: [gateway] })
  const ann = {
    address: 'ann@x.example',
    notify: ['SUCCESS'],
    orcpt: 'rfc822;a@old.example',
    from: 'v@here.example',
  } as const
  await kernel.submit({ ...MESSAGE, to: [ann] })
  await kernel.deliver()
  assert.deepEqual(recipients[0], { ...ann, address: 'ann@post.example', original: 'ann@x.example' })
})

// --- verdicts for some recipients ------------------------------------------------------------

const NO = refuse(550, '5.7.1', 'Not for this recipient')
const LATER = defer(451, '4.7.1', 'Not now')
const HOLD = { kind: 'quarantine', reason: 'suspect' } as const
const DROP = { kind: 'discard', reason: 'unwanted' } as const

/** A filter with a verdict for each recipient that has one. */
const filter = (verdicts: Readonly<Record<string, typeof NO | typeof HOLD | typeof DROP>>) =>
  plugin('filter', {
    check: ({ recipients }) =>
      recipients.flatMap((one): RecipientVerdict[] => {
        const verdict = verdicts[one.address]
        return verdict ? [{ ...verdict, recipients: [one] }] : []
      }),
  })

interface Case {
  readonly name: string
  readonly verdicts: Parameters<typeof filter>[0]
  /** What an SMTP client hears, and what each recipient of an LMTP client. */
  readonly smtp: number
  readonly lmtp: readonly number[]
  /** Who gets it from an SMTP client, and from an LMTP client. */
  readonly gets: readonly string[]
  readonly getsLmtp?: readonly string[]
  readonly held?: number
  /** Recipients in the report to the SMTP client's sender. */
  readonly reported?: readonly string[]
}
const [ann = '', bob = '', carl = ''] = TO
const CASES: readonly Case[] = [
  { name: 'no opinion', verdicts: {}, smtp: 250, lmtp: [250, 250, 250], gets: TO },
  {
    name: 'one is refused for ever',
    verdicts: { [bob]: NO },
    smtp: 250,
    lmtp: [250, 550, 250],
    gets: [ann, carl],
    reported: [bob],
  },
  {
    name: 'one is refused for now',
    verdicts: { [bob]: LATER },
    smtp: 451,
    lmtp: [250, 451, 250],
    gets: [],
    getsLmtp: [ann, carl],
  },
  {
    name: 'all are refused for ever',
    verdicts: { [ann]: NO, [bob]: NO, [carl]: NO },
    smtp: 550,
    lmtp: [550, 550, 550],
    gets: [],
  },
  {
    name: 'all are refused, one for now',
    verdicts: { [ann]: NO, [bob]: LATER, [carl]: NO },
    smtp: 451,
    lmtp: [550, 451, 550],
    gets: [],
  },
  {
    name: 'one is held, one discarded',
    verdicts: { [ann]: HOLD, [carl]: DROP },
    smtp: 250,
    lmtp: [250, 250, 250],
    gets: [bob],
    held: 1,
  },
  {
    name: 'one is refused and the others discarded',
    verdicts: { [ann]: NO, [bob]: DROP, [carl]: DROP },
    smtp: 250,
    lmtp: [550, 250, 250],
    gets: [],
    reported: [ann],
  },
]

for (const { name, verdicts, smtp, lmtp, gets, getsLmtp = gets, held = 0, reported = [] } of CASES) {
  for (const each of [false, true]) {
    test(`${name}: what ${each ? 'an LMTP' : 'an SMTP'} client hears, and who gets the message`, async (t) => {
      const kernel = await createTestKernel(t, { plugins: [filter(verdicts)] })
      const session = kernel.session({
        protocol: each ? 'LMTP' : 'ESMTP',
        identity: { kind: 'identity', user: 'me', mayRelay: true },
      })
      await session.mail(MESSAGE.from, {})
      for (const address of TO) assert.equal(await session.rcpt({ address }), undefined)
      const reply: DataReply = await session.data(octets('Subject: a\r\n\r\nHello.\r\n'), { each })
      if (each)
        assert.deepEqual(
          (reply.each ?? []).map(({ code }) => code),
          lmtp,
        )
      else assert.deepEqual([reply.code, reply.each], [smtp, undefined])
      assert.equal(await kernel.queue.count({ held: true }), held)
      await kernel.deliver()
      const mail = kernel.delivered.filter(({ from }) => from !== '')
      assert.deepEqual(mail.flatMap(({ to }) => to).sort(), [...(each ? getsLmtp : gets)].sort())
      const reports = kernel.delivered.filter(({ from }) => from === '').map(({ content }) => content)
      assert.deepEqual(
        reports.flatMap((text) => [...text.matchAll(/Final-Recipient: rfc822;\s*(\S+)/g)].map(([, to]) => to)),
        each ? [] : reported,
      )
    })
  }
}
