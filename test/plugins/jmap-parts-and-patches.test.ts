/** Pieces of JMAP by themselves: body parts, patches, blob ids, rights, filters of cards, snippets and delivery states. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readStructure } from 'iems/mime'
import { blobIdOfEmail, blobIdOfPart, blobIdOfUpload, readBlobId } from '../../plugins/web/jmap/blob/ids.ts'
import { cardFilter, cardMatches } from '../../plugins/web/jmap/contacts/filter.ts'
import { patchedDeeply } from '../../plugins/web/jmap/contacts/patch.ts'
import { bodyLists, bodyParts, describePart, findPart, leaves } from '../../plugins/web/jmap/mail/parts.ts'
import { snippetOf } from '../../plugins/web/jmap/mail/snippets.ts'
import { patched } from '../../plugins/web/jmap/patched.ts'
import { lettersOf, RIGHTS, rightsIn } from '../../plugins/web/jmap/sharing/rights.ts'
import { deliveryStatus } from '../../plugins/web/jmap/submission/status.ts'

/** `mixed(text/plain, related(…))` as a message; a part may have a name after a colon and `!` for an attachment. */
function message(shape: string): string {
  const [, kind, inner] = /^([a-z]+)\((.*)\)$/.exec(shape) ?? []
  if (kind === undefined) {
    const [type = '', name] = shape.replace('!', '').split(':')
    const disposition = shape.includes('!') ? 'attachment' : 'inline'
    return `Content-Type: ${type}${name ? `; name="${name}"` : ''}\r\nContent-Disposition: ${disposition}\r\n\r\nx`
  }
  const parts: string[] = []
  let depth = 0
  let part = ''
  for (const char of `${inner},`) {
    if (char === ',' && depth === 0) {
      parts.push(part)
      part = ''
      continue
    }
    if (char === '(') depth++
    if (char === ')') depth--
    part += char
  }
  const boundary = `b${shape.length}`
  const body = parts.map((one) => `--${boundary}\r\n${message(one)}\r\n`).join('')
  return `Content-Type: multipart/${kind}; boundary=${boundary}\r\n\r\n${body}--${boundary}--\r\n`
}
const partsOf = async (shape: string) => {
  const octets = Buffer.from(message(shape))
  async function* open({ start, end } = { start: 0, end: octets.length }) {
    yield octets.subarray(start, end)
  }
  return bodyParts(await readStructure(open, octets.length))
}

const BODIES: readonly (readonly [shape: string, text: string, html: string, attachments: string])[] = [
  // The example of RFC 8621 section 4.1.4: A to K.
  [
    'mixed(text/plain,mixed(alternative(mixed(text/plain,image/jpeg,text/plain),related(text/html,image/jpeg)),image/jpeg!,application/x-excel,message/rfc822),text/plain)',
    '1 2.1.1.1 2.1.1.2 2.1.1.3 3',
    '1 2.1.2.1 3',
    '2.1.1.2 2.1.2.2 2.2 2.3 2.4',
  ],
  ['text/plain', '1', '1', ''],
  ['text/html', '1', '1', ''],
  ['image/png', '1', '1', ''],
  ['application/pdf', '', '', '1'],
  ['text/plain!', '', '', '1'],
  ['alternative(text/plain,text/html)', '1', '2', ''],
  ['alternative(text/html)', '1', '1', ''],
  ['alternative(text/plain,text/calendar)', '1', '1', '2'],
  ['mixed(text/plain,text/plain)', '1 2', '1 2', ''],
  ['mixed(text/plain,text/plain:notes.txt)', '1', '1', '2'],
  ['mixed(text/plain,image/png:a.png)', '1 2', '1 2', ''],
  ['related(text/html,image/png)', '1', '1', '2'],
  ['related(alternative(text/plain,text/html),image/png)', '1.1', '1.2', '2'],
]

