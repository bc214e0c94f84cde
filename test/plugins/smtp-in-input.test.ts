/** Whatever comes, however it is cut: the same answers, nothing left behind, and the next client is served. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { createScanner } from '../../plugins/smtp/in/scanner.ts'
import { fc } from '../support/property.ts'
import { type Listener, openDoor } from '../support/smtp-listener.ts'
import { talk } from '../support/smtp-talk.ts'

// --- the scanner ------------------------------------------------------------------------------

/** What the scanner should find, said in the words of RFC 5321. */
function expected(text: string, bare: 'refuse' | 'normalise') {
  const end = `\r\n${text}`.indexOf('\r\n.\r\n')
  const before = end < 0 ? undefined : `\r\n${text}`.slice(2, end + 2)
  const rest = end < 0 ? undefined : text.slice(end + 3)
  const content = before === undefined ? undefined : `\r\n${before}`.replaceAll('\r\n.', '\r\n').slice(2)
  const isViolated = content !== undefined && /\r(?!\n)|(?<!\r)\n/.test(before ?? '')
  return {
    content: bare === 'normalise' ? content?.replace(/\r\n|\r|\n/g, '\r\n') : content,
    rest,
    isViolated: isViolated && bare === 'refuse',
  }
}

function scanned(chunks: readonly string[], bare: 'refuse' | 'normalise') {
  const scanner = createScanner({ dots: true, bare })
  let content = ''
  for (const [index, chunk] of chunks.entries()) {
    const part = scanner.scan(Buffer.from(chunk, 'latin1'))
    content += part.content.toString('latin1')
    if (part.rest)
      return {
        content,
        rest: part.rest.toString('latin1') + chunks.slice(index + 1).join(''),
        isViolated: scanner.isViolated,
      }
  }
  return { content: undefined, rest: undefined, isViolated: false }
}

const soup = fc
  .array(fc.constantFrom('\r', '\n', '.', '\r\n', '\r\n.', '..', 'x', '\0', '\xff', '\r\n.\r\n'), { maxLength: 40 })
  .map((parts) => parts.join(''))
const cuts = fc.array(fc.nat(60), { maxLength: 12 })
const cut = (text: string, at: readonly number[]) => {
  const points = [...new Set(at.map((n) => n % (text.length + 1)))].sort((a, b) => a - b)
  return [...points, text.length].map((point, index) => text.slice(index === 0 ? 0 : points[index - 1], point))
}

for (const bare of ['refuse', 'normalise'] as const)
  test(`content has one reading, however it is cut (${bare})`, () => {
    fc.assert(
      fc.property(soup, cuts, (text, at) => {
        const found = scanned(cut(text, at), bare)
        const wanted = expected(text, bare)
        // A refused message has no content to compare.
        if (wanted.isViolated) assert.deepEqual({ ...found, content: '' }, { ...wanted, content: '' })
        else assert.deepEqual(found, wanted)
      }),
      { numRuns: 3000 },
    )
  })

// --- the whole listener ---------------------------------------------------------------------------

async function answers(t: TestContext, listener: Listener, chunks: readonly (string | Buffer)[]): Promise<string> {
  const client = await talk(t, listener.port)
  for (const chunk of chunks) {
    client.send(chunk)
    await turn()
  }
  client.end()
  const said = await client.rest()
  client.destroy()
  return said
}

async function leftNothing(listener: Listener): Promise<void> {
  for (const end = Date.now() + 5000; listener.sessions > 0 || (await listener.connections()) > 0; await turn())
    assert.ok(Date.now() < end)
}

const CONVERSATION = Buffer.from(
  [
    'EHLO c\r\nMAIL FROM:<a@b.test> SMTPUTF8\r\nRCPT TO:<jörg@d.test>\nRCPT TO:<c@d.test>\r\nDATA\r\n',
    'Subject: x\r\n\r\n.\n..\r\n..\r\n.x\r\n\0\r\n.\r\n',
    `NOOP ${'x'.repeat(250)}\r\nBOGUS\r\nNOOP \0\r\n\r\n`,
    'MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n..\r\n.\r\n.\r\n',
    'MAIL FROM:<a@b.test> BODY=BINARYMIME\r\nBDAT 3\r\n\n\r.RCPT TO:<c@d.test>\r\nBDAT 5\r\n\r\n.\r\nBDAT 0\r\nBDAT 4 LAST\r\n.\r\n\n',
    'MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nBDAT 3\r\na\r\nBDAT 2 LAST\r\n\r\r',
    'RSET\r\nMAIL FROM:<>\r\nRCPT TO:<c@d.test>\r\nBDAT 1\r\nxRSET\r\nQUIT\r\nNOOP\r\n',
  ].join(''),
)

