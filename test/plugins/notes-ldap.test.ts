/** Domino's directory over LDAP, both ways: slapd with Domino's classes, read and written on a schedule. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { secret } from 'iems'
import { directory } from 'iems/plugins/directory'
import { notes } from 'iems/plugins/notes'
import { createTestKernel, runProgram, testClock } from 'iems/testing'
import * as z from 'zod'
import { definePlugin } from '../../core/index.ts'
import { Directory, type DirectoryApi } from '../../plugins/directory/store/api.ts'
import { DOMINO } from '../support/domino-directory.ts'
import { startSlapd, whyNoSlapd } from '../support/slapd.ts'

test('persons and groups of a running Domino come here, ours go there, and nothing goes round', {
  skip: whyNoSlapd(),
}, async (t) => {
  const domino = await startSlapd(t, DOMINO)
  const lent: { api?: DirectoryApi } = {}
  const borrow = definePlugin({
    name: 'borrow',
    config: z.undefined(),
    needs: [Directory],
    setup(_, ctx) {
      lent.api = ctx.use(Directory)
      return {}
    },
  })
  process.env.IEMS_TEST_DOMINO = 'secret'
  const ldap = {
    url: domino.uri,
    startTls: false,
    bindDn: domino.rootDn,
    password: secret.env('IEMS_TEST_DOMINO'),
    base: 'o=Acme',
  }
  const connector = {
    channel: 'out',
    nexthop: 'domino.acme.test',
    directory: { ldap, export: 'Acme', interval: '1 h' },
  }
  const clock = testClock()
  const kernel = await createTestKernel(t, {
    clock,
    plugins: [directory(), borrow(), notes({ domain: 'acme.test', connector })],
  })
  const api = lent.api ?? assert.fail()
  const run = async (options: Record<string, true> = {}) =>
    (await kernel.command('notes directory', { options })).flatMap((one) =>
      'value' in one ? [one.value as Record<string, unknown>] : [],
    )
  await api.change([{ add: { kind: 'domain', name: 'acme.test' } }], 'test')
  await api.change(
    [
      { add: { kind: 'account', name: 'eve', displayName: 'Eve Adams', addresses: ['eve@acme.test'] } },
      { add: { kind: 'account', name: 'ed', displayName: 'Ed Poe', addresses: ['other-ed@acme.test'] } },
    ],
    'test',
  )

  await run({ check: true })
  assert.equal(await api.byName('account', 'asmith'), undefined)
  const [counts, exported] = (await run()).slice(-12).filter((one) => 'same' in one)
  assert.equal(counts?.refused, 0, JSON.stringify(counts))
  const ann = await api.byName('account', 'asmith')
  assert.deepEqual(
    [ann?.addresses, ann?.attributes.notesname],
    [['ann.smith@acme.test'], ['Ann Smith/Sales/Acme', 'Ann Smith']],
  )
  assert.deepEqual((await api.byName('account', 'zoberg'))?.addresses, ['zoberg@acme.test'])
  assert.deepEqual((await api.byName('alias', 'epoe@acme.test'))?.targets, ['ed@example.org'])
  assert.equal((await Array.fromAsync(api.members((await api.byName('group', 'chemists'))?.id ?? ''))).length, 2)
  assert.equal(await api.byName('group', 'gone'), undefined)
  // Eve is new to Domino; its own Ed Poe stays as he is.
  assert.deepEqual([exported?.add, exported?.refused], [1, 1])
  const search = async (filter: string) =>
    (
      await runProgram('ldapsearch', [
        '-x',
        '-LLL',
        '-H',
        domino.uri,
        '-D',
        domino.rootDn,
        '-w',
        'secret',
        '-b',
        'o=Acme',
        filter,
      ])
    ).out
  const eve = await search('(cn=Eve Adams)')
  assert.match(eve, /^dn: cn=Eve Adams,o=Acme$/m)
  assert.match(eve, /^mailaddress: eve@acme\.test$/m)
  assert.match(await search('(cn=Ed Poe)'), /^mailaddress: ed@example\.org$/m)

  // A second run finds nothing to do, on either side.
  const again = (await run()).filter((one) => 'same' in one)
  assert.deepEqual(
    again.map(({ add, change }) => [add, change]),
    [
      [0, 0],
      [0, 0],
    ],
  )

  // On schedule, the connector writes a local group to Domino, with a member that came from there, and later its change.
  const members = [{ id: ann?.id ?? '' }, { address: 'far@example.org' }]
  await api.change([{ add: { kind: 'group', name: 'mixed', addresses: ['mixed@acme.test'], members } }], 'test')
  const until = async (holds: () => Promise<boolean>) => {
    for (let tries = 0; tries < 100 && !(await holds()); tries++) {
      await clock.advance(3_660_000)
    }
    assert.ok(await holds())
  }
  await until(async () => /^member: cn=Ann Smith,ou=Sales,o=Acme$/im.test(await search('(cn=mixed)')))
  const mixed = await api.byName('group', 'mixed')
  await api.change([{ set: mixed?.id ?? '', members: { add: [], remove: [{ address: 'far@example.org' }] } }], 'test')
  await until(async () => !/far@example/.test(await search('(cn=mixed)')))
})
