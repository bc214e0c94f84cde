/** The searches that sssd makes (ldap_schema rfc2307bis and rfc2307), with the filters that it writes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clientsOf, createLdapKernel, entriesIn, SUFFIX, whyNoLdapUtils } from '../support/ldap.ts'

const skip = whyNoLdapUtils() ?? false
const LDIF = `dn: uid=cyd,${SUFFIX}
objectClass: inetOrgPerson
objectClass: posixAccount
uid: cyd
cn: Cyd
sn: C
homeDirectory: /home/cyd
loginShell: /bin/bash

dn: cn=team,${SUFFIX}
objectClass: groupOfNames
objectClass: posixGroup
cn: team
member: uid=cyd,${SUFFIX}

dn: cn=old,${SUFFIX}
objectClass: posixGroup
cn: old
gidNumber: 5000
memberUid: cyd
`
const USERS = '(objectclass=posixAccount)(uid=*)(&(uidNumber=*)(!(uidNumber=0)))'
const GROUPS = '(objectClass=posixGroup)(cn=*)(&(gidNumber=*)(!(gidNumber=0)))'
const USER = ['objectClass', 'uid', 'userPassword', 'uidNumber', 'gidNumber', 'gecos', 'homeDirectory', 'loginShell']
const GROUP = ['objectClass', 'cn', 'userPassword', 'gidNumber', 'member', 'memberUid', 'modifyTimestamp']

test('sssd finds users by name and number, their groups, and members of groups', { skip }, async (t) => {
  const here = await createLdapKernel(t)
  const { add, search } = clientsOf(here, 'ann')
  const added = await add(LDIF)
  assert.equal(added.code, 0, added.err)
  const find = async (filter: string, attributes: readonly string[]) => {
    const { code, out, err } = await search('-b', SUFFIX, filter, ...attributes)
    assert.equal(code, 0, err)
    return entriesIn(out)
  }
  const [cyd, ...others] = await find(`(&(uid=cyd)${USERS})`, USER)
  assert.equal(others.length, 0)
  const { uidNumber: [number = ''] = [] } = cyd ?? {}
  assert.equal(number, '100000')
  assert.deepEqual([cyd?.gidNumber, cyd?.homeDirectory, cyd?.loginShell], [[number], ['/home/cyd'], ['/bin/bash']])
  assert.equal(cyd?.userPassword, undefined)
  assert.deepEqual(await find(`(&(uidNumber=${number})${USERS})`, USER), [cyd])
  assert.deepEqual(await find(`(&(uid=ann)${USERS})`, USER), [], 'an account without numbers')
  const [team] = await find(`(&(cn=team)${GROUPS})`, GROUP)
  assert.deepEqual([team?.gidNumber, team?.member], [['100001'], [`uid=cyd,${SUFFIX}`]])
  assert.deepEqual(
    (await find(`(&(gidNumber=100001)${GROUPS})`, GROUP)).map(({ cn }) => cn),
    [['team']],
  )
  const groups = await find(`(&(member=uid=cyd,${SUFFIX})${GROUPS})`, GROUP)
  assert.deepEqual(
    groups.map(({ cn }) => cn),
    [['team']],
  )
  const old = await find(`(&(memberUid=cyd)${GROUPS})`, GROUP)
  assert.deepEqual(
    old.map(({ cn, gidNumber }) => [cn, gidNumber]),
    [[['old'], ['5000']]],
  )
})
