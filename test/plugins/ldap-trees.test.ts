/** Trees as others make them: OpenLDAP's guide, phpLDAPadmin, Active Directory; loaded and moved by OpenLDAP's clients, beside slapd. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { clientsOf, createLdapKernel, entriesIn, type LdapKernel, PASSWORD, run, SUFFIX } from '../support/ldap.ts'
import { checkMessage } from '../support/ldap-grammar.ts'
import { bind, extended, present, search, talkLdap } from '../support/ldap-talk.ts'
import { type Slapd, startSlapd, whyNoSlapd } from '../support/slapd.ts'

const skip = whyNoSlapd() ?? false
const PEOPLE = `ou=People,${SUFFIX}`

/** After the examples of OpenLDAP's guide and the data that its tests are made with. */
const GUIDE = `dn: ${SUFFIX}
objectClass: top
objectClass: organization
objectClass: domainRelatedObject
objectClass: dcObject
dc: example
o: Example Organization
associatedDomain: example.org
l: Anytown
telephoneNumber: +1 313 555 1817

dn: cn=Manager,${SUFFIX}
objectClass: organizationalRole
cn: Manager
description: Directory Manager

dn: ou=Groups,${SUFFIX}
objectClass: organizationalUnit
ou: Groups

dn: cn=All Staff,ou=Groups,${SUFFIX}
objectClass: groupOfNames
cn: All Staff
description: Everyone in the sample data
member: cn=Manager,${SUFFIX}
member: cn=Barbara Jensen,ou=Information Technology,${PEOPLE}
member: cn=Dorothy Stevens,ou=Alumni Association,${PEOPLE}
member: cn=Nobody Yet,${PEOPLE}
member: cn=Somebody,dc=elsewhere

dn: cn=ITD Staff,ou=Groups,${SUFFIX}
objectClass: groupOfUniqueNames
cn: ITD Staff
uniqueMember: cn=Manager,${SUFFIX}
uniqueMember: cn=Bjorn Jensen,ou=Information Technology,${PEOPLE}

dn: ou=People,${SUFFIX}
objectClass: organizationalUnit
objectClass: extensibleObject
ou: People
uidNumber: 0

dn: ou=Information Technology,${PEOPLE}
objectClass: organizationalUnit
ou: Information Technology
ou: IT

dn: cn=Barbara Jensen,ou=Information Technology,${PEOPLE}
objectClass: inetOrgPerson
cn: Barbara Jensen
cn: Babs Jensen
sn: Jensen
uid: bjensen
title: Mythical Manager, Research Systems
postalAddress: ITD Prod Dev & Deployment $ 535 W. William St. Room 4212 $ Anytown
preferredDeliveryMethod: mhs
seeAlso: cn=All Staff,ou=Groups,${SUFFIX}
mail: bjensen@example.org
telephoneNumber: +1 313 555 9022
facsimileTelephoneNumber: +1 313 555 2274

dn: cn=Bjorn Jensen,ou=Information Technology,${PEOPLE}
objectClass: inetOrgPerson
cn: Bjorn Jensen
cn: Biiff Jensen
sn: Jensen
uid: bjorn
description: Hiker, biker

dn: ou=Alumni Association,${PEOPLE}
objectClass: organizationalUnit
ou: Alumni Association

dn: cn=Dorothy Stevens,ou=Alumni Association,${PEOPLE}
objectClass: inetOrgPerson
cn: Dorothy Stevens
sn: Stevens
mail: dots@far.test
drink: Lemonade

dn: cn=Ursula Hampster+l=Paris,ou=Alumni Association,${PEOPLE}
objectClass: inetOrgPerson
cn: Ursula Hampster
l: Paris
sn: Hampster

dn: o=Acme\\, Inc.,${SUFFIX}
objectClass: organization
o: Acme, Inc.

dn: l=R&D/Lab,o=Acme\\, Inc.,${SUFFIX}
objectClass: locality
l: R&D/Lab

dn: dc=sub,${SUFFIX}
objectClass: domain
dc: sub

dn: uid=kid,dc=sub,${SUFFIX}
objectClass: account
objectClass: posixAccount
uid: kid
cn: Kid
uidNumber: 1001
gidNumber: 1001
homeDirectory: /home/kid

dn: cn=phone,uid=kid,dc=sub,${SUFFIX}
objectClass: device
cn: phone
serialNumber: 12

dn: cn=All Staff,dc=sub,${SUFFIX}
objectClass: groupOfNames
cn: All Staff
member: uid=kid,dc=sub,${SUFFIX}
`
  .replaceAll('objectClass: account\n', 'objectClass: inetOrgPerson\nsn: Kid\n')
  .replaceAll('drink: Lemonade', 'roomNumber: 7')

