/** What smtp-out passes on of a message's parameters, and what it makes of what a server cannot do. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { smtpOut } from 'iems/plugins/smtp-out'
import { createTestKernel, missing, startProgram } from 'iems/testing'
import { LETTER, type Letter, type SmtpOutOptions, startChannel } from '../support/smtp-out.ts'
import { startSink, until } from '../support/smtp-sink.ts'

/** What a server with these keywords hears and what becomes of the letter. */
async function sendTo(t: TestContext, ehlo: readonly string[], letter: Letter, options: SmtpOutOptions = {}) {
  const sink = await startSink(t, { ehlo })
  const channel = await startChannel(t, { nexthop: sink.nexthop, ...options })
  const outcomes = await channel.tell(letter)
  const commands = sink.commands.filter((command) => !/^(EHLO|DATA|END)/.test(command))
  return {
    sink,
    outcomes,
    commands,
    handover: sink.messages.length > 0 ? (await channel.send(letter))[0]?.handover : undefined,
  }
}

const PARAMETERS = { ret: 'HDRS', envid: 'QQ+3=14 1', mtPriority: -3 } as const
const TO = [
  { address: 'b@b.test', notify: ['SUCCESS', 'DELAY'] as const, orcpt: 'rfc822;B+x=1@b.test' },
  { address: 'c@b.test', orcpt: 'utf-8;bücher\\@b.test' },
  'd@b.test',
]

test('DSN and priority are passed on to a server that knows them', async (t) => {
  const { commands, handover } = await sendTo(t, ['DSN', 'MT-PRIORITY', 'SIZE'], { parameters: PARAMETERS, to: TO })
  assert.deepEqual(commands.slice(0, 4), [
    'MAIL FROM:<a@a.test> SIZE=41 MT-PRIORITY=-3 RET=HDRS ENVID=QQ+2B3+3D14+201',
    'RCPT TO:<b@b.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;B+2Bx+3D1@b.test',
    'RCPT TO:<c@b.test> ORCPT=utf-8;b\\x{FC}cher\\x{5C}@b.test',
    'RCPT TO:<d@b.test>',
  ])
  assert.equal(handover, 'reported')
})

test('a server that knows neither is told nothing, and the message counts as relayed', async (t) => {
  const { commands, handover } = await sendTo(t, [], { parameters: PARAMETERS, to: TO })
  assert.deepEqual(commands.slice(0, 2), ['MAIL FROM:<a@a.test>', 'RCPT TO:<b@b.test>'])
  assert.equal(handover, 'relayed')
})

test('a message larger than the server takes fails without being sent', async (t) => {
  const { outcomes, sink } = await sendTo(t, ['SIZE 40'], {})
  assert.match(outcomes[0] ?? '', /^failed b@b.test 552 5.3.4 /)
  assert.equal(sink.commands.length, 1)
  assert.match((await sendTo(t, ['SIZE 0'], {})).outcomes[0] ?? '', /^delivered/)
})

const EIGHT: Letter = { content: 'Subject: test\r\n\r\ncaf\u00e9\r\n', needs: { eightBit: true } }
test('8-bit content is announced where that is known, else sent all the same or failed as the admin says', async (t) => {
  const known = await sendTo(t, ['8BITMIME'], EIGHT)
  assert.equal(known.commands[0], 'MAIL FROM:<a@a.test> BODY=8BITMIME')
  const unknown = await sendTo(t, [], EIGHT)
  assert.deepEqual(
    [unknown.commands[0], unknown.sink.messages[0]?.raw],
    ['MAIL FROM:<a@a.test>', Buffer.from(EIGHT.content as string).toString('latin1')],
  )
  const strict = await sendTo(t, [], EIGHT, { eightBit: 'bounce' })
  assert.match(strict.outcomes[0] ?? '', /^failed b@b.test 554 5.6.3 /)
})

const latin = (text: string) => Buffer.from(text).toString('latin1')
const UTF8: Letter = {
  from: 'ä@a.test',
  to: ['ö@b.test', 'c@bücher.test'],
  needs: { utf8: true },
  parameters: { smtpUtf8: true },
}
test('internationalised addresses go as they are to a server with SMTPUTF8', async (t) => {
  const { commands } = await sendTo(t, ['SMTPUTF8', '8BITMIME'], UTF8)
  assert.deepEqual(commands.slice(0, 3), [
    latin('MAIL FROM:<ä@a.test> SMTPUTF8'),
    latin('RCPT TO:<ö@b.test>'),
    latin('RCPT TO:<c@bücher.test>'),
  ])
})

