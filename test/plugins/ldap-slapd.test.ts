/** The same operations by python-ldap against this server and against slapd, which begins with our LDIF and schema. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { clientsOf, createLdapKernel, entriesIn, type LdapKernel, PASSWORD, run, SUFFIX } from '../support/ldap.ts'
import { fc } from '../support/property.ts'
import { type Slapd, startSlapd, whyNoSlapd } from '../support/slapd.ts'

const PYTHON = '/usr/bin/python3'
const skip =
  whyNoSlapd() ??
  (existsSync('/usr/lib/python3/dist-packages/ldap') ? false : 'python3-ldap (Debian package) is not installed')

type Operation = readonly [what: string, ...given: readonly unknown[]]

async function perform(uri: string, bindDn: string, password: string, operations: readonly Operation[]) {
  const script = join(import.meta.dirname, '../support/ldap-script.py')
  const input = JSON.stringify([['bind', bindDn, password], ...operations])
  const { out, err } = await run(PYTHON, [script, uri], { input })
  if (out === '') throw new Error(err)
  return (JSON.parse(out) as unknown[]).slice(1)
}

/** Our own definitions in the form in which slapd takes them, too: the subschema is as it should be. */
async function startBeside(t: TestContext, here: LdapKernel): Promise<Slapd> {
  const { search } = clientsOf(here, 'ann')
  const [schema = {}] = entriesIn((await search('-b', 'cn=Subschema', '-s', 'base', '+')).out)
  const ours = (name: string) => (schema[name] ?? []).filter((text) => text.includes("NAME 'iems-"))
  const { out } = await search('-b', SUFFIX, '(|(objectClass=domain)(objectClass=person))')
  return startSlapd(t, {
    suffix: SUFFIX,
    ldif: out,
    attributeTypes: ours('attributeTypes'),
    objectClasses: ours('objectClasses'),
  })
}

/** Names of entries in one spelling, values and entries in one order. */
function normal(result: unknown): unknown {
  if (!Array.isArray(result)) return result
  if (result.every((one) => Array.isArray(one) && typeof one[0] === 'string'))
    return (result as [string, Record<string, string[]>][])
      .map(([dn, { member, ...attributes }]) => [
        dn.toLowerCase(),
        { ...attributes, ...(member ? { member: member.map((one) => one.toLowerCase()).sort() } : {}) },
      ])
      .sort(([one = ''], [other = '']) => (one < other ? -1 : 1))
  return result.map(normal)
}

async function bothSay(here: LdapKernel, slapd: Slapd, operations: readonly Operation[]) {
  const ours = await perform(here.uri, `uid=ann,${SUFFIX}`, PASSWORD, operations)
  const theirs = await perform(slapd.uri, slapd.rootDn, 'secret', operations)
  return operations.map((operation, at) => ({
    operation: JSON.stringify(operation),
    ours: normal(ours[at]),
    theirs: normal(theirs[at]),
  }))
}

function person(uid: string, attributes: Record<string, string[]> = {}, unit = ''): Operation {
  const common = { objectClass: ['inetOrgPerson'], uid: [uid], cn: [uid], sn: [uid] }
  return ['add', `uid=${uid},${unit}${SUFFIX}`, { ...common, ...attributes }]
}

