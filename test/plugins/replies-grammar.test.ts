/** Every reply of smtp-in and pop3 keeps its grammar, whatever plugins say and whatever mail holds. */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import type { Refusal, Reply } from 'iems'
import { pop3 } from '../../plugins/access/pop3/index.ts'
import { statusLine } from '../../plugins/access/pop3/lines.ts'
import { hashPassword } from '../../plugins/directory/static/passwords.ts'
import { allowed, contentOf, createMailKernel } from '../support/mailstore.ts'
import { fc } from '../support/property.ts'
import { contentFaults, smtpReplyFaults, statusLineFaults } from '../support/reply-grammar.ts'
import { openDoor } from '../support/smtp-listener.ts'
import { talk } from '../support/smtp-talk.ts'

const octets = fc.uint8Array({ maxLength: 600 }).map((bytes) => Buffer.from(bytes).toString('latin1'))
const words = fc.oneof(
  octets,
  fc.string({ unit: 'binary', maxLength: 700 }),
  fc.constant('x'.repeat(5000)),
  fc.constant('\u{1f600}'.repeat(300)),
  fc.constant('first\r\n250 second'),
  fc.constant(''),
  fc.constant(' '),
)
/** What a plugin without types could make. */
const replies = fc.record({
  code: fc.oneof(
    fc.integer({ min: 400, max: 599 }),
    fc.constantFrom(0, -1, 42, 199, 354, 250.5, 600, 5500, Number.NaN),
  ),
  enhanced: fc.oneof(fc.constantFrom('5.7.1', '4.07.001', '5.999.999', '2.0.0', '', '5.7', '5.7.1\r\n', 'x'), octets),
  text: words,
}) as fc.Arbitrary<Reply>

test('any reply of a plugin at any stage, to SMTP and LMTP, is one reply of RFC 5321', async (t) => {
  const stages = ['connect', 'mail', 'rcpt', 'data', 'auth'] as const
  let given: { stage: string; reply: Reply } | undefined
  const at = (stage: string): Refusal | undefined =>
    given?.stage === stage ? { kind: 'refuse', reply: given.reply } : undefined
  const answers = {
    connect: () => at('connect'),
    auth: () => at('auth') ?? { kind: 'identity' as const, user: 'u', mayRelay: true },
    mail: () => at('mail'),
    rcpt: () => at('rcpt'),
    data: () => at('data')?.reply ?? { code: 250, enhanced: '2.0.0' as const, text: 'Ok' },
  }
  for (const protocol of ['smtp', 'lmtp'] as const) {
    const listener = await openDoor(t, { protocol, auth: 'optional', authWithoutTls: true }, answers)
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...stages), replies, async (stage, reply) => {
        given = { stage, reply }
        // The client itself asserts the grammar of all that it hears, and that each command has one reply.
        const client = await talk(t, listener.port)
        await client.reply()
        const hello = protocol === 'lmtp' ? 'LHLO' : 'EHLO'
        const lines = [`${hello} c.test`, 'AUTH PLAIN AHUAcA==', 'MAIL FROM:<a@a.test>', 'RCPT TO:<b@b.test>', 'DATA']
        for (const line of lines) await client.ask(line)
        await client.ask('Subject: x\r\n\r\nx\r\n.')
        client.destroy()
      }),
      { numRuns: 60 },
    )
  }
})

test('any octets from a client are answered by whole replies of RFC 5321', async (t) => {
  const listener = await openDoor(t, { limits: { connectionsPerAddress: 1000 } })
  const verbs = fc.constantFrom(
    'EHLO',
    'HELO',
    'MAIL FROM:',
    'RCPT TO:',
    'VRFY',
    'ETRN',
    'AUTH',
    'BDAT 1',
    'XCLIENT',
    '',
  )
  const lines = fc.array(
    fc.tuple(verbs, octets).map(([verb, text]) => `${verb} ${text}\r\n`),
    { maxLength: 8 },
  )
  await fc.assert(
    fc.asyncProperty(lines, async (sent) => {
      const client = await talk(t, listener.port)
      client.send(Buffer.from(sent.join(''), 'latin1'))
      client.end()
      const all = await client.rest()
      assert.match(all, /^220 /)
      for (const [reply] of all.matchAll(/(?:\d{3}-[^\n]*\n)*[^\n]*\n?/g))
        if (reply !== '') assert.deepEqual(smtpReplyFaults(reply), [], reply)
    }),
    { numRuns: 60 },
  )
})