for (const [shape, text, html, attachments] of BODIES)
  test(`text, HTML and attachments of ${shape}`, async () => {
    const root = await partsOf(shape)
    const lists = bodyLists(root)
    const ids = (parts: readonly { readonly partId: string | null }[]) => parts.map(({ partId }) => partId).join(' ')
    assert.deepEqual([ids(lists.textBody), ids(lists.htmlBody), ids(lists.attachments)], [text, html, attachments])
  })

test('parts are found by their ids, and described by their properties', async () => {
  const root = await partsOf('mixed(text/plain,alternative(text/html,image/png:a.png))')
  assert.deepEqual(
    [...leaves(root)].map(({ partId }) => partId),
    ['1', '2.1', '2.2'],
  )
  assert.equal(findPart(root, '2.2')?.type, 'image/png')
  assert.equal(findPart(root, '2'), undefined)
  const { blobId, ...rest } = describePart(findPart(root, '2.2') ?? root, {
    blob: 'Em1',
    properties: ['partId', 'blobId', 'type', 'name', 'charset', 'disposition', 'cid'],
  })
  assert.deepEqual(rest, {
    partId: '2.2',
    type: 'image/png',
    name: 'a.png',
    charset: null,
    disposition: 'inline',
    cid: null,
  })
  assert.deepEqual(readBlobId(String(blobId)), { kind: 'part', within: { kind: 'email', id: 'm1' }, partId: '2.2' })
  const whole = describePart(root, { blob: 'Em1', properties: ['blobId', 'size', 'subParts'] })
  assert.deepEqual([whole.blobId, whole.size, (whole.subParts as unknown[]).length], [null, 0, 2])
})

test('a blob id says what it means; anything else is none', () => {
  const email = blobIdOfEmail('m1')
  const inner = blobIdOfPart(blobIdOfPart(email, '1.2'), '3')
  assert.deepEqual(readBlobId(blobIdOfUpload('u1')), { kind: 'upload', id: 'u1' })
  assert.deepEqual(readBlobId('Xany'), { kind: 'plugin', letter: 'X', id: 'any' })
  assert.deepEqual(readBlobId(inner), {
    kind: 'part',
    partId: '3',
    within: { kind: 'part', partId: '1.2', within: { kind: 'email', id: 'm1' } },
  })
  let deep = email
  for (let at = 0; at < 6; at++) deep = blobIdOfPart(deep, '1')
  for (const wrong of [
    '',
    'E',
    'P',
    'P!!',
    blobIdOfPart(email, '0x1'),
    blobIdOfPart('', '1'),
    deep,
    `E${'x'.repeat(255)}`,
  ])
    assert.equal(readBlobId(wrong), undefined, wrong)
})

type Patches = readonly (readonly [object: object, patch: object, result: object | string])[]
const SHALLOW: Patches = [
  [{ a: 1 }, { a: 2, b: 3 }, { a: 2, b: 3 }],
  [{ a: 1 }, { a: null, z: null }, {}],
  [{ keywords: { $seen: true } }, { 'keywords/$flagged': true }, { keywords: { $seen: true, $flagged: true } }],
  [{ keywords: { $seen: true } }, { 'keywords/$seen': null }, { keywords: {} }],
  [{}, { 'keywords/a~1b~0c': true }, { keywords: { 'a/b~c': true } }],
  [{ a: 1 }, { 'a/b': 2 }, 'invalidPatch'],
  [{ a: [1] }, { 'a/0': 2 }, 'invalidPatch'],
  [{ a: {} }, { 'a/b/c': 2 }, 'invalidPatch'],
  [{ a: {} }, { a: {}, 'a/b': 2 }, 'invalidPatch'],
  [{}, { '__proto__/x': 2 }, 'invalidPatch'],
  [{}, { 'a/__proto__': {} }, 'invalidPatch'],
]
const DEEP: Patches = [
  [{ emails: { e1: { address: 'a' } } }, { 'emails/e1/address': 'b' }, { emails: { e1: { address: 'b' } } }],
  [{ emails: { e1: { address: 'a' } } }, { 'emails/e1': null }, { emails: {} }],
  [{ a: { b: {} } }, { 'a/b/c~1d': 1 }, { a: { b: { 'c/d': 1 } } }],
  [{ a: 1 }, { b: 2 }, { a: 1, b: 2 }],
  [{}, { 'a/b': 1 }, 'invalidPatch'],
  [{ a: [] }, { 'a/0': 1 }, 'invalidPatch'],
  [{ a: {} }, { a: {}, 'a/b': 1 }, 'invalidPatch'],
  [{ a: { b: {} } }, { 'a/b/c': 1, 'a/b': {} }, 'invalidPatch'],
  [{ a: { b: {}, bc: {} } }, { 'a/b': 1, 'a/bc': 2 }, { a: { b: 1, bc: 2 } }],
  [{}, { 'toString/x': 1 }, 'invalidPatch'],
  [{}, { '__proto__/x': 1 }, 'invalidPatch'],
  [{}, { [Array(13).fill('a').join('/')]: 1 }, 'invalidPatch'],
]