const PEOPLE: readonly Operation[] = [
  [
    'add',
    `ou=Sales,${SUFFIX}`,
    { objectClass: ['organizationalUnit'], ou: ['Sales'], description: ['those who sell'] },
  ],
  ['add', `ou=Eü,ou=sales,${SUFFIX}`, { objectClass: ['organizationalUnit'], ou: ['Eü'] }],
  person('carl', {
    cn: ['Carl Smith', 'C. Smith'],
    sn: ['Smith'],
    mail: ['carl@example.org'],
    title: ['Head of Sales'],
  }),
  person(
    'dora',
    { cn: ['Dora  Müller'], sn: ['Müller'], givenName: ['Dora'], telephoneNumber: ['+49 30 12-34'] },
    'ou=Sales,',
  ),
  person(
    'emil',
    { cn: ['Emil, the 2nd'], mail: ['EMIL@example.org', 'e@example.org'], employeeNumber: ['12'] },
    'ou=Sales,',
  ),
  person('fay', { cn: ['Fay'], description: ['a', 'b', 'c d'], l: ['Paris'], mobile: ['1'] }, 'ou=Eü,ou=Sales,'),
  person(
    'gus',
    { postalAddress: ['Street 1$12345 Town$Land'], labeledURI: ['http://x/Y'], roomNumber: ['R1'] },
    'ou=Eü,ou=Sales,',
  ),
  [
    'add',
    `cn=Team A,${SUFFIX}`,
    { objectClass: ['groupOfNames'], cn: ['Team A'], member: [`uid=carl,${SUFFIX}`, `UID=Dora,OU=sales,${SUFFIX}`] },
  ],
  [
    'add',
    `cn=all,ou=sales,${SUFFIX}`,
    { objectClass: ['groupOfNames'], cn: ['all'], member: [`cn=team a,${SUFFIX}`, `uid=fay,ou=Eü,ou=Sales,${SUFFIX}`] },
  ],
]
const [CARL, DORA, EMIL] = [`uid=carl,${SUFFIX}`, `uid=dora,ou=Sales,${SUFFIX}`, `uid=emil,ou=Sales,${SUFFIX}`]
const SHOWN = ['uid', 'cn', 'sn', 'mail', 'title', 'description', 'telephoneNumber', 'member', 'ou']

