/** The directory over LDAP, asked and changed by OpenLDAP's own clients. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import * as z from 'zod'
import { definePlugin } from '../../core/index.ts'
import {
  clientsOf,
  createLdapKernel,
  entriesIn,
  type LdapKernel,
  PASSWORD,
  run,
  SUFFIX,
  whyNoLdapUtils,
} from '../support/ldap.ts'
import { bind, present, saslBind, search, talkLdap } from '../support/ldap-talk.ts'
import { tempFolder } from '../support/running-server.ts'

const skip = whyNoLdapUtils() ?? false

/** With people, groups and units to look for. */
async function createPopulated(t: TestContext, options: Parameters<typeof createLdapKernel>[1] = {}) {
  const here = await createLdapKernel(t, options)
  await here.make({ add: { kind: 'unit', path: 'Sales' } })
  await here.make({ add: { kind: 'unit', path: 'Sales/Europe', attributes: { description: ['All of it'] } } })
  const cora = await here.make({
    add: {
      kind: 'account',
      name: 'cora',
      unit: 'sales/europe',
      displayName: 'Cora  Müller, Dr.',
      quota: 1000,
      addresses: ['cora@example.org'],
      attributes: { givenname: ['Cora'], telephonenumber: ['+49 30-123 456'], employeenumber: ['7'], homephone: ['1'] },
    },
  })
  await here.make({
    add: { kind: 'account', name: 'dan', unit: 'sales', status: 'disabled', displayName: 'Dan Drake' },
  })
  const bob = await here.directory.byName('account', 'bob')
  const europe = await here.make({ add: { kind: 'group', name: 'europe', unit: 'sales', members: [{ id: cora.id }] } })
  await here.make({
    add: {
      kind: 'group',
      name: 'Staff',
      addresses: ['staff@example.org'],
      members: [{ id: bob?.id ?? '' }, { id: europe.id }, { address: 'guest@far.test' }],
    },
  })
  return here
}

/** The first values of the names of what a search finds, in alphabetical order. */
function namesIn(out: string): string[] {
  return entriesIn(out)
    .map(({ dn: [dn = ''] = [] }) => (dn === SUFFIX ? 'suffix' : (/^[^=]+=([^,]*)/.exec(dn)?.[1] ?? '')))
    .sort()
}

async function searching(here: LdapKernel, who = 'ann') {
  const { search } = clientsOf(here, who)
  return async (filter: string, ...args: string[]) => namesIn((await search('-b', SUFFIX, ...args, filter, 'dn')).out)
}

test('who has not logged in sees what the server can do and its schema, and nothing else', { skip }, async (t) => {
  const here = await createPopulated(t)
  const { search } = clientsOf(here)
  const root = await search('-b', '', '-s', 'base', '+')
  const [dse] = entriesIn(root.out)
  assert.deepEqual(dse?.namingContexts, [SUFFIX])
  assert.deepEqual(dse?.supportedSASLMechanisms, ['PLAIN'])
  assert.ok(dse?.supportedControl?.includes('1.2.840.113556.1.4.319'))
  const schema = await search('-b', dse?.subschemaSubentry?.[0] ?? '', '-s', 'base', '(objectClass=subschema)', '+')
  const [{ attributeTypes = [], objectClasses = [] } = {}] = entriesIn(schema.out)
  assert.ok(attributeTypes.some((text) => text.includes("NAME ( 'mail' 'rfc822Mailbox' ) EQUALITY caseIgnoreIA5Match")))
  assert.ok(objectClasses.some((text) => text.includes("NAME 'inetOrgPerson' SUP organizationalPerson STRUCTURAL")))
  for (const args of [
    ['-b', SUFFIX],
    ['-b', `uid=ann,${SUFFIX}`, '-s', 'base'],
  ]) {
    const { code, out } = await search(...args)
    assert.equal(code, 50, 'insufficient access')
    assert.deepEqual(entriesIn(out), [])
  }
  const whoami = await run('ldapwhoami', ['-x', '-H', here.uri])
  assert.match(whoami.out, /^anonymous/)
})

test('the anonymous may be shown the address book', { skip }, async (t) => {
  const here = await createPopulated(t, { anonymous: 'address-book' })
  const { search } = clientsOf(here)
  assert.deepEqual(namesIn((await search('-b', SUFFIX, '(mail=*)')).out), ['Staff', 'ann', 'bob', 'cora'])
})

test('a login is a DN, a name or an address, with the right password; all else fails alike', { skip }, async (t) => {
  const here = await createPopulated(t)
  const bind = (name: string, password: string) =>
    run('ldapwhoami', ['-x', '-H', here.uri, '-D', name, ...(password === '' ? ['-w', ''] : ['-w', password])])
  for (const name of [`uid=bob,${SUFFIX}`, `UID=Bob , DC=Example,dc=ORG`, 'bob', 'b@example.org'])
    assert.equal((await bind(name, PASSWORD)).out, `dn:uid=bob,${SUFFIX}\n`, name)
  const wrong = await bind(`uid=bob,${SUFFIX}`, 'wrong')
  assert.equal(wrong.code, 49)
  // `cora` has no password, `dan` may not log in, `bob` stands somewhere else, the rest is nobody.
  const nobody = [
    `uid=cora,ou=europe,ou=sales,${SUFFIX}`,
    `uid=dan,ou=sales,${SUFFIX}`,
    `uid=bob,ou=sales,${SUFFIX}`,
    `uid=nobody,${SUFFIX}`,
    `cn=Staff,${SUFFIX}`,
    'uid=bob,dc=other',
    'nobody@example.org',
    'a=b=c,,',
  ]
  for (const name of nobody) assert.deepEqual(await bind(name, PASSWORD), wrong, name)
  assert.equal((await bind(`uid=bob,${SUFFIX}`, '')).code, 53, 'a name without a password is no login')
})

