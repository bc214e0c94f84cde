/** Distinguished names (RFC 4514) and the evaluation of filters (RFC 4511 section 4.5.1.7), with the RFCs' examples. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Candidate, compile, dnsIn, foldDnText } from '../../plugins/directory/ldap/server/matching.ts'
import { formatDn, parseDn, relativeTo } from '../../plugins/directory/ldap/server/protocol/dn.ts'
import type { Filter } from '../../plugins/directory/ldap/server/protocol/filter.ts'
import { describe, foldValue } from '../../plugins/directory/ldap/server/schema.ts'

type Names = readonly (readonly (readonly [type: string, value: string])[])[]

const NAMES: readonly (readonly [text: string, names: Names, written?: string])[] = [
  ['', []],
  [' ', [], ''],
  // RFC 4514 section 4.
  ['UID=jsmith,DC=example,DC=net', [[['UID', 'jsmith']], [['DC', 'example']], [['DC', 'net']]]],
  [
    'OU=Sales+CN=J.  Smith,DC=example',
    [
      [
        ['OU', 'Sales'],
        ['CN', 'J.  Smith'],
      ],
      [['DC', 'example']],
    ],
  ],
  ['CN=James \\"Jim\\" Smith\\, III', [[['CN', 'James "Jim" Smith, III']]]],
  ['CN=Before\\0dAfter', [[['CN', 'Before\rAfter']]]],
  ['1.3.6.1.4.1.1466.0=#04024869', [[['1.3.6.1.4.1.1466.0', 'Hi']]], '1.3.6.1.4.1.1466.0=Hi'],
  ['CN=Lu\\C4\\8Di\\C4\\87', [[['CN', 'Lučić']]], 'CN=Lučić'],
  // Spaces around parts do not count, escaped ones do; RFC 2253 allows semicolons.
  [' cn = a b ; dc=x ', [[['cn', 'a b']], [['dc', 'x']]], 'cn=a b,dc=x'],
  ['cn=\\ a\\ ', [[['cn', ' a ']]]],
  ['cn=\\#1', [[['cn', '#1']]]],
  ['cn=', [[['cn', '']]]],
  ['cn=a\\=b\\<c\\>\\;\\\\', [[['cn', 'a=b<c>;\\']]]],
  ['cn=a=b', [[['cn', 'a=b']]], 'cn=a\\=b'],
]

test('names are read as RFC 4514 writes them, and written so that they are read again', () => {
  for (const [text, names, written = text] of NAMES) {
    const dn = parseDn(text)
    assert.deepEqual(
      dn?.map((rdn) => rdn.map(({ type, value }) => [type, value])),
      names,
      text,
    )
    assert.equal(formatDn(dn ?? []), written)
    assert.deepEqual(parseDn(written), dn)
  }
})

const MALFORMED = [
  'cn',
  'cn=a,',
  'cn=a,,dc=x',
  '=a',
  'cn=a+',
  '1cn=a',
  '1.=a',
  'cn_x=a',
  'cn="a"',
  'cn=a\\',
  'cn=a\\zz',
  'cn=\\ff',
  'cn=a\0b',
  'cn=#',
  'cn=#0402',
  'cn=#300100',
  'cn=#04024869x',
  `cn=${'a'.repeat(8192)}`,
  Array(102).fill('dc=x').join(','),
]

test('a malformed name is none', () => {
  for (const text of MALFORMED) assert.equal(parseDn(text), undefined, text.slice(0, 60))
})

const EQUAL: readonly (readonly string[])[] = [
  ['cn=Ann,dc=x', 'CN=ann,DC=X', ' cn = ANN , dc = x ', 'commonName=ann,domainComponent=x', '2.5.4.3=Ann,dc=x'],
  ['cn=A  B', 'cn=a b', 'cn=\\41 B'],
  ['ou=s+cn=a,c=de', 'cn=a+ou=S,countryName=DE', 'organizationalUnitName=s+2.5.4.3=A,2.5.4.6=de'],
  ['uid=\uff41', 'userid=a', '0.9.2342.19200300.100.1.1=A'],
  ['o=x,l=y', 'organizationName=X,localityName=Y'],
]

test('names that differ in case, spaces, escapes, order of values or aliases of attributes are equal', () => {
  for (const texts of EQUAL) assert.equal(new Set(texts.map(foldDnText)).size, 1, texts.join(' | '))
  const all = EQUAL.map(([first]) => foldDnText(first as string))
  assert.equal(new Set(all).size, all.length, 'and others are not')
})

test('a name is relative to each of its ends', () => {
  const [dn, base] = [parseDn('cn=a,ou=b,dc=x') ?? [], parseDn('DC=X') ?? []]
  assert.equal(formatDn(relativeTo(dn, base) ?? []), 'cn=a,ou=b')
  assert.deepEqual(relativeTo(dn, dn), [])
  assert.deepEqual(relativeTo(dn, []), dn)
  for (const other of ['dc=y', 'ou=b', 'cn=z,cn=a,ou=b,dc=x'])
    assert.equal(relativeTo(dn, parseDn(other) ?? []), undefined, other)
})

/** An entry whose attributes are these; a question mark instead of values means that they are not readable. */
const entry = (
  attributes: Readonly<Record<string, readonly string[] | '?'>>,
  dn = 'cn=Ann,ou=Sales,dc=x',
): Candidate => ({
  id: 'a1',
  dn,
  memberBase: 'member',
  values(description) {
    const found = description.covers.map((base) => attributes[base])
    if (found.includes('?')) return undefined
    return found.flatMap((values) => (Array.isArray(values) ? (values as string[]) : []))
  },
  *all() {
    for (const [base, values] of Object.entries(attributes)) if (values !== '?') yield [base, values]
  },
})