/** All that a POP3 server says until it hangs up, one character an octet. */
async function popSession(port: number, commands: readonly string[]): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.end(Buffer.from(`${commands.join('\r\n')}\r\n`, 'latin1'))
  const pieces: Buffer[] = []
  for await (const piece of socket) pieces.push(piece)
  return Buffer.concat(pieces).toString('latin1')
}

/** The answers to commands of which `isLong` says which have content. */
function checkPop(said: string, isLong: readonly boolean[]): void {
  let rest = said
  for (const long of isLong) {
    const end = rest.indexOf('\r\n')
    const line = rest.slice(0, end)
    assert.deepEqual(statusLineFaults(line), [], line)
    rest = rest.slice(end + 2)
    if (!long || !line.startsWith('+')) continue
    const last = rest.startsWith('.\r\n') ? 3 : rest.indexOf('\r\n.\r\n') + 5
    const content = rest.slice(0, last)
    assert.deepEqual(contentFaults(content), [], content)
    rest = rest.slice(last)
  }
  assert.equal(rest, '')
}

async function popKernel(t: TestContext) {
  const password = await hashPassword('secret')
  const kernel = await createMailKernel(t, {
    people: [{ name: 'ann', addresses: ['ann@here.test'], password }],
    channels: { pop: pop3({ listen: '127.0.0.1:0', authWithoutTls: true, limits: { connectionsPerAddress: 1000 } }) },
  })
  return { ...kernel, inbox: await kernel.mailbox('ann'), port: kernel.listener('pop').port }
}

test('any mail comes over POP3 in lines of RFC 1939, and every answer has its end', async (t) => {
  const { mail, inbox, port } = await popKernel(t)
  const piece = fc.constantFrom(
    '.',
    '..',
    '\r\n',
    '\n',
    '\r',
    '\r\n.',
    '.\r\n',
    '\n.\r\n',
    'x',
    '\xff\x00',
    ' '.repeat(2000),
  )
  const texts = fc.array(
    fc.array(piece, { maxLength: 12 }).map((parts) => parts.join('')),
    { minLength: 1, maxLength: 5 },
  )
  await fc.assert(
    fc.asyncProperty(texts, async (bodies) => {
      const messages = bodies.map((body, at) => ({ content: contentOf(at % 2 === 0 ? body : `A: b\r\n\r\n${body}`) }))
      allowed(await mail.append(inbox, messages))
      const commands = ['USER ann', 'PASS secret', 'CAPA', 'LIST', 'UIDL', 'LIST 1', 'TOP 1 0']
      const long = [false, false, false, true, true, true, false, true]
      for (let number = 1; number <= bodies.length; number++) {
        commands.push(`RETR ${number}`, `TOP ${number} 3`)
        long.push(true, true)
      }
      const said = await popSession(port, [...commands, 'QUIT'])
      assert.match(said, new RegExp(`^\\+OK ${bodies.length} `, 'm'))
      checkPop(said, [...long, false])
      allowed(await mail.expunge(inbox, [[1, 4_000_000_000]]))
    }),
    { numRuns: 25 },
  )
})

test('any octets from a POP3 client, and any reason of a plugin, come to status lines', async (t) => {
  const { port } = await popKernel(t)
  const lines = fc.array(
    octets.map((text) => text.replace(/[\r\n]/g, '')),
    { maxLength: 8 },
  )
  await fc.assert(
    fc.asyncProperty(lines, async (sent) => {
      for (const line of (await popSession(port, ['USER ann', ...sent])).split('\r\n').slice(0, -1))
        assert.deepEqual(statusLineFaults(line), [], line)
    }),
    { numRuns: 40 },
  )
  fc.assert(
    fc.property(
      fc.constantFrom('+OK', '-ERR [AUTH]'),
      fc.oneof(
        words,
        fc.constant('['),
        words.map((text) => `[${text}`),
      ),
      (start, reason) => {
        assert.deepEqual(statusLineFaults(statusLine(`${start} ${reason}`)), [])
      },
    ),
  )
})