test('SASL PLAIN, and the strongest that the accounts can', { skip }, async (t) => {
  const here = await createLdapKernel(t)
  const sasl = (...args: string[]) => run('ldapwhoami', ['-H', here.uri, '-O', 'none', '-U', 'bob', ...args])
  assert.equal((await sasl('-Y', 'PLAIN', '-w', PASSWORD)).out, `dn:uid=bob,${SUFFIX}\n`)
  assert.equal((await sasl('-Y', 'PLAIN', '-w', 'wrong')).code, 49)
})

test('SCRAM with what the directory keeps, in the clear and under TLS', { skip }, async (t) => {
  const files = await certificateFor(t)
  const options = { authWithoutTls: false, tls: files }
  const here = await createLdapKernel(t, options, { directory: { scram: true } })
  const sasl = (password: string, ...args: string[]) =>
    run('ldapwhoami', ['-H', here.uri, '-Y', 'SCRAM-SHA-256', '-U', 'bob', '-w', password, ...args], {
      env: { LDAPTLS_CACERT: files.cert },
    })
  assert.equal((await sasl(PASSWORD)).out, `dn:uid=bob,${SUFFIX}\n`)
  assert.equal((await sasl('wrong')).code, 49)
  const secured = await sasl(PASSWORD, '-ZZ')
  assert.equal(secured.out, `dn:uid=bob,${SUFFIX}\n`, secured.err)
})

async function certificateFor(t: TestContext) {
  const folder = await tempFolder(t)
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  await promisify(execFile)('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key, '-out', cert],
    ...['-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'],
  ])
  return { key, cert }
}

test('passwords are taken only under TLS, unless the admin says otherwise', { skip }, async (t) => {
  const { key, cert } = await certificateFor(t)
  const env = { LDAPTLS_CACERT: cert }
  const bind = ['-x', '-D', `uid=bob,${SUFFIX}`, '-w', PASSWORD]
  const plain = await createLdapKernel(t, { authWithoutTls: false, tls: { key, cert } })
  assert.equal((await run('ldapwhoami', [...bind, '-H', plain.uri])).code, 13)
  const [dse] = entriesIn((await clientsOf(plain).search('-b', '', '-s', 'base', '+')).out)
  assert.equal(dse?.supportedSASLMechanisms, undefined)
  assert.ok(dse?.supportedExtension?.includes('1.3.6.1.4.1.1466.20037'))
  const started = await run('ldapwhoami', [...bind, '-H', plain.uri, '-ZZ'], { env })
  assert.equal(started.out, `dn:uid=bob,${SUFFIX}\n`, started.err)
  const large = await run('ldapsearch', [...bind, '-H', plain.uri, '-ZZ', '-b', 'cn=Subschema', '-s', 'base', '+'], {
    env,
  })
  assert.ok(large.out.length > 10_000)

  const implicit = await createLdapKernel(t, { authWithoutTls: false, tls: { key, cert, mode: 'implicit' } })
  const uri = implicit.uri.replace('ldap:', 'ldaps:')
  assert.equal((await run('ldapwhoami', [...bind, '-H', uri], { env })).out, `dn:uid=bob,${SUFFIX}\n`)
  assert.notEqual((await run('ldapwhoami', [...bind, '-H', uri, '-ZZ'], { env })).code, 0, 'there is TLS already')
})

