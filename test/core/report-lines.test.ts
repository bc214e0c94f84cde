/** The lines of a report (RFC 3464, RFC 6533) from the words of strangers, and whether a report is wanted (RFC 3461). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ageText, fill, type ReportKind, wantsReport, whyNoReport } from '../../core/delivery/report.ts'
import {
  addressField,
  cutLines,
  diagnosticField,
  fitsLines,
  printable,
  recipientLine,
  statusField,
  wordsOf,
} from '../../core/delivery/report-text.ts'

const PRINTABLE: readonly (readonly [text: string, ascii: string, utf8: string])[] = [
  ['plain', 'plain', 'plain'],
  ['a\r\nb\tc', 'a b c', 'a b c'],
  ['caf\u00e9', 'caf?', 'caf\u00e9'],
  ['\u{1f600}', '?', '\u{1f600}'],
  ['a\u2028b\u0085c', 'a b c', 'a b c'],
  ['\u001b[31mred\u0007', ' [31mred ', ' [31mred '],
  ['lone \ud800', 'lone ?', 'lone \ufffd'],
]

test('words of strangers are one printable line', () => {
  for (const [text, ascii, utf8] of PRINTABLE) {
    assert.equal(printable(text, false), ascii, JSON.stringify(text))
    assert.equal(printable(text, true), utf8, JSON.stringify(text))
  }
})

const FIELDS: readonly (readonly [value: string, field: string])[] = [
  ['failed', 'Action: failed\r\n'],
  ['  failed  ', 'Action: failed\r\n'],
  ['a\nb', 'Action: a\r\n b\r\n'],
  ['a\n\n \nb', 'Action: a\r\n b\r\n'],
  ['a\r\nTo: eve@b.test', 'Action: a\r\n To: eve@b.test\r\n'],
  ['', 'Action: \r\n'],
]

test('a field is folded, and no value ends it', () => {
  for (const [value, field] of FIELDS) assert.equal(statusField('Action', value), field, JSON.stringify(value))
})

test('a long value is cut into lines of at most 998 octets, at a space where there is one', () => {
  for (const word of ['word ', 'x', 'caf\u00e9', '\u{1f600}']) {
    const value = word.repeat(3000 / word.length)
    for (const utf8 of [true, false]) {
      const field = statusField('Diagnostic-Code', value, utf8)
      assert.ok(
        field.split('\r\n').every((line) => Buffer.byteLength(line) <= 998),
        word,
      )
      const joined = field.slice('Diagnostic-Code: '.length).replaceAll('\r\n', '')
      assert.equal(joined.replaceAll(' ', ''), printable(value, utf8).replaceAll(' ', ''), 'nothing is lost')
    }
  }
  assert.match(statusField('X', `${'a'.repeat(800)} ${'b'.repeat(200)}`), /^X: a{800}\r\n b{200}\r\n$/)
})

const ADDRESSES: readonly (readonly [address: string, utf8: boolean, field: string])[] = [
  ['ann@a.test', false, 'rfc822;ann@a.test'],
  ['ann@a.test', true, 'rfc822;ann@a.test'],
  // RFC 6533 section 3: utf-8-addr-xtext, and utf-8-addr-unitext where UTF-8 is allowed.
  ['\u4e00@a.test', true, 'utf-8;\u4e00@a.test'],
  ['\u4e00@a.test', false, 'utf-8;\\x{4E00}@a.test'],
  ['\u00e4+b=c\\@a.test', false, 'utf-8;\\x{E4}\\x{2B}b\\x{3D}c\\x{5C}@a.test'],
  ['\u{1f600} x@a.test', false, 'utf-8;\\x{1F600}\\x{20}x@a.test'],
  ['\u00e4\r\nb@a.test', false, 'utf-8;\\x{E4}\\x{0D}\\x{0A}b@a.test'],
]

test('an address has its type, escaped where UTF-8 is not allowed', () => {
  for (const [address, utf8, field] of ADDRESSES)
    assert.equal(addressField('Final-Recipient', 'rfc822', address, utf8), `Final-Recipient: ${field}\r\n`)
})

const own = { code: 451, enhanced: '4.4.1', text: 'No route' } as const

test('replies of the remote server are distinguished from those of this one', () => {
  assert.equal(diagnosticField(own), 'Diagnostic-Code: x-iems; 451 4.4.1 No route\r\n')
  assert.equal(diagnosticField({ ...own, said: '450-one\n450 two' }), 'Diagnostic-Code: smtp; 450-one\r\n 450 two\r\n')
  assert.equal(diagnosticField({ ...own, said: '\r\n' }), 'Diagnostic-Code: x-iems; 451 4.4.1 No route\r\n')
  assert.equal(wordsOf(own), '451 4.4.1 No route')
  assert.equal(wordsOf({ ...own, said: '450 caf\u00e9' }), '450 caf?')
  assert.equal(wordsOf({ ...own, said: 'x'.repeat(900) }).length, 500)
})

test('a line for people names who has said what', () => {
  const recipient = { address: 'a@a.test', original: 'a@a.test' }
  const line = (reply: object, remote?: string) =>
    recipientLine({ recipient, status: 'failed', reply, ...(remote ? { remote } : {}) } as never)
  assert.equal(line(own), '  <a@a.test>: 451 4.4.1 No route')
  assert.equal(line({ ...own, said: '550 no' }, 'mx.a.test'), '  <a@a.test>: mx.a.test said: 550 no')
  assert.equal(line({ ...own, said: '550 no' }), '  <a@a.test>: the remote server said: 550 no')
  assert.equal(
    line({ ...own, text: 'Delivery time expired', said: '450 later' }, 'mx\n.test'),
    '  <a@a.test>: Delivery time expired; mx .test said: 450 later',
  )
})

test('content whose lines are too long is not quoted as it is', () => {
  const lines = (...lengths: readonly number[]) => Buffer.from(lengths.map((one) => 'x'.repeat(one)).join('\r\n'))
  assert.deepEqual(
    [lines(998), lines(998, 998), lines(0, 0), lines(999), lines(999, 1), lines(1, 999), Buffer.alloc(0)].map(
      fitsLines,
    ),
    [true, true, true, false, false, false, true],
  )
  assert.deepEqual(
    cutLines(lines(10, 2000, 10))
      .toString()
      .split('\r\n')
      .map(({ length }) => length),
    [10, 998, 10],
  )
})

const WANTED: readonly (readonly [notify: readonly string[] | undefined, kinds: string])[] = [
  [undefined, 'failure delay'],
  [['NEVER'], ''],
  [['FAILURE'], 'failure'],
  [['DELAY'], 'delay'],
  [['SUCCESS'], 'success'],
  [['SUCCESS', 'FAILURE', 'DELAY'], 'failure delay success'],
]

test('NOTIFY decides which reports are wanted (RFC 3461 section 4.1)', () => {
  for (const [notify, kinds] of WANTED) {
    const outcome = { recipient: { address: 'a@a.test', ...(notify ? { notify } : {}) }, handover: 'final' } as never
    const found = (['failure', 'delay', 'success'] as ReportKind[]).filter((kind) => wantsReport(kind, outcome))
    assert.equal(found.join(' '), kinds)
  }
  const reported = { recipient: { notify: ['SUCCESS'] }, handover: 'reported' } as never
  assert.equal(wantsReport('success', reported), false, 'the next server reports it itself')
})

test('no report goes to the null sender, or to a forged one', () => {
  const forged = [{ name: 'sender', value: 'forged', plugin: 'spf' }]
  assert.equal(whyNoReport({ from: '', findings: [] }), 'null sender')
  assert.equal(whyNoReport({ from: 'a@a.test', findings: forged }), 'forged sender')
  assert.equal(whyNoReport({ from: 'a@a.test', findings: [] }), undefined)
})

test('texts are filled in, and ages have a unit that people use', () => {
  assert.equal(fill('{a} and {b}, {a}', { a: '{b}', c: 'x' }), '{b} and {b}, {b}')
  assert.deepEqual([60_000, 119 * 60_000, 120 * 60_000, 47 * 3_600_000, 48 * 3_600_000].map(ageText), [
    '1 minutes',
    '119 minutes',
    '2 hours',
    '47 hours',
    '2 days',
  ])
})
