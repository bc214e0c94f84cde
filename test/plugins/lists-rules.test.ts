/** The rules of a list about one post, in their order, and the header that the list gives it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MailingList } from '../../plugins/lists/api.ts'
import { listFields, postHeader, subjectWith } from '../../plugins/lists/fields.ts'
import { fits, matches, type Roster } from '../../plugins/lists/roster.ts'
import { addressedIn, authorOf, judgePost } from '../../plugins/lists/rules.ts'
import { DEFAULTS, type ListSettings } from '../../plugins/lists/settings.ts'

type Headers = Parameters<typeof authorOf>[0]
const headersOf = (fields: Readonly<Record<string, string | readonly string[]>>): Headers =>
  ({
    get: (name: string) =>
      Object.entries(fields).flatMap(([field, value]) => (field.toLowerCase() === name.toLowerCase() ? value : [])),
  }) as unknown as Headers

const listWith = (settings: Partial<ListSettings>): MailingList => ({
  v: 1,
  id: 'l1',
  address: 'talk@lists.test',
  created: 0,
  settings: { ...DEFAULTS, owners: ['owner@a.test'], moderators: ['mod@a.test'], ...settings },
})
const roster = {
  member: async (_: MailingList, address: string) =>
    ({ 'ann@a.test': {}, 'quiet@a.test': { moderated: true } })[address],
} as unknown as Roster
const accounts = {
  byAddress: async (address: string) => (address === 'staff@a.test' ? { account: { id: 's1' } } : undefined),
  groupsOf: async () => ['staff'],
} as never

interface Row {
  readonly what: string
  readonly settings?: Partial<ListSettings>
  readonly by?: string
  readonly fields?: Readonly<Record<string, string | readonly string[]>>
  readonly from?: string
  readonly size?: number
  readonly text?: string
  readonly dmarc?: string
  readonly is: string
}

const ROWS: readonly Row[] = [
  { what: 'a member', is: 'accept' },
  { what: 'a member, in capitals', by: 'ANN@A.test', is: 'accept' },
  { what: 'a stranger is held by default', by: 'eve@b.test', is: 'hold Only members' },
  { what: 'a stranger', by: 'eve@b.test', settings: { nonmembers: 'refuse' }, is: 'refuse Only members' },
  {
    what: 'a stranger without a word',
    by: 'eve@b.test',
    settings: { nonmembers: 'discard' },
    is: 'discard Only members',
  },
  { what: 'a stranger where anyone may post', by: 'eve@b.test', settings: { post: 'anyone' }, is: 'accept' },
  {
    what: 'a stranger on a moderated open list',
    by: 'eve@b.test',
    settings: { post: 'anyone', moderated: 'yes' },
    is: 'hold The list is moderated',
  },
  { what: 'a member of a moderated list', settings: { moderated: 'yes' }, is: 'hold The list is moderated' },
  { what: 'a member who is moderated', by: 'quiet@a.test', is: 'hold Posts of this member' },
  { what: 'a moderator of a moderated list', by: 'mod@a.test', settings: { moderated: 'yes' }, is: 'accept' },
  { what: 'an owner where moderators post', by: 'owner@a.test', settings: { post: 'moderators' }, is: 'accept' },
  {
    what: 'a member where moderators post',
    settings: { post: 'moderators', nonmembers: 'refuse' },
    is: 'refuse Only moderators',
  },
  { what: 'an allowed address', by: 'eve@b.test', settings: { allowed: ['Eve@b.test'] }, is: 'accept' },
  { what: 'an allowed domain', by: 'eve@b.test', settings: { allowed: ['*@b.test'] }, is: 'accept' },
  {
    what: 'an allowed group of the directory',
    by: 'staff@a.test',
    settings: { allowed: ['group:staff'] },
    is: 'accept',
  },
  {
    what: 'another group of the directory',
    by: 'staff@a.test',
    settings: { allowed: ['group:board'] },
    is: 'hold Only members',
  },
  { what: 'a banned author', settings: { bans: ['ann@*'] }, is: 'refuse This author is banned' },
  {
    what: 'a banned sender',
    from: 'bulk@spam.test',
    settings: { bans: ['*@spam.test'] },
    is: 'refuse This author is banned',
  },
  {
    what: 'a post of the list itself',
    fields: { 'List-Id': 'Talk <talk.lists.test>' },
    is: 'refuse This message has been sent',
  },
  { what: 'a loop', fields: { 'X-Loop': ' TALK@lists.test' }, is: 'refuse This message has been sent' },
  { what: 'a post of another list', fields: { 'List-Id': '<other.lists.test>' }, is: 'accept' },
  { what: 'a report', from: '', is: 'refuse The list accepts no reports' },
  {
    what: 'an automatic reply (RFC 3834)',
    fields: { 'Auto-Submitted': 'auto-replied (vacation)' },
    is: 'refuse The list accepts no automatic',
  },
  { what: 'an automatic message', fields: { 'Auto-Submitted': 'auto-generated' }, is: 'accept' },
  { what: 'an old automatic reply', fields: { 'X-Autoreply': 'yes' }, is: 'refuse The list accepts no automatic' },
  { what: 'no author', fields: { From: [] }, is: 'refuse The From field does not' },
  { what: 'two authors', fields: { From: 'ann@a.test, eve@b.test' }, is: 'refuse The From field does not' },
  { what: 'two From fields', fields: { From: ['ann@a.test', 'ann@a.test'] }, is: 'refuse The From field does not' },
  {
    what: 'a rule about a field',
    settings: { rules: ['hold: Subject: *lottery*'] },
    fields: { Subject: 'The LOTTERY' },
    is: 'hold The field Subject',
  },
  {
    what: 'a rule about an encoded field',
    settings: { rules: ['discard:Subject:caf\u00e9*'] },
    fields: { Subject: '=?utf-8?q?caf=C3=A9?= noir' },
    is: 'discard The field Subject',
  },
  {
    what: 'the first rule that matches counts',
    settings: { rules: ['refuse: X-A: 1', 'discard: X-A: *'] },
    fields: { 'X-A': '2' },
    is: 'discard The field X-A',
  },
  { what: 'a rule that is none', settings: { rules: ['explode: Subject: *', 'Subject'] }, is: 'accept' },
  { what: 'a forged member', dmarc: 'fail', is: 'hold The author could not be verified' },
  { what: 'a verified member', dmarc: 'pass', is: 'accept' },
  { what: 'a post of the greatest size', size: 1_000_000, is: 'accept' },
  { what: 'a larger post', size: 1_000_001, is: 'hold The post is larger' },
  { what: 'any size', size: 9_000_000, settings: { maxSize: 0 }, is: 'accept' },
  {
    what: 'too many recipients',
    settings: { maxRecipients: 1 },
    fields: { Cc: 'a@a.test' },
    is: 'hold The post has too many',
  },
  {
    what: 'any number of recipients',
    settings: { maxRecipients: 0 },
    fields: { Cc: Array(30).fill('a@a.test').join(', ') },
    is: 'accept',
  },
  { what: 'the list is not addressed', fields: { To: 'other@lists.test' }, is: 'hold To and Cc do not name' },
  { what: 'the list is in Cc', fields: { To: 'other@lists.test', Cc: 'Talk@LISTS.test' }, is: 'accept' },
  {
    what: 'the list need not be addressed',
    settings: { explicit: 'no' },
    fields: { To: 'other@lists.test' },
    is: 'accept',
  },
  { what: 'a command as the subject', fields: { Subject: ' Unsubscribe ' }, is: 'hold The post looks like a command' },
  { what: 'a command as the text', text: '\n> quoted\nunsubscribe\n', is: 'hold The post looks like a command' },
  { what: 'a sentence with the word', text: 'unsubscribe, please. And thanks.', is: 'accept' },
  { what: 'a long text that begins with a command', text: 'help\n1\n2\n3\n4\n5\n6\n', is: 'accept' },
]

for (const {
  what,
  settings = {},
  by = 'ann@a.test',
  fields = {},
  from = by,
  size = 100,
  text = 'Hello all',
  dmarc,
  is,
} of ROWS)
  test(`a post is judged: ${what}`, async () => {
    const headers = headersOf({ From: by, To: 'talk@lists.test', Subject: 'Hello', ...fields })
    const message = {
      headers,
      from,
      size,
      findings: dmarc ? [{ name: 'dmarc', value: dmarc }] : [],
      parse: async () => ({ text }),
    } as never
    const verdict = await judgePost({ roster, accounts }, listWith(settings), message, authorOf(headers))
    assert.ok(
      `${verdict.kind} ${'why' in verdict ? verdict.why : ''}`.startsWith(is),
      `${verdict.kind} ${JSON.stringify(verdict)}`,
    )
  })

test('the author has a folded address and a decoded name', () => {
  const author = (From: string) => authorOf(headersOf({ From }))
  assert.deepEqual(author('=?utf-8?q?Ann_=C3=84?= <Ann@A.TEST>'), { address: 'ann@a.test', name: 'Ann Ä' })
  assert.deepEqual(author('"Able, Ann" <ann@a.test>'), { address: 'ann@a.test', name: 'Able, Ann' })
  for (const wrong of ['', 'Ann', '<>', 'Friends: ann@a.test, bob@a.test;'])
    assert.equal(author(wrong).address, '', wrong)
})

test('To and Cc name folded addresses, those of groups too', () => {
  const fields = { To: ['Team: A@a.test, "b.c"@a.test;', 'x@b.test'], Cc: 'no address, D@D.test' }
  assert.deepEqual(addressedIn(headersOf(fields)), ['a@a.test', 'b.c@a.test', 'x@b.test', 'd@d.test'])
})

const PATTERNS: readonly (readonly [pattern: string, text: string, fits: boolean])[] = [
  ['a', 'a', true],
  ['a', 'ab', false],
  ['*', '', true],
  ['a*', 'a', true],
  ['a*a', 'a', false],
  ['a*a', 'aa', true],
  ['*b*', 'abc', true],
  ['a*b*c', 'a-b-c', true],
  ['a*b*c', 'a-c-b', false],
  ['*ab*ab*', 'xabx', false],
  ['**', 'x', true],
  ['*@a.test', 'x@a.test', true],
  ['*@a.test', 'x@ba.test', false],
]

test('a star stands for any characters', () => {
  for (const [pattern, text, does] of PATTERNS) assert.equal(matches(pattern, text), does, `${pattern} ${text}`)
  assert.equal(fits(['*@A.test', 'b@b.test'], 'x@a.test'), true)
  assert.equal(fits([], 'x@a.test'), false)
})

const SUBJECTS: readonly (readonly [prefix: string, number: number, raw: string, subject: string])[] = [
  ['', 1, 'Hello', 'Hello'],
  ['[Talk]', 1, 'Hello', '[Talk] Hello'],
  ['[Talk]', 1, 'Re: [Talk] Hello', '[Talk] Re: Hello'],
  ['[Talk]', 1, '[Talk] Re: [Talk] Hello', '[Talk] Re: Hello'],
  ['[Talk %d]', 12, 'Re: [Talk 11] Hello', '[Talk 12] Re: Hello'],
  ['[Talk %d]', 12, 'Re: [Talk x] Hello', '[Talk 12] Re: [Talk x] Hello'],
  ['[Talk %d]', 12, 'Re: [Talk 7 [Talk 11] Hello', '[Talk 12] Re: [Talk 7 Hello'],
  ['[Talk]', 1, '=?utf-8?q?caf=C3=A9?=', '[Talk] =?utf-8?q?caf=C3=A9?='],
]

test('the prefix stands once before the subject, and encoded words stay as they are', () => {
  for (const [prefix, number, raw, subject] of SUBJECTS) assert.equal(subjectWith(prefix, number, raw), subject, raw)
  assert.match(subjectWith('[Talk]', 1, '=?utf-8?q?=5BTalk=5D_caf=C3=A9?='), /^=\?utf-8\?[bq]\?/i)
})

const facts = (settings: Partial<ListSettings>, more: object = {}) => ({
  list: listWith(settings),
  site: 'https://lists.test',
  number: 3,
  hash: 'ABC',
  author: { address: 'ann@a.test', name: 'Ann' },
  isRewritten: false,
  messageId: '<own@lists.test>',
  date: 'Thu, 01 Jan 2026 00:00:00 +0000',
  ...more,
})
const FIELDS = [
  { name: 'From', value: ' Ann <ann@a.test>' },
  { name: 'Subject', value: ' Hello' },
  { name: 'Message-ID', value: ' <1@a.test>' },
  { name: 'Date', value: ' Thu, 01 Jan 2026 00:00:00 +0000' },
  { name: 'X-Kept', value: ' as\r\n it is' },
]
const lines = (settings: Partial<ListSettings>, more: object = {}, fields: readonly object[] = []) =>
  postHeader([...FIELDS, ...fields] as never, facts(settings, more)).split('\r\n')

test('fields of RFC 2369, 2919 and 5064 say how the list is used', () => {
  const fields = listFields(facts({ description: 'Talk "here"' }))
  assert.deepEqual(fields, [
    'List-Id: "Talk \\"here\\"" <talk.lists.test>',
    'List-Help: <mailto:talk-request@lists.test?subject=help>',
    'List-Owner: <mailto:talk-owner@lists.test>',
    'List-Post: <mailto:talk@lists.test>',
    'List-Subscribe: <mailto:talk-join@lists.test>',
    'List-Unsubscribe: <mailto:talk-leave@lists.test>',
    'List-Archive: <https://lists.test/lists/talk%40lists.test>',
    'Archived-At: <https://lists.test/lists/talk%40lists.test/message/ABC>',
    'Precedence: list',
    'X-Loop: talk@lists.test',
  ])
  assert.ok(listFields(facts({ post: 'moderators' })).includes('List-Post: NO'))
  for (const more of [{ site: undefined }, { list: listWith({ archive: 'none' }) }])
    assert.equal(
      listFields({ ...facts({}), ...more }).some((one) => /^(List-Archive|Archived-At)/.test(one)),
      false,
    )
})

test('fields that the list does not set stay as they are; receipts, passwords and those of other lists go', () => {
  const dropped = ['List-Post', 'X-Loop', 'Return-Path', 'Sender', 'Approved', 'Bcc', 'Disposition-Notification-To']
  const found = lines(
    {},
    {},
    dropped.map((name) => ({ name, value: ' secret' })),
  )
  assert.equal(
    found.some((line) => line.includes('secret')),
    false,
  )
  assert.deepEqual(found.slice(-8), [
    'From: Ann <ann@a.test>',
    'Subject: Hello',
    'Message-ID: <1@a.test>',
    'Date: Thu, 01 Jan 2026 00:00:00 +0000',
    'X-Kept: as',
    ' it is',
    '',
    '',
  ])
})

test('replies go to the author or to the list, and a rewritten author stays reachable', () => {
  const about = (found: readonly string[]) => found.filter((one) => /^(From|Reply-To|Cc|X-Original-From):/.test(one))
  const replyTo = [{ name: 'Reply-To', value: ' team@a.test' }]
  assert.deepEqual(about(lines({}, {}, replyTo)), ['From: Ann <ann@a.test>', 'Reply-To: team@a.test'])
  assert.deepEqual(about(lines({ replyTo: 'list' }, {}, replyTo)), [
    'Reply-To: talk@lists.test',
    'From: Ann <ann@a.test>',
  ])
  const rewritten = ['From: "Ann via talk" <talk@lists.test>', 'X-Original-From: ann@a.test']
  assert.deepEqual(about(lines({}, { isRewritten: true })), [...rewritten, 'Reply-To: "Ann" <ann@a.test>'])
  assert.deepEqual(about(lines({}, { isRewritten: true }, replyTo)), [...rewritten, 'Reply-To: team@a.test'])
  assert.deepEqual(about(lines({ replyTo: 'list' }, { isRewritten: true })), [
    ...rewritten,
    'Reply-To: talk@lists.test',
    'Cc: "Ann" <ann@a.test>',
  ])
})

test('a post without Subject, Message-ID or Date gets them', () => {
  const found = postHeader([{ name: 'From', value: ' ann@a.test' }] as never, facts({ subjectPrefix: '[T]' }))
  for (const line of ['Subject: [T] (no subject)', 'Message-ID: <own@lists.test>', 'Date: Thu, 01 Jan'])
    assert.ok(found.includes(line), line)
})