test('scopes, and every kind of filter', { skip }, async (t) => {
  const here = await createPopulated(t)
  const find = await searching(here)
  const sales = ['-b', `OU=sales,${SUFFIX}`]
  assert.deepEqual(await find('(objectClass=*)', '-s', 'base'), ['suffix'])
  assert.deepEqual(await find('(objectClass=person)', '-s', 'one'), ['ann', 'bob'])
  assert.deepEqual(await find('(objectClass=*)', ...sales, '-s', 'one'), ['Europe', 'dan', 'europe'])
  assert.deepEqual(await find('(objectClass=*)', ...sales), ['Europe', 'Sales', 'cora', 'dan', 'europe'])
  assert.deepEqual(await find('(uid=cora)', ...sales, '-s', 'one'), [], 'she stands deeper')
  assert.deepEqual(await find('(uid=ann)', ...sales), [], 'she stands elsewhere')
  assert.deepEqual(await find('(uid=ann)', '-b', ''), ['ann'], 'everything is below the root')
  const europe = `ou=Europe,ou=Sales,${SUFFIX}`
  const table: readonly (readonly [filter: string, names: readonly string[]])[] = [
    ['(uid=CORA)', ['cora']],
    ['(userid=cora)', ['cora']],
    ['(0.9.2342.19200300.100.1.1=cora)', ['cora']],
    ['(cn=cora müller, dr.)', ['cora']],
    ['(sn=baker)', ['bob']],
    ['(mail=B@Example.org)', ['bob']],
    ['(mailLocalAddress=b@example.org)', ['bob']],
    ['(telephoneNumber=+4930123456)', ['cora']],
    ['(telephoneNumber=*123*)', ['cora']],
    ['(cn=co*)', ['cora']],
    ['(cn=*ller*)', ['cora']],
    ['(cn=*bak*er)', ['bob']],
    ['(cn=b*b*r)', ['bob']],
    ['(mail=*@example.org)', ['Staff', 'ann', 'bob', 'cora']],
    ['(&(objectClass=person)(!(mail=*)))', ['dan']],
    ['(|(uid=ann)(uid=bob)(cn=Ann*))', ['ann', 'bob']],
    ['(|(uid=ann)(employeeNumber=7))', ['ann', 'cora']],
    ['(employeeNumber=8)', []],
    ['(&(iems-quota>=90)(iems-quota<=1000))', ['cora']],
    ['(iems-quota>=1001)', []],
    ['(&(objectClass=person)(createTimestamp>=20250101000000Z))', ['ann', 'bob', 'cora', 'dan']],
    ['(createTimestamp<=20250101000000Z)', []],
    ['(uid>=a)', []],
    ['(cn~=staff)', ['Staff']],
    ['(cn:caseExactMatch:=staff)', []],
    ['(cn:caseExactMatch:=Staff)', ['Staff']],
    ['(uid:2.5.13.2:=BOB)', ['bob']],
    ['(cn:noSuchMatch:=Staff)', []],
    ['(ou:dn:=europe)', ['Europe', 'cora']],
    [`(member=uid=CORA,${europe})`, ['europe']],
    [`(member=cn=europe,ou=sales,${SUFFIX})`, ['Staff']],
    [
      `(!(member=uid=cora,${europe}))`,
      [
        'Europe',
        'Sales',
        'Staff',
        'aliases',
        'ann',
        'bob',
        'cora',
        'dan',
        'domains',
        'example.org',
        'routes',
        'suffix',
      ],
    ],
    [`(memberOf=cn=staff,${SUFFIX})`, ['bob', 'europe']],
    ['(memberOf=*)', ['bob', 'cora', 'europe']],
    ['(member=*)', ['Staff', 'europe']],
    ['(rfc822MailMember=guest@far.test)', ['Staff']],
    ['(objectClass=groupOfNames)', ['Staff', 'europe']],
    ['(&(objectClass=inetOrgPerson)(objectClass=groupOfNames))', []],
    ['(hasSubordinates=TRUE)', ['Europe', 'Sales', 'domains', 'suffix']],
    ['(noSuchAttribute=*)', []],
    ['(!(noSuchAttribute=x))', []],
    [
      '(&)',
      [
        'Europe',
        'Sales',
        'Staff',
        'aliases',
        'ann',
        'bob',
        'cora',
        'dan',
        'domains',
        'europe',
        'example.org',
        'routes',
        'suffix',
      ],
    ],
    ['(|)', []],
    ['(userPassword=*)', []],
    ['(iems-status=disabled)', ['dan']],
    ['(iems-name=example.org)', ['example.org']],
  ]
  for (const [filter, names] of table) assert.deepEqual(await find(filter), names, filter)
  const [cora] = await Array.fromAsync(here.directory.find({ attribute: 'uid', value: 'cora', how: 'equal' }))
  assert.deepEqual(await find(`(entryUUID=${cora?.id.toUpperCase()})`), ['cora'])
})

test('attributes are chosen by name, by * and +, and shown without values', { skip }, async (t) => {
  const here = await createPopulated(t)
  const { search } = clientsOf(here, 'ann')
  const cora = ['-b', `uid=cora,ou=europe,ou=sales,${SUFFIX}`, '-s', 'base', '(objectClass=*)']
  const names = async (...attributes: string[]) =>
    Object.keys(entriesIn((await search(...cora, ...attributes)).out)[0] ?? {}).sort()
  assert.deepEqual(await names('1.1'), ['dn'])
  assert.deepEqual(await names('MAIL', 'commonName', 'nothing'), ['cn', 'dn', 'mail'])
  assert.deepEqual(await names('memberOf', 'entryUUID'), ['dn', 'entryUUID', 'memberOf'])
  const all = await names()
  assert.ok(all.includes('telephoneNumber') && !all.includes('entryUUID') && !all.includes('userPassword'))
  assert.deepEqual(await names('*'), all)
  assert.ok((await names('+')).includes('createTimestamp') && !(await names('+')).includes('cn'))
  const [entry] = entriesIn((await search(...cora, 'cn', 'member', 'memberOf')).out)
  assert.deepEqual(entry, {
    dn: [`uid=cora,ou=Europe,ou=Sales,${SUFFIX}`],
    cn: ['Cora  Müller, Dr.'],
    memberOf: [`cn=europe,ou=Sales,${SUFFIX}`],
  })
  const typesOnly = await search('-A', ...cora, 'cn')
  assert.match(typesOnly.out, /^cn:$/m)
  const [staff] = entriesIn((await search('-b', `cn=staff,${SUFFIX}`, 'member', 'rfc822MailMember')).out)
  assert.deepEqual(staff?.member?.sort(), [`cn=europe,ou=Sales,${SUFFIX}`, `uid=bob,${SUFFIX}`])
  assert.deepEqual(staff?.rfc822MailMember, ['guest@far.test'])
})