test('a patch changes what it names and nothing else (RFC 8620 section 5.3)', () => {
  for (const [apply, rows] of [
    [patched, SHALLOW],
    [patchedDeeply, DEEP],
  ] as const)
    for (const [object, patch, result] of rows) {
      const before = structuredClone(object)
      const run = () => apply(object as never, patch as never)
      if (typeof result === 'string')
        assert.throws(run, (error: { error?: { type: string } }) => error.error?.type === result, JSON.stringify(patch))
      else assert.deepEqual(run(), result)
      assert.deepEqual(object, before, 'the object itself stays')
    }
})

test('rights are the letters of RFC 4314, and any right shows the mailbox', () => {
  assert.equal(Object.values(rightsIn('lrswipkxtea')).every(Boolean), true)
  assert.equal(Object.values(rightsIn('')).some(Boolean), false)
  assert.equal(rightsIn('l').mayReadItems, false, 'a listed mailbox is not yet readable')
  assert.equal(rightsIn('t').mayRemoveItems, false, 'without expunge')
  assert.deepEqual([...lettersOf({ mayRemoveItems: true })].sort(), ['e', 'l', 't'])
  assert.deepEqual([lettersOf({}), lettersOf({ mayShare: false })], ['', ''])
  for (const right of RIGHTS) assert.equal(rightsIn(lettersOf({ [right]: true }))[right], true, right)
})

const CARD = {
  uid: 'u1',
  addressBookIds: { b1: true },
  kind: 'group',
  name: { full: 'Ann Able' },
  emails: { e1: { address: 'Ann@A.test' } },
  notes: { n1: { note: 'likes trains' } },
  members: { m1: true },
  created: '2026-01-01T00:00:00Z',
  updated: '2026-02-01T00:00:00Z',
}
const CARDS: readonly (readonly [filter: object, matches: boolean])[] = [
  [{}, true],
  [{ name: 'ABLE' }, true],
  [{ name: 'ann@a' }, false],
  [{ email: 'ann@a.test' }, true],
  [{ text: 'trains' }, true],
  [{ note: 'planes' }, false],
  [{ organization: 'x' }, false],
  [{ inAddressBook: 'b1' }, true],
  [{ inAddressBook: 'b2' }, false],
  [{ uid: 'u1', kind: 'group' }, true],
  [{ kind: 'individual' }, false],
  [{ hasMember: 'm1' }, true],
  [{ hasMember: 'toString' }, false],
  [{ createdBefore: '2026-01-01T00:00:00Z' }, false],
  [{ createdAfter: '2026-01-01T00:00:00Z' }, true],
  [{ updatedBefore: '2026-03-01T00:00:00Z', updatedAfter: '2026-01-15T00:00:00Z' }, true],
  [{ operator: 'NOT', conditions: [{ name: 'ann' }, { name: 'bob' }] }, false],
  [{ operator: 'NOT', conditions: [{ name: 'bob' }] }, true],
  [{ operator: 'OR', conditions: [{ name: 'bob' }, { email: 'ann' }] }, true],
  [{ operator: 'AND', conditions: [{ name: 'ann' }, { email: 'bob' }] }, false],
  [{ operator: 'OR', conditions: [] }, false],
  [{ operator: 'AND', conditions: [] }, true],
]

