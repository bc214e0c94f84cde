/** Directories of Notes and cc:Mail brought into ours: differences first, then changes, and none the second time. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { ccmail } from 'iems/plugins/ccmail'
import { directory } from 'iems/plugins/directory'
import { notes } from 'iems/plugins/notes'
import * as z from 'zod'
import { definePlugin } from '../../core/index.ts'
import { createTestKernel } from '../../core/testing/index.ts'
import { Directory, type DirectoryApi } from '../../plugins/directory/store/api.ts'
import { createBook } from '../../plugins/gateway/notes/book.ts'
import { parseName } from '../../plugins/gateway/notes/names.ts'
import { nsfFixture } from '../support/notes.ts'
import { tempFolder } from '../support/running-server.ts'

async function directoryKernel(t: TestContext) {
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
  const kernel = await createTestKernel(t, {
    plugins: [directory(), borrow(), notes({ domain: 'acme.test' }), ccmail({ domain: 'acme.test' })],
  })
  const api = lent.api ?? assert.fail()
  await api.change([{ add: { kind: 'domain', name: 'acme.test' } }], 'test')
  const run = async (words: string, given: string[], options: Record<string, string | true> = {}) => {
    const outputs = await kernel.command(words, { arguments: given, options })
    const values = outputs.flatMap((one) => ('value' in one ? [one.value as Record<string, unknown>] : []))
    const bytes = Buffer.concat(outputs.flatMap((one) => ('bytes' in one ? [one.bytes] : [])))
    return { last: values.at(-1) ?? {}, values, bytes: bytes.toString() }
  }
  return { api, run, folder: await tempFolder(t) }
}

test('persons and groups of a Notes directory become accounts and groups, and again nothing', async (t) => {
  const { api, run, folder } = await directoryKernel(t)
  const path = join(folder, 'names.nsf')
  await writeFile(path, nsfFixture('namelook'))
  const checked = await run('notes directory', [path], { check: true })
  assert.ok(Number(checked.last.add) >= 5)
  assert.equal(await api.byName('account', 'wsibert@acme.test'), undefined)
  const made = await run('notes directory', [path])
  assert.equal(made.last.refused, 0, JSON.stringify(made.values))
  const willa = await api.byName('account', 'wsibert@acme.test')
  assert.equal(willa?.displayName, 'Willa Sibert')
  assert.deepEqual(willa?.attributes.notesname, ['Willa Sibert'])
  const group = await api.byName('group', 'chemists')
  const members = await Array.fromAsync(api.members(group?.id ?? ''))
  assert.ok(members.some((member) => 'id' in member && member.id === willa?.id))
  const again = await run('notes directory', [path])
  assert.deepEqual([again.last.add, again.last.change], [0, 0], JSON.stringify(again.values))
})

test("LDIF of Domino's LDAP is read as well: forwarding addresses are aliases, deny lists are passed over", async (t) => {
  const { api, run, folder } = await directoryKernel(t)
  const path = join(folder, 'domino.ldif')
  const lines = [
    'dn: CN=Ann Smith,OU=Sales,O=Acme',
    'objectclass: dominoPerson',
    'cn: Ann Smith',
    'uid: asmith',
    'mail: ann.smith@acme.test',
    'mailfile: mail\\asmith',
    '',
    'dn: CN=Ed Poe,O=Acme',
    'objectclass: dominoPerson',
    'uid: epoe',
    'mail: epoe@acme.test',
    'mailaddress: ed@example.org',
    '',
    'dn: CN=Sales',
    'objectclass: dominoGroup',
    'grouptype: 0',
    'member: CN=Ann Smith,OU=Sales,O=Acme',
    'member: CN=Ed Poe,O=Acme',
    '',
    'dn: CN=Gone',
    'objectclass: dominoGroup',
    'grouptype: 3',
    'member: CN=Ann Smith,OU=Sales,O=Acme',
    '',
  ]
  await writeFile(path, lines.join('\n'))
  await run('notes directory', [path])
  const ann = await api.byName('account', 'asmith')
  assert.deepEqual(ann?.attributes.notesname, ['Ann Smith/Sales/Acme', 'Ann Smith'])
  assert.deepEqual((await api.byName('alias', 'epoe@acme.test'))?.targets, ['ed@example.org'])
  assert.equal((await Array.fromAsync(api.members((await api.byName('group', 'sales'))?.id ?? ''))).length, 2)
  assert.equal(await api.byName('group', 'gone'), undefined)
  // A name that has left the group in Notes leaves it here.
  await writeFile(path, lines.filter((_, n) => n !== 17).join('\n'))
  const changed = await run('notes directory', [path])
  assert.deepEqual([changed.last.add, changed.last.change], [0, 1])
  assert.equal((await Array.fromAsync(api.members((await api.byName('group', 'sales'))?.id ?? ''))).length, 1)
  // The Notes name decides: the account may have another display name, and another account that of Notes.
  await api.change(
    [
      { set: ann?.id ?? '', to: { displayName: 'Ann Jones (married)' } },
      { add: { kind: 'account', name: 'other', displayName: 'Ann Smith', addresses: ['other@acme.test'] } },
    ],
    'test',
  )
  const book = createBook(api, undefined)
  const found = (name: string) => book.addressOf(parseName(name))
  assert.equal(await found('CN=ANN SMITH/OU=Sales/O=Acme'), ann?.addresses[0])
  assert.equal(await found('Ann Smith/Boston/Other'), 'other@acme.test')
  assert.equal(await found('Ann Jones (married)/Acme'), undefined)
})

test('users, aliases and lists of cc:Mail, and our entries for its IMPORT', async (t) => {
  const { api, run, folder } = await directoryKernel(t)
  const path = join(folder, 'ccmdir.exp')
  const text = [
    ...['Name: Doe, John', 'Locn: L', 'Cmts: jdoe', '', 'Name: BRANCH', 'Locn: P', 'Addr: 10', ''],
    ...['Name: Smith, Ann', 'Locn: R', 'Addr: BRANCH', '', 'Name: Sales', 'Locn: A', 'Addr: Smith, Ann at BRANCH', ''],
    ...['List: Everybody', 'Member: Doe, John', 'Member: Smith, Ann', '', 'Bulletin board: News', ''],
  ].join('\r\n')
  await writeFile(path, text)
  const { values } = await run('ccmail directory', [path], { 'post-office': 'MAIN' })
  assert.ok(await api.byName('account', 'John_Doe_at_MAIN@acme.test'), JSON.stringify(values))
  assert.deepEqual((await api.byName('alias', 'Sales_at_MAIN@acme.test'))?.targets, ['Ann_Smith_at_BRANCH@acme.test'])
  const group = await api.byName('group', 'everybody')
  assert.equal((await Array.fromAsync(api.members(group?.id ?? ''))).length, 2)
  assert.ok(values.some(({ board }) => board === 'News'))
  await api.change(
    [{ add: { kind: 'account', name: 'eve', displayName: 'Eve Adams', addresses: ['eve@acme.test'] } }],
    'test',
  )
  const { bytes } = await run('ccmail export-directory', [])
  assert.equal(bytes, 'Name: Adams, Eve\r\nLocn: A\r\nAddr: eve@acme.test at internet\r\nCmts: IEMS\r\n\r\n')
})

test('comments of cc:Mail that have a form become attributes', async (t) => {
  const { api, run, folder } = await directoryKernel(t)
  const path = join(folder, 'ccmdir.exp')
  const entry = (name: string, comment: string) => `Name: ${name}\r\nLocn: L\r\nCmts: ${comment}\r\n\r\n`
  await writeFile(path, entry('Doe, John', '555-1234; Sales') + entry('Poe, Ed', 'on leave'))
  await run('ccmail directory', [path], { 'post-office': 'MAIN', comments: 'telephonenumber;ou' })
  const john = await api.byName('account', 'John_Doe_at_MAIN@acme.test')
  assert.deepEqual([john?.attributes.telephonenumber, john?.attributes.ou], [['555-1234'], ['Sales']])
  assert.deepEqual((await api.byName('account', 'Ed_Poe_at_MAIN@acme.test'))?.attributes.description, ['on leave'])
  await assert.rejects(run('ccmail directory', [path], { comments: 'a b;$(x)' }), /--comments/)
})

test('mail of an account goes to Domino until the import lets it arrive here', async (t) => {
  const { api, run } = await directoryKernel(t)
  const route = { channel: 'out', nexthop: 'domino.acme.test' }
  await api.change([{ add: { kind: 'account', name: 'ann', addresses: ['ann@acme.test'], route } }], 'test')
  assert.equal((await run('notes route', ['ann'])).last.arrives, 'there')
  await run('notes route', ['ann', 'here'])
  assert.equal((await api.byName('account', 'ann'))?.route, undefined)
})
