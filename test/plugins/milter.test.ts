/** Filters of libmilter and opendkim, asked by IEMS as Postfix asks them; and filters that do not do their work. */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { accounts } from 'iems/plugins/accounts'
import { mailstore } from 'iems/plugins/mailstore'
import { milter } from 'iems/plugins/milter'
import { pop3 } from 'iems/plugins/pop3'
import { smtpIn } from 'iems/plugins/smtp-in'
import { createTestKernel, deliveredTo, missing, type TestKernel, testClock } from 'iems/testing'
import { noLibmilter, OPENDKIM, startFilter, startOpendkim } from '../support/milter.ts'
import { tempFolder } from '../support/running-server.ts'
import { until } from '../support/smtp-sink.ts'
import { talk } from '../support/smtp-talk.ts'
import { startBroken } from '../support/spam-filters.ts'

type Filter = Parameters<typeof milter>[0]['filters'][number]

async function startServer(t: TestContext, filters: Filter[], options: Parameters<typeof createTestKernel>[1] = {}) {
  return createTestKernel(t, {
    deliver: deliveredTo,
    ...options,
    channels: {
      // What the client sent is what its filters see: nothing is added for a trusted client.
      mx: smtpIn({ listen: '127.0.0.1:0', lenient: false }, { trusts: ['127.0.0.0/8'] }),
      ...options.channels,
    },
    plugins: [milter({ filters }), ...(options.plugins ?? [])],
  })
}

const LETTER = 'From: ann@a.test\r\nX-Many: one\r\nx-many:  two\r\n\tmore\r\nX-Many: three\r\n'

/** A client that sends one message; its replies, and what left here. */
async function send(t: TestContext, kernel: TestKernel, subject: string, to = ['bob@b.test'], from = 'ann@a.test') {
  const before = kernel.delivered.length
  const client = await talk(t, kernel.listener('mx').port ?? 0)
  const replies = [
    await client.reply(),
    await client.ask('EHLO client.test'),
    await client.ask(`MAIL FROM:<${from}> SIZE=300`),
  ]
  for (const one of to) replies.push(await client.ask(`RCPT TO:<${one}>`))
  const data = await client.ask('DATA')
  replies.push(data)
  if (data.startsWith('354')) replies.push(await client.ask(`${LETTER}Subject: ${subject}\r\n\r\nHello\r\n..\r\n.`))
  await client.ask('QUIT')
  await kernel.deliver()
  const sent = kernel.delivered.slice(before)
  return { replies, last: replies.at(-1) ?? '', sent, content: sent[0]?.content ?? '' }
}

test('each step is told, with its macros, and a client that goes is gone', { skip: noLibmilter }, async (t) => {
  const filter = await startFilter(t)
  const kernel = await startServer(t, [{ name: 'test', servers: [filter.address] }])
  const { last, content } = await send(t, kernel, 'nothing')
  assert.match(last, /^250 /)
  assert.match(content, /^Received: /)
  await until(() => filter.heard().some(([what]) => what === 'close'), 'the end of the session')
  const heard = filter.heard()
  assert.deepEqual(
    heard.map(([what]) => what),
    ['connect', 'helo', 'mail', 'rcpt', 'header', 'end', 'close'],
  )
  const [connect, helo, mail, rcpt, header, end] = heard
  assert.deepEqual(
    [connect?.[1], (connect?.[2] as string[] | undefined)?.[0], connect?.[3], connect?.[4]],
    ['[127.0.0.1]', '127.0.0.1', 'mx.test', 'mx'],
  )
  assert.deepEqual(
    [helo?.[1], mail?.slice(1), rcpt?.[1]],
    ['client.test', ['<ann@a.test>', ['SIZE=300'], null], '<bob@b.test>'],
  )
  assert.deepEqual(header?.[1], [
    ['From', 'ann@a.test'],
    ['X-Many', 'one'],
    ['x-many', ' two\n\tmore'],
    ['X-Many', 'three'],
    ['Subject', 'nothing'],
  ])
  assert.equal(end?.[1], 'Hello\r\n.\r\n'.length)
  assert.match(`${end?.[2]}`, /^[0-9A-Z]{26}$/)
})