test('people see the address book and themselves, and find by nothing else', { skip }, async (t) => {
  const here = await createPopulated(t)
  const find = await searching(here, 'bob')
  assert.deepEqual(await find('(objectClass=*)'), ['Europe', 'Sales', 'Staff', 'ann', 'bob', 'cora', 'suffix'])
  assert.deepEqual(await find('(iems-role=admin)'), [])
  assert.deepEqual(await find('(homePhone=1)'), [])
  assert.deepEqual(await find('(!(homePhone=1))', '-b', `ou=europe,ou=sales,${SUFFIX}`, '-s', 'one'), [])
  assert.deepEqual(await find(`(memberOf=cn=europe,ou=sales,${SUFFIX})`), [])
  assert.deepEqual(await find(`(member=uid=bob,${SUFFIX})`), [])
  const { search, compare } = clientsOf(here, 'bob')
  const [cora] = entriesIn((await search('-b', SUFFIX, '(uid=cora)', '*', '+', 'homePhone', 'memberOf')).out)
  assert.deepEqual(Object.keys(cora ?? {}).sort(), [
    ...['cn', 'createTimestamp', 'displayName', 'dn', 'entryDN', 'entryUUID', 'givenName', 'hasSubordinates', 'mail'],
    ...['modifyTimestamp', 'objectClass', 'sn', 'structuralObjectClass', 'subschemaSubentry', 'telephoneNumber', 'uid'],
  ])
  const [own] = entriesIn((await search('-b', SUFFIX, '(uid=bob)', '*', 'memberOf')).out)
  assert.deepEqual(own?.memberOf, [`cn=Staff,${SUFFIX}`])
  assert.deepEqual(own?.['iems-status'], ['active'])
  assert.equal(own?.userPassword, undefined)
  assert.equal(
    (await search('-b', `uid=dan,ou=sales,${SUFFIX}`, '-s', 'base')).code,
    32,
    'who is disabled is not there',
  )
  assert.equal((await compare(`uid=cora,ou=europe,ou=sales,${SUFFIX}`, 'homePhone:1')).code, 50)
  const { modify } = clientsOf(here, 'bob')
  const { code } = await modify(`dn: uid=bob,${SUFFIX}\nchangetype: modify\nreplace: iems-role\niems-role: admin\n`)
  assert.equal(code, 50)
})

test('no password is shown, wherever it was put', { skip }, async (t) => {
  const here = await createPopulated(t)
  const attributes = { userpassword: ['{CLEARTEXT}told'], sambantpassword: ['told'], telephonenumber: ['x'] }
  await here.make({ add: { kind: 'account', name: 'eli', password: PASSWORD, attributes } })
  for (const who of ['ann', 'eli', 'bob']) {
    const { search, compare } = clientsOf(here, who)
    const { out } = await search('-b', SUFFIX, '(uid=eli)', '*', '+', 'userPassword', 'sambaNTPassword')
    assert.equal(entriesIn(out)[0]?.telephoneNumber?.[0], 'x', out)
    assert.doesNotMatch(out, /told|argon2/)
    assert.deepEqual(await (await searching(here, who))('(|(userPassword=*)(sambaNTPassword=told))'), [])
    assert.equal((await compare(`uid=eli,${SUFFIX}`, 'sambaNTPassword:told')).code, 50)
  }
})

test('rights are those of the moment', { skip }, async (t) => {
  const here = await createPopulated(t)
  const [ann] = await Array.fromAsync(here.directory.find({ attribute: 'uid', value: 'ann', how: 'equal' }))
  const { modify } = clientsOf(here, 'ann')
  const change = (value: string) =>
    modify(`dn: uid=bob,${SUFFIX}\nchangetype: modify\nreplace: title\ntitle: ${value}\n`)
  assert.equal((await change('one')).code, 0)
  const client = await talkLdap(t, here.port)
  client.send(bind(1, `uid=ann,${SUFFIX}`, PASSWORD), search(2, SUFFIX, present('iems-role')))
  assert.equal((await client.until(2)).length, 3)
  await here.make({ set: ann?.id ?? '', to: { roles: [] } })
  assert.equal((await change('two')).code, 50)
  client.send(search(3, SUFFIX, present('iems-role')))
  assert.deepEqual(
    (await client.until(3)).map(({ result }) => result),
    [0],
  )
  await here.make({ set: ann?.id ?? '', to: { status: 'suspended' } })
  // The session ends with a notice of disconnection, which has message id 0 (RFC 4511 section 4.4.1).
  assert.equal((await client.ended())?.id, 0)
})

test('pages, sizes, times and orders', { skip }, async (t) => {
  const here = await createLdapKernel(t, { limits: { entries: 20, lookedAt: 60, sorted: 40 } })
  const people = Array.from({ length: 50 }, (_, at) => `p${String(at).padStart(2, '0')}`)
  await here.directory.change(
    people.map((name) => ({ add: { kind: 'account', name, addresses: [`${name}@example.org`] } })),
    'test',
  )
  const { search } = clientsOf(here, 'bob')
  const limited = await search('-b', SUFFIX, '(uid=p*)', 'dn')
  assert.equal(limited.code, 4)
  assert.equal(namesIn(limited.out).length, 20)
  const asked = await search('-b', SUFFIX, '-z', '5', '(uid=p*)', 'dn')
  assert.equal(asked.code, 4)
  assert.equal(namesIn(asked.out).length, 5)
  for (const size of [1, 7, 10, 50, 1000]) {
    const paged = await search('-b', SUFFIX, '-E', `pr=${size}/noprompt`, '(uid=p*)', 'dn')
    assert.equal(paged.code, 0)
    assert.deepEqual(namesIn(paged.out), people, `pages of ${size}`)
  }
  const reverse = await search('-b', SUFFIX, '-E', 'sss=-uid', '-z', '3', '(uid=p0*)', 'dn')
  assert.deepEqual(
    entriesIn(reverse.out).map(({ dn }) => dn?.[0]?.slice(4, 7)),
    ['p09', 'p08', 'p07'],
  )
  assert.match(reverse.out, /sortResult: \(0\)/)
  assert.equal((await search('-b', SUFFIX, '-E', 'sss=uid', '(uid=p*)', 'dn')).code, 11, 'too many to be sorted')
  await here.directory.change(
    people.map((name) => ({ add: { kind: 'account', name: `q${name}` } })),
    'test',
  )
  assert.equal((await search('-b', SUFFIX, '(title=*x*)', 'dn')).code, 11, 'too many to be looked at')
  assert.equal((await search('-b', SUFFIX, '(uid=qp07)', 'dn')).code, 0, 'an index needs no look at others')
  const all = await clientsOf(here, 'ann').search('-b', SUFFIX, '(objectClass=person)', 'dn')
  assert.deepEqual([all.code, namesIn(all.out).length], [0, 102], 'administrators see all')
})

