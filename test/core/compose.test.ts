/** What this server writes by itself: header fields, addresses, dates and text that readers get back as they were given. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  addressField,
  base64Lines,
  dateText,
  decodeWords,
  fromBase64,
  multipart,
  ownHeader,
  parameter,
  partHeader,
  phrase,
  rawField,
  readAddresses,
  readDate,
  readFields,
  readLong,
  readParameters,
  textEntity,
  textField,
  textPart,
} from 'iems/mime'
import { grammarFaults } from '../support/message-grammar.ts'
import { fc } from '../support/property.ts'

const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.string({ unit: 'grapheme', maxLength: 300 }),
  fc.constantFrom(
    '',
    ' ',
    '=?utf-8?B?SGk=?=',
    'a\r\nBcc: x@y.test',
    '"',
    '\\',
    '\u202e\u2028',
    'x'.repeat(1200),
    'ä '.repeat(90),
  ),
)
/** A value as the writer may show it: control characters are spaces, and nothing stands at its ends. */
const shown = (text: string) =>
  text
    .slice(0, 4000)
    .replace(/[\p{Cc}\u2028\u2029]+/gu, ' ')
    .trim()
    .toWellFormed()
const spaced = (text: string) => text.replace(/\s+/g, ' ').trim()
const bodyOf = (field: string) => readFields(Buffer.from(`${field}\r\n`)).list[0]?.value ?? ''

async function octetsOf(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(source))
}
async function* pieces(octets: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < octets.length; at += size) yield octets.subarray(at, at + size)
}

test('any subject comes back as it was given, on lines that anything else can carry', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const field = textField('Subject', text)
      if (shown(text) === '') return assert.equal(field, '')
      assert.match(field, /^Subject: [ -~]+\r\n(?: [ -~]+\r\n)*$/)
      assert.equal(spaced(decodeWords(bodyOf(field))), spaced(shown(text)))
      for (const line of field.split('\r\n')) assert.ok(line.length <= 78 || !line.trim().slice(9).includes(' '), line)
    }),
    { numRuns: 300 },
  )
})

test('any display name is one name before one address', () => {
  fc.assert(
    fc.property(anyText, (name) => {
      const field = addressField('From', [{ name, address: 'ann@here.test' }])
      const read = readAddresses(bodyOf(field))
      assert.equal(read.length, 1)
      assert.equal(`${read[0]?.mailbox}@${read[0]?.host}`, 'ann@here.test')
      assert.equal(spaced(decodeWords(read[0]?.name ?? '')), spaced(shown(name)))
    }),
    { numRuns: 300 },
  )
  assert.equal(phrase('Ann "the" Smith'), '"Ann \\"the\\" Smith"')
  assert.equal(addressField('To', []), '')
})

test('a value that is not ASCII is left out where encoded words may not stand', () => {
  assert.equal(rawField('In-Reply-To', '<1@ä.test>'), '')
  assert.equal(rawField('In-Reply-To', '<1@a.test>\r\nBcc: x@y.test'), 'In-Reply-To: <1@a.test> Bcc: x@y.test\r\n')
})

test('any file name comes back from its parameter', () => {
  fc.assert(
    fc.property(anyText, (name) => {
      const text = parameter('filename', name)
      assert.match(text, /^(?:;\r\n [ -~]+)+$/)
      assert.equal(readLong(readParameters(`attachment${text}`)[1], 'filename') ?? '', shown(name))
    }),
    { numRuns: 300 },
  )
})

test('dates are read back to the second, in any zone', () => {
  const minutes = fc.integer({ min: -14 * 60, max: 14 * 60 })
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4_102_444_800 }), minutes, (seconds, offset) => {
      const text = dateText({ at: seconds * 1000, offset })
      assert.match(text, /^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}$/)
      assert.equal(readDate(text)?.at, seconds * 1000)
    }),
  )
  assert.equal(dateText({ at: 0, offset: -90 }), 'Wed, 31 Dec 1969 22:30:00 -0130')
})

const HEADER = ownHeader({
  ...{ from: 'a@b.test', to: ['c@d.test'], subject: 'x', date: 0, messageId: '<1@b.test>', auto: 'auto-generated' },
})

test('any text is a sound entity: 7bit where its lines allow it, else base64', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const entity = textEntity(text)
      const [head = '', body = ''] = entity.split(/\r\n\r\n([\s\S]*)/)
      const octets = head.endsWith('base64') ? Buffer.from(body, 'base64') : Buffer.from(body)
      assert.equal(
        octets.toString().trimEnd(),
        text
          .toWellFormed()
          .replace(/\r\n|\r|\n/g, '\r\n')
          .trimEnd(),
      )
      assert.deepEqual(grammarFaults(`${HEADER}${entity}`), [])
    }),
    { numRuns: 200 },
  )
})

test('base64 is the same whole, in a stream, and however it is cut', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), fc.integer({ min: 1, max: 90 }), async (octets, size) => {
      const part = textPart('text/plain', Buffer.from(octets).toString('latin1'))
      assert.match((await octetsOf(part.body())).toString(), /^(?:[\w+/=]{1,76}\r\n)*$/)
      const lines = base64Lines(Buffer.from(octets))
      if (octets.length > 0) assert.deepEqual(await octetsOf(fromBase64(pieces(lines, size))), Buffer.from(octets))
    }),
    { numRuns: 100 },
  )
})

test('a message of the server’s own says that no person wrote it', async () => {
  const header = ownHeader({
    from: { name: 'Mail quota', address: 'postmaster@here.test' },
    to: ['ann@here.test', 'bob@here.test'],
    subject: 'Your mailbox is full',
    date: 0,
    messageId: '<1@here.test>',
    auto: 'auto-generated',
    fields: [rawField('X-Priority', '3')],
  })
  assert.equal(
    header,
    [
      'From: "Mail quota" <postmaster@here.test>',
      'To: <ann@here.test>, <bob@here.test>',
      'Subject: Your mailbox is full',
      'Date: Thu, 01 Jan 1970 00:00:00 +0000',
      'Message-ID: <1@here.test>',
      'Auto-Submitted: auto-generated',
      'X-Priority: 3',
      'MIME-Version: 1.0',
      '',
    ].join('\r\n'),
  )
  const both = multipart('mixed', 'b', () => [textPart('text/plain', 'one'), textPart('text/plain', 'two')])
  const body = (await octetsOf(both.body())).toString()
  assert.deepEqual(grammarFaults(`${header}${partHeader(both)}${body}`), [])
})
