/** Names of cc:Mail and Notes, and the Internet addresses that stand for them; dates of cc:Mail. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type AddressRule,
  fromInternet,
  parseCcName,
  toInternet,
  writeCcName,
} from '../../plugins/gateway/ccmail/addresses.ts'
import { offsetAt, readCcDate, writeCcDate } from '../../plugins/gateway/ccmail/format/dates.ts'
import { mailboxOf, nameKey, parseName } from '../../plugins/gateway/notes/names.ts'
import { imageType, notesAddress, notesColor } from '../../plugins/gateway/notes/richtext/model.ts'

const RULE: AddressRule = { domain: 'cc.test', separator: '_', order: 'first', withoutPostOffice: false }
const ADDRESSES: readonly (readonly [name: string, address: string | undefined, rule?: Partial<AddressRule>])[] = [
  ['Doe, John at PO', 'John_Doe_at_PO@cc.test'],
  ['Doe, John at PO', 'Doe_John_at_PO@cc.test', { order: 'last' }],
  ['Doe, John at PO', 'John.Doe.at.PO@cc.test', { separator: '.' }],
  ['Doe, John at PO', 'John_Doe@cc.test', { withoutPostOffice: true }],
  ['Doe, John', 'John_Doe@cc.test'],
  ['Postmaster at PO', 'Postmaster_at_PO@cc.test'],
  ['Doe, John M. at PO', 'John_M._Doe_at_PO@cc.test'],
  ['a_b at PO', 'a__b_at_PO@cc.test'],
  ['Müller, Jörg at PO', 'Jörg_Müller_at_PO@cc.test'],
  ['#Sales (EU) at PO', '"#Sales_(EU)_at_PO"@cc.test'],
  ['say "hi" at PO', '"say_\\"hi\\"_at_PO"@cc.test'],
  ['ann@a.test at internet', 'ann@a.test'],
  ['', undefined],
]

test('a name of cc:Mail has an address by the rule of the post office', () => {
  for (const [name, address, rule] of ADDRESSES) assert.equal(toInternet(name, { ...RULE, ...rule }), address, name)
})

test('an address of the domain leads back to the name', () => {
  for (const name of ['Doe, John at PO', 'Postmaster at PO', 'Doe, John', 'a_b, c at P O', 'Smith, At at PO'])
    for (const rule of [RULE, { ...RULE, order: 'last' }, { ...RULE, separator: '.' }] as readonly AddressRule[]) {
      const back = fromInternet(toInternet(name, rule) ?? '', rule)
      assert.equal(back && writeCcName(back), name, `${name} ${rule.order} ${rule.separator}`)
    }
  assert.equal(fromInternet('John_Doe@a.test', RULE), undefined)
  assert.deepEqual(fromInternet('John_Doe_at_PO@CC.test', RULE), { name: 'Doe, John', postOffice: 'PO' })
  assert.deepEqual(fromInternet('at_PO@cc.test', RULE), { name: 'PO, at' }, 'a name before the post office is needed')
})

test('the last "at" divides a name from its post office', () => {
  assert.deepEqual(parseCcName('Look At Me AT Po'), { name: 'Look At Me', postOffice: 'Po' })
  assert.deepEqual(parseCcName(' Ann '), { name: 'Ann' })
  assert.deepEqual(parseCcName(' at PO'), { name: 'at PO' })
})

const UTC = { order: 'mdy', zone: 'UTC' } as const
const DATES: readonly (readonly [text: string, iso: string | undefined, options?: object])[] = [
  ['6/12/01 14:05', '2001-06-12T14:05:00.000Z'],
  ['6/12/01 14:05', '2001-12-06T14:05:00.000Z', { order: 'dmy' }],
  ['12.06.2001 2.05 PM', '2001-06-12T14:05:00.000Z', { order: 'dmy' }],
  ['2001-06-12 14:05:33', '2001-06-12T14:05:33.000Z'],
  ['01/06/12', '2001-06-12T00:00:00.000Z', { order: 'ymd' }],
  ['6/12/80 12:00am', '1980-06-12T00:00:00.000Z'],
  ['6/12/79 12:00pm', '2079-06-12T12:00:00.000Z'],
  ['6/12/01 1:00p', '2001-06-12T13:00:00.000Z'],
  ['6/12/01 14:05', '2001-06-12T12:05:00.000Z', { zone: 'Europe/Vienna' }],
  ['1/12/01 14:05', '2001-01-12T13:05:00.000Z', { zone: 'Europe/Vienna' }],
  ['13/13/01', undefined],
  ['0/1/01', undefined],
  ['6/12', undefined],
  ['yesterday', undefined],
  ['', undefined],
]

test('dates are in the order and the zone of the post office', () => {
  for (const [text, iso, options] of DATES) {
    const at = readCcDate(text, { ...UTC, ...options })
    assert.equal(at === undefined ? undefined : new Date(at).toISOString(), iso, text)
  }
  for (const order of ['mdy', 'dmy', 'ymd'] as const)
    for (const zone of ['UTC', 'Europe/Vienna', 'America/St_Johns'])
      for (const at of [Date.UTC(2001, 5, 12, 14, 5), Date.UTC(1999, 11, 31, 23, 59)])
        assert.equal(readCcDate(writeCcDate(at, { order, zone }), { order, zone }), at, `${order} ${zone}`)
  assert.equal(offsetAt(Date.UTC(2001, 5, 12), 'America/St_Johns'), -150 * 60_000)
})

const NOTES: readonly (readonly [text: string, abbreviated: string, canonical: string, domain?: string])[] = [
  ['CN=John Doe/OU=Sales/O=Acme', 'John Doe/Sales/Acme', 'CN=John Doe/OU=Sales/O=Acme'],
  ['John Doe/Sales/Acme', 'John Doe/Sales/Acme', 'CN=John Doe/OU=Sales/O=Acme'],
  ['John Doe/Acme@Net@Other', 'John Doe/Acme', 'CN=John Doe/O=Acme', 'Other'],
  ['John Doe', 'John Doe', 'John Doe'],
  [' cn=A / o=B @ ', 'A/B', 'cn=A/o=B'],
  ['', '', ''],
]

test('names of Notes have a canonical and an abbreviated form', () => {
  for (const [text, abbreviated, canonical, domain] of NOTES) {
    const name = parseName(text)
    assert.deepEqual([name.abbreviated, name.canonical, name.domain], [abbreviated, canonical, domain], text)
    assert.equal(nameKey(name.canonical), nameKey(name.abbreviated), 'both compare as one name')
  }
})

test('a name of Notes becomes a mailbox: its own, one of the address book, or its parts at a domain', async () => {
  const book = { addressOf: async ({ common }: { common: string }) => (common === 'Ann' ? 'ann@a.test' : undefined) }
  const cases: readonly (readonly [text: string, mailbox: object | undefined])[] = [
    ['', undefined],
    ['bob@b.test', { name: '', address: 'bob@b.test' }],
    ['"Bob, B" <bob@b.test>', { name: 'Bob, B', address: 'bob@b.test' }],
    ['CN=Ann/O=Acme', { name: 'Ann', address: 'ann@a.test' }],
    ['CN=Eve Doe/O=Acme', { name: 'Eve Doe', address: 'Eve_Doe/Acme@notes.test', isUnknown: true }],
    ['Eve@Acme', { name: 'Eve', address: 'Eve@notes.test', isUnknown: true }],
    ['Eve. (x)', { name: 'Eve. (x)', address: '"Eve._(x)"@notes.test', isUnknown: true }],
    ['Jörg', { name: 'Jörg', address: '"J_rg"@notes.test', isUnknown: true }],
    ['<not an address>', { name: '<not an address>', address: '"<not_an_address>"@notes.test', isUnknown: true }],
  ]
  for (const [text, mailbox] of cases) assert.deepEqual(await mailboxOf(text, book, 'notes.test'), mailbox, text)
})

test('links, colours and images of rich text', () => {
  assert.equal(notesAddress({ database: 'C1' }), 'notes:///C1/0')
  assert.equal(notesAddress({ database: 'C1', view: 'V1', document: 'D1' }), 'notes:///C1/V1/D1')
  assert.equal(notesAddress({ database: 'C1', view: '0000', document: '0000' }), 'notes:///C1/0')
  assert.deepEqual([0, 1, 2, 15, 16].map(notesColor), [undefined, '#ffffff', '#ff0000', '#c0c0c0', undefined])
  const type = (text: string) => imageType(Buffer.from(text, 'latin1'))
  assert.deepEqual(['GIF89a', '\xff\xd8\xff\xe0', '\x89PNG\r\n', 'BM6', 'PK', ''].map(type), [
    'image/gif',
    'image/jpeg',
    'image/png',
    'image/bmp',
    undefined,
    undefined,
  ])
})