test('what it says to a step is the answer to that step', { skip: noLibmilter }, async (t) => {
  const filter = await startFilter(t)
  const kernel = await startServer(t, [{ name: 'test', servers: [filter.address] }])
  assert.match((await send(t, kernel, 'x', ['b@b.test'], 'bad@a.test')).replies[2] ?? '', /^550 5\.7\.1 /)
  const { replies, sent } = await send(t, kernel, 'x', ['grey@b.test', 'refused@b.test', 'bob@b.test'])
  assert.equal(replies[3], '450 4.2.1 Greylisted, come back')
  assert.match(replies[4] ?? '', /^550 /)
  assert.match(replies[5] ?? '', /^250 /)
  assert.deepEqual(sent[0]?.to, ['bob@b.test'])
  assert.match((await send(t, kernel, 'refuse=this')).last, /^554 5\.7\.0 Not this \([0-9A-Z]{26}\)$/)
  const gone = await send(t, kernel, 'discard')
  assert.match(gone.last, /^250 /)
  assert.equal(gone.sent.length, 0)
  assert.ok(kernel.events.some(({ name }) => name === 'message.discarded'))
  const held = await send(t, kernel, 'hold=suspect')
  assert.deepEqual([held.last.slice(0, 3), held.sent.length], ['250', 0])
  assert.match(JSON.stringify(kernel.events.filter(({ name }) => name === 'message.quarantined')), /test: suspect/)
  // Accepted at MAIL: it is asked no more, and hears of the next message.
  const before = filter.heard().length
  assert.match((await send(t, kernel, 'refuse=this', ['b@b.test'], 'accepted@a.test')).last, /^250 /)
  assert.deepEqual(
    filter
      .heard()
      .slice(before)
      .map(([what]) => what)
      .filter((what) => what !== 'close'),
    ['connect', 'helo', 'mail', 'abort'].slice(0, 3),
  )
})

test('who comes for his mail is not told of', { skip: noLibmilter }, async (t) => {
  const filter = await startFilter(t)
  const kernel = await startServer(t, [{ name: 'test', servers: [filter.address] }], {
    channels: {
      pop: pop3({ listen: '127.0.0.1:0', authWithoutTls: true }),
      local: mailstore({}, { accepts: 'anyone' }),
    },
    plugins: [accounts({ domains: ['here.test'], accounts: [] })],
  })
  const client = await talk(t, kernel.listener('pop').port ?? 0)
  client.send('QUIT\r\n')
  assert.match(await client.rest(), /^\+OK /)
  assert.match((await send(t, kernel, 'x')).last, /^250 /)
  assert.equal(filter.heard().filter(([what]) => what === 'connect').length, 1)
})

test('messages in one session: what was not finished is aborted, each is judged for itself', {
  skip: noLibmilter,
}, async (t) => {
  const filter = await startFilter(t)
  const kernel = await startServer(t, [{ name: 'test', servers: [filter.address] }])
  const client = await talk(t, kernel.listener('mx').port ?? 0)
  await client.reply()
  const said: string[] = []
  for (const line of [
    'EHLO c.test',
    'MAIL FROM:<a@a.test>',
    'RCPT TO:<b@b.test>',
    'RSET',
    'MAIL FROM:<bad@a.test>',
    'MAIL FROM:<c@a.test>',
    'RCPT TO:<b@b.test>',
    'DATA',
    'Subject: refuse=first\r\n\r\nx\r\n.',
    'MAIL FROM:<d@a.test>',
    'RCPT TO:<b@b.test>',
    'DATA',
    'Subject: x\r\n\r\nx\r\n.',
  ])
    said.push(
      (await client.ask(line))
        .slice(-60)
        .replace(/^[\s\S]*\n/, '')
        .slice(0, 3),
    )
  assert.deepEqual(said.slice(4), ['550', '250', '250', '354', '554', '250', '250', '354', '250'])
  assert.deepEqual(
    filter.heard().map(([what]) => what),
    [
      'connect',
      'helo',
      'mail',
      'rcpt',
      'abort',
      'mail',
      'mail',
      'rcpt',
      'header',
      'end',
      'mail',
      'rcpt',
      'header',
      'end',
    ],
  )
})