test('compare', { skip }, async (t) => {
  const here = await createPopulated(t)
  const { compare } = clientsOf(here, 'ann')
  const cora = `uid=cora,ou=europe,ou=sales,${SUFFIX}`
  assert.equal((await compare(cora, 'telephoneNumber:+4930123456')).code, 6)
  assert.equal((await compare(cora, 'uid:dora')).code, 5)
  assert.equal((await compare(`cn=staff,${SUFFIX}`, `member:uid=BOB,${SUFFIX}`)).code, 6)
  assert.equal((await compare(cora, 'title:x')).code, 16)
  assert.equal((await compare(`uid=ann,${SUFFIX}`, `userPassword:${PASSWORD}`)).code, 50)
  assert.equal((await compare(`uid=nobody,${SUFFIX}`, 'uid:x')).code, 32)
})

test('what is added over LDAP gets mail at once, and keeps its mailbox when it is renamed', { skip }, async (t) => {
  const here = await createLdapKernel(t)
  const { add, modify, rename, remove, search, whoami } = clientsOf(here, 'ann')
  const ldif = `dn: ou=Paris,${SUFFIX}
objectClass: organizationalUnit
ou: Paris

dn: uid=eve,ou=paris,${SUFFIX}
objectClass: inetOrgPerson
uid: eve
cn: Eve
sn: Adams
mail: eve@example.org
mailLocalAddress: eve@example.org
mailLocalAddress: e.adams@example.org
telephoneNumber: +33 1
userPassword: ${PASSWORD}
jpegPhoto:: /9j/4AAQSkZJRg==
description: two
  lines

dn: cn=team,${SUFFIX}
objectClass: groupOfNames
cn: team
mail: team@example.org
member: uid=eve,ou=Paris,${SUFFIX}
member: uid=bob,${SUFFIX}
`
  assert.equal((await whoami()).code, 0)
  const added = await add(ldif)
  assert.equal(added.code, 0, added.err)
  const eve = await here.directory.byName('account', 'eve')
  assert.deepEqual(eve?.addresses, ['eve@example.org', 'e.adams@example.org'])
  assert.equal(eve?.unit, 'paris')
  assert.equal((await clientsOf(here, 'eve,ou=paris').whoami()).out, `dn:uid=eve,ou=Paris,${SUFFIX}\n`)
  const [shown] = entriesIn((await search('-b', SUFFIX, '(uid=eve)')).out)
  assert.deepEqual(shown?.description, ['two lines'])
  assert.match((await search('-b', SUFFIX, '(uid=eve)', 'jpegPhoto')).out, /^jpegPhoto:: \/9j\/4AAQSkZJRg==$/m)

  const send = async (to: string, subject: string) => {
    const { reply } = await here.submit({ from: 'x@far.test', to: [to], content: `Subject: ${subject}\r\n\r\n` })
    await here.deliver()
    return reply.code
  }
  assert.equal(await send('team@example.org', 'one'), 250)
  assert.deepEqual([await here.inbox('eve'), await here.inbox('bob')], [['one'], ['one']])

  const changed = await modify(`dn: uid=eve,ou=paris,${SUFFIX}
changetype: modify
replace: mail
mail: eva@example.org
mail: e.adams@example.org
-
add: title
title: Director
-
delete: telephoneNumber
-
add: iems-quota
iems-quota: 1000000

dn: cn=team,${SUFFIX}
changetype: modify
delete: member
member: uid=bob,${SUFFIX}
-
add: rfc822MailMember
rfc822MailMember: bob@example.org
`)
  assert.equal(changed.code, 0, changed.err)
  const after = await here.directory.byName('account', 'eve')
  assert.deepEqual(after?.addresses, ['eva@example.org', 'e.adams@example.org'])
  assert.deepEqual(
    [after?.attributes.title, after?.attributes.telephonenumber, after?.quota],
    [['Director'], undefined, 1e6],
  )
  assert.equal(await send('eve@example.org', 'nobody'), 550)
  assert.equal(await send('eva@example.org', 'two'), 250)

  const renamed = await rename('-r', '-s', SUFFIX, `uid=eve,ou=paris,${SUFFIX}`, 'uid=eva')
  assert.equal(renamed.code, 0, renamed.err)
  assert.deepEqual(await here.inbox('eva'), ['one', 'two'], 'the mailbox is the same')
  assert.equal((await here.directory.byName('account', 'eva'))?.id, eve?.id)
  const [team] = entriesIn((await search('-b', SUFFIX, '(cn=team)', 'member')).out)
  assert.deepEqual(team?.member, [`uid=eva,${SUFFIX}`])
  assert.equal((await rename(`ou=paris,${SUFFIX}`, 'ou=Rome')).code, 0)
  assert.equal((await remove(`uid=eva,${SUFFIX}`, `cn=team,${SUFFIX}`, `ou=rome,${SUFFIX}`)).code, 0)
  assert.equal(await send('eva@example.org', 'gone'), 550)
  const [entry] = await Array.fromAsync(here.directory.history({ limit: 1 }))
  assert.deepEqual([entry?.by, entry?.what, entry?.name], ['ldap: ann', 'remove', 'Rome'])
})