async function startBoth(t: TestContext, ldif = GUIDE) {
  const here = await createLdapKernel(t)
  const ours = clientsOf(here, 'ann')
  const slapd = await startSlapd(t, { suffix: SUFFIX, ldif: '' })
  const theirs = clientsOfSlapd(slapd)
  for (const [name, to] of [
    ['ours', ours],
    ['slapd', theirs],
  ] as const) {
    const added = await to.add(ldif)
    assert.equal(added.code, 0, `${name}: ${added.err}`)
  }
  return { here, ours, theirs }
}

const clientsOfSlapd = ({ uri, rootDn }: Slapd) => {
  const to = ['-x', '-H', uri, '-D', rootDn, '-w', 'secret']
  return {
    add: (ldif: string) => run('ldapadd', to, { input: ldif }),
    modify: (ldif: string) => run('ldapmodify', to, { input: ldif }),
    rename: (...args: string[]) => run('ldapmodrdn', [...to, ...args]),
    search: (...args: string[]) => run('ldapsearch', [...to, '-LLL', ...args]),
  }
}

/** What our tree has beside what was loaded. */
const OWN = /^(?:iems-|uid=(?:ann|bob),dc=)/
/** Names and members in one spelling, everything in one order. */
function normal(
  ldif: string,
  isMeant = (name: string) => name !== 'objectClass' && !name.startsWith('iems-') && name !== 'mailLocalAddress',
) {
  return entriesIn(ldif)
    .filter(({ dn: [dn = ''] = [] }) => !OWN.test(dn))
    .map((entry) =>
      Object.entries(entry)
        .filter(([name]) => isMeant(name))
        .map(([name, values]) =>
          `${name}: ${values
            .map((one) => one.replaceAll('\\2C', '\\,').toLowerCase())
            .sort()
            .join(' | ')}`.toLowerCase(),
        )
        .sort(),
    )
    .sort((one, other) => (String(one) < String(other) ? -1 : 1))
}

test("the tree of OpenLDAP's guide loads as it is, and is found as in slapd", { skip }, async (t) => {
  const { here, ours, theirs } = await startBoth(t)
  assert.deepEqual(normal((await ours.search('-b', SUFFIX)).out), normal((await theirs.search('-b', SUFFIX)).out))
  const asked = [
    ['(objectClass=person)', SUFFIX],
    ['(objectClass=2.5.6.6)', SUFFIX],
    ['(objectClass=organizationalRole)', SUFFIX],
    ['(member=cn=Nobody Yet,ou=people,dc=example,dc=org)', SUFFIX],
    ['(member=cn=somebody,DC=elsewhere)', SUFFIX],
    [`(uniqueMember=cn=manager,${SUFFIX})`, SUFFIX],
    ['(name=jensen)', SUFFIX],
    ['(name=*staff*)', SUFFIX],
    ['(distinguishedName=cn=manager,dc=example,dc=org)', SUFFIX],
    ['(:caseIgnoreMatch:=jensen)', SUFFIX],
    ['(:caseExactMatch:=jensen)', SUFFIX],
    ['(:dn:caseIgnoreMatch:=people)', SUFFIX],
    ['(ou=it)', PEOPLE],
    ['(objectClass=*)', `cn=ursula hampster+l=paris,ou=alumni association,${PEOPLE}`],
    ['(objectClass=*)', `L=paris+CN=Ursula Hampster,ou=alumni association,${PEOPLE}`],
    ['(objectClass=*)', `o=acme\\, inc.,${SUFFIX}`],
    ['(objectClass=*)', `uid=kid,dc=sub,${SUFFIX}`],
    ['(preferredDeliveryMethod=*)', SUFFIX],
  ] as const
  for (const [filter, base] of asked) {
    const found = async (to: Pick<typeof theirs, 'search'>) => normal((await to.search('-b', base, filter, '1.1')).out)
    const expected = await found(theirs)
    assert.deepEqual(await found(ours), expected, filter)
    if (!filter.includes('Exact')) assert.notEqual(expected.length, 0, filter)
  }
  for (const attributes of [['name'], ['@person'], ['@organizationalPerson', 'uid'], ['2.5.4.41']]) {
    const one = [
      '-b',
      `cn=barbara jensen,ou=information technology,${PEOPLE}`,
      '-s',
      'base',
      '(objectClass=*)',
      ...attributes,
    ]
    assert.deepEqual(
      normal((await ours.search(...one)).out),
      normal((await theirs.search(...one)).out),
      attributes.join(),
    )
  }
  assert.equal((await here.directory.byName('account', 'bjensen'))?.rdn, 'cn=Barbara Jensen')
})