const SCRIPT: readonly Operation[] = [
  ...PEOPLE,
  ['search', SUFFIX, 'sub', '(objectClass=inetOrgPerson)', SHOWN],
  ['search', SUFFIX, 'one', '(objectClass=person)', SHOWN],
  ['search', `ou=sales,${SUFFIX}`, 'one', '(objectClass=*)', SHOWN],
  ['search', `ou=sales,${SUFFIX}`, 'sub', '(objectClass=*)', ['1.1']],
  ['search', EMIL, 'base', '(objectClass=*)', ['MAIL', 'CommonName', 'nothing']],
  ['search', EMIL, 'base', '(mail=e@example.org)', ['mail']],
  ['search', `uid=nobody,${SUFFIX}`, 'base', '(objectClass=*)', ['cn']],
  ['search', 'dc=far', 'sub', '(objectClass=*)', ['cn']],
  ['search', 'not a name', 'sub', '(objectClass=*)', ['cn']],
  ['search', SUFFIX, 'sub', `(memberOf=cn=Team A,${SUFFIX})`, ['memberOf']],
  ['search', SUFFIX, 'sub', `(member=${CARL.toUpperCase()})`, ['cn']],
  ['search', SUFFIX, 'sub', '(ou:dn:=sales)', ['1.1']],
  ['paged', SUFFIX, '(objectClass=inetOrgPerson)', ['uid'], 1],
  ['paged', SUFFIX, '(objectClass=inetOrgPerson)', ['uid'], 3],
  ['paged', SUFFIX, '(objectClass=inetOrgPerson)', ['uid'], 100],
  ['limited', SUFFIX, '(objectClass=inetOrgPerson)', 3],
  ['limited', SUFFIX, '(objectClass=inetOrgPerson)', 1000],
  ['compare', CARL, 'cn', 'c. SMITH'],
  ['compare', CARL, 'cn', 'nobody'],
  ['compare', CARL, 'mobile', '1'],
  ['compare', `cn=team a,${SUFFIX}`, 'member', CARL.toUpperCase()],
  ['compare', DORA, 'telephoneNumber', '+49301234'],
  ['compare', `uid=nobody,${SUFFIX}`, 'cn', 'x'],
  // What goes wrong.
  person('carl'),
  person('x', {}, 'ou=nowhere,'),
  person('x', { mobile: ['1', '1'] }),
  person('x', { employeeNumber: ['1', '2'] }),
  ['add', `uid=x,${SUFFIX}`, { uid: ['x'], cn: ['x'], sn: ['x'] }],
  ['modify', CARL, [['add', 'title', ['head  of SALES']]]],
  ['modify', CARL, [['delete', 'mobile', null]]],
  ['modify', CARL, [['delete', 'title', ['other']]]],
  ['modify', CARL, [['add', 'employeeNumber', ['1', '2']]]],
  ['modify', CARL, [['replace', 'createTimestamp', ['20200101000000Z']]]],
  ['modify', `uid=nobody,${SUFFIX}`, [['replace', 'title', ['x']]]],
  ['delete', `ou=sales,${SUFFIX}`],
  ['delete', `uid=nobody,${SUFFIX}`],
  ['rename', CARL, 'uid=emil', `ou=sales,${SUFFIX}`, 1],
  ['rename', CARL, 'uid=carl', `ou=nowhere,${SUFFIX}`, 1],
  ['rename', `uid=nobody,${SUFFIX}`, 'uid=x', null, 1],
  // What goes right.
  [
    'modify',
    CARL,
    [
      ['add', 'title', ['Second']],
      ['delete', 'title', ['HEAD OF sales']],
      ['replace', 'description', ['x', 'y']],
    ],
  ],
  [
    'modify',
    CARL,
    [
      ['replace', 'mail', ['carl@example.org', 'c@example.org']],
      ['replace', 'description', null],
    ],
  ],
  ['modify', EMIL, [['delete', 'mail', ['emil@EXAMPLE.org']]]],
  [
    'modify',
    `cn=team a,${SUFFIX}`,
    [
      ['add', 'member', [EMIL]],
      ['delete', 'member', [CARL]],
    ],
  ],
  ['modify', `cn=team a,${SUFFIX}`, [['add', 'member', [EMIL]]]],
  ['modify', `cn=team a,${SUFFIX}`, [['delete', 'member', [CARL]]]],
  ['search', SUFFIX, 'sub', '(|(uid=carl)(uid=emil)(cn=team a))', SHOWN],
  ['rename', EMIL, 'uid=emily', SUFFIX, 1],
  ['rename', CARL, 'uid=carlo', null, 0],
  ['rename', `cn=Team A,${SUFFIX}`, 'cn=Team B', `ou=Eü,ou=sales,${SUFFIX}`, 1],
  // slapd sets members right some time later.
  ['search', SUFFIX, 'sub', '(|(uid=carl)(uid=emily)(cn=team b))', ['uid', 'cn', 'mail', 'title']],
  ['delete', `uid=emily,${SUFFIX}`],
  ['search', SUFFIX, 'sub', '(objectClass=person)', ['uid']],
  ['search', SUFFIX, 'sub', '(objectClass=organizationalUnit)', SHOWN],
  // As somebody.
  ['passwd', DORA, null, 'first'],
  ['bind', DORA, 'wrong'],
  ['bind', DORA, 'first'],
  ['whoami'],
  ['passwd', DORA, 'first', 'second'],
  ['bind', DORA, 'first'],
  ['bind', DORA, 'second'],
  ['search', SUFFIX, 'sub', '(userPassword=*)', ['cn']],
  ['search', SUFFIX, 'sub', '(uid=fay)', ['cn', 'mobile', 'userPassword']],
  ['add', `uid=x,${SUFFIX}`, { objectClass: ['inetOrgPerson'], uid: ['x'], cn: ['x'], sn: ['x'] }],
  ['modify', `uid=carlo,${SUFFIX}`, [['replace', 'title', ['x']]]],
  ['delete', `uid=carlo,${SUFFIX}`],
]

/** Where the two are meant to differ. */
const DIFFERENT: readonly (readonly [operation: Operation, why: string])[] = [
  [['search', SUFFIX, 'sub', '(userPassword=*)', ['cn']], 'slapd shows people the hash of their own password'],
]

test('a script of operations comes to the same as with slapd', { skip }, async (t) => {
  const here = await createLdapKernel(t)
  const slapd = await startBeside(t, here)
  const different = DIFFERENT.map(([operation]) => JSON.stringify(operation))
  for (const { operation, ours, theirs } of await bothSay(here, slapd, SCRIPT)) {
    if (different.includes(operation)) assert.notDeepEqual(ours, theirs, operation)
    else assert.deepEqual(ours, theirs, operation)
  }
})