test('a card meets the filters of RFC 9610 section 3.3', () => {
  for (const [filter, matches] of CARDS)
    assert.equal(cardMatches(CARD, filter as never), matches, JSON.stringify(filter))
  for (const wrong of [{ colour: 'red' }, { createdAfter: 'yesterday' }, { name: 'x'.repeat(501) }])
    assert.equal(cardFilter.safeParse(wrong).success, false, JSON.stringify(wrong))
})

const email = (subject: string, body: string) =>
  ({ text: async () => ({ fields: [{ name: 'subject', value: subject }], body }) }) as never
const SNIPPETS: readonly (readonly [filter: object | undefined, subject: string | null, preview: string | null])[] = [
  [undefined, null, null],
  [{ text: 'TEA' }, 'Green <mark>tea</mark>', 'a &lt;b&gt; &amp; <mark>tea</mark> or <mark>tea</mark>'],
  [{ subject: 'green' }, '<mark>Green</mark> tea', null],
  [{ body: '"& tea"' }, null, 'a &lt;b&gt; <mark>&amp; tea</mark> or tea'],
  [{ body: 'coffee' }, null, null],
  [{ operator: 'NOT', conditions: [{ text: 'tea' }] }, null, null],
  [
    { operator: 'OR', conditions: [{ subject: 'tea' }, { body: 'or' }] },
    'Green <mark>tea</mark>',
    'a &lt;b&gt; &amp; tea <mark>or</mark> tea',
  ],
]

test('snippets mark the words of a search, and mail is never markup in them', async () => {
  for (const [filter, subject, preview] of SNIPPETS)
    assert.deepEqual(await snippetOf(email('Green tea', 'a <b> & tea or tea'), filter as never), { subject, preview })
  const long = await snippetOf(email('', `${'x'.repeat(500)} tea ${'y'.repeat(500)}`), { text: 'tea' } as never)
  assert.ok(long.preview?.includes('<mark>tea</mark>') && long.preview.length < 300)
})

test('the state of each recipient comes from the last attempt, through aliases too (RFC 8621 section 7)', () => {
  const attempt = (...fates: readonly (readonly [address: string, status: string])[]) => ({
    fates: fates.map(([address, status]) => ({ address, status, reply: `reply ${status}` })),
  })
  const trace = {
    recipients: [{ original: 'Alias@a.test', address: 'real@a.test' }],
    deliveries: [
      { attempts: [attempt(['real@a.test', 'deferred']), attempt(['real@a.test', 'delivered'])] },
      { attempts: [attempt(['late@a.test', 'deferred'], ['gone@a.test', 'failed'], ['out@a.test', 'removed'])] },
    ],
  } as never
  const rcptTo = ['alias@A.test', 'late@a.test', 'gone@a.test', 'out@a.test', 'new@a.test'].map((one) => ({
    email: one,
  }))
  const states = deliveryStatus(trace, { rcptTo } as never) ?? {}
  assert.deepEqual(
    Object.entries(states).map(([address, { delivered, smtpReply }]) => `${address} ${delivered} ${smtpReply}`),
    [
      'alias@A.test yes reply delivered',
      'late@a.test queued reply deferred',
      'gone@a.test no reply failed',
      'out@a.test no reply removed',
      'new@a.test queued 250 2.0.0 Queued',
    ],
  )
  assert.equal(deliveryStatus(undefined, { rcptTo } as never), null)
})