const octets = (text: string) => Buffer.from(text)
const equal = (attribute: string, value: string): Filter => ({ kind: 'equal', attribute, value: octets(value) })
const compare = (kind: 'atLeast' | 'atMost' | 'approx', attribute: string, value: string): Filter => ({
  kind,
  attribute,
  value: octets(value),
})
const not = (of: Filter): Filter => ({ kind: 'not', of })
const present = (attribute: string): Filter => ({ kind: 'present', attribute })
/** `Bab*j*` as in RFC 4515. */
function substrings(attribute: string, pattern: string): Filter {
  const [initial = '', ...rest] = pattern.split('*')
  const final = rest.pop() ?? ''
  return {
    kind: 'substrings',
    attribute,
    ...(initial ? { initial: octets(initial) } : {}),
    any: rest.map(octets),
    ...(final ? { final: octets(final) } : {}),
  }
}
const extensible = (value: string, more: { rule?: string; attribute?: string; inDn?: boolean }): Filter => ({
  kind: 'extensible',
  value: octets(value),
  inDn: false,
  ...more,
})

const ANN = entry({
  cn: ['Babs  Jensen'],
  sn: ['Jensen'],
  mail: ['Ann@example.org'],
  telephonenumber: ['+49 30 12-34'],
  uidnumber: ['1000'],
  description: '?',
})
const YES = equal('sn', 'jensen')
const NO = equal('sn', 'other')
const UNDEFINED = equal('description', 'x')

const FILTERS: readonly (readonly [what: string, filter: Filter, truth: boolean | undefined])[] = [
  ['equality without regard to case and spaces', equal('cn', ' babs JENSEN '), true],
  ['another value', NO, false],
  ['a supertype covers its subtypes', equal('name', 'Jensen'), true],
  ['an OID names an attribute', equal('2.5.4.4', 'jensen'), true],
  ['a telephone number without its spaces and hyphens', equal('telephoneNumber', '+493012 34'), true],
  ['a value that is no UTF-8', { kind: 'equal', attribute: 'cn', value: Buffer.from([0xff]) }, undefined],
  ['an attribute that is not readable', UNDEFINED, undefined],
  ['an invalid attribute description', equal('c n', 'x'), undefined],
  ['an attribute that the entry does not have', equal('title', 'x'), false],
  ['presence', present('mail'), true],
  ['absence', present('title'), false],
  ['presence of what is not readable', present('description'), undefined],
  ['at least, by number', compare('atLeast', 'uidNumber', '999'), true],
  ['at most, by number', compare('atMost', 'uidNumber', '999'), false],
  ['an order of text, which RFC 4519 does not define', compare('atLeast', 'sn', 'a'), undefined],
  ['approximately is equality', compare('approx', 'sn', 'JENSEN'), true],
  ['initial', substrings('sn', 'jen*'), true],
  ['final', substrings('sn', '*SEN'), true],
  ['both', substrings('cn', 'babs*sen'), true],
  ['in between, in order', substrings('cn', '*a*s*j*'), true],
  ['in between, in another order', substrings('cn', '*j*bs*'), false],
  ['parts do not overlap', substrings('sn', 'jens*sen'), false],
  ['parts of a telephone number', substrings('telephoneNumber', '*30 1*'), true],
  ['all true', { kind: 'and', of: [YES, YES] }, true],
  ['one false, whatever the others', { kind: 'and', of: [UNDEFINED, NO] }, false],
  ['one undefined', { kind: 'and', of: [YES, UNDEFINED] }, undefined],
  ['RFC 4526: and of nothing is true', { kind: 'and', of: [] }, true],
  ['one true, whatever the others', { kind: 'or', of: [UNDEFINED, YES] }, true],
  ['none true, one undefined', { kind: 'or', of: [NO, UNDEFINED] }, undefined],
  ['RFC 4526: or of nothing is false', { kind: 'or', of: [] }, false],
  ['not', not(NO), true],
  ['not of undefined', not(UNDEFINED), undefined],
  ['a rule for one attribute', extensible('jensen', { attribute: 'sn', rule: 'caseIgnoreMatch' }), true],
  ['a rule that minds case', extensible('jensen', { attribute: 'sn', rule: 'caseExactMatch' }), false],
  ['an unknown rule', extensible('jensen', { attribute: 'sn', rule: '1.2.3' }), undefined],
  ['a rule for all attributes it applies to', extensible('jensen', { rule: 'caseIgnoreMatch' }), true],
  ['neither rule nor attribute', extensible('jensen', {}), undefined],
  ['the entry alone', extensible('sales', { attribute: 'ou' }), false],
  ['with the attributes of its name', extensible('sales', { attribute: 'ou', inDn: true }), true],
  ['all attributes with those of the name', extensible('SALES', { rule: '2.5.13.2', inDn: true }), true],
]