test('what it changes is changed: fields at their places, body, sender and recipients', {
  skip: noLibmilter,
}, async (t) => {
  const filter = await startFilter(t)
  const kernel = await startServer(t, [{ name: 'test', servers: [filter.address] }])
  const { content, sent } = await send(t, kernel, 'add=yes top=up change=second remove= progress', ['bob@b.test'])
  assert.match(
    content,
    /^X-Top: up\r\n\tfolded\r\nReceived: (?:[^\r]|\r\n\t)*\r\nFrom: ann@a\.test\r\nX-Many: second\r\nX-Many: three\r\nSubject: [^\r]*\r\nX-Added: yes\r\n\r\nHello\r\n\.\r\n$/,
  )
  assert.equal(sent[0]?.from, 'ann@a.test')
  const moved = await send(t, kernel, 'to=cyd@c.test not=bob@b.test from=z@z.test', ['bob@b.test', 'dan@d.test'])
  assert.deepEqual(moved.sent.flatMap((one) => one.to.map((to) => `${one.from} ${to}`)).sort(), [
    'z@z.test cyd@c.test',
    'z@z.test dan@d.test',
  ])
  const { content: changed } = await send(t, kernel, 'body=30 add=too')
  assert.ok(changed.endsWith(`X-Added: too\r\n\r\n${'new body\r\n'.repeat(180_000)}`))
  const injected = await send(t, kernel, 'inject')
  assert.match(injected.content, /\r\nX-Inject: a\r\n\tBcc: evil@x\.test\r\n\r\n/)
})

test('filters are asked in order, each sees what the one before has changed', { skip: noLibmilter }, async (t) => {
  const [first, second] = [await startFilter(t), await startFilter(t)]
  const kernel = await startServer(t, [
    { name: 'first', servers: [first.address] },
    { name: 'second', servers: [second.address] },
  ])
  const { content } = await send(t, kernel, 'add=once body=1')
  const [, fields] = second.heard().find(([what]) => what === 'header') ?? []
  assert.deepEqual((fields as string[][]).at(-1), ['X-Added', 'once'])
  assert.equal(second.heard().find(([what]) => what === 'end')?.[1], 60_000)
  assert.equal(content.match(/X-Added/g)?.length, 2)
})

test('opendkim signs, and verifies what it has signed', { skip: missing(OPENDKIM) }, async (t) => {
  const folder = await tempFolder(t)
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  await writeFile(join(folder, 'key'), privateKey.export({ type: 'pkcs1', format: 'pem' }), { mode: 0o600 })
  const record = publicKey.export({ type: 'spki', format: 'der' }).toString('base64')
  await writeFile(join(folder, 'dns'), `sel._domainkey.a.test v=DKIM1; k=rsa; p=${record}\n`)
  const signer = await startOpendkim(t, `Mode s\nDomain a.test\nSelector sel\nKeyFile ${join(folder, 'key')}\n`)
  const verifier = await startOpendkim(
    t,
    `Mode v\nTestPublicKeys ${join(folder, 'dns')}\nAuthservID verifier\nInternalHosts 192.0.2.1\nAlwaysAddARHeader yes\n`,
  )
  const kernel = await startServer(t, [
    { name: 'sign', servers: [signer] },
    { name: 'verify', servers: [verifier] },
  ])
  const { content, last } = await send(t, kernel, 'signed')
  assert.match(last, /^250 /)
  assert.match(content, /DKIM-Signature: v=1;[\s\S]*d=a\.test; s=sel;/)
  assert.match(content, /Authentication-Results: verifier;\s+dkim=pass/)
})

