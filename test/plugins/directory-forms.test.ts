/** Entries of the directory as people give them: words of a command line, and the values that an entry may have. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Entry, EntryKind } from '../../plugins/directory/store/api.ts'
import { attributeOf, columnOf } from '../../plugins/directory/store/commands/attributes.ts'
import { patchOf, readWord, shownFields, unknownColumns } from '../../plugins/directory/store/commands/fields.ts'
import { foldMatch, foldPath, isPattern, parentOf, partsOf } from '../../plugins/directory/store/records.ts'
import { readApp, readMembers, readNew, readPatch } from '../../plugins/directory/store/schemas.ts'

type Row = readonly [kind: EntryKind, words: string, fields: object]

const PATCHES: readonly Row[] = [
  ['account', 'name=ann', { name: 'ann' }],
  ['account', 'address=a@a.test address=b@a.test', { addresses: ['a@a.test', 'b@a.test'] }],
  ['account', 'address=', { addresses: [] }],
  ['account', 'quota=5GB', { quota: 5e9 }],
  ['account', 'quota=1.5GiB', { quota: 1.5 * 1024 ** 3 }],
  ['account', 'quota=500m', { quota: 5e8 }],
  ['account', 'quota=64kib', { quota: 65_536 }],
  ['account', 'quota=7', { quota: 7 }],
  ['account', 'quota=', { quota: null }],
  ['account', 'may-relay=YES', { mayRelay: true }],
  ['account', 'may-relay=0', { mayRelay: false }],
  ['account', 'route=internet:[192.0.2.1]:25', { route: { channel: 'internet', nexthop: '[192.0.2.1]:25' } }],
  ['account', 'forward=a@a.test', { forward: { to: ['a@a.test'], keep: false } }],
  [
    'account',
    'forward=a@a.test forward=b@a.test forward-keep=yes',
    { forward: { to: ['a@a.test', 'b@a.test'], keep: true } },
  ],
  ['account', 'forward=', { forward: null }],
  ['account', 'unit=', { unit: '' }],
  ['account', 'title=Dr. Title=Prof.', { attributes: { title: ['Dr.', 'Prof.'] } }],
  ['account', 'attr:x-badge=7', { attributes: { 'x-badge': ['7'] } }],
  ['account', 'cn;lang-de=Anna', { attributes: { 'cn;lang-de': ['Anna'] } }],
  ['domain', 'alias-of=a.test catch-all=', { aliasOf: 'a.test', catchAll: null }],
  [
    'alias',
    'match=info@a.test target=a@a.test target=b@a.test',
    { match: 'info@a.test', targets: ['a@a.test', 'b@a.test'] },
  ],
  ['route', 'to=out:mx.test', { target: { channel: 'out', nexthop: 'mx.test' } }],
]

test('words set the fields of an entry', () => {
  for (const [kind, words, fields] of PATCHES)
    assert.deepEqual(patchOf(kind, words.split(' ').map(readWord)), { fields }, words)
})

const ANN = {
  kind: 'account',
  id: 'a1',
  name: 'ann',
  addresses: ['ann@a.test', 'A@a.test'],
  forward: { to: ['x@b.test'], keep: true },
  roles: [],
  mayRelay: true,
  quota: 1000,
  unit: '',
  attributes: { title: ['Dr.'], 'x-badge': ['7'] },
} as unknown as Entry

const CHANGES: readonly (readonly [words: string, fields: object])[] = [
  ['address+=b@a.test', { addresses: ['ann@a.test', 'A@a.test', 'b@a.test'] }],
  ['address-=ANN@A.TEST', { addresses: ['A@a.test'] }],
  ['address=b@a.test address+=c@a.test', { addresses: ['b@a.test', 'c@a.test'] }],
  ['forward+=y@b.test', { forward: { to: ['x@b.test', 'y@b.test'], keep: true } }],
  ['forward-keep=no', { forward: { to: ['x@b.test'], keep: false } }],
  ['forward-=x@b.test', { forward: null }],
  ['title-=dr.', { attributes: { 'x-badge': ['7'] } }],
  ['title+=Prof.', { attributes: { title: ['Dr.', 'Prof.'], 'x-badge': ['7'] } }],
]

test('words with + and - change what an entry has', () => {
  for (const [words, fields] of CHANGES)
    assert.deepEqual(patchOf('account', words.split(' ').map(readWord), ANN).fields, fields, words)
})

test('members of a group are set, added and removed apart from its fields', () => {
  const members = (words: string) => patchOf('group', words.split(' ').map(readWord))
  assert.deepEqual(members('member+=ann member-=bob name=g'), {
    fields: { name: 'g' },
    members: { set: undefined, add: ['ann'], remove: ['bob'] },
  })
  assert.deepEqual(members('member=').members, { set: [], add: [], remove: [] })
  assert.deepEqual(members('member=ann member=bob').members?.set, ['ann', 'bob'])
})

const WRONG: readonly (readonly [kind: EntryKind, word: string, why: RegExp])[] = [
  ['account', 'name', /^name must be field=value, field\+=value or field-=value$/],
  ['account', '=x', /must be field=value/],
  ['account', 'quota=much', /^much is no size such as 500MB, 5GB or 5GiB$/],
  ['account', 'quota=-1', /is no size/],
  ['account', 'may-relay=perhaps', /^perhaps must be yes or no$/],
  ['account', 'route=internet', /must be channel:nexthop/],
  ['account', 'quota+=1', /^quota has one value: write quota=…$/],
  ['account', 'mail=a@a.test', /has no mail; did you mean address\?/],
  ['account', 'quotta=1', /has no quotta; did you mean quota\?/],
  ['account', 'x-badge=7', /attr:x-badge=…/],
  ['domain', 'colour=red', /^a domain has no colour; it has name, alias-of, catch-all\.$/],
  ['route', 'target=x', /a route has no target/],
]

test('a word that says nothing is an error that says what to write', () => {
  for (const [kind, word, why] of WRONG) assert.throws(() => patchOf(kind, [readWord(word)]), { message: why }, word)
  assert.deepEqual(unknownColumns('account', ['name', 'title', 'attr:x', 'adress']).length, 1)
})

test('an entry is shown by the words that make it, without its password', () => {
  const shown = shownFields({ ...ANN, password: '$argon2id$x' } as unknown as Entry)
  assert.deepEqual(Object.fromEntries(shown), {
    name: ['ann'],
    address: ['ann@a.test', 'A@a.test'],
    quota: ['1000'],
    forward: ['x@b.test'],
    'forward-keep': ['yes'],
    'may-relay': ['yes'],
    title: ['Dr.'],
    'attr:x-badge': ['7'],
  })
  assert.equal(columnOf('x-badge'), 'attr:x-badge')
  assert.equal(attributeOf(columnOf('x-badge')), 'x-badge')
})

const KEPT: readonly (readonly [kind: EntryKind, given: object])[] = [
  ['account', { name: 'ann', addresses: ['ann@a.test', '"a b"@a.test', 'ä@ö.test'], status: 'suspended', quota: 0 }],
  ['account', { name: 'ann', sendAs: ['*', '*@a.test'], roles: ['domain-admin:a.test'], password: 'secret' }],
  ['account', { name: 'ann', forward: { to: ['x@b.test'], keep: true }, rdn: 'cn=Ann', unit: '' }],
  ['group', { name: 'staff', senders: 'members', members: [{ id: 'a1' }, { address: 'x@b.test' }, { path: 'sales' }] }],
  ['alias', { match: 'sales-*@a.test', targets: ['a@a.test'] }],
  ['route', { match: '*.a.test', target: { channel: 'out', nexthop: 'mx.test' } }],
  ['route', { match: '*', target: { channel: 'out', nexthop: 'mx.test' } }],
  ['domain', { name: 'a.test', catchAll: 'ann@a.test' }],
  ['unit', { path: 'sales/europe', attributes: { description: ['x'] } }],
  ['object', { rdn: 'cn=Printer', attributes: { cn: ['Printer'] } }],
]

test('an entry with these values is accepted', () => {
  for (const [kind, given] of KEPT)
    assert.deepEqual(readNew({ kind, ...given }), { fields: given }, JSON.stringify(given))
})

const REFUSED: readonly (readonly [kind: string, given: object, why: RegExp])[] = [
  ['person', { name: 'ann' }, /^there is no kind person$/],
  ['constructor', {}, /^there is no kind/],
  ['account', {}, /^name: /],
  ['account', { name: '' }, /^name: /],
  ['account', { name: ' ann' }, /^name: must be one plain line$/],
  ['account', { name: 'a/b' }, /^name: must be without \/ and ,$/],
  ['account', { name: 'a\u202eb' }, /^name: must have no characters that are not seen$/],
  ['account', { name: 'a\nb' }, /^name: must be one plain line$/],
  ['account', { name: 'ann', addresses: ['ann'] }, /^addresses\.0: must be an address/],
  ['account', { name: 'ann', addresses: ['*@a.test'] }, /^addresses\.0: must be an address without \*$/],
  ['account', { name: 'ann', quota: -1 }, /^quota: /],
  ['account', { name: 'ann', quota: 1.5 }, /^quota: /],
  ['account', { name: 'ann', status: 'asleep' }, /^status: /],
  ['account', { name: 'ann', forward: { to: [], keep: true } }, /^forward\.to: /],
  ['account', { name: 'ann', password: '{SSHA-9}x' }, /^password: looks like a hash of an unknown scheme$/],
  ['account', { name: 'ann', password: '' }, /^password: /],
  ['account', { name: 'ann', shoeSize: 43 }, /shoeSize/],
  ['account', { name: 'ann', attributes: { Title: ['x'] } }, /^attributes\.Title: /],
  ['account', { name: 'ann', attributes: { title: ['\ud800'] } }, /must be Unicode/],
  ['account', { name: 'ann', rdn: 'CN=Ann' }, /^rdn: must be a name such as cn=Ann$/],
  ['domain', { name: 'a test' }, /^name: must be a domain, such as example\.org$/],
  ['alias', { match: 'info@a.test' }, /^targets: /],
  ['alias', { match: 'info', targets: ['a@a.test'] }, /^match: must be an address/],
  ['route', { match: 'a@', target: { channel: 'x', nexthop: 'y' } }, /^match: must be an address, a domain/],
  ['route', { match: '*', target: { channel: 'x' } }, /^target\.nexthop: /],
  ['unit', { path: '/' }, /^path: must be names divided by \/$/],
  ['group', { name: 'g', members: [{ name: 'ann' }] }, /^members\.0: /],
]

test('an entry with one wrong value is refused, with the name of the field', () => {
  for (const [kind, given, why] of REFUSED) {
    const read = readNew({ kind: kind as EntryKind, ...given })
    assert.ok('why' in read, JSON.stringify(given))
    assert.match(read.why, why)
  }
})

test('a patch removes only fields that may be missing, and never sets members', () => {
  assert.deepEqual(readPatch('account', { quota: null, forward: null }), { fields: { quota: null, forward: null } })
  assert.deepEqual(readPatch('account', {}), { fields: {} })
  for (const given of [{ name: null }, { addresses: null }, { roles: null }])
    assert.ok('why' in readPatch('account', given), JSON.stringify(given))
  assert.ok('why' in readPatch('group', { members: [] }))
  assert.deepEqual(readMembers([{ dn: 'cn=a,dc=b' }]), { fields: { members: [{ dn: 'cn=a,dc=b' }] } })
  assert.ok('why' in readMembers([{ id: '', address: 'a@a.test' }]))
})

test('a password of a program has a name, a purpose, and networks', () => {
  const app = { name: 'Phone', scopes: ['imap'], networks: ['10.0.0.0/8', '::1'], expires: 1 }
  assert.deepEqual(readApp(app), { fields: app })
  for (const wrong of [
    { scopes: [] },
    { scopes: ['everything'] },
    { networks: ['10.0.0.0/33'] },
    { networks: ['here'] },
  ])
    assert.ok('why' in readApp({ ...app, ...wrong }), JSON.stringify(wrong))
})

const MATCHES: readonly (readonly [match: string, folded: string | undefined, isPattern: boolean])[] = [
  ['*', '*', false],
  ['Info@A.TEST', 'info@a.test', false],
  ['*@A.test', '*@a.test', false],
  ['Sales-*@A.test', 'sales-*@a.test', true],
  ['*.A.test.', '*.a.test', false],
  ['BÜCHER.test', 'xn--bcher-kva.test', false],
  ['a b', undefined, false],
]

test('matches of aliases and routes are compared in one form', () => {
  for (const [match, folded, pattern] of MATCHES) {
    assert.equal(foldMatch(match), folded, match)
    assert.equal(isPattern(match), pattern, match)
  }
  assert.deepEqual(partsOf('"A\\"b"@A.test'), { local: 'a"b', domain: 'a.test' })
  assert.deepEqual(partsOf('"ann"@a.test'), partsOf('Ann@A.TEST'), 'quoting does not change the mailbox')
  for (const none of ['ann', '@a.test', 'ann@', 'ann@a b']) assert.equal(partsOf(none), undefined, none)
})

test('a path has names from the root, and a parent', () => {
  assert.equal(foldPath('/Sales / EUROPE//'), 'sales/europe')
  assert.deepEqual(['a/b/c', 'a', ''].map(parentOf), ['a/b', '', ''])
})
