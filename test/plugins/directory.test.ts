/** Accounts, groups, aliases, domains and routing: what is changed holds for mail at once, and is what `iems route` says. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Credentials, Protocol } from '../../core/index.ts'
import type { NewEntry } from '../../plugins/directory/store/api.ts'
import { codeAt } from '../../plugins/directory/store/totp.ts'
import { createDirectoryKernel, type DirectoryKernel } from '../support/directory.ts'
import { fc } from '../support/property.ts'

async function createHere(t: Parameters<typeof createDirectoryKernel>[0], options = {}) {
  const here = await createDirectoryKernel(t, options)
  await here.make({ add: { kind: 'domain', name: 'here.test' } })
  for (const name of ['ann', 'bob', 'cyd'])
    await here.make({ add: { kind: 'account', name, addresses: [`${name}@here.test`], password: `${name}-secret` } })
  await here.make({ add: { kind: 'route', match: '*', target: { channel: 'out', nexthop: 'world' } } })
  return here
}

async function send({ submit, deliver }: DirectoryKernel, to: string, subject: string, from = 'x@far.test') {
  const sent = await submit({ from, to: [to], content: `Subject: ${subject}\r\n\r\nhello\r\n` })
  await deliver()
  return sent
}

async function logIn(
  { openSession }: DirectoryKernel,
  username: string,
  password: string,
  { protocol = 'ESMTPS', address = '192.0.2.7' }: { protocol?: Protocol; address?: string } = {},
) {
  const session = openSession({ protocol, remote: { address } })
  const credentials: Credentials = { kind: 'password', username, password }
  const answer = await session.auth(credentials)
  session.close()
  return answer.kind === 'identity' ? answer.user : answer.kind
}

test('mail finds accounts, subaddresses, groups, aliases, wildcards, catch-alls and alias domains', async (t) => {
  const here = await createHere(t)
  const ann = await here.directory.byName('account', 'ann')
  const team = await here.make({
    add: { kind: 'group', name: 'team', addresses: ['team@here.test'], members: [{ id: ann?.id ?? '' }] },
  })
  await here.make({
    add: {
      kind: 'group',
      name: 'all',
      addresses: ['all@here.test'],
      members: [{ id: team.id }, { address: 'bob@here.test' }, { address: 'out@far.test' }],
    },
  })
  await here.make({ add: { kind: 'alias', match: 'info@here.test', targets: ['bob@here.test'] } })
  await here.make({ add: { kind: 'alias', match: 'sales-*@here.test', targets: ['cyd+*@here.test'] } })
  await here.make({ add: { kind: 'domain', name: 'old.test', aliasOf: 'here.test' } })
  await here.make({ add: { kind: 'domain', name: 'catch.test', catchAll: 'cyd@here.test' } })
  for (const [to, subject] of [
    ['ANN@Here.Test', 'case'],
    ['ann+lists@here.test', 'detail'],
    ['all@here.test', 'group'],
    ['info@here.test', 'alias'],
    ['sales-eu@here.test', 'wildcard'],
    ['bob@old.test', 'domain'],
    ['whoever@catch.test', 'catch-all'],
  ] as const)
    assert.equal((await send(here, to, subject)).reply.code, 250, to)
  assert.deepEqual(await here.inbox('ann'), ['case', 'detail', 'group'])
  assert.deepEqual(await here.inbox('bob'), ['group', 'alias', 'domain'])
  assert.deepEqual(await here.inbox('cyd'), ['wildcard', 'catch-all'])
  assert.deepEqual(
    here.delivered.map((one) => one.to),
    [['out@far.test']],
  )
  assert.match(JSON.stringify(await send(here, 'nobody@here.test', 'x')), /No such mailbox/)
})

test('routing entries: the most exact one counts', async (t) => {
  const here = await createHere(t)
  for (const [match, nexthop] of [
    ['*.example.test', 'wild'],
    ['deep.example.test', 'deep'],
    ['x-*@far.test', 'pattern'],
    ['one@far.test', 'one'],
    ['here.test', 'branch'],
  ])
    await here.make({
      add: { kind: 'route', match: match as string, target: { channel: 'out', nexthop: nexthop as string } },
    })
  for (const [to, nexthop] of [
    ['a@b.example.test', 'wild'],
    ['a@deep.example.test', 'deep'],
    ['x-1@far.test', 'pattern'],
    ['one@far.test', 'one'],
    ['two@far.test', 'world'],
    // Known ones stay; the rest of the domain is somewhere else.
    ['ann@here.test', 'mailboxes'],
    ['elsewhere@here.test', 'branch'],
  ]) {
    const [said] = (await here.iems(`route ann@here.test ${to} --as ann`)).values as { nexthop: string }[]
    assert.equal(said?.nexthop, nexthop, to)
  }
})

test('iems route says what the real path does', async (t) => {
  const here = await createHere(t)
  const locals = ['a', 'b', 'ab', 'ba', 'aa']
  const domains = ['here.test', 'two.test', 'far.test']
  const address = fc.tuple(fc.constantFrom(...locals), fc.constantFrom(...domains)).map((parts) => parts.join('@'))
  const pattern = fc
    .tuple(fc.constantFrom('a*', '*b', '*', 'a*b'), fc.constantFrom(...domains))
    .map((parts) => parts.join('@'))
  await here.make({ add: { kind: 'domain', name: 'two.test' } })
  let number = 0
  const entry = fc.oneof(
    address.map((one) => `account add n${number++} address=${one}`),
    fc.tuple(fc.oneof(address, pattern), address).map(([match, target]) => `alias add ${match} target=${target}`),
    fc
      .tuple(fc.oneof(address, pattern, fc.constantFrom(...domains)), fc.constantFrom('one', 'two'))
      .map(([match, hop]) => `route add ${match} to=out:${hop}`),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(entry, { maxLength: 6 }), address, async (lines, to) => {
      // Names that are taken are refused, which is as good.
      for (const line of lines) await here.iems(line).catch(() => {})
      const said = (await here.iems(`route ann@here.test ${to} --as ann`).catch(() => undefined)) ?? { values: [] }
      const session = here.openSession({ protocol: 'ESMTPSA', remote: { address: '127.0.0.1' } })
      session.update({ identity: { kind: 'identity', user: 'root', mayRelay: true } })
      await session.mail('ann@here.test', {})
      const refusal = await session.rcpt({ address: to })
      const real = session
        .outlook()
        ?.routed.map(({ recipient, route }) => `${recipient.address} ${route.channel} ${route.nexthop}`)
      session.close()
      const values = said.values as { recipient?: string; channel?: string; nexthop?: string; refused?: unknown }[]
      if (refusal) assert.deepEqual(values, [{ refused: refusal.reply }])
      else
        assert.deepEqual(
          values.map((one) => `${one.recipient} ${one.channel} ${one.nexthop}`),
          real,
        )
    }),
    { numRuns: 150 },
  )
})

test('a renamed account keeps its mailbox; a removed one refuses mail', async (t) => {
  const here = await createHere(t)
  await send(here, 'ann@here.test', 'before')
  const ann = await here.directory.byName('account', 'ann')
  await here.iems('account set ann name=anna address=anna@here.test')
  assert.equal((await here.directory.byName('account', 'anna'))?.id, ann?.id)
  await send(here, 'anna@here.test', 'after')
  assert.deepEqual(await here.inbox('anna'), ['before', 'after'])
  assert.match(JSON.stringify((await send(here, 'ann@here.test', 'x')).refused), /No such mailbox/)
  await here.iems('account remove anna')
  assert.match(JSON.stringify((await send(here, 'anna@here.test', 'x')).refused), /No such mailbox/)
})

test('forwards, disabled and suspended accounts', async (t) => {
  const here = await createHere(t)
  await here.iems('account set ann forward=bob@here.test forward-keep=yes')
  await here.iems('account set cyd forward=ann@far.test')
  await send(here, 'ann@here.test', 'copy')
  await send(here, 'cyd@here.test', 'away')
  assert.deepEqual(
    [await here.inbox('ann'), await here.inbox('bob'), await here.inbox('cyd')],
    [['copy'], ['copy'], []],
  )
  assert.deepEqual(
    here.delivered.map((one) => one.to),
    [['ann@far.test']],
  )
  await here.iems('account set bob status=suspended')
  assert.equal(await logIn(here, 'bob', 'bob-secret'), 'refuse')
  assert.equal((await send(here, 'bob@here.test', 'still')).reply.code, 250)
  await here.iems('account set bob status=disabled')
  assert.match(JSON.stringify((await send(here, 'bob@here.test', 'no')).refused), /disabled/)
})

test('groups say who may write to them, and loops of groups are refused', async (t) => {
  const here = await createHere(t)
  await here.iems('group add inner address=inner@here.test senders=members member=ann')
  await here.iems('group add outer address=outer@here.test member=inner')
  await assert.rejects(here.iems('group set inner member+=outer'), /cannot be in itself/)
  assert.match(JSON.stringify((await send(here, 'inner@here.test', 'x')).refused), /Only its members/)
  const ann = await here.directory.byName('account', 'ann')
  for (const [account, code] of [
    [ann?.id, undefined],
    [(await here.directory.byName('account', 'bob'))?.id, 550],
  ] as const) {
    const session = here.openSession({ protocol: 'ESMTPSA', remote: { address: '192.0.2.1' } })
    session.update({
      identity: { kind: 'identity', user: 'somebody', mayRelay: true, ...(account ? { account } : {}) },
    })
    await session.mail('', {})
    assert.equal((await session.rcpt({ address: 'inner@here.test' }))?.reply.code, code)
  }
  await here.iems('group set inner member=bob member=x@far.test')
  assert.deepEqual((await here.iems('group show inner')).lines.filter((line) => line.startsWith('member')).sort(), [
    'member=bob',
    'member=x@far.test',
  ])
  await here.iems('account remove bob')
  assert.equal((await here.directory.byName('group', 'inner'))?.members, 1)
})

test('who has logged in sends as himself', async (t) => {
  const here = await createHere(t)
  const ann = await here.directory.byName('account', 'ann')
  const session = here.openSession({ protocol: 'ESMTPSA', remote: { address: '192.0.2.1' } })
  session.update({ identity: { kind: 'identity', user: 'ann', mayRelay: true, account: ann?.id ?? '' } })
  const code = async (from: string) => (await session.mail(from, {}))?.reply.code
  assert.deepEqual(
    [await code('ann@here.test'), await code('Ann+x@here.test'), await code(''), await code('bob@here.test')],
    [undefined, undefined, undefined, 553],
  )
  await here.iems('account set ann send-as=*@shop.test send-as=bob@here.test')
  assert.deepEqual(
    [await code('bob@here.test'), await code('any@shop.test'), await code('cyd@here.test')],
    [undefined, undefined, 553],
  )
})

test('where mail for an address arrives is who may send from it', async (t) => {
  const here = await createHere(t)
  const idOf = async (name: string) => (await here.directory.byName('account', name))?.id as string
  const alias = (match: string, ...targets: string[]) => here.make({ add: { kind: 'alias', match, targets } })
  await here.make({ add: { kind: 'domain', name: 'old.test', aliasOf: 'here.test' } })
  await here.make({ add: { kind: 'domain', name: 'older.test', aliasOf: 'old.test' } })
  await here.make({ add: { kind: 'domain', name: 'catch.test', catchAll: 'ann@here.test' } })
  await here.make({ add: { kind: 'domain', name: 'loop.test', aliasOf: 'pool.test' } })
  await here.make({ add: { kind: 'domain', name: 'pool.test', aliasOf: 'loop.test' } })
  await alias('info@here.test', 'ANN+info@Here.Test')
  await alias('help@here.test', 'info@old.test')
  await alias('sales-*@here.test', 'ann+*@here.test')
  await alias('both@here.test', 'ann@here.test', 'bob@here.test')
  await alias('twice@here.test', 'ann@here.test', 'info@here.test')
  await alias('away@here.test', 'ann@here.test', 'ann@far.test')
  await alias('round@here.test', 'dnuor@here.test')
  await alias('dnuor@here.test', 'round@here.test')
  const team = {
    kind: 'group',
    name: 'team',
    addresses: ['team@here.test'],
    members: [{ id: await idOf('ann') }],
  } as const
  await here.make({ add: team })
  const own = ['ann@here.test', '"Ann"@HERE.test', 'ann+tag@here.test', 'ann@old.test', 'ann+x@older.test']
  const received = ['info@here.test', 'help@old.test', 'sales-eu@here.test', 'anything@catch.test', 'twice@here.test']
  const others = ['both@here.test', 'away@here.test', 'team@here.test', 'bob@here.test', 'bob@old.test', 'x@far.test']
  const nobodys = ['round@here.test', 'x@loop.test', 'unknown@here.test', 'no address']
  const session = here.openSession({ protocol: 'ESMTPSA', remote: { address: '192.0.2.1' } })
  session.update({ identity: { kind: 'identity', user: 'ann', mayRelay: true, account: await idOf('ann') } })
  for (const from of [...own, ...received]) assert.equal(await session.mail(from, {}), undefined, from)
  for (const from of [...others, ...nobodys]) assert.equal((await session.mail(from, {}))?.reply.code, 553, from)

  await here.iems('account set bob send-as=team@old.test send-as=ann@old.test send-as=cy*@here.test')
  const bob = await idOf('bob')
  for (const from of ['team@here.test', 'ann+x@here.test', 'cyd@older.test'])
    assert.ok(await here.accounts.maySendAs(bob, from), from)
  assert.ok(!(await here.accounts.maySendAs(bob, 'info@here.test')))
  await here.iems('account set ann status=suspended')
  assert.ok(!(await here.accounts.maySendAs(await idOf('ann'), 'ann@here.test')))
  // The login itself holds no longer.
  assert.equal((await session.mail('ann@here.test', {}))?.reply.code, 421)
  await here.iems('account remove bob')
  assert.ok(!(await here.accounts.maySendAs(bob, 'bob@here.test')))
})

test('aliases and catch-alls do not authorise senders where the administrator says so', async (t) => {
  const here = await createHere(t, { directory: { aliasSenders: false } })
  const ann = (await here.directory.byName('account', 'ann'))?.id as string
  await here.make({ add: { kind: 'domain', name: 'old.test', aliasOf: 'here.test' } })
  await here.make({ add: { kind: 'alias', match: 'info@here.test', targets: ['ann@here.test'] } })
  assert.ok(await here.accounts.maySendAs(ann, 'ann@old.test'))
  assert.ok(!(await here.accounts.maySendAs(ann, 'info@here.test')))
})

test('an account is found by every way its owner writes it', async (t) => {
  const here = await createHere(t)
  await here.make({ add: { kind: 'domain', name: 'old.test', aliasOf: 'here.test' } })
  for (const login of ['ann', 'ANN', 'ann@here.test', '"ann"@Here.Test', 'ann@old.test']) {
    assert.equal((await here.accounts.byLogin(login))?.name, 'ann', login)
    assert.equal(await logIn(here, login, 'ann-secret'), 'ann', login)
  }
  for (const login of ['ann+x@here.test', 'x@old.test', '']) assert.equal(await here.accounts.byLogin(login), undefined)
})

test('passwords: names and addresses log in; nothing tells who is unknown', async (t) => {
  const here = await createHere(t)
  assert.equal(await logIn(here, 'ann', 'ann-secret'), 'ann')
  assert.equal(await logIn(here, 'ANN@here.test', 'ann-secret'), 'ann')
  assert.equal(await logIn(here, 'ann', 'bob-secret'), 'refuse')
  assert.equal(await logIn(here, 'nobody', 'ann-secret'), 'refuse')
  await here.iems('account password ann', 'another one\n')
  assert.equal(await logIn(here, 'ann', 'another one'), 'ann')
  assert.equal(await logIn(here, 'ann', 'ann-secret'), 'refuse')
  await here.iems('account password ann', '')
  assert.equal(await logIn(here, 'ann', 'another one'), 'refuse')
  const shown = JSON.stringify([
    (await here.iems('account show bob')).values,
    await Array.fromAsync(here.directory.history()),
  ])
  assert.doesNotMatch(shown, /argon2|secret"/)
})

test('a password for a program opens only what it is for', async (t) => {
  const here = await createHere(t)
  const { lines } = await here.iems('account app-password ann phone --for imap --from 192.0.2.0/24 --until 2099-01-31')
  const [password = ''] = lines
  assert.equal(await logIn(here, 'ann', password, { protocol: 'IMAP' }), 'ann')
  assert.equal(await logIn(here, 'ann', password.replaceAll('-', ''), { protocol: 'IMAP' }), 'ann')
  assert.equal(await logIn(here, 'ann', password, { protocol: 'POP3' }), 'refuse')
  assert.equal(await logIn(here, 'bob', password, { protocol: 'IMAP' }), 'refuse')
  assert.equal(await logIn(here, 'ann', password, { protocol: 'IMAP', address: '198.51.100.1' }), 'refuse')
  await assert.rejects(here.iems('account app-password ann tv --for telnet'), /scopes/)
  await here.iems('account app-passwords ann --remove phone')
  assert.equal(await logIn(here, 'ann', password, { protocol: 'IMAP' }), 'refuse')
})

test('a second factor: each code once, and programs need passwords of their own', async (t) => {
  const here = await createHere(t)
  const { id } = (await here.directory.byName('account', 'ann')) as { id: string }
  const begun = await here.directory.startTotp(id, 'ann')
  assert.ok('secret' in begun)
  assert.match(begun.uri, /^otpauth:\/\/totp\/mx\.test:ann\?secret=[A-Z2-7]{32}&/)
  const code = (ms: number) => codeAt(begun.secret, Math.floor((here.clock.now() + ms) / 30_000))
  assert.equal(await here.directory.checkTotp(id, code(0)), false)
  assert.equal(await logIn(here, 'ann', 'ann-secret', { protocol: 'IMAP' }), 'ann')
  assert.equal(await here.directory.confirmTotp(id, code(0), 'ann'), true)
  assert.equal(await logIn(here, 'ann', 'ann-secret', { protocol: 'IMAP' }), 'refuse')
  assert.equal(await logIn(here, 'ann', 'ann-secret', { protocol: 'HTTP' }), 'ann')
  await here.advance(30_000)
  const both = await Promise.all([here.directory.checkTotp(id, code(0)), here.directory.checkTotp(id, code(0))])
  assert.deepEqual(both.sort(), [false, true])
  assert.equal(await here.directory.checkTotp(id, code(120_000)), false)
  await here.iems('account totp ann --remove')
  assert.equal(await logIn(here, 'ann', 'ann-secret', { protocol: 'IMAP' }), 'ann')
})

test('codes are those of RFC 6238', () => {
  // Appendix B, the last six of its eight digits, for the secret "12345678901234567890".
  const secret = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'
  for (const [at, code] of [
    [59, '287082'],
    [1_111_111_109, '081804'],
    [1_234_567_890, '005924'],
    [20_000_000_000, '353130'],
  ] as const)
    assert.equal(codeAt(secret, Math.floor(at / 30)), code)
})

test('two entries never have one name or address, also when changed at the same time', async (t) => {
  const here = await createHere(t)
  const results = await Promise.all(
    Array.from({ length: 8 }, (_, at) =>
      here.directory.change([{ add: { kind: 'account', name: `twin${at}`, addresses: ['twin@here.test'] } }], 'test'),
    ),
  )
  assert.equal(results.flat().filter((one) => 'entry' in one).length, 1)
  for (const line of [
    'account add ANN',
    'account add x address=Ann@HERE.test',
    'alias add ann@here.test target=bob@here.test',
    'account set bob address=ann@here.test',
    'domain add HERE.test',
  ])
    await assert.rejects(here.iems(line), /taken/, line)
  for (const [line, why] of [
    ['account add "two\nlines"', /one plain line/],
    ['account add x address=nonsense', /address/],
    ['account add x quota=huge', /size/],
    ['account add x unit=nowhere', /no unit/],
    ['account add x status=gone', /status/],
    ['route add far.test to=nowhere', /channel:nexthop/],
    ['domain add x colour=red', /has no colour/],
    ['account set nobody quota=5GB', /no account nobody/],
  ] as const)
    await assert.rejects(here.iems(line), why, line)
})

test('all or none, or each for itself', async (t) => {
  const here = await createHere(t)
  const add = (name: string) => ({ add: { kind: 'account', name } }) as const
  const all = await here.directory.change([add('one'), add('ann'), add('two')], 'test')
  assert.deepEqual(
    all.map((one) => 'refused' in one && one.refused),
    ['CHANGED', 'ALREADYEXISTS', 'CHANGED'],
  )
  assert.equal(await here.directory.byName('account', 'one'), undefined)
  const each = await here.directory.change([add('one'), add('ann'), add('two')], 'test', 'each')
  assert.deepEqual(
    each.map((one) => 'entry' in one),
    [true, false, true],
  )
  const one = await here.directory.byName('account', 'one')
  const [stale] = await here.directory.change([{ set: one?.id ?? '', to: { quota: 1 }, version: 7 }], 'test')
  assert.equal(stale && 'refused' in stale && stale.refused, 'CHANGED')
})

test('attributes have any number of values and lines, and are found by the index', async (t) => {
  const here = await createHere(t)
  const street = 'Line 1\nLine 2\nZeile 3: ÄÖÜ'
  await here.make({
    add: {
      kind: 'account',
      name: 'dora',
      displayName: 'Dora Müller',
      attributes: { postaladdress: [street], telephonenumber: ['+41 1', '+41 2'], sn: ['Müller'], givenname: ['Dora'] },
    },
  })
  const names = async (attribute: string, value: string, how: 'equal' | 'begins' = 'equal') =>
    (await Array.fromAsync(here.directory.find({ attribute, value, how }))).map((one) => 'name' in one && one.name)
  assert.deepEqual(await names('sn', 'MÜLLER'), ['dora'])
  assert.deepEqual(await names('cn', 'dora', 'begins'), ['dora'])
  assert.deepEqual(await names('mail', 'b', 'begins'), ['bob'])
  assert.deepEqual(await names('telephonenumber', '+41', 'begins'), ['dora'])
  await here.iems('account set dora telephoneNumber-="+41 1" sn=')
  assert.deepEqual(await names('telephonenumber', '+41 1'), [])
  assert.deepEqual(await names('sn', 'müller'), ['dora'], 'a person always has one: the end of his name')
  const dora = await here.directory.byName('account', 'dora')
  assert.deepEqual(dora?.attributes, { postaladdress: [street], telephonenumber: ['+41 2'], givenname: ['Dora'] })
})

test('units hold accounts and groups, and go when they are empty', async (t) => {
  const here = await createHere(t)
  await here.iems('unit add sales')
  await here.iems('unit add sales/europe')
  await here.iems('account set ann unit=Sales/Europe')
  await assert.rejects(here.iems('unit remove sales'), /stands in/)
  await assert.rejects(here.iems('unit add nowhere/deep'), /no unit/)
  assert.deepEqual(
    (await Array.fromAsync(here.directory.inUnit('sales'))).map((one) => one.kind === 'unit' && one.path),
    ['sales/europe'],
  )
  assert.deepEqual(
    (await Array.fromAsync(here.directory.inUnit('sales/europe'))).map((one) => 'name' in one && one.name),
    ['ann'],
  )
  await here.iems('account set ann unit=')
  await here.iems('unit remove sales/europe')
})

test('tables and LDIF come back as they went out', async (t) => {
  const here = await createHere(t)
  await here.iems('unit add staff')
  await here
    .make({
      add: {
        kind: 'account',
        name: 'odd, one',
        unit: 'staff',
        addresses: ['odd@here.test', 'odd.one@here.test'],
        displayName: 'Odd "One" | \\ ünd',
        quota: 5_000_000,
        forward: { to: ['a@far.test', 'b@far.test'], keep: true },
        roles: ['admin'],
        attributes: { description: ['two\nlines', ' spaces around ', 'a|b\\c', ''], sn: ['One'] },
      },
    })
    .catch((cause: Error) => assert.match(cause.message, /without/))
  await here.make({
    add: {
      kind: 'account',
      name: 'odd one',
      unit: 'staff',
      addresses: ['odd@here.test', 'odd.one@here.test'],
      displayName: 'Odd "One" | \\ ünd',
      quota: 5_000_000,
      forward: { to: ['a@far.test', 'b@far.test'], keep: true },
      roles: ['admin'],
      attributes: { description: ['two\nlines', ' spaces around ', 'a|b\\c'], sn: ['One'] },
    },
  })
  await here.iems('group add team address=team@here.test member="odd one" member=ann member=x@far.test')
  const plain = async ({ directory }: DirectoryKernel) => {
    const account = await directory.byName('account', 'odd one')
    const { id, created, modified, version, hasPassword, ...rest } = account as NonNullable<typeof account>
    return { ...rest, attributes: { ...rest.attributes, cn: undefined } }
  }
  for (const format of ['', ' --ldif']) {
    const there = await createDirectoryKernel(t)
    for (const kind of ['unit', 'domain', 'account', 'group', 'route']) {
      const { bytes } = await here.iems(`${kind} export${format}`)
      const { lines } = await there.iems(`${kind} import`, bytes)
      assert.match(lines.at(-1) ?? '', /, 0 refused/, `${kind}${format}`)
    }
    assert.deepEqual(await plain(there), await plain(here))
    const shown = (await there.iems('group show team')).lines.filter((line) => line.startsWith('member')).sort()
    assert.deepEqual(shown, ['member=ann', 'member=odd one', 'member=x@far.test'])
  }
})

test('ten thousand accounts and members in one file, or a line for each that is wrong', async (t) => {
  const here = await createHere(t)
  const rows = Array.from({ length: 10_000 }, (_, at) => `p${at},p${at}@here.test,Person ${at}`)
  const { lines } = await here.iems('account import', `name,address,display-name\n${rows.join('\n')}\n`)
  assert.deepEqual(lines, ['10000 changes made, 0 refused'])
  const members = Array.from({ length: 10_000 }, (_, at) => `p${at}`).join('|')
  await here.iems('group import', `name,address,member\neverybody,everybody@here.test,${members}\n`)
  assert.equal((await here.directory.byName('group', 'everybody'))?.members, 10_000)
  const wrong = 'name,quota\np1,1\nnew1,5GB\nnew2,huge\n'
  await assert.rejects(here.iems('account import', wrong), /2 of 3|1 of 3/)
  assert.equal(await here.directory.byName('account', 'new1'), undefined)
  const each = await here.iems('account import --each --update', wrong)
  assert.equal(each.lines.length, 2)
  assert.match(each.lines[0] ?? '', /line 4: huge is no size/)
  assert.match(each.lines[1] ?? '', /2 changes made, 1 refused/)
  assert.equal((await here.directory.byName('account', 'p1'))?.quota, 1)
})

test('addresses and domains follow RFC 5321, and names show what they are', async (t) => {
  const here = await createHere(t)
  const bad = [
    'a@here.test;b@here.test',
    'a b@here.test',
    'a,b@here.test',
    '<a@here.test>',
    'a@b@here.test',
    'a..b@here.test',
  ]
  for (const address of [...bad, '.a@here.test', 'a@here..test', 'a@-here.test', 'a@here;test', 'a\u202eb@here.test'])
    for (const add of [
      { kind: 'account', name: 'x', addresses: [address] },
      { kind: 'group', name: 'x', addresses: [address] },
      { kind: 'alias', match: address, targets: ['ann@here.test'] },
      { kind: 'alias', match: 'x@here.test', targets: [address] },
      { kind: 'group', name: 'x', members: [{ address }] },
      { kind: 'account', name: 'x', forward: { to: [address], keep: true } },
    ] as const)
      assert.equal(await refusedBy(here, add), 'INVALID', `${JSON.stringify(address)} ${add.kind}`)
  for (const name of ['a;b.test', 'a b.test', 'a,b', '<a>', 'a..b', 'a\u200b.test'])
    assert.equal(await refusedBy(here, { kind: 'domain', name }), 'INVALID', name)
  for (const name of ['ann\u202e', 'a\u200bb', 'a\u0007'])
    assert.equal(await refusedBy(here, { kind: 'account', name }), 'INVALID', JSON.stringify(name))
  for (const address of ['"a;b c"@here.test', "o'neil+x=y@here.test", 'jürgen@bücher.test', 'x_y@a_b.test'])
    assert.equal(await refusedBy(here, { kind: 'account', name: address, addresses: [address] }), undefined, address)
})

async function refusedBy({ directory }: DirectoryKernel, add: NewEntry): Promise<string | undefined> {
  const [result] = await directory.change([{ add }], 'test', 'check')
  return result && 'refused' in result ? result.refused : undefined
}

test('a misspelt field or column is an error that names the nearest; other attributes are said to be such', async (t) => {
  const here = await createHere(t)
  for (const [line, hint] of [
    ['account set ann qouta=5GB', /has no qouta; did you mean quota\?/],
    ['account set ann adress=x@here.test', /did you mean address\?/],
    ['account set ann mail=x@here.test', /did you mean address\?/],
    ['account set ann displayName=Ann', /did you mean display-name\?/],
    ['account set ann telefoneNumber=1', /did you mean telephonenumber\?/],
    ['account set ann shoe=42', /has no shoe; .* attr:shoe=/],
    ['group set team sender=anyone', /There is no group|did you mean senders/],
    ['domain set here.test catchall=x@here.test', /did you mean catch-all\?/],
    ['account set ann constructor=1', /has no constructor/],
  ] as const)
    await assert.rejects(here.iems(line), hint, line)
  await assert.rejects(here.iems('account import', 'name,adress,attr:shoe\nx,x@here.test,42\n'), /did you mean address/)
  assert.equal(await here.directory.byName('account', 'x'), undefined)
  await here.iems('account set ann attr:shoe=42 telephoneNumber=1')
  assert.deepEqual((await here.directory.byName('account', 'ann'))?.attributes, {
    shoe: ['42'],
    telephonenumber: ['1'],
  })
  const { bytes } = await here.iems('account export')
  assert.match(bytes.toString().split('\r\n')[0] ?? '', /attr:shoe/)
  assert.match((await here.iems('account export --ldif')).bytes.toString(), /^shoe: 42$/m)
  await here.iems('account import --update', bytes)
})

test('an import names every wrong line, whatever is wrong with it, and changes nothing', async (t) => {
  const here = await createHere(t, { directory: { passwords: {} } })
  const rows = [
    'good,good@here.test,5GB,long enough 1',
    'size,size@here.test,huge,long enough 2',
    'domain,domain@elsewhere.test,,long enough 3',
    'short,short@here.test,,x',
    'the-name-1,,,The-Name-1',
    'taken,ann@here.test,,',
    'grammar,a;b@here.test,,',
    'good,other@here.test,,',
    ',nameless@here.test,,',
    'fine,fine@here.test,,',
  ]
  const said: string[] = []
  const command = here.kernel.commands.get('account import')
  const input = (async function* () {
    yield Buffer.from(`name,address,quota,password\n${rows.join('\n')}\n`)
  })()
  await assert.rejects(
    (async () => {
      for await (const one of command?.run({ arguments: [], options: {}, input, signal: t.signal }) ?? [])
        if ('text' in one) said.push(one.text)
    })(),
    /8 of 10 are wrong/,
  )
  for (const [line, why] of [
    [3, /size/],
    [4, /no domain elsewhere.test/],
    [5, /at least 8 characters/],
    [6, /must not be the name/],
    [7, /is taken/],
    [8, /address/],
    [9, /is taken/],
    [10, /no name/],
  ] as const)
    assert.match(said.find((text) => text.startsWith(`line ${line}:`)) ?? '', why)
  assert.equal(said.length, 8)
  assert.equal(await here.directory.byName('account', 'good'), undefined)
})

test('new passwords follow the policy, and none stands on a command line', async (t) => {
  const here = await createHere(t, { directory: { passwords: { minLength: 10 } } })
  await assert.rejects(here.iems('account password ann', 'short\n'), /at least 10 characters/)
  await here.make({ add: { kind: 'account', name: 'long-name-here', addresses: ['a-long-address@here.test'] } })
  for (const name of ['Long-Name-Here', 'a-long-address@here.test', 'A-LONG-ADDRESS'])
    await assert.rejects(here.iems('account password long-name-here', `${name}\n`), /must not be the name/)
  await here.iems('account password long-name-here', 'something else\n')
  for (const line of ['account add new password=something-else', 'account set ann password=something-else'])
    await assert.rejects(here.iems(line), /command line/)
  assert.equal(await here.directory.byName('account', 'new'), undefined)
})

test('every change is recorded: who, when, what', async (t) => {
  const here = await createHere(t, { directory: { history: '4 days' } })
  await here.iems('account set ann quota=5GB')
  const { lines } = await here.iems('directory history ann')
  assert.equal(lines.length, 2)
  assert.match(lines[0] ?? '', /command line {2}set account ann {2}quota/)
  assert.match(lines[1] ?? '', /test {2}add account ann/)
  await here.advance(3 * 86_400_000)
  await here.iems('account set ann quota=6GB')
  await here.advance(3 * 86_400_000)
  await here.advance(0)
  assert.equal((await here.iems('directory history ann')).lines.length, 1)
})