test('changes that cannot be are refused with the right code, and change nothing', { skip }, async (t) => {
  const here = await createPopulated(t)
  const { add, modify, rename, remove } = clientsOf(here, 'ann')
  const history = async () => (await Array.fromAsync(here.directory.history())).length
  const before = await history()
  const person = (name: string, more = '') =>
    add(`dn: ${name}\nobjectClass: inetOrgPerson\ncn: X\nsn: X\n${more}`).then(({ code }) => code)
  const change = (name: string, text: string) =>
    modify(`dn: ${name}\nchangetype: modify\n${text}\n`).then(({ code }) => code)
  const bob = `uid=bob,${SUFFIX}`
  assert.equal(await person(bob), 68)
  assert.equal(await person(`uid=ann,ou=sales,${SUFFIX}`), 68, 'account names are of one kind in all units')
  assert.equal(await person(`uid=x,ou=nowhere,${SUFFIX}`), 32)
  assert.equal(await person('uid=x,dc=other'), 64)
  assert.equal(await person(`uid=x+uid=y,${SUFFIX}`), 64, 'two values of one attribute are no name')
  assert.equal(await person(`uid=x,${SUFFIX}`, 'mail: bob@example.org\n'), 68, 'the address is taken')
  assert.equal(await person(`uid=x,${SUFFIX}`, 'mail: no address\n'), 19)
  assert.equal(await person(`uid=x,${SUFFIX}`, 'entryUUID: 1\n'), 19)
  assert.equal(await person(`uid=x,${SUFFIX}`, 'employeeNumber: 1\nemployeeNumber: 2\n'), 19)
  assert.equal(await person(`uid=x,${SUFFIX}`, 'title: a\ntitle: A\n'), 20)
  assert.equal(await change(bob, 'add: mail\nmail: BOB@example.org'), 20)
  assert.equal(await change(bob, 'delete: title'), 16)
  assert.equal(await change(bob, 'delete: mail\nmail: x@example.org'), 16)
  assert.equal(await change(bob, 'replace: uid\nuid: robert'), 67)
  assert.equal(await change(bob, 'replace: iems-quota\niems-quota: much'), 21)
  assert.equal(await change(bob, 'replace: iems-status\niems-status: busy'), 19)
  assert.equal(await change(bob, 'replace: userPassword\nuserPassword: {STRANGE}x'), 19)
  assert.equal(await change(bob, 'replace: mailHost\nmailHost: mx.far.test'), 53)
  assert.equal(await change(bob, 'replace: createTimestamp\ncreateTimestamp: 20200101000000Z'), 19)
  assert.equal(await change(bob, 'add: title\ntitle: one\n-\ndelete: homePhone'), 16, 'all or nothing')
  assert.equal(await change(`uid=nobody,${SUFFIX}`, 'replace: title\ntitle: x'), 32)
  assert.equal(await change(SUFFIX, 'replace: description\ndescription: x'), 53)
  const staff = `cn=staff,${SUFFIX}`
  assert.equal(await change(staff, `add: member\nmember: ${bob}`), 20)
  assert.equal(await change(staff, `delete: member\nmember: uid=ann,${SUFFIX}`), 16)
  assert.equal(await change(`cn=europe,ou=sales,${SUFFIX}`, `add: member\nmember: ${staff}`), 19, 'a circle')
  assert.equal((await remove(`ou=sales,${SUFFIX}`)).code, 66)
  assert.equal((await remove(SUFFIX)).code, 53)
  assert.equal((await rename(bob, 'uid=ann')).code, 68)
  assert.equal((await rename('-s', `ou=nowhere,${SUFFIX}`, bob, 'uid=bob')).code, 32)
  assert.equal(await history(), before)
})

test('aliases, domains and routes are lists that administrators read and write', { skip }, async (t) => {
  const here = await createLdapKernel(t, { mailHostChannel: 'out' })
  const { add, modify, remove, search } = clientsOf(here, 'ann')
  const [aliases, domains, routes] = ['aliases', 'domains', 'routes'].map((name) => `iems-list=${name},${SUFFIX}`)
  const added = await add(`dn: iems-name=branch.example,${domains}
objectClass: iems-domain
iems-name: branch.example
iems-alias-of: example.org

dn: iems-match=sales-*@example.org,${aliases}
objectClass: iems-alias
iems-match: sales-*@example.org
mailRoutingAddress: bob+*@example.org

dn: iems-match=far.example,${routes}
objectClass: iems-route
iems-match: far.example
iems-route: out:mx.far.example:25
`)
  assert.equal(added.code, 0, added.err)
  assert.deepEqual((await here.directory.byName('alias', 'sales-*@example.org'))?.targets, ['bob+*@example.org'])
  assert.equal((await here.directory.byName('domain', 'branch.example'))?.aliasOf, 'example.org')
  const [route] = entriesIn((await search('-b', routes as string, '-s', 'one')).out)
  assert.deepEqual(route?.mailHost, ['mx.far.example:25'])
  const changed = await modify(`dn: iems-match=sales-*@example.org,${aliases}
changetype: modify
add: iems-target
iems-target: ann@example.org

dn: uid=bob,${SUFFIX}
changetype: modify
add: mailHost
mailHost: old.example.org
-
add: mailRoutingAddress
mailRoutingAddress: bob@far.example
`)
  assert.equal(changed.code, 0, changed.err)
  assert.equal((await here.directory.byName('alias', 'sales-*@example.org'))?.targets.length, 2)
  const bob = await here.directory.byName('account', 'bob')
  assert.deepEqual(bob?.route, { channel: 'out', nexthop: 'old.example.org' })
  assert.deepEqual(bob?.forward, { to: ['bob@far.example'], keep: false })
  assert.equal((await remove(`iems-match=far.example,${routes}`)).code, 0)
  assert.deepEqual(entriesIn((await clientsOf(here, 'bob').search('-b', SUFFIX, '(iems-match=*)')).out), [])
})