test('whole subtrees are renamed and moved, members and children with them, as in slapd', { skip }, async (t) => {
  const { ours, theirs } = await startBoth(t)
  const moves = [
    ['-r', `ou=Information Technology,${PEOPLE}`, 'ou=Computing'],
    ['-r', '-s', `o=Acme\\, Inc.,${SUFFIX}`, `ou=Alumni Association,${PEOPLE}`, 'ou=Alumni'],
    ['-r', `cn=Dorothy Stevens,ou=Alumni,o=Acme\\, Inc.,${SUFFIX}`, 'cn=Dot Stevens'],
    [`cn=Bjorn Jensen,ou=Computing,${PEOPLE}`, 'uid=bjorn'],
    ['-r', '-s', `ou=Groups,${SUFFIX}`, `cn=All Staff,dc=sub,${SUFFIX}`, 'cn=Sub Staff'],
    ['-r', '-s', PEOPLE, `uid=kid,dc=sub,${SUFFIX}`, 'uid=kid'],
    ['-r', '-s', `ou=Computing,${PEOPLE}`, PEOPLE, 'ou=People'],
    ['-r', `o=Acme\\, Inc.,${SUFFIX}`, 'o=Acme'],
  ]
  for (const move of moves) {
    const [one, other] = [await ours.rename(...move), await theirs.rename(...move)]
    assert.equal(one.code === 0, other.code === 0, `${move.join(' ')}: ${one.err} ${other.err}`)
  }
  const members = (name: string) => !/member|seealso|^objectClass$|^iems-|^mailLocal/i.test(name)
  const shown = async (to: Pick<typeof theirs, 'search'>) => normal((await to.search('-b', SUFFIX)).out, members)
  assert.deepEqual(await shown(ours), await shown(theirs))
  const [staff] = entriesIn((await ours.search('-b', SUFFIX, '(cn=all staff)', 'member')).out)
  assert.ok(staff?.member?.includes(`cn=Barbara Jensen,ou=Computing,${PEOPLE}`))
  assert.ok(staff?.member?.includes(`cn=Dot Stevens,ou=Alumni,o=Acme,${SUFFIX}`))
})

