/** Our plugins in Debian's Postfix as a milter: the same verdicts and changes as inside. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import * as z from 'zod'
import { defer, definePlugin, refuse } from '../../core/index.ts'
import { createTestKernel } from '../../core/testing/index.ts'
import { milter } from '../../plugins/filter/milter/index.ts'
import { headerActions } from '../../plugins/filter/milter-server/actions.ts'
import { milterServer } from '../../plugins/filter/milter-server/index.ts'
import { startPostfix, whyNoPostfix } from '../support/postfix.ts'
import { talk } from '../support/smtp-talk.ts'

/** Decides by the subject, and uses everything that a plugin may do. */
const judge = definePlugin({
  name: 'judge',
  config: z.undefined(),
  setup: () => ({
    hooks: {
      mail: ({ from }) => (from === 'bad@far.test' ? refuse(550, '5.7.1', 'Not from there (100%)') : undefined),
      rcpt: ({ to }) => (to.address === 'full@here.test' ? defer(452, '4.2.2', 'Mailbox full') : undefined),
      check(message) {
        const [subject = ''] = message.headers.get('subject')
        if (subject === 'refuse') return refuse(554, '5.7.1', 'Refused for its content')
        if (subject === 'later') return defer(451, '4.7.1', 'Later')
        if (subject === 'fault') throw new Error('a fault')
        if (subject === 'discard') return { kind: 'discard', reason: 'unwanted' }
        if (subject === 'hold') return { kind: 'quarantine', reason: 'suspicious' }
        return undefined
      },
      async modify(message) {
        const [subject = ''] = message.headers.get('subject')
        message.headers.prepend('X-Judged', `${message.session.helo} ${message.session.remote.address}`)
        message.headers.remove('X-Secret')
        if (subject === 'envelope') {
          message.setSender('other@far.test')
          message.replaceRecipient('ann@here.test', 'bob@here.test')
        }
        if (subject === 'body')
          await message.replaceContent(
            (async function* () {
              yield Buffer.from('Subject: body\r\nTo: new\r\n\r\nA new body\r\n')
            })(),
          )
      },
    },
  }),
})
/** Sends one message; the reply that ended it. */
async function send(t: TestContext, port: number, message: { from: string; to: string; content: string }) {
  const client = await talk(t, port)
  await client.reply()
  await client.ask('EHLO client.test')
  for (const line of [`MAIL FROM:<${message.from}>`, `RCPT TO:<${message.to}>`, 'DATA']) {
    const reply = await client.ask(line)
    if (/^[45]/.test(reply)) return reply
  }
  return client.ask(`${message.content}.`)
}
const SUBJECTS = ['plain', 'refuse', 'later', 'fault', 'discard', 'envelope', 'body', 'hold']
const content = (subject: string) =>
  `Subject: ${subject}\r\nX-Secret: one\r\nX-Kept: a\r\n b\r\nX-Secret: two\r\nTo: ann@here.test\r\n\r\nHello\r\n`

