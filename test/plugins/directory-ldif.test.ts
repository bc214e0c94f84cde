/** Whole trees from LDIF, as other directories write them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createDirectoryKernel } from '../support/directory.ts'

const TREE = `dn: dc=example,dc=com
objectClass: top
objectClass: dcObject
objectClass: organization
o: Example Company
dc: example
entryUUID: 11111111-1111-4111-8111-111111111111
structuralObjectClass: organization
entryCSN: 20240101000000.000000Z#000000#000#000000
createTimestamp: 20240101000000Z

dn: ou=People,dc=example,dc=com
objectClass: organizationalUnit
ou: People

dn: cn=Users,dc=example,dc=com
objectClass: container
cn: Users

dn: uid=ann,ou=People,dc=example,dc=com
objectClass: inetOrgPerson
objectClass: posixAccount
objectClass: shadowAccount
uid: ann
cn: Ann Example
sn: Example
mail: ann@example.com
displayName: Ann
uidNumber: 1000
gidNumber: 1000
homeDirectory: /home/ann
loginShell: /bin/bash
entryUUID: 22222222-2222-4222-8222-222222222222
userPassword: {SSHA}5VFCVjzrGvyqDGrgUe1O0G3vJ0qB2q5K

dn: cn=Bob Smith,cn=Users,dc=example,dc=com
objectClass: user
cn: Bob Smith
sn: Smith
sAMAccountName: bob
mail: bob@example.com

dn: cn=Jane Doe,ou=People,dc=example,dc=com
objectClass: inetOrgPerson
cn: Jane Doe
sn: Doe
mail: jane@far.test

dn: cn=team,dc=example,dc=com
objectClass: groupOfNames
cn: team
mail: team@example.com
member: uid=ann,ou=People,dc=example,dc=com
member: cn=Bob Smith,cn=Users,dc=example,dc=com
member: uid=later,ou=People,dc=example,dc=com
member: cn=elsewhere,dc=far,dc=test

dn: cn=posix,dc=example,dc=com
objectClass: posixGroup
cn: posix
gidNumber: 2000
memberUid: ann

dn: cn=Manager,dc=example,dc=com
objectClass: organizationalRole
cn: Manager
`

test('a tree of another directory: organizations, units, containers, people, contacts, POSIX, groups, roles', async (t) => {
  const here = await createDirectoryKernel(t)
  await here.make({ add: { kind: 'domain', name: 'example.com' } })
  const { lines } = await here.iems('directory import', TREE)
  assert.match(lines.join('\n'), /9 entries added, 0 refused/)
  const { directory } = here
  const ann = await directory.byName('account', 'ann')
  assert.equal(ann?.id, '22222222-2222-4222-8222-222222222222', 'the entryUUID stays')
  assert.deepEqual(
    [ann?.unit, ann?.addresses, ann?.displayName, ann?.hasPassword],
    ['people', ['ann@example.com'], 'Ann', true],
  )
  const { objectclass, uidnumber, homedirectory, cn, createtimestamp } = ann?.attributes ?? {}
  assert.deepEqual(
    [objectclass, uidnumber, homedirectory, cn, createtimestamp],
    [['posixAccount', 'shadowAccount'], ['1000'], ['/home/ann'], ['Ann Example'], undefined],
  )
  const bob = await directory.byName('account', 'bob')
  assert.deepEqual([bob?.rdn, bob?.unit], ['cn=Bob Smith', 'cn=users'])
  assert.equal((await directory.at('people/cn=Jane Doe'))?.kind, 'object', 'a contact')
  assert.equal((await directory.at('cn=Manager'))?.kind, 'object')
  assert.deepEqual((await directory.byName('group', 'posix'))?.attributes.memberuid, ['ann'])
  const top = await directory.at('')
  assert.deepEqual(top && 'attributes' in top ? top.attributes.o : undefined, ['Example Company'])
  const team = await directory.byName('group', 'team')
  const members = await Array.fromAsync(directory.members(team?.id ?? ''))
  assert.equal(members.length, 4)
  assert.deepEqual(members.flatMap((member) => ('id' in member ? [member.id] : [])).sort(), [ann?.id, bob?.id].sort())
  assert.ok(members.some((member) => 'dn' in member && member.dn === 'cn=elsewhere,dc=far,dc=test'))
  const later = await here.make({ add: { kind: 'account', name: 'later', unit: 'people' } })
  assert.ok((await Array.fromAsync(directory.memberOf(later.id))).includes(team?.id ?? ''))
})

test('all or none, unless each is asked for; a name outside the tree is an error', async (t) => {
  const here = await createDirectoryKernel(t)
  const wrong = `${TREE}
dn: uid=cyd,ou=Nowhere,dc=example,dc=com
objectClass: inetOrgPerson
uid: cyd

dn: uid=dan,dc=other,dc=org
objectClass: inetOrgPerson
uid: dan
`
  await assert.rejects(here.iems('directory import', wrong), /2 of 11 entries are wrong: nothing has been changed/)
  assert.equal(await here.directory.byName('account', 'ann'), undefined)
  const { lines } = await here.iems('directory import --each', wrong)
  assert.match(lines.join('\n'), /dan.* is not below dc=example,dc=com/)
  assert.match(lines.join('\n'), /9 entries added, 2 refused/)
  assert.equal((await here.directory.byName('account', 'ann'))?.unit, 'people')
})
