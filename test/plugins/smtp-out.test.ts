/** What smtp-out says on the wire, and what it makes of the answers, at every stage. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { smtpOut } from 'iems/plugins/smtp-out'
import { createTestKernel, memoryStore } from 'iems/testing'
import { LETTER, startChannel } from '../support/smtp-out.ts'
import { type Sink, type SinkSession, startSink, until } from '../support/smtp-sink.ts'

const THREE = ['b@b.test', 'c@b.test', 'd@b.test']

// --- the usual way ---

test('a message goes out in two flights: envelope and DATA, then the content with its end', async (t) => {
  const sink = await startSink(t)
  const channel = await startChannel(t, { nexthop: sink.nexthop })
  const [outcome] = await channel.send()
  assert.equal(outcome?.status, 'delivered')
  assert.deepEqual(outcome?.reply, { code: 250, enhanced: '2.0.0', text: 'Taken', said: '250 2.0.0 Taken' })
  assert.equal(outcome?.remote, '[127.0.0.1]')
  assert.equal(outcome?.handover, 'reported')
  assert.deepEqual(
    sink.messages.map(({ raw }) => raw),
    [LETTER],
  )
  assert.deepEqual(sink.sessions[0]?.flights.slice(1), [
    'MAIL FROM:<a@a.test> SIZE=41\r\nRCPT TO:<b@b.test>\r\nDATA\r\n',
    `${LETTER}.\r\n`,
  ])
})

test('through the kernel: the route is the domain or the next hop, and what was accepted arrives', async (t) => {
  const sink = await startSink(t)
  const out = smtpOut({ nexthop: sink.nexthop, domains: ['b.test', '.sub.test'] }, { accepts: 'anyone' })
  const kernel = await createTestKernel(t, { channels: { out } })
  const { reply, refused } = await kernel.submit({
    from: 'a@a.test',
    to: ['b@B.test', 'c@x.sub.test', 'd@sub.test', 'e@c.test'],
  })
  assert.equal(reply.code, 250)
  assert.deepEqual(
    refused.map(({ address }) => address),
    ['d@sub.test', 'e@c.test'],
  )
  await kernel.deliver()
  assert.deepEqual(sink.messages[0]?.to, ['RCPT TO:<b@B.test>', 'RCPT TO:<c@x.sub.test>'])
})

test('messages that follow use the same connection, without RSET', async (t) => {
  const sink = await startSink(t)
  const channel = await startChannel(t, { nexthop: sink.nexthop })
  for (let count = 0; count < 3; count++) await channel.send()
  assert.equal(sink.sessions.length, 1)
  assert.equal(sink.messages.length, 3)
  assert.equal(sink.commands.includes('RSET'), false)
})

test('a connection is left after as many messages as it may carry, and after its idle time', async (t) => {
  const sink = await startSink(t)
  const channel = await startChannel(t, { nexthop: sink.nexthop, keep: { messages: 2, idle: '20 ms' } })
  for (let count = 0; count < 3; count++) await channel.send()
  assert.equal(sink.sessions.length, 2)
  await until(() => sink.commands.filter((command) => command === 'QUIT').length === 2, 'QUIT on both')
})

test('a kept connection on which the server says anything is not used again', async (t) => {
  const sink = await startSink(t)
  const channel = await startChannel(t, { nexthop: sink.nexthop })
  for (const surprise of ['250 2.0.0 Surprise', '421 4.4.2 Too long idle', 'x']) {
    await channel.send()
    const session = sink.sessions.at(-1)
    session?.socket.write(`${surprise}\r\n`)
    await until(() => session?.socket.destroyed === true)
  }
  assert.deepEqual(await channel.tell(), ['delivered b@b.test 250 2.0.0 Taken'])
  assert.equal(sink.sessions.length, 4)
})

test('a server may limit messages of a connection and recipients of a transaction (RFC 9422)', async (t) => {
  const sink = await startSink(t, { ehlo: ['PIPELINING', 'LIMITS MAILMAX=2 RCPTMAX=2'] })
  const channel = await startChannel(t, { nexthop: sink.nexthop })
  await channel.send({ to: THREE })
  await channel.send()
  assert.deepEqual(
    sink.messages.map(({ to }) => to.length),
    [2, 1, 1],
  )
  assert.equal(sink.sessions.length, 2)
})

test('without PIPELINING each command waits for its reply', async (t) => {
  const sink = await startSink(t, { ehlo: ['8BITMIME'] })
  const channel = await startChannel(t, { nexthop: sink.nexthop })
  const [outcome] = await channel.send({ to: THREE })
  assert.equal(outcome?.status, 'delivered')
  assert.equal(outcome?.handover, 'relayed')
  assert.deepEqual(
    sink.sessions[0]?.flights.map((flight) => flight.split('\r\n').length),
    [2, 2, 2, 2, 2, 2, 6],
  )
})

test('a server that does not know EHLO is greeted with HELO', async (t) => {
  const sink = await startSink(t, { answer: (command) => (command.startsWith('EHLO') ? '502 What?' : undefined) })
  const channel = await startChannel(t, { nexthop: sink.nexthop })
  assert.deepEqual(await channel.tell(), ['delivered b@b.test 250 2.0.0 Taken'])
  assert.deepEqual(sink.commands.slice(0, 3), ['EHLO iems.test', 'HELO iems.test', 'MAIL FROM:<a@a.test>'])
})

test('more recipients than a transaction may have go in further ones', async (t) => {
  const sink = await startSink(t)
  const channel = await startChannel(t, { nexthop: sink.nexthop, recipientsPerTransaction: 2 })
  const outcomes = await channel.send({ to: THREE })
  assert.deepEqual(
    outcomes.map(({ recipient, status }) => [recipient.address, status]),
    THREE.map((address) => [address, 'delivered']),
  )
  assert.deepEqual(
    sink.messages.map(({ to }) => to.length),
    [2, 1],
  )
})

// --- content ---

const CONTENTS: readonly (readonly [name: string, content: string, sent: string])[] = [
  ['dots at the start of lines are doubled', '.a\r\n..\r\nb.\r\n.\r\n', '..a\r\n...\r\nb.\r\n..\r\n'],
  ['a bare LF becomes CRLF', 'a\nb\n.\r\nc\n', 'a\r\nb\r\n..\r\nc\r\n'],
  ['a bare CR becomes CRLF', 'a\rb\r.\r\nc\r', 'a\r\nb\r\n..\r\nc\r\n'],
  ['the end that a smuggler would like is none', 'a\n.\nMAIL\r\n.\rb\r\r\n', 'a\r\n..\r\nMAIL\r\n..\r\nb\r\n\r\n'],
  ['a last line without end gets one', 'a', 'a\r\n'],
  ['no content at all', '', ''],
]
for (const [name, content, sent] of CONTENTS) {
  test(`content: ${name}, however it is cut`, async (t) => {
    const sink = await startSink(t)
    const channel = await startChannel(t, { nexthop: sink.nexthop })
    await channel.send({ content })
    // More than goes out in one write.
    const above = 'line\r\n'.repeat(12_000)
    const octets = async function* () {
      yield Buffer.from(above)
      for (const octet of Buffer.from(content)) yield Buffer.from([octet])
    }
    await channel.send({ content: octets(), size: above.length + content.length })
    assert.deepEqual(
      sink.messages.map(({ raw }) => raw),
      [sent, above + sent],
    )
  })
}

test('large content is streamed no faster than the server takes it', async (t) => {
  const sink = await startSink(t)
  const channel = await startChannel(t, { nexthop: sink.nexthop })
  const block = Buffer.alloc(65_536, 'a line of text that is quite usual in its length, as lines are.\r\n')
  const blocks = async function* () {
    for (let count = 0; count < 100; count++) yield block
  }
  assert.deepEqual(await channel.tell({ content: blocks(), size: 100 * block.length }), [
    'delivered b@b.test 250 2.0.0 Taken',
  ])
  assert.equal(sink.messages[0]?.raw.length, 100 * block.length + (block.at(-1) === 10 ? 0 : 2))
})

test('content that cannot be read defers, and its end is never sent', async (t) => {
  const sink = await startSink(t)
  const channel = await startChannel(t, { nexthop: sink.nexthop })
  const broken = async function* () {
    yield Buffer.from('Subject: half\r\n\r\n')
    throw new Error('the disk is gone')
  }
  assert.deepEqual(await channel.tell({ content: broken(), size: 1_000_000 }), [
    'deferred b@b.test 451 4.3.0 Local error, tried again later',
  ])
  assert.deepEqual(await channel.tell({ content: broken() }), [
    'deferred b@b.test 451 4.3.0 Local error, tried again later',
  ])
  await channel.send()
  assert.equal(sink.messages.length, 1)
})

test('content of another size than announced is never sent with its end', async (t) => {
  const sizes = [LETTER.length, 1_000_000]
  for (const protocol of ['smtp', 'lmtp'] as const)
    for (const size of sizes)
      for (const difference of [-200_000, -1, 1, 200_000]) {
        const sink = await startSink(t, { lmtp: protocol === 'lmtp' })
        const channel = await startChannel(t, { nexthop: sink.nexthop, protocol })
        const content = Buffer.alloc(Math.max(1, size + difference), LETTER)
        assert.deepEqual(await channel.tell({ content, size }), [
          'deferred b@b.test 451 4.3.0 Local error, tried again later',
        ])
        await until(() => sink.sessions[0]?.socket.destroyed === true)
        assert.equal(sink.messages.length, 0)
      }
})

for (const octets of [1000, 300_000])
  for (const [what, damage] of [
    ['cut off', (bytes: Buffer) => bytes.subarray(0, -1)],
    ['longer', (bytes: Buffer) => Buffer.concat([bytes, Buffer.from('x')])],
    ['empty', () => Buffer.alloc(0)],
  ] as const)
    test(`a blob of ${octets} octets that is ${what} is not sent as the message that was accepted`, async (t) => {
      const sink = await startSink(t)
      const below = memoryStore()
      let isDamaged = false
      const blobs: typeof below.blobs = {
        ...below.blobs,
        async *open(id, range) {
          const bytes = Buffer.concat(await Array.fromAsync(below.blobs.open(id)))
          yield (isDamaged ? damage(bytes) : bytes).subarray(range?.start, range?.end)
        },
      }
      const out = smtpOut({ nexthop: sink.nexthop }, { accepts: 'anyone' })
      const kernel = await createTestKernel(t, { channels: { out }, store: { ...below, blobs } })
      const body = 'x\r\n'.repeat(octets / 3)
      const { reply, id } = await kernel.submit({ from: 'a@a.test', to: ['b@b.test'], body })
      assert.equal(reply.code, 250)
      isDamaged = true
      await kernel.deliver()
      await assert.rejects(Array.fromAsync((await kernel.queue.open(id as string)) ?? []), {
        code: 'IEMS_BLOB_DAMAGED',
      })
      assert.equal(sink.messages.length, 0)
      isDamaged = false
      await kernel.queue.flush(sink.nexthop)
      await kernel.deliver()
      assert.equal(sink.messages.length, 1)
    })

// --- refusals at every stage ---

const STAGES: readonly (readonly [stage: string, answer: string, outcome: string])[] = [
  ['CONNECT', '421 4.3.2 Busy', 'deferred b@b.test 421 4.3.2 Busy'],
  ['CONNECT', '554 5.7.1 Not you', 'deferred b@b.test 454 4.7.1 Not you'],
  ['EHLO', '421 Later', 'deferred b@b.test 421 4.0.0 Later'],
  ['EHLO', '450 Later', 'deferred b@b.test 450 4.0.0 Later'],
  ['EHLO', '554 5.7.1 Not you', 'failed b@b.test 554 5.7.1 Not you'],
  ['MAIL', '451 4.7.1 Greylisted', 'deferred b@b.test 451 4.7.1 Greylisted'],
  ['MAIL', '550 5.7.1 No', 'failed b@b.test 550 5.7.1 No'],
  ['MAIL', '354 What?', 'deferred b@b.test 451 4.5.0 Unexpected reply: 354 What?'],
  ['RCPT', '450 4.2.1 Not now', 'deferred b@b.test 450 4.2.1 Not now'],
  ['RCPT', '452 4.5.3 Too many', 'deferred b@b.test 452 4.5.3 Too many'],
  ['RCPT', '550-5.1.1 Who is\r\n550 5.1.1 that?', 'failed b@b.test 550 5.1.1 Who is that?'],
  ['RCPT', '421 4.3.2 Closing', 'deferred b@b.test 421 4.3.2 Closing'],
  ['DATA', '451 4.3.0 Disk', 'deferred b@b.test 451 4.3.0 Disk'],
  ['DATA', '554 5.6.0 No', 'failed b@b.test 554 5.6.0 No'],
  ['DATA', '250 What?', 'deferred b@b.test 451 4.5.0 Unexpected reply: 250 What?'],
  ['END', '452 4.3.1 Full', 'deferred b@b.test 452 4.3.1 Full'],
  ['END', '550 5.7.1 Spam', 'failed b@b.test 550 5.7.1 Spam'],
  ['END', '550 2.0.0 the code decides', 'failed b@b.test 550 5.0.0 the code decides'],
  ['END', '250 5.1.1 the code decides', 'delivered b@b.test 250 2.0.0 the code decides'],
  ['END', '421 4.3.2 Closing', 'deferred b@b.test 421 4.3.2 Closing'],
  ['END', '550 5.7.1 \x07b\u00e9ll', 'failed b@b.test 550 5.7.1 ?b?ll'],
]
for (const pipelining of [true, false]) {
  for (const [stage, answer, outcome] of STAGES) {
    test(`${answer.slice(0, 20)} to ${stage} ${pipelining ? 'in one flight' : 'step by step'}: ${outcome.split(' ')[0]}`, async (t) => {
      const sink = await startSink(t, {
        ehlo: pipelining ? ['PIPELINING'] : [],
        answer: (command) => (command.startsWith(stage) ? answer : undefined),
      })
      const channel = await startChannel(t, { nexthop: sink.nexthop })
      assert.deepEqual(await channel.tell(), [outcome])
    })
  }
}

test('what a server says is kept word for word beside what it means', async (t) => {
  for (const [answer, enhanced] of [
    ['550 no', '5.0.0'],
    ['450 4.2.0 greylisted', '4.2.0'],
    ['550-5.1.1 Who is\n550 5.1.1 that?', '5.1.1'],
    ['550', '5.0.0'],
    ['354 What?', '4.5.0'],
  ] as const) {
    const line = answer.replace('\n', '\r\n')
    const sink = await startSink(t, { answer: (command) => (command.startsWith('RCPT') ? line : undefined) })
    const channel = await startChannel(t, { nexthop: sink.nexthop })
    const [outcome] = await channel.send()
    assert.deepEqual([outcome?.reply.said, outcome?.reply.enhanced], [answer, enhanced])
  }
  const nobody = await startChannel(t, { nexthop: '127.0.0.1:1' })
  assert.equal((await nobody.send())[0]?.reply.said, undefined)
})

test('a refused greeting fails the message only where the administrator wants it', async (t) => {
  const sink = await startSink(t, { answer: (command) => (command.startsWith('CONNECT') ? '521 Blocked' : undefined) })
  const strict = await startChannel(t, { nexthop: sink.nexthop, refusedGreeting: 'bounce' })
  assert.deepEqual(await strict.tell(), ['failed b@b.test 521 5.0.0 Blocked'])
  const [outcome] = await (await startChannel(t, { nexthop: sink.nexthop })).send()
  assert.deepEqual(
    [outcome?.status, outcome?.reply.enhanced, outcome?.reply.said],
    ['deferred', '4.0.0', '521 Blocked'],
  )
})

test('recipients are told apart: one taken, one refused, one put off', async (t) => {
  const replies: Readonly<Record<string, string>> = {
    'RCPT TO:<c@b.test>': '550 5.1.1 Unknown',
    'RCPT TO:<d@b.test>': '450 4.2.2 Full',
  }
  for (const ehlo of [['PIPELINING'], []]) {
    const sink = await startSink(t, { ehlo, answer: (command) => replies[command] })
    const channel = await startChannel(t, { nexthop: sink.nexthop })
    assert.deepEqual((await channel.tell({ to: THREE })).toSorted(), [
      'deferred d@b.test 450 4.2.2 Full',
      'delivered b@b.test 250 2.0.0 Taken',
      'failed c@b.test 550 5.1.1 Unknown',
    ])
    assert.deepEqual(sink.messages[0]?.to, ['RCPT TO:<b@b.test>'])
  }
})

test('when the server takes only so many recipients, the rest follow in further transactions', async (t) => {
  for (const reply of ['452 4.5.3 Too many', '452 Too many', '552 Too many']) {
    let taken = 0
    const sink = await startSink(t, {
      answer(command) {
        if (command.startsWith('MAIL')) taken = 0
        return command.startsWith('RCPT') && ++taken > 1 ? reply : undefined
      },
    })
    const channel = await startChannel(t, { nexthop: sink.nexthop })
    assert.deepEqual(
      await channel.tell({ to: THREE }),
      THREE.map((to) => `delivered ${to} 250 2.0.0 Taken`),
    )
    assert.equal(sink.messages.length, 3)
  }
})

test('a server that asks for content when all recipients were refused gets an empty one, and the next message is clean', async (t) => {
  let first = true
  const sink = await startSink(t, {
    answer(command) {
      if (command === 'RCPT TO:<b@b.test>' && first) return '550 5.1.1 Unknown'
      if (command === 'DATA' && first) return '354 Send it'
      if (command === 'END' && first) {
        first = false
        return '554 5.5.1 Nobody to send it to'
      }
      return undefined
    },
  })
  const channel = await startChannel(t, { nexthop: sink.nexthop })
  assert.deepEqual(await channel.tell(), ['failed b@b.test 550 5.1.1 Unknown'])
  assert.deepEqual(await channel.tell(), ['delivered b@b.test 250 2.0.0 Taken'])
  assert.deepEqual(
    sink.messages.map(({ raw }) => raw),
    ['', LETTER],
  )
  assert.equal(sink.sessions.length, 1)
  assert.equal(sink.sessions[0]?.flights.filter((flight) => flight.startsWith('RSET\r\nMAIL')).length, 1)
})

test('after a refused transaction the connection is reset before the next message', async (t) => {
  for (const ehlo of [['PIPELINING'], []]) {
    let first = true
    const sink = await startSink(t, {
      ehlo,
      answer(command) {
        if (!command.startsWith('RCPT') || !first) return undefined
        first = false
        return '550 5.1.1 Unknown'
      },
    })
    const channel = await startChannel(t, { nexthop: sink.nexthop })
    await channel.send()
    assert.deepEqual(await channel.tell(), ['delivered b@b.test 250 2.0.0 Taken'])
    assert.deepEqual([sink.sessions.length, sink.commands.filter((command) => command === 'RSET').length], [1, 1])
  }
})

// --- connections that end ---

for (const stage of ['CONNECT', 'EHLO', 'MAIL', 'RCPT', 'DATA', 'CONTENT', 'END']) {
  test(`a connection lost at ${stage} defers`, async (t) => {
    const sink = await startSink(t, { answer: (command) => (command.startsWith(stage) ? 'drop' : undefined) })
    const channel = await startChannel(t, { nexthop: sink.nexthop })
    const outcomes = await channel.send({ to: THREE })
    assert.deepEqual(
      outcomes.map(({ status, reply }) => `${status} ${reply.enhanced}`),
      THREE.map(() => 'deferred 4.4.2'),
    )
    assert.equal(outcomes[0]?.unreachable, stage === 'CONNECT' ? true : undefined)
  })

  test(`a server silent at ${stage} is left in time, and at once when the signal says so`, async (t) => {
    const sink = await startSink(t, { answer: (command) => (command.startsWith(stage) ? 'stall' : undefined) })
    const brief = '30 ms'
    const quick = await startChannel(t, {
      nexthop: sink.nexthop,
      timeouts: { greeting: brief, reply: brief, block: brief, final: brief },
    })
    assert.deepEqual(
      (await quick.send()).map(({ status, reply }) => `${status} ${reply.text}`),
      ['deferred Connection ended: no answer in time'],
    )
    const slow = await startChannel(t, { nexthop: sink.nexthop })
    const stop = new AbortController()
    const sent = slow.send({}, stop.signal)
    await until(() => sink.sessions.length === 2)
    stop.abort()
    assert.deepEqual(
      (await sent).map(({ status }) => status),
      ['deferred'],
    )
  })
}

test('nobody there: deferred, and the next hop is called unreachable', async (t) => {
  const sink = await startSink(t)
  await sink.close()
  const channel = await startChannel(t, { nexthop: sink.nexthop })
  const [outcome] = await channel.send()
  assert.deepEqual([outcome?.status, outcome?.reply.enhanced, outcome?.unreachable], ['deferred', '4.4.1', true])
})

test('a kept connection that was closed meanwhile costs nothing', async (t) => {
  const isStale = (command: string, session: SinkSession) =>
    command.startsWith('MAIL') && session === sink.sessions[0] && sink.messages.length > 0
  const sink: Sink = await startSink(t, {
    answer: (command, session) => (isStale(command, session) ? 'drop' : undefined),
  })
  const channel = await startChannel(t, { nexthop: sink.nexthop })
  await channel.send()
  assert.deepEqual(await channel.tell(), ['delivered b@b.test 250 2.0.0 Taken'])
  assert.equal(sink.sessions.length, 2)
  sink.sessions[1]?.socket.destroy()
  assert.deepEqual(await channel.tell(), ['delivered b@b.test 250 2.0.0 Taken'])
})

test('a server that ends together with its kept connection is unreachable all the same', async (t) => {
  const isLast = (command: string) => command.startsWith('MAIL') && sink.messages.length > 0
  const sink: Sink = await startSink(t, {
    answer(command) {
      if (!isLast(command)) return undefined
      closed = sink.close()
      return 'drop'
    },
  })
  let closed: Promise<void> | undefined
  const channel = await startChannel(t, { nexthop: sink.nexthop })
  await channel.send()
  const [outcome] = await channel.send()
  await closed
  assert.deepEqual([outcome?.reply.enhanced, outcome?.unreachable], ['4.4.1', true])
})

test('an answer before the end of the content is heard, and the connection not used again', async (t) => {
  for (const [early, outcome] of [
    ['552 5.3.4 Too much', 'failed b@b.test 552 5.3.4 Too much'],
    ['250 Thanks', 'deferred b@b.test 451 4.5.0 The server answered before the end of the content'],
  ] as const) {
    const sink = await startSink(t, { answer: (command) => (command === 'CONTENT' ? early : undefined) })
    const channel = await startChannel(t, { nexthop: sink.nexthop })
    let more = true
    const endless = async function* () {
      while (more) {
        yield Buffer.alloc(10_000, 'x')
        await new Promise((next) => setImmediate(next))
      }
    }
    const end = setTimeout(() => (more = false), 4000)
    assert.deepEqual(await channel.tell({ content: endless(), size: 1_000_000 }), [outcome])
    assert.equal(more, true)
    clearTimeout(end)
  }
})

for (const [name, answer] of [
  ['what is not SMTP', 'HTTP/1.1 400 Bad Request'],
  ['a line without end', `220 ${'x'.repeat(5000)}`],
  ['a reply without end', '220-x\r\n'.repeat(20_000)],
  ['a code out of range', '999 x'],
] as const) {
  test(`a greeting that is ${name} defers`, async (t) => {
    const sink = await startSink(t, { answer: (command) => (command === 'CONNECT' ? answer : undefined) })
    const channel = await startChannel(t, { nexthop: sink.nexthop })
    const [outcome] = await channel.send()
    assert.deepEqual([outcome?.status, outcome?.reply.enhanced], ['deferred', '4.4.2'])
  })
}

// --- LMTP ---

test('LMTP: each recipient has his own answer to the content', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'iems-lmtp-'))
  t.after(() => rm(folder, { recursive: true }))
  const path = join(folder, 'lmtp')
  const sink = await startSink(t, {
    lmtp: true,
    listen: { path },
    answer(command) {
      if (command === 'RCPT TO:<c@b.test>') return '550 5.1.1 Unknown'
      return command === 'END' ? ['250 2.1.5 Kept', '452 4.2.2 Full'] : undefined
    },
  })
  const channel = await startChannel(t, { nexthop: `unix:${path}`, protocol: 'lmtp' })
  assert.deepEqual((await channel.tell({ to: THREE })).toSorted(), [
    'deferred d@b.test 452 4.2.2 Full',
    'delivered b@b.test 250 2.1.5 Kept',
    'failed c@b.test 550 5.1.1 Unknown',
  ])
  assert.equal(sink.commands[0], 'LHLO iems.test')
  const [outcome] = await channel.send({ to: [{ address: 'b@b.test', notify: ['SUCCESS'] }] })
  assert.equal(outcome?.handover, 'final')
  assert.equal(
    sink.commands.some((command) => command.includes('NOTIFY')),
    false,
  )
})
