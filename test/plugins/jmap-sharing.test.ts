/** Sharing over JMAP (RFC 9670): principals, shareWith beside IMAP's rights, and notifications. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { imap } from 'iems/plugins/imap'
import { ImapFlow } from 'imapflow'
import { type Json, message, startJmap } from '../support/jmap.ts'

/** Any command of IMAP, which the types of the client do not name. */
interface Commands {
  exec(command: string, attributes: readonly object[]): Promise<{ next(): void }>
}

const all = (names: string): Json => Object.fromEntries(names.split(' ').map((name) => [name, true]))

test('RFC 9670: a mailbox is shared with an account, which learns of it, and IMAP agrees', async (t) => {
  const here = await startJmap(t, {}, [], { imap: imap({ listen: '127.0.0.1:0', authWithoutTls: true }) })
  const [ann, bob] = [await here.client('ann'), await here.client('bob')]
  await here.make({ add: { kind: 'group', name: 'staff', addresses: ['staff@here.test'] } })
  const session = async ({ authorization, base }: typeof ann) =>
    (await (await fetch(`${base}/jmap/session`, { headers: { authorization } })).json()) as Json
  const { accountCapabilities } = (await session(ann)).accounts[ann.account]
  assert.equal(accountCapabilities['urn:ietf:params:jmap:principals'].currentUserPrincipalId, ann.account)

  const [{ ids }, groups] = (await ann.call(
    ['Principal/query', { filter: { text: 'BOB@' } }],
    ['Principal/query', { filter: { type: 'group' } }],
  )) as [Json, Json]
  assert.deepEqual(ids, [bob.account])
  const { list } = await ann.one('Principal/get', { ids: [bob.account, groups.ids[0], 'none'] })
  assert.deepEqual(
    list.map(({ type, email }: Json) => [type, email]),
    [
      ['individual', 'bob@here.test'],
      ['group', 'staff@here.test'],
    ],
  )
  const box = (await ann.one('Mailbox/set', { create: { a: { name: 'Plans' } } })).created.a.id
  await ann.file(message({ Subject: 'Shared' }), { mailboxIds: { [box]: true } })
  const set = (client: typeof ann, patch: Json) =>
    client.one('Mailbox/set', { accountId: ann.account, update: { [box]: patch } })
  const shareWith = async () => (await ann.one('Mailbox/get', { ids: [box] })).list[0].shareWith
  assert.equal(await shareWith(), null)
  const { state } = await bob.one('ShareNotification/get', { ids: [] })

  assert.equal((await set(ann, { 'shareWith/nobody': all('mayReadItems') })).notUpdated[box].type, 'invalidProperties')
  assert.equal(
    (await set(ann, { shareWith: { [bob.account]: { mayFly: true } } })).notUpdated[box].type,
    'invalidProperties',
  )
  assert.equal((await set(ann, { [`shareWith/${bob.account}`]: all('mayReadItems maySetSeen') })).notUpdated, null)
  assert.deepEqual((await shareWith())[bob.account].maySetSeen, true)
  const seen = (await session(bob)).accounts[ann.account]
  assert.equal(seen.isPersonal, false)
  const shared = (await bob.one('Mailbox/get', { accountId: ann.account, ids: null })).list[0]
  assert.deepEqual([shared.id, shared.myRights.mayReadItems, shared.myRights.mayAddItems], [box, true, false])
  assert.deepEqual([shared.myRights.mayShare, shared.shareWith], [false, null])
  assert.equal((await bob.one('Email/query', { accountId: ann.account })).ids.length, 1)
  assert.equal((await set(bob, { shareWith: {} })).notUpdated[box].type, 'forbidden')

  const reader = new ImapFlow({
    ...{ host: '127.0.0.1', port: here.listener('imap').port, secure: false, logger: false },
    auth: { user: 'ann', pass: 'ann-secret' },
  })
  await reader.connect()
  t.after(() => reader.close())
  const exec = async (...words: readonly string[]) => {
    const [command = '', ...rest] = words
    const attributes = rest.map((value) => ({ type: 'STRING' as const, value }))
    const answer = await (reader as unknown as Commands).exec(command, attributes)
    answer.next()
  }
  await exec('SETACL', 'Plans', 'bob', 'lri')
  await exec('SETACL', 'Plans', 'anyone', 'l')
  const now = await shareWith()
  assert.deepEqual([now[bob.account].mayAddItems, now[bob.account].maySetSeen, 'anyone' in now], [true, false, true])

  await set(ann, { [`shareWith/${bob.account}/mayShare`]: true })
  assert.equal((await set(bob, { [`shareWith/${groups.ids[0]}`]: all('mayReadItems') })).notUpdated, null)
  await set(ann, { [`shareWith/${bob.account}`]: null })
  assert.equal(
    (await bob.one('Mailbox/get', { accountId: ann.account, ids: null })).error?.type ?? 'seen',
    'seen',
    'by anyone',
  )
  await set(ann, { shareWith: null })
  assert.equal((await bob.one('Mailbox/get', { accountId: ann.account, ids: null })).error.type, 'accountNotFound')

  const { created } = await bob.one('ShareNotification/changes', { sinceState: state })
  const notes = (await bob.one('ShareNotification/get', { ids: created })).list as Json[]
  assert.equal(notes.length, 3)
  const first = notes.find(({ oldRights }) => oldRights === null) as Json
  assert.deepEqual(
    [
      first.changedBy.email,
      first.objectType,
      first.objectAccountId,
      first.objectId,
      first.name,
      first.newRights.mayReadItems,
    ],
    ['ann@here.test', 'Mailbox', ann.account, box, 'Plans', true],
  )
  assert.equal((await bob.one('ShareNotification/set', { create: { a: {} } })).notCreated.a.type, 'forbidden')
  const { destroyed } = await bob.one('ShareNotification/set', { destroy: [first.id] })
  assert.deepEqual(destroyed, [first.id])
  assert.equal((await bob.one('ShareNotification/query', { filter: { objectType: 'Mailbox' } })).ids.length, 2)
})