test('a password is changed by its owner with the old one, and by administrators', { skip }, async (t) => {
  const here = await createLdapKernel(t)
  const bob = clientsOf(here, 'bob')
  const login = async (password: string) =>
    (await run('ldapwhoami', ['-x', '-H', here.uri, '-D', 'bob', '-w', password])).code
  const { id = '' } = (await here.directory.byName('account', 'bob')) ?? {}
  assert.match((await bob.passwd('-s', 'another')).out, /\(53\)/, 'without the old one')
  assert.match((await bob.passwd('-a', 'wrong', '-s', 'another')).out, /\(53\)/)
  assert.match((await bob.passwd('-a', PASSWORD, '-s', 'another', `uid=ann,${SUFFIX}`)).out, /\(50\)/)
  assert.equal((await bob.passwd('-a', PASSWORD, '-s', 'another')).code, 0)
  assert.deepEqual([await login(PASSWORD), await login('another')], [49, 0])
  const app = await here.directory.addAppPassword(id, { name: 'book', scopes: ['ldap'] }, 'test')
  assert.ok('password' in app)
  assert.equal(await login(app.password), 0)
  const byApp = ['-x', '-H', here.uri, '-D', 'bob', '-w', app.password, '-a', app.password, '-s', 'stolen']
  assert.match((await run('ldappasswd', byApp)).out, /\(53\)/, "a program's password is not the account's")
  const made = await clientsOf(here, 'ann').passwd(`uid=bob,${SUFFIX}`)
  assert.equal(made.code, 0)
  assert.equal(await login(/^New password: (\S+)$/m.exec(made.out)?.[1] ?? ''), 0)
})

/** An `auth` tap that knows bob by a SCRAM verifier, and nobody's password. */
function scramTap(account: () => string) {
  const salt = Buffer.from('a salt of 16 oct')
  const salted = pbkdf2Sync(PASSWORD, salt, 4096, 32, 'sha256')
  const hmac = (text: string) => createHmac('sha256', salted).update(text).digest()
  return definePlugin({
    name: 'scram',
    config: z.undefined(),
    setup: () => ({
      hooks: {
        auth: {
          mechanisms: ['SCRAM-SHA-256'],
          handler: (attempt) =>
            attempt.kind === 'scram' && attempt.username === 'bob'
              ? {
                  kind: 'verifier',
                  iterations: 4096,
                  salt,
                  storedKey: createHash('sha256').update(hmac('Client Key')).digest(),
                  serverKey: hmac('Server Key'),
                  identity: { kind: 'identity', user: 'bob', account: account(), mayRelay: false },
                }
              : undefined,
        },
      },
    }),
  })()
}

test('SCRAM by several binds, the last of which has the proof of the server', { skip }, async (t) => {
  let id = ''
  const here = await createLdapKernel(
    t,
    { authWithoutTls: false, anonymous: 'address-book' },
    { plugins: [scramTap(() => id)] },
  )
  id = (await here.directory.byName('account', 'bob'))?.id ?? ''
  const [dse] = entriesIn((await clientsOf(here).search('-b', '', '-s', 'base', 'supportedSASLMechanisms')).out)
  assert.deepEqual(dse?.supportedSASLMechanisms, ['SCRAM-SHA-256'])
  const sasl = (user: string, password: string) =>
    run('ldapwhoami', ['-H', here.uri, '-Y', 'SCRAM-SHA-256', '-U', user, '-w', password])
  assert.equal((await sasl('bob', PASSWORD)).out, `dn:uid=bob,${SUFFIX}\n`)
  assert.equal((await sasl('bob', 'wrong')).code, 49)
})

test('an exchange that another bind breaks off is forgotten', async (t) => {
  let id = ''
  const here = await createLdapKernel(t, {}, { plugins: [scramTap(() => id)] })
  id = (await here.directory.byName('account', 'bob'))?.id ?? ''
  const client = await talkLdap(t, here.port)
  client.send(saslBind(1, 'SCRAM-SHA-256', 'n,,n=bob,r=abcdefgh'))
  assert.equal((await client.until(1))[0]?.result, 14)
  client.send(bind(2, '', ''))
  assert.equal((await client.until(2))[0]?.result, 0)
  client.send(saslBind(3, 'SCRAM-SHA-256', 'c=biws,r=abcdefgh,p=AAAA'))
  assert.equal((await client.until(3))[0]?.result, 49)
  client.send(saslBind(4, 'GSSAPI', ''))
  assert.equal((await client.until(4))[0]?.result, 7)
  client.send(saslBind(5, 'SCRAM-SHA-256', 'n,,n=nobody,r=abcdefgh'))
  assert.equal((await client.until(5))[0]?.result, 14, 'nobody is asked as everybody is')
})