test('for a server without SMTPUTF8 a domain becomes A-labels; what has no such form fails', async (t) => {
  const sender = await sendTo(t, [], UTF8)
  assert.deepEqual(
    sender.outcomes.map((outcome) => outcome.split(' ').slice(0, 4).join(' ')),
    ['failed ö@b.test 553 5.6.7', 'failed c@bücher.test 553 5.6.7'],
  )
  const some = await sendTo(t, [], { ...UTF8, from: 'a@ä.test' })
  assert.deepEqual(
    some.outcomes.map((outcome) => outcome.split(' ').slice(0, 4).join(' ')),
    ['failed ö@b.test 553 5.6.7', 'delivered c@bücher.test 250 2.0.0'],
  )
  assert.deepEqual(some.commands.slice(0, 2), ['MAIL FROM:<a@xn--4ca.test>', 'RCPT TO:<c@xn--bcher-kva.test>'])
  const header = await sendTo(t, [], {
    ...UTF8,
    from: 'a@a.test',
    to: ['c@b.test'],
    content: 'Subject: ä\r\n\r\nx\r\n',
  })
  assert.match(header.outcomes[0] ?? '', /^failed c@b.test 554 5.6.9 /)
  const undeclared = await sendTo(t, [], {
    ...UTF8,
    from: 'a@a.test',
    to: ['c@b.test'],
    content: 'Subject: ä\r\n\r\nx\r\n',
    parameters: {},
  })
  assert.match(undeclared.outcomes[0] ?? '', /^delivered/)
})

test('an address with a line break in it never reaches the wire', async (t) => {
  const { outcomes, commands } = await sendTo(t, ['SMTPUTF8'], { to: ['b@b.test>\r\nRCPT TO:<c@b.test', 'd@b.test'] })
  assert.match(outcomes[0] ?? '', /^failed/)
  assert.deepEqual(commands.slice(0, 2), ['MAIL FROM:<a@a.test>', 'RCPT TO:<d@b.test>'])
})

test('binary content goes by BDAT as it is, or not at all', async (t) => {
  const binary = 'Subject: bits\r\n\r\n.\n\r.\r\n\0\r\n.\r\nend'
  for (const content of [binary, binary.repeat(10_000)]) {
    for (const pipelining of ['PIPELINING', 'X']) {
      const { sink, commands } = await sendTo(t, ['CHUNKING', 'BINARYMIME', pipelining], {
        content,
        needs: { binary: true },
      })
      assert.equal(sink.messages[0]?.raw, content)
      assert.deepEqual(commands.slice(0, 3), [
        'MAIL FROM:<a@a.test> BODY=BINARYMIME',
        'RCPT TO:<b@b.test>',
        `BDAT ${content.length} LAST`,
      ])
    }
  }
  const lacking = await sendTo(t, ['CHUNKING'], { content: binary, needs: { binary: true } })
  assert.match(lacking.outcomes[0] ?? '', /^failed b@b.test 554 5.6.1 /)
})

test('binary content that no recipient is to get is not sent', async (t) => {
  const ehlo = ['PIPELINING', 'CHUNKING', 'BINARYMIME']
  let refuse = true
  const sink = await startSink(t, {
    ehlo,
    answer: (command) => (refuse && command.startsWith('RCPT') ? '550 5.1.1 No' : undefined),
  })
  const channel = await startChannel(t, { nexthop: sink.nexthop })
  assert.deepEqual(await channel.tell({ needs: { binary: true } }), ['failed b@b.test 550 5.1.1 No'])
  refuse = false
  assert.match((await channel.tell({ needs: { binary: true } }))[0] ?? '', /^delivered/)
  assert.deepEqual([sink.sessions.length, sink.messages.length], [1, 1])
})

test('BDAT of another size than announced ends the connection', async (t) => {
  for (const size of [LETTER.length - 1, LETTER.length + 1]) {
    const { outcomes, sink } = await sendTo(t, ['CHUNKING', 'BINARYMIME'], {
      content: LETTER,
      size,
      needs: { binary: true },
    })
    assert.match(outcomes[0] ?? '', /^deferred b@b.test 451 4.3.0 /)
    await until(() => sink.sessions[0]?.socket.destroyed === true)
    assert.equal(sink.messages.length, 0)
  }
})

// --- a server of others ---

const SINK = '/usr/sbin/smtp-sink'
test('Postfix’s smtp-sink takes hundreds of messages over a few connections', {
  skip: missing(SINK),
}, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'iems-sink-'))
  t.after(() => rm(folder, { recursive: true }))
  const path = join(folder, 'smtp')
  const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : []
  await startProgram(t, SINK, [...user, `unix:${path}`, '100'], { ready: { file: path } })
  const out = smtpOut({ nexthop: `unix:${path}` }, { accepts: 'anyone' })
  const kernel = await createTestKernel(t, { channels: { out } })
  for (let count = 0; count < 300; count++)
    await kernel.submit({ from: 'a@a.test', to: [`b${count}@b.test`], body: '.\r\n'.repeat(count % 50) })
  await kernel.deliver()
  assert.equal(kernel.events.filter(({ name }) => name === 'delivery.delivered').length, 300)
})