for (const [what, filter, truth] of FILTERS)
  test(`a filter is true, false or undefined: ${what}`, () => {
    assert.equal(compile(filter, { groupsOf: new Map(), membersOf: new Map() })(ANN), truth)
  })

test('membership is looked up from the side of the member, and only if it is readable', () => {
  const memberships = {
    groupsOf: new Map([[foldDnText('cn=bob,dc=x') ?? '', new Set(['a1'])]]),
    membersOf: new Map([[foldDnText('cn=staff,dc=x') ?? '', new Set(['a1'])]]),
  }
  const truthOf = (filter: Filter, of = ANN) => compile(filter, memberships)(of)
  assert.equal(truthOf(equal('member', 'CN=Bob, DC=X')), true)
  assert.equal(truthOf(equal('uniqueMember', 'cn=bob,dc=x')), false, 'the group has the other class')
  assert.equal(truthOf(equal('member', 'cn=eve,dc=x')), false)
  assert.equal(truthOf(equal('memberOf', 'cn=staff,dc=x')), true)
  assert.equal(truthOf(equal('memberOf', 'cn=other,dc=x')), false)
  assert.equal(truthOf(equal('member', 'cn=bob,dc=x'), entry({ member: '?' })), undefined)
  const both: Filter = { kind: 'or', of: [equal('member', 'cn=a'), not(equal('memberOf', 'cn=b')), equal('cn', 'c')] }
  assert.deepEqual(dnsIn(both, ['member']), ['cn=a'])
  assert.deepEqual(dnsIn(both, ['member', 'memberof']), ['cn=a', 'cn=b'])
})

test('an attribute description has a name and options (RFC 4512 section 2.5)', () => {
  const shown = (text: string) => {
    const found = describe(text)
    return found && [found.base, found.key, found.shown]
  }
  assert.deepEqual(shown('CommonName;lang-DE;Binary'), ['cn', 'cn;lang-de', 'cn;lang-de;binary'])
  assert.deepEqual(shown('2.5.4.3'), ['cn', 'cn', 'cn'])
  assert.deepEqual(shown('x-mine'), ['x-mine', 'x-mine', 'x-mine'])
  for (const text of ['', '1', '1.', 'cn;', 'cn;x y', 'c_n', '-cn', `x${'y'.repeat(64)}`])
    assert.equal(describe(text), undefined, text)
})

const SAME: readonly (readonly [attribute: string, a: string, b: string, same: boolean])[] = [
  ['cn', 'A  B ', 'a b', true],
  ['cn', 'Straße', 'STRASSE', false],
  ['cn', '\ufb01n', 'FIN', true],
  ['telephonenumber', '+1 555-1234', '+15551234', true],
  ['uidnumber', '007', '7', true],
  ['uidnumber', '-7', '7', false],
  ['member', 'cn=a, dc=X', 'CN=A,dc=x', true],
]

test('values are compared by the syntax of their attribute', () => {
  for (const [attribute, a, b, same] of SAME)
    assert.equal(foldValue(attribute, a) === foldValue(attribute, b), same, `${attribute}: ${a} and ${b}`)
  assert.equal(foldValue('uidnumber', 'seven'), undefined)
})