test('address books find people by what is typed', { skip }, async (t) => {
  const here = await createPopulated(t)
  const { search } = clientsOf(here, 'bob')
  const thunderbird = (typed: string) =>
    `(&(objectclass=*)(|(cn=*${typed}*)(givenName=*${typed}*)(sn=*${typed}*)(displayName=*${typed}*)(mail=*${typed}*)))`
  const outlook = (typed: string) =>
    `(&(mail=*)(|(mail=${typed}*)(|(cn=${typed}*)(|(sn=${typed}*)(|(givenName=${typed}*)(displayName=${typed}*))))))`
  const apple = (typed: string) =>
    `(&(|(objectClass=inetOrgPerson)(objectClass=person)(objectClass=group))(|(givenName=${typed}*)(sn=${typed}*)(cn=${typed}*)(mail=${typed}*)))`
  for (const ask of [thunderbird, outlook, apple]) {
    const { out } = await search('-b', SUFFIX, '-z', '100', ask('cor'), ...['cn', 'mail', 'telephoneNumber'])
    const dn = `uid=cora,ou=Europe,ou=Sales,${SUFFIX}`
    const [found, ...more] = entriesIn(out)
    assert.deepEqual(
      [found, more],
      [{ dn: [dn], cn: ['Cora  Müller, Dr.'], mail: ['cora@example.org'], telephoneNumber: ['+49 30-123 456'] }, []],
    )
  }
  assert.deepEqual(namesIn((await search('-b', SUFFIX, thunderbird('STAFF'), 'mail')).out), ['Staff'])
})

test('thousands of members in one change, and a look at each', { skip }, async (t) => {
  const here = await createLdapKernel(t)
  const people = Array.from({ length: 3000 }, (_, at) => `p${at}`)
  await here.directory.change(
    people.map((name) => ({ add: { kind: 'account', name } })),
    'test',
  )
  const { add, modify, search, compare } = clientsOf(here, 'ann')
  const members = (names: readonly string[]) => names.map((name) => `member: uid=${name},${SUFFIX}`).join('\n')
  const group = `cn=all,${SUFFIX}`
  const added = await add(`dn: ${group}\nobjectClass: groupOfNames\ncn: all\n${members(people.slice(0, 1500))}\n`)
  assert.equal(added.code, 0, added.err)
  const changed = await modify(`dn: ${group}\nchangetype: modify\nadd: member\n${members(people.slice(1500))}\n`)
  assert.equal(changed.code, 0, changed.err)
  const [shown] = entriesIn((await search('-b', group, 'member')).out)
  assert.equal(shown?.member?.length, 3000)
  assert.deepEqual(namesIn((await search('-b', SUFFIX, `(member=uid=p2999,${SUFFIX})`, 'cn')).out), ['all'])
  assert.equal((await compare(group, `member:uid=p777,${SUFFIX}`)).code, 6)
  const fewer = await modify(`dn: ${group}\nchangetype: modify\ndelete: member\n${members(people.slice(1))}\n`)
  assert.equal(fewer.code, 0, fewer.err)
  assert.equal((await here.directory.byName('group', 'all'))?.members, 1)
})

test('pictures go in and out by LDIF and LDAP as they are', { skip }, async (t) => {
  const here = await createLdapKernel(t)
  const photo = Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 1, 2, 0x80]).toString('base64')
  const ldif = `dn: uid=pia,${SUFFIX}\nobjectClass: inetOrgPerson\nuid: pia\ncn: Pia\nsn: Pia\njpegPhoto:: ${photo}\n`
  await here.iems('account import', ldif)
  const { search } = clientsOf(here, 'ann')
  const shown = await search('-b', SUFFIX, '(uid=pia)', 'jpegPhoto')
  assert.match(shown.out, new RegExp(`^jpegPhoto:: ${photo.replaceAll('+', '\\+')}$`, 'm'))
  const { bytes } = await here.iems(`account export --ldif --suffix ${SUFFIX}`)
  assert.match(bytes.toString(), new RegExp(`^jpegphoto:: ${photo.replaceAll('+', '\\+')}$`, 'm'))
})

test('searches that look at everybody take turns, and end with the client', { skip }, async (t) => {
  const here = await createLdapKernel(t, { limits: { time: '30 s' } })
  await here.directory.change(
    Array.from({ length: 3000 }, (_, at) => ({ add: { kind: 'account', name: `p${at}` } })),
    'test',
  )
  const clients = await Promise.all(Array.from({ length: 10 }, () => talkLdap(t, here.port)))
  let answered = 0
  for (const client of clients) {
    client.send(bind(1, `uid=bob,${SUFFIX}`, PASSWORD))
    assert.equal((await client.until(1))[0]?.result, 0)
    for (let id = 2; id < 20; id++) {
      client.send(search(id, SUFFIX, present('title')))
      void client.until(id).then(
        () => answered++,
        () => undefined,
      )
    }
  }
  const quick = await clientsOf(here, 'bob').search('-b', SUFFIX, '(uid=p7)', 'dn')
  assert.deepEqual(namesIn(quick.out), ['p7'])
  assert.ok(answered < 180, 'who asks for one entry does not wait for those who look at all')
  for (const client of clients) client.socket.destroy()
  await here.close()
})