/** A server that is none: what it does with who connects is the test's. */
const broken = async (t: TestContext, serve: (socket: Socket) => void) => (await startBroken(t, serve)).server

const octets = (letter: string, body = Buffer.alloc(0)) => {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(body.length + 1)
  head.write(letter, 4, 'latin1')
  return Buffer.concat([head, body])
}
const AGREED = octets('O', Buffer.from([0, 0, 0, 6, 0, 0, 1, 0xff, 0, 0, 0, 0]))

test('a filter that is not there, silent or mad means later, and is left alone after some failures', async (t) => {
  const clock = testClock()
  const servers = {
    closes: await broken(t, (socket) => socket.end()),
    nonsense: await broken(t, (socket) => void socket.write('220 I am something else\r\n')),
    'too long': await broken(t, (socket) => void socket.write(Buffer.from([0x7f, 0xff, 0xff, 0xff, 0x63]))),
    'old version': await broken(t, (socket) => void socket.write(octets('O', Buffer.alloc(12)))),
    'no such answer': await broken(t, (socket) => void socket.write(Buffer.concat([AGREED, octets('X')]))),
    'answers to nobody': await broken(
      t,
      (socket) => void socket.write(Buffer.concat([AGREED, octets('y', Buffer.from('hello\0'))])),
    ),
    silent: await broken(t, () => {}),
    'silent later': await broken(t, (socket) => void socket.write(AGREED)),
    'not there': '127.0.0.1:1',
  }
  for (const [name, server] of Object.entries(servers)) {
    const times = { connect: '100 ms', answer: '100 ms', content: '100 ms', failures: 2, pause: '1 min' } as const
    const strict = await startServer(t, [{ name: 'test', servers: [server], ...times }], { clock })
    const { replies } = await send(t, strict, 'x')
    assert.match(replies[0] ?? '', /^451 4\.7\.1 A filter does not answer/, name)
    const lenient = await startServer(t, [{ name: 'test', servers: [server], whenDown: 'skip', ...times }], { clock })
    const { last, sent } = await send(t, lenient, 'x')
    assert.match(last, /^250 /, name)
    assert.equal(sent.length, 1)
    const life = await lenient.queue.trace(sent[0]?.message ?? '')
    assert.deepEqual(life?.findings, [{ plugin: 'milter', name: 'test', value: 'unavailable' }], name)
    const status = lenient.kernel.commands.get('milter status')
    const call = { arguments: [], options: {}, input: (async function* () {})(), signal: new AbortController().signal }
    const said = (await Array.fromAsync(status?.run(call) ?? [])) as { value?: unknown }[]
    const value = said[0]?.value as { state: string; lastFailure: string }
    assert.equal(value.state, 'paused', name)
    assert.ok(value.lastFailure.length > 0)
  }
})

test('a filter that is back is asked again, also when the first to come brings no message', {
  skip: noLibmilter,
}, async (t) => {
  const clock = testClock()
  const path = join(await tempFolder(t), 'filter')
  const kernel = await startServer(t, [{ name: 'test', servers: [`unix:${path}`], failures: 1, pause: '1 min' }], {
    clock,
  })
  assert.match((await send(t, kernel, 'x')).replies[0] ?? '', /^451 /)
  await startFilter(t, path)
  await kernel.advance(61_000)
  const visitor = await talk(t, kernel.listener('mx').port ?? 0)
  assert.match(await visitor.reply(), /^220 /)
  assert.match(await visitor.ask('QUIT'), /^221 /)
  visitor.destroy()
  assert.match((await send(t, kernel, 'x')).last, /^250 /)
})

test('a filter that dies in the middle of a message, and comes back', { skip: noLibmilter }, async (t) => {
  const filter = await startFilter(t)
  const kernel = await startServer(t, [{ name: 'test', servers: [filter.address] }])
  assert.match((await send(t, kernel, 'crash')).last, /^451 4\.7\.1 /)
  await startFilter(t, filter.path)
  assert.match((await send(t, kernel, 'x')).last, /^250 /)
})