test('Postfix gives the verdicts and makes the changes of our plugins', {
  skip: whyNoPostfix() ?? false,
}, async (t) => {
  const inside = await createTestKernel(t, { plugins: [judge()], expectsFaults: true })
  const served = await createTestKernel(t, {
    channels: { filter: milterServer({ listen: '127.0.0.1:0' }) },
    plugins: [judge()],
    expectsFaults: true,
  })
  const { port } = served.listener('filter')
  const postfix = await startPostfix(t, {
    fate: { keepFor: ['here.test'] },
    settings: { smtpd_milters: `inet:127.0.0.1:${port}`, milter_default_action: 'accept' },
  })
  for (const [from, to] of [
    ['bad@far.test', 'ann@here.test'],
    ['me@far.test', 'full@here.test'],
  ] as const) {
    const ours = await inside.session().submit({ from, to: [to], content: content('plain') })
    const theirs = await send(t, postfix.port, { from, to, content: content('plain') })
    const { code, enhanced, text } = ours.refused[0]?.reply ?? ours.reply
    assert.equal(theirs, `${code} ${enhanced} ${text}`)
  }
  for (const subject of SUBJECTS) {
    const ours = await inside
      .session()
      .submit({ from: 'me@far.test', to: ['ann@here.test'], content: content(subject) })
    const theirs = await send(t, postfix.port, { from: 'me@far.test', to: 'ann@here.test', content: content(subject) })
    // Postfix cannot name our message id; its own words of acceptance differ.
    const expected = ours.reply.code === 250 ? '250' : `${ours.reply.code} ${ours.reply.enhanced}`
    assert.ok(theirs.startsWith(expected), `${subject}: ${theirs}, inside ${expected} ${ours.reply.text}`)
  }
  await untilKept(postfix, 3)
  const kept = await postfix.kept()
  const bySubject = (subject: string) => kept.find((text) => text.includes(`\nSubject: ${subject}\n`)) ?? ''
  assert.match(bySubject('plain'), /\nX-Judged: client\.test 127\.0\.0\.1\n/)
  assert.ok(!kept.some((text) => text.includes('X-Secret')), kept.join('\n'))
  assert.match(bySubject('plain'), /\nX-Kept: a\n b\n/)
  assert.match(bySubject('envelope'), /^Return-Path: <other@far\.test>[\s\S]*Delivered-To: bob@here\.test/m)
  assert.match(bySubject('body'), /\nTo: new\n[\s\S]*\n\nA new body\n/)
  assert.equal(kept.length, 3)
  // Postfix holds what was quarantined.
  assert.equal(await postfix.queued(), 1)
})

async function untilKept(postfix: { kept(): Promise<readonly string[]> }, count: number): Promise<void> {
  for (const end = Date.now() + 15_000; Date.now() < end; )
    if ((await postfix.kept()).length >= count) return
    else await new Promise((resolve) => setTimeout(resolve, 50))
}

test('our own milter client gets the same from it', async (t) => {
  const served = await createTestKernel(t, {
    channels: { filter: milterServer({ listen: '127.0.0.1:0' }) },
    plugins: [judge()],
    expectsFaults: true,
  })
  const { port } = served.listener('filter')
  const client = await createTestKernel(t, {
    plugins: [milter({ filters: [{ name: 'ours', servers: [`127.0.0.1:${port}`] }] })],
  })
  const replies: string[] = []
  for (const subject of SUBJECTS) {
    const { reply } = await client
      .session()
      .submit({ from: 'me@far.test', to: ['ann@here.test'], content: content(subject) })
    replies.push(`${subject} ${reply.code}`)
  }
  assert.deepEqual(replies, [
    'plain 250',
    'refuse 554',
    'later 451',
    'fault 451',
    'discard 250',
    'envelope 250',
    'body 250',
    'hold 250',
  ])
  await client.deliver()
  const [plain, envelope, body] = ['plain', 'envelope', 'body'].map((subject) =>
    client.delivered.find(
      (one) => one.content.includes(`\r\nSubject: ${subject}\r\n`) || one.content.startsWith(`Subject: ${subject}\r\n`),
    ),
  )
  assert.match(plain?.content ?? '', /X-Judged: client\.test 192\.0\.2\.1\r\n/)
  assert.deepEqual([envelope?.from, envelope?.to], ['other@far.test', ['bob@here.test']])
  assert.match(body?.content ?? '', /\r\n\r\nA new body\r\n$/)
  assert.equal(client.delivered.length, 3)
})

test('header actions lead from one header to the other, whatever repeats', () => {
  const field = (text: string) => ({ name: text.split(':')[0] ?? '', value: text.split(':')[1] ?? '' })
  const before = ['A: 1', 'B: 1', 'A: 2', 'A: 1', 'C: 1'].map(field)
  const after = ['X: 0', 'A: 2', 'B: 1', 'A: 1', 'Y: 9'].map(field)
  const fields = [...before]
  for (const one of headerActions({ before, after }, { isRaw: true })) {
    const at = one.readUInt32BE(5)
    const [name = '', value = ''] = one.toString('latin1', 9).split('\0')
    if (one.toString('latin1', 4, 5) === 'i') fields.splice(at, 0, { name, value })
    else {
      const found = fields.map((each, n) => ({ each, n })).filter(({ each }) => each.name === name)[at - 1]
      fields.splice(found?.n ?? -1, 1)
    }
  }
  assert.deepEqual(fields, after)
})