// --- filters of all kinds ------------------------------------------------------------------------------

const ATTRIBUTES = [
  'uid',
  'cn',
  'sn',
  'mail',
  'title',
  'description',
  'telephoneNumber',
  'mobile',
  'ou',
  'employeeNumber',
  'l',
]
const VALUES = [
  'carl',
  'C. Smith',
  'smith',
  'müller',
  'Dora  Müller',
  'e@example.org',
  'head of sales',
  '+49301234',
  '12',
  'a',
  'c d',
  'Paris',
  'sales',
  'Eü',
  'x',
]

const escaped = (text: string) => text.replace(/[\\*()\0]/g, (letter) => `\\${letter.charCodeAt(0).toString(16)}`)
const attribute = fc.constantFrom(...ATTRIBUTES)
/** slapd takes no other letters there; we do: addresses have them, and people write what they like for a number. */
const isTaken = (text: string) =>
  !/^\((?:mail=.*[^ -~]|(?:telephoneNumber|mobile)=.*[^A-Za-z0-9'()*+,./:?= -])/s.test(text)
const value = fc.constantFrom(...VALUES)
/** A part of a value, without spaces at its ends: servers differ about those. */
const part = fc
  .tuple(value, fc.nat(5), fc.integer({ min: 1, max: 5 }))
  .map(([text, at, length]) => text.slice(at, at + length).trim() || text)
const term = fc
  .oneof(
    fc.tuple(attribute, value).map(([name, text]) => `(${name}=${escaped(text)})`),
    fc.tuple(attribute, value).map(([name, text]) => `(${name}=${escaped(text.toUpperCase())})`),
    attribute.map((name) => `(${name}=*)`),
    fc.tuple(attribute, part).map(([name, text]) => `(${name}=${escaped(text)}*)`),
    fc.tuple(attribute, part).map(([name, text]) => `(${name}=*${escaped(text)}*)`),
    fc.tuple(attribute, part, part).map(([name, one, two]) => `(${name}=${escaped(one)}*${escaped(two)})`),
    fc.tuple(attribute, part, part).map(([name, one, two]) => `(${name}=*${escaped(one)}*${escaped(two)}*)`),
    fc
      .tuple(fc.constantFrom('employeeNumber', 'uid', 'cn'), value)
      .map(([name, text]) => `(${name}>=${escaped(text)})`),
    fc
      .tuple(fc.constantFrom('caseIgnoreMatch', 'caseExactMatch'), value)
      .map(([rule, text]) => `(cn:${rule}:=${escaped(text)})`),
    fc.constantFrom('(objectClass=person)', '(objectClass=groupOfNames)', `(member=${DORA})`, '(noSuchAttribute=1)'),
  )
  .filter(isTaken)
const { filter } = fc.letrec<{ filter: string; list: string }>((tie) => ({
  list: fc.array(tie('filter'), { maxLength: 3 }).map((all) => all.join('')),
  filter: fc.oneof(
    { maxDepth: 3 },
    { weight: 3, arbitrary: term },
    { weight: 1, arbitrary: tie('list').map((list) => `(&${list})`) },
    { weight: 1, arbitrary: tie('list').map((list) => `(|${list})`) },
    { weight: 1, arbitrary: tie('filter').map((one) => `(!${one})`) },
  ),
}))

test('a thousand filters find the same as with slapd', { skip }, async (t) => {
  const here = await createLdapKernel(t)
  const slapd = await startBeside(t, here)
  for (const { operation, ours } of await bothSay(here, slapd, PEOPLE)) assert.equal(ours, 'done', operation)
  const operations = fc
    .sample(filter, { numRuns: 1000, seed: 1 })
    .map(
      (text): Operation => [
        'search',
        SUFFIX,
        'sub',
        `(&(!(objectClass=iems-container))(!(objectClass=iems-domain))${text})`,
        ['1.1'],
      ],
    )
  let found = 0
  for (const { operation, ours, theirs } of await bothSay(here, slapd, operations)) {
    assert.deepEqual(ours, theirs, operation)
    found += (ours as unknown[]).length
  }
  assert.ok(found > 1000)
})