test('the same octets get the same answers wherever they are cut in two', async (t) => {
  const listener = await openDoor(t, { limits: { lineLength: '200 B', connectionsPerAddress: 1000 } })
  const whole = await answers(t, listener, [CONVERSATION])
  assert.match(whole, /221 2\.0\.0 Bye\r\n$/)
  const arrived = listener.arrived.map(({ content }) => content)
  assert.deepEqual(arrived, ['.\r\n', '\r\n.\r\n.\r\n\n'])
  const points = Array.from({ length: CONVERSATION.length - 1 }, (_, index) => index + 1)
  while (points.length > 0)
    await Promise.all(
      points.splice(0, 20).map(async (at) => {
        assert.equal(
          await answers(t, listener, [CONVERSATION.subarray(0, at), CONVERSATION.subarray(at)]),
          whole,
          `cut at ${at}`,
        )
      }),
    )
  await leftNothing(listener)
  assert.equal(listener.arrived.length, arrived.length * CONVERSATION.length)
})

test('the same octets one by one get the same answers', async (t) => {
  const listener = await openDoor(t, { limits: { lineLength: '200 B' } })
  const whole = await answers(t, listener, [CONVERSATION])
  assert.equal(
    await answers(
      t,
      listener,
      [...CONVERSATION].map((octet) => Buffer.from([octet])),
    ),
    whole,
  )
  await leftNothing(listener)
})

const line = fc.constantFrom(
  'EHLO c',
  'HELO c',
  'MAIL FROM:<a@b.test>',
  'MAIL FROM:<a@b.test> BODY=BINARYMIME',
  'RCPT TO:<c@d.test>',
  'RCPT TO:<no@d.test>',
  'DATA',
  'BDAT 5',
  'BDAT 0 LAST',
  'BDAT 7 LAST',
  'BDAT 999999999 LAST',
  'BDAT -1',
  'RSET',
  'NOOP',
  'AUTH PLAIN',
  'AUTH LOGIN',
  'STARTTLS',
  'VRFY x',
  'ETRN x',
  'QUIT',
  `NOOP ${'x'.repeat(300)}`,
)
const piece = fc.oneof(
  { weight: 6, arbitrary: line.map((text) => Buffer.from(`${text}\r\n`)) },
  { weight: 1, arbitrary: line.map((text) => Buffer.from(`${text}\n`)) },
  { weight: 1, arbitrary: fc.constant(Buffer.from('x\r\n.\r\n')) },
  { weight: 1, arbitrary: soup.map((text) => Buffer.from(text, 'latin1')) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 30 }).map((octets) => Buffer.from(octets)) },
)

test('no mixture of commands, content and rubbish confuses or outlives the listener', async (t) => {
  const listener = await openDoor(
    t,
    {
      limits: { lineLength: '200 B', errors: 20 },
      maxSize: '1 kB',
      auth: 'optional',
      authWithoutTls: true,
      etrn: [{ from: ['::/0'], for: ['x'] }],
    },
    {
      rcpt: (address) =>
        address.startsWith('no') ? { kind: 'refuse', reply: { code: 550, enhanced: '5.1.1', text: 'No' } } : undefined,
    },
  )
  const start = Buffer.from('EHLO c\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\n')
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { minLength: 1, maxLength: 25 }), cuts, async (pieces, at) => {
      const octets = Buffer.concat([start, ...pieces])
      const whole = await answers(t, listener, [octets])
      assert.match(whole, /^(?:\d{3}(?:[ -][\x20-\x7e]*)?\r\n)+$/)
      const parts = cut(
        octets.toString('latin1'),
        at.map((n) => n * 17),
      ).map((part) => Buffer.from(part, 'latin1'))
      assert.equal(await answers(t, listener, parts), whole)
      await leftNothing(listener)
    }),
    { numRuns: 300 },
  )
  assert.match(await answers(t, listener, ['QUIT\r\n']), /^220 .*\r\n221 /)
  assert.deepEqual(
    listener.logged.filter((text) => !text.startsWith('connection failed')),
    [],
  )
})
