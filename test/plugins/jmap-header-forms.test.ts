/** Header fields in the forms of RFC 8621 section 4.1.2, with its examples. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { headerValue, isoDate, readHeaderProperty, readRawFields } from '../../plugins/web/jmap/mail/header-forms.ts'

const fieldIn = (property: string, header: string) =>
  headerValue(readHeaderProperty(property), readRawFields(Buffer.from(header.replaceAll('\n', '\r\n'))))

const GROUP = `From: "  James Smythe" <james@example.com>, Friends:
 jane@example.com, =?UTF-8?Q?John_Sm=C3=AEth?=
 <john@example.com>;
`
const JAMES = { name: 'James Smythe', email: 'james@example.com' }
const JANE = { name: null, email: 'jane@example.com' }
const JOHN = { name: 'John Smîth', email: 'john@example.com' }

const VALUES: readonly (readonly [property: string, header: string, value: unknown])[] = [
  // Section 4.1.2.3 and 4.1.2.4.
  ['header:From:asAddresses', GROUP, [JAMES, JANE, JOHN]],
  [
    'header:From:asGroupedAddresses',
    GROUP,
    [
      { name: null, addresses: [JAMES] },
      { name: 'Friends', addresses: [JANE, JOHN] },
    ],
  ],
  ['header:to:asAddresses', 'To: undisclosed recipients:;\n', []],
  ['header:to:asGroupedAddresses', 'To: Nobody:;\n', [{ name: 'Nobody', addresses: [] }]],
  ['header:Subject', 'Subject: A  subject\n', ' A  subject'],
  ['header:Subject:asText', 'Subject: A  subject \n', 'A  subject'],
  ['header:Subject:asText', 'Subject: =?UTF-8?B?w6TDtsO8?=\n =?UTF-8?Q?_=C3=9F?=\n', 'äöü ß'],
  ['header:Subject:asText', 'Subject: e\u0301\n', '\u00e9'],
  ['header:subject', 'Subject: folded\n\tonce\n', ' folded\r\n\tonce'],
  ['header:X-Missing', 'Subject: x\n', null],
  ['header:X-Missing:all', 'Subject: x\n', []],
  ['header:X-Two', 'X-Two: a\nX-Two: b\n', ' b'],
  ['header:x-two:all', 'X-Two: a\nx-TWO: b\n', [' a', ' b']],
  ['header:x-two:asText:all', 'X-Two: a\nX-Two: b\n', ['a', 'b']],
  ['header:References:asMessageIds', 'References: <a@b> (comment)\n <c@d>\n', ['a@b', 'c@d']],
  ['header:References:asMessageIds', 'References: none\n', null],
  ['header:References:asMessageIds', 'References: <open\n', null],
  ['header:Date:asDate', 'Date: Sat, 1 Jan 2028 10:00:00 +0530 (IST)\n', '2028-01-01T10:00:00+05:30'],
  ['header:Date:asDate', 'Date: Fri, 21 Nov 1997 09:55:06 -0600\n', '1997-11-21T09:55:06-06:00'],
  ['header:Date:asDate', 'Date: 21 Nov 97 09:55:06 GMT\n', '1997-11-21T09:55:06Z'],
  ['header:Date:asDate', 'Date: yesterday\n', null],
  [
    'header:List-Post:asURLs',
    'List-Post: <http://www.host.com/list?x=\n 1>, (Mail) <mailto:list@host.com>\n',
    ['http://www.host.com/list?x=1', 'mailto:list@host.com'],
  ],
  ['header:List-Post:asURLs', 'List-Post: NO\n', null],
  ['header:X-Mine:asAddresses', 'X-Mine: jane@example.com\n', [JANE]],
  ['header:X-Latin', 'X-Latin: caf\u00e9\n', ' caf\u00e9'],
]

test('a field is given in the form that the client asks for', () => {
  for (const [property, header, value] of VALUES)
    assert.deepEqual(fieldIn(property, header), value, `${property} of ${JSON.stringify(header)}`)
})

test('octets that are no UTF-8 become one character each', () => {
  const fields = readRawFields(Buffer.from('X-Latin: caf\xe9\r\n', 'latin1'))
  assert.deepEqual(fields, [{ name: 'X-Latin', value: ' caf\u00e9' }])
})

test('fields end at the blank line; lines that are none are left out', () => {
  const header = ' folded into nothing\nA: 1\nno field\n: no name\nB : 2\n\nC: body\n'
  assert.deepEqual(readRawFields(Buffer.from(header)), [
    { name: 'A', value: ' 1' },
    { name: 'B', value: ' 2' },
  ])
})

const REFUSED = [
  'header:',
  'header:Sub ject',
  'header:Subject:asDate',
  'header:Subject:asMessageIds',
  'header:From:asText',
  'header:From:asMessageIds',
  'header:Date:asText',
  'header:Message-ID:asURLs',
  'header:List-Post:asText',
  'header:X-Any:asRaw:asText',
  'header:X-Any:astext',
  'header:X-Any:all:all',
  'header:X-Any:all:asText',
  `header:${'x'.repeat(201)}`,
]

test('a form that a field must not have is an invalid argument (section 4.1.2)', () => {
  for (const property of REFUSED)
    assert.throws(() => readHeaderProperty(property), { type: 'invalidArguments' }, property)
})

test('every field may be asked for as it is, and others in each form', () => {
  for (const name of ['From', 'Date', 'Message-ID', 'List-Post', 'Subject'])
    assert.equal(readHeaderProperty(`header:${name}:asRaw`).form, 'Raw')
  for (const form of ['Text', 'Addresses', 'GroupedAddresses', 'MessageIds', 'Date', 'URLs'])
    assert.deepEqual(readHeaderProperty(`header:X-Any:as${form}:all`), {
      property: `header:X-Any:as${form}:all`,
      field: 'x-any',
      form,
      all: true,
    })
})

test('a date has the zone of its sender', () => {
  const at = Date.UTC(2028, 0, 1, 12)
  assert.deepEqual(
    [0, 60, -60, 330, -570, 840].map((minutes) => isoDate(at, minutes)),
    [
      '2028-01-01T12:00:00Z',
      '2028-01-01T13:00:00+01:00',
      '2028-01-01T11:00:00-01:00',
      '2028-01-01T17:30:00+05:30',
      '2028-01-01T02:30:00-09:30',
      '2028-01-02T02:00:00+14:00',
    ],
  )
  assert.equal(isoDate(Number.NaN), null)
})