test('changes to contacts, groups and the suffix come to the same as with slapd', { skip }, async (t) => {
  const { ours, theirs } = await startBoth(t)
  const dorothy = `dn: cn=Dorothy Stevens,ou=Alumni Association,${PEOPLE}\nchangetype: modify\n`
  const staff = `dn: cn=All Staff,ou=Groups,${SUFFIX}\nchangetype: modify\n`
  const changes = [
    `${dorothy}replace: mail\nmail: dorothy@far.test\n-\nadd: telephoneNumber\ntelephoneNumber: 1\n`,
    `${dorothy}add: cn;lang-fr\ncn;lang-fr: Dorothée\n`,
    `${staff}delete: member\nmember: cn=nobody yet,${PEOPLE}\n-\nadd: member\nmember: cn=Nobody Else,${PEOPLE}\n`,
    `${staff}add: member\nmember: CN=somebody,dc=Elsewhere\n`,
    `${staff}delete: member\nmember: cn=never,dc=there\n`,
    `${staff}add: member\nmember: cn=all staff,ou=groups,${SUFFIX}\n`,
    `dn: ${SUFFIX}\nchangetype: modify\nreplace: l\nl: Othertown\n`,
    `dn: uid=kid,dc=sub,${SUFFIX}\nchangetype: modify\nincrement: uidNumber\nuidNumber: 5\n`,
    `dn: uid=kid,dc=sub,${SUFFIX}\nchangetype: modify\nincrement: cn\ncn: 5\n`,
    `dn: uid=kid,dc=sub,${SUFFIX}\nchangetype: delete\n`,
    `dn: cn=phone,uid=kid,dc=sub,${SUFFIX}\nchangetype: delete\n`,
    `dn: ${SUFFIX}\nchangetype: delete\n`,
  ]
  for (const change of changes) {
    const [one, other] = [await ours.modify(change), await theirs.modify(change)]
    assert.equal(one.code, other.code, `${change}: ${one.err} ${other.err}`)
  }
  assert.deepEqual(normal((await ours.search('-b', SUFFIX)).out), normal((await theirs.search('-b', SUFFIX)).out))
  for (const filter of ['(cn=dorothée)', '(cn;lang-fr=*)', '(cn;lang-de=*)', '(uidNumber=1006)']) {
    const found = async (to: Pick<typeof theirs, 'search'>) =>
      normal((await to.search('-b', SUFFIX, filter, '1.1')).out)
    assert.deepEqual(await found(ours), await found(theirs), filter)
  }
})

test('a member that is added after its group gets its mail; a contact gets it where it is; a contact becomes an account', {
  skip,
}, async (t) => {
  const here = await createLdapKernel(t)
  const { add, modify } = clientsOf(here, 'ann')
  const loaded = await add(`dn: cn=team,${SUFFIX}
objectClass: groupOfNames
cn: team
mail: team@example.org
member: cn=Eve Adams,ou=x,${SUFFIX}
member: cn=Guest,${SUFFIX}

dn: ou=x,${SUFFIX}
objectClass: organizationalUnit

dn: cn=Eve Adams,ou=x,${SUFFIX}
objectClass: inetOrgPerson
sn: Adams
uid: eve
mail: eve@example.org

dn: cn=Guest,${SUFFIX}
objectClass: inetOrgPerson
sn: Guest
mail: guest@far.test
`)
  assert.equal(loaded.code, 0, loaded.err)
  const { addresses } = { addresses: await expanded(here, 'team@example.org') }
  assert.deepEqual(addresses, ['eve@example.org', 'guest@far.test'])
  const login = () => run('ldapwhoami', ['-x', '-H', here.uri, '-D', `cn=guest,${SUFFIX}`, '-w', PASSWORD])
  assert.equal((await login()).code, 49)
  const changed = await modify(
    `dn: cn=Guest,${SUFFIX}\nchangetype: modify\nreplace: userPassword\nuserPassword: ${PASSWORD}\n`,
  )
  assert.equal(changed.code, 0, changed.err)
  assert.equal((await login()).out, `dn:cn=Guest,${SUFFIX}\n`)
  assert.deepEqual((await expanded(here, 'team@example.org')).length, 2, 'it is still in the group')
})

async function expanded(here: LdapKernel, group: string): Promise<string[]> {
  const { lines } = await here.iems(`route x@far.test ${group}`)
  return [...new Set(lines.join('\n').match(/\b(?:eve|guest)@[a-z.]+/g) ?? [])].sort()
}

