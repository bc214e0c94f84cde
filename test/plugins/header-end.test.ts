/** Where a header ends: one definition, from SMTP, LMTP and APPEND to what IMAP shows. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { createHeaderScanner, headerEnd, withBlankLine } from '../../core/mime/header-end.ts'
import { smtpIn } from '../../plugins/smtp/in/index.ts'
import { createImapKernel } from '../support/imap-talk.ts'
import { fc } from '../support/property.ts'
import { talk as talkSmtp } from '../support/smtp-talk.ts'

async function start(t: TestContext) {
  return createImapKernel(t, {
    channels: {
      mx: smtpIn({ listen: '127.0.0.1:0' }),
      lmtp: smtpIn({ listen: '127.0.0.1:0', protocol: 'lmtp' }),
    },
  })
}
type Kernel = Awaited<ReturnType<typeof start>>

async function sendBy(t: TestContext, kernel: Kernel, channel: 'mx' | 'lmtp', content: string) {
  const client = await talkSmtp(t, kernel.listener(channel).port)
  await client.reply()
  for (const command of [channel === 'lmtp' ? 'LHLO c' : 'EHLO c', 'MAIL FROM:<x@y.test>', 'RCPT TO:<ann@here.test>'])
    assert.match(await client.ask(command), /^250/)
  assert.match(await client.ask('DATA'), /^354/)
  client.send(content)
  assert.match(await client.ask('.'), /^250/)
  await kernel.deliver()
}

/** What FETCH shows of a message: sections, by name. */
async function fetched(imap: Awaited<ReturnType<Kernel['talk']>>, number: number, ...items: string[]) {
  const [answer = ''] = await imap.command(`FETCH ${number} (${items.join(' ')})`)
  return answer
}
const literal = (answer: string) => {
  const [found, size = ''] = /\{(\d+)\}\r\n/.exec(answer) ?? ['']
  const start = answer.indexOf(found) + found.length
  return answer.slice(start, start + Number(size))
}

const CASES: readonly (readonly [content: string, field: string, body: string])[] = [
  ['Subject: x\r\nplain text line\r\n', 'Subject: x\r\n', 'plain text line\r\n'],
  ['Subject: x\r\n folded\r\nplain\r\nTo: y\r\n', 'Subject: x\r\n folded\r\n', 'plain\r\nTo: y\r\n'],
  ['Subject: x\r\n\r\nplain text line\r\n', 'Subject: x\r\n', 'plain text line\r\n'],
  ['From x@y.test Tue Nov 24 10:00:00 2026\r\nSubject: x\r\n\r\ntext\r\n', 'Subject: x\r\n', 'text\r\n'],
  ['Subject : x\r\nlong name without colon: y\r\n', 'Subject : x\r\n', 'long name without colon: y\r\n'],
  ['just text\r\n', '', 'just text\r\n'],
  [' indented: text\r\n', '', ' indented: text\r\n'],
  ['\r\nSubject: x\r\n', '', 'Subject: x\r\n'],
]

for (const channel of ['mx', 'lmtp'] as const)
  test(`the body of a message without a blank line is its body (${channel})`, async (t) => {
    const kernel = await start(t)
    for (const [content] of CASES) await sendBy(t, kernel, channel, content)
    const imap = await kernel.talk('ann')
    await imap.command('SELECT INBOX')
    for (const [index, [content, field, body]] of CASES.entries()) {
      assert.equal(literal(await fetched(imap, index + 1, 'BODY[TEXT]')), body, content)
      const chosen = literal(await fetched(imap, index + 1, 'BODY[HEADER.FIELDS (Subject)]'))
      assert.equal(chosen, `${field}\r\n`, content)
      const all = literal(await fetched(imap, index + 1, 'BODY[]'))
      const [, header = ''] = /^((?:.+\r\n)*)\r\n/.exec(all) ?? []
      assert.equal(all, `${header}\r\n${body}`, content)
      assert.ok(header.endsWith(field) && !header.includes('From x@y.test'), content)
    }
    const [found = ''] = await imap.command('SEARCH BODY "plain text"')
    assert.equal(found, '* SEARCH 1 3')
  })

test('what clients append stays as it is and is read in the same way', async (t) => {
  const kernel = await start(t)
  const imap = await kernel.talk('ann')
  await imap.command('SELECT INBOX')
  for (const [index, [content, , body]] of CASES.entries()) {
    imap.send(`a${index} APPEND INBOX {${content.length}+}\r\n${content}\r\n`)
    for (let line = ''; !line.startsWith(`a${index} OK`); line = await imap.line());
    assert.equal(literal(await fetched(imap, index + 1, 'BODY[]')), content)
    assert.equal(literal(await fetched(imap, index + 1, 'BODY[TEXT]')), body)
    assert.equal(
      literal(await fetched(imap, index + 1, 'BODY[HEADER]')),
      content.slice(0, content.length - body.length),
    )
  }
})

test('parts of a multipart end their headers in the same way, and boundaries are found without blank lines', async (t) => {
  const kernel = await start(t)
  await sendBy(
    t,
    kernel,
    'mx',
    'Content-Type: multipart/mixed; boundary=b\r\n--b\r\nContent-Type: text/plain\r\none\r\n--b\r\nContent-Type: message/rfc822\r\ntwo\r\n--b\r\nContent-Type: message/rfc822\r\nFrom x\r\nSubject: s\r\n\r\nthree\r\n--b--\r\n',
  )
  const imap = await kernel.talk('ann')
  await imap.command('SELECT INBOX')
  assert.equal(literal(await fetched(imap, 1, 'BODY[1]')), 'one')
  assert.equal(literal(await fetched(imap, 1, 'BODY[2.HEADER]')), '')
  assert.equal(literal(await fetched(imap, 1, 'BODY[2.TEXT]')), 'two')
  assert.equal(literal(await fetched(imap, 1, 'BODY[3.TEXT]')), 'three')
})

test('however content is cut, its header ends in the same place, and one blank line is added at most', async () => {
  const words = fc.constantFrom(
    'A',
    'a:',
    ':',
    ' ',
    '\t',
    '\r',
    '\n',
    '\r\n',
    'From ',
    'Subject: x\r\n',
    '\r\n\r\n',
    'é',
  )
  const pieces = fc.array(fc.array(words, { minLength: 1, maxLength: 4 }), { maxLength: 8 })
  await fc.assert(
    fc.asyncProperty(pieces, async (cut) => {
      const chunks = cut.map((piece) => Buffer.from(piece.join(''), 'latin1'))
      const whole = Buffer.concat(chunks)
      const scanner = createHeaderScanner()
      for (const chunk of chunks) scanner.push(chunk)
      const end = scanner.finish()
      assert.equal(end.body, headerEnd(whole))
      const given = Buffer.concat(await Array.fromAsync(withBlankLine(streamOf(chunks))))
      const isWhole = end.body > end.fields || end.body === whole.length
      const blank = isWhole ? '' : '\r\n'
      assert.equal(
        given.toString('latin1'),
        whole.toString('latin1', 0, end.body) + blank + whole.toString('latin1', end.body),
      )
      const again = createHeaderScanner()
      const { fields, body } = again.push(given) ?? again.finish()
      assert.equal(given.length - body, whole.length - end.body)
      assert.equal(fields, end.fields)
    }),
    { numRuns: 1000 },
  )
})

async function* streamOf(chunks: readonly Buffer[]) {
  yield* chunks
}