test('a tree of Active Directory loads: people in containers, groups and a computer', { skip }, async (t) => {
  const here = await createLdapKernel(t)
  const { add, search, rename } = clientsOf(here, 'ann')
  const users = `CN=Users,${SUFFIX}`
  const loaded = await add(`dn: ${users}
objectClass: top
objectClass: container
cn: Users

dn: CN=Jane Doe,${users}
objectClass: user
objectClass: person
cn: Jane Doe
sn: Doe
sAMAccountName: jane
userPrincipalName: jane@example.org
mail: jane@example.org

dn: CN=Domain Users,${users}
objectClass: group
cn: Domain Users
sAMAccountName: Domain Users
member: CN=Jane Doe,${users}

dn: CN=PC1,${users}
objectClass: computer
objectClass: user
cn: PC1
sAMAccountName: PC1$
`)
  assert.equal(loaded.code, 0, loaded.err)
  assert.equal((await here.directory.byName('account', 'jane'))?.unit, 'cn=users')
  assert.equal((await rename('-r', users, 'cn=Staff')).code, 0)
  const { out } = await search('-b', `cn=staff,${SUFFIX}`, '-s', 'one', '(objectClass=*)', 'member')
  assert.deepEqual(
    entriesIn(out)
      .map(({ dn }) => dn?.[0])
      .sort(),
    [`cn=Domain Users,cn=Staff,${SUFFIX}`, `cn=Jane Doe,cn=Staff,${SUFFIX}`, `cn=PC1,cn=Staff,${SUFFIX}`],
  )
  assert.match(out, /^member: cn=Jane Doe,cn=Staff,/m)
})

test('whatever a tree holds, entries and results are of the grammar', async (t) => {
  const here = await createLdapKernel(t)
  const attributes = {
    'cn;lang-fr': ['É', 'é'],
    description: ['a\0b', ' ', '<x>'],
    objectclass: ['person', 'iems-account'],
  }
  await here.make({ add: { kind: 'object', rdn: 'cn=a \\, b\\\\ \\+ c', unit: '', attributes } })
  await here.make({ add: { kind: 'group', name: 'g', members: [{ path: 'cn=no\\2fbody' }, { dn: 'cn=x' }] } })
  const client = await talkLdap(t, here.port)
  client.send(bind(1, `uid=ann,${SUFFIX}`, PASSWORD))
  const all = ['*', '+', 'memberOf', 'name', '@person']
  client.send(
    search(2, SUFFIX, present('objectClass'), all),
    search(3, 'cn=nobody', present('cn')),
    search(4, '', present('cn'), ['1.1']),
  )
  client.send(extended(5, '1.3.6.1.4.1.4203.1.11.3'), extended(6, '1.2.3'))
  const answers = await client.until(6)
  assert.ok(answers.length > 10)
  assert.throws(() => checkMessage(Buffer.from('020101650b0a01000400040100', 'hex')))
  assert.throws(() => checkMessage(Buffer.from('02010165080a010a0400040030', 'hex')))
})

test('anr asks for what somebody typed; a strict schema refuses what classes do not say', { skip }, async (t) => {
  const here = await createLdapKernel(t, { schemaCheck: 'strict' })
  const { search, add, modify } = clientsOf(here, 'ann')
  const found = async (typed: string) =>
    entriesIn((await search('-b', SUFFIX, `(anr=${typed})`, '1.1')).out).map(({ dn }) => dn?.[0])
  const person = (more: string) =>
    add(`dn: cn=Zoe,${SUFFIX}\nobjectClass: inetOrgPerson\n${more}`).then(({ code }) => code)
  assert.equal(await person('sn: Quill\nuidNumber: 1\n'), 65)
  assert.equal(await person('givenName: Zoe\n'), 65, 'a person has an sn')
  assert.equal(await person('sn: Quill\nnoSuch: 1\n'), 17)
  assert.equal(await person('sn: Quill\ngivenName: Zoe\n'), 0)
  const change = await modify(`dn: cn=Zoe,${SUFFIX}\nchangetype: modify\ndelete: sn\n`)
  assert.equal(change.code, 65)
  const zoe = [`cn=Zoe,${SUFFIX}`]
  for (const typed of ['zo', 'qui', 'zoe qu', 'quill, zoe', '=Zoe', 'Zoe*'])
    assert.deepEqual(await found(typed), zoe, typed)
  for (const typed of ['oe', '=Zo', 'zoe x', ' ']) assert.deepEqual(await found(typed), [], typed)
})
