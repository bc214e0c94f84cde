/** Snoozed conversations and labels: this server's own object types. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { http } from 'iems/plugins/http'
import { imap } from 'iems/plugins/imap'
import { jmap } from 'iems/plugins/jmap'
import { ImapFlow } from 'imapflow'
import { createDirectoryKernel } from '../support/directory.ts'
import { type Json, message, startJmap } from '../support/jmap.ts'
import { type MakeStore, STORES } from '../support/several-kernels.ts'

const HOUR = 3_600_000
const iso = (at: number) => `${new Date(at).toISOString().slice(0, 19)}Z`

/** A job runs beside the test. */
async function eventually(isSo: () => Promise<boolean>): Promise<void> {
  for (let left = 500; !(await isSo()); left--) {
    assert.ok(left > 0, 'it did not become so')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

test('a conversation leaves the Inbox and comes back at its time, unread and on top; by hand or by IMAP earlier', async (t) => {
  const here = await startJmap(t, {}, [], { imap: imap({ listen: '127.0.0.1:0', authWithoutTls: true }) })
  const [ann, bob] = [await here.client('ann'), await here.client('bob')]
  const inbox = await ann.mailbox('inbox')
  const filed = async (subject: string, day: number) => {
    const id = await ann.file(message({ Subject: subject }), {
      receivedAt: iso(here.clock.now() - (10 - day) * 24 * HOUR),
      keywords: { $seen: true },
    })
    const { list } = await ann.one('Email/get', { ids: [id], properties: ['threadId'] })
    return { id, threadId: list[0].threadId as string }
  }
  const subjectsIn = async (mailbox: string) => {
    const [{ ids }, { list }] = (await ann.call(
      ['Email/query', { filter: { inMailbox: mailbox }, sort: [{ property: 'receivedAt', isAscending: false }] }, 'q'],
      [
        'Email/get',
        { '#ids': { resultOf: 'q', name: 'Email/query', path: '/ids' }, properties: ['subject', 'keywords'] },
      ],
    )) as [Json, Json]
    return (ids as string[]).map((id) => {
      const { subject, keywords } = (list as Json[]).find((email) => email.id === id) as Json
      return keywords.$seen ? subject : `${subject} (unread)`
    })
  }
  const [one, two, three] = [await filed('One', 1), await filed('Two', 2), await filed('Three', 3)]
  const until = here.clock.now() + 3 * HOUR
  const snooze = ({ threadId }: typeof one) => ({ threadId, mailboxId: inbox, until: iso(until) })
  const set = await ann.one('ConversationSnooze/set', { create: { a: snooze(one), b: snooze(two) } })
  assert.equal(set.notCreated, null)
  const snoozed = await ann.mailbox('snoozed')
  assert.deepEqual(await subjectsIn(inbox), ['Three'])
  assert.deepEqual(await subjectsIn(snoozed), ['Two', 'One'])

  // IMAP shows the mailbox with its use, and what leaves it there does not come back.
  const client = new ImapFlow({
    host: '127.0.0.1',
    port: here.listener('imap').port,
    secure: false,
    auth: { user: 'ann', pass: 'ann-secret' },
    logger: false,
  })
  await client.connect()
  const box = (await client.list()).find(({ path }) => path === 'Snoozed')
  assert.ok(box?.flags.has('\\Snoozed'))
  await client.mailboxOpen('Snoozed')
  await client.messageMove({ subject: 'Two' }, 'Archive')
  await client.logout()

  // A change of the time; and one that is taken back is as it was.
  await ann.one('ConversationSnooze/set', { create: { a: snooze(three) } })
  await ann.one('ConversationSnooze/set', { update: { [three.threadId]: { until: iso(until + HOUR) } } })
  const kept = (await ann.one('ConversationSnooze/get', { ids: [three.threadId] })).list[0]
  assert.deepEqual([kept.until, kept.mailboxId], [iso(until + HOUR), inbox])
  await ann.one('ConversationSnooze/set', { destroy: [three.threadId] })
  assert.deepEqual(await subjectsIn(inbox), ['Three'])
  // Nobody else's.
  assert.deepEqual((await bob.one('ConversationSnooze/get', { ids: null })).list, [])

  await here.advance(2 * HOUR)
  assert.deepEqual(await subjectsIn(inbox), ['Three'])
  await here.advance(HOUR + 120_000)
  await eventually(async () => (await subjectsIn(inbox)).length === 2)
  assert.deepEqual(await subjectsIn(inbox), ['One (unread)', 'Three'])
  assert.deepEqual(await subjectsIn(snoozed), [])
  assert.deepEqual(await subjectsIn(await ann.mailbox('archive')), ['Two'])
  await eventually(async () => (await ann.one('ConversationSnooze/get', { ids: null })).list.length === 0)
  assert.equal(
    (await ann.one('ConversationSnooze/set', { create: { a: { ...snooze(one), until: '2999-01-01T00:00:00Z' } } }))
      .notCreated.a.type,
    'invalidProperties',
  )

  const create = (label: Json) => ann.one('EmailLabel/set', { create: { a: label } })
  const { id } = (await create({ keyword: 'work', name: 'Work', color: 'green' })).created.a
  const refused = async (label: Json) => (await create(label)).notCreated.a.properties
  assert.deepEqual(await refused({ keyword: 'work', name: 'Again', color: 'pink' }), ['keyword'])
  assert.deepEqual(await refused({ keyword: '$seen', name: 'Seen', color: 'pink' }), ['keyword'])
  assert.deepEqual(await refused({ keyword: 'two words', name: 'X', color: 'pink' }), ['keyword'])
  assert.deepEqual(await refused({ keyword: 'x', name: 'X', color: 'url(x)' }), ['color'])
  await ann.one('EmailLabel/set', { update: { [id]: { color: 'blue', name: 'Office' } } })
  const { list, state } = await ann.one('EmailLabel/get', { ids: null })
  assert.deepEqual(list, [{ id, keyword: 'work', name: 'Office', color: 'blue' }])
  assert.deepEqual((await bob.one('EmailLabel/get', { ids: null })).list, [])
  await ann.one('EmailLabel/set', { destroy: [id] })
  assert.deepEqual((await ann.one('EmailLabel/changes', { sinceState: state })).destroyed, [id])
})

test('a conversation that one kernel snoozed is brought back by another, once', async (t) => {
  const shared = await (STORES.memory as MakeStore)(t)
  const here = await startJmap(t, {}, [], {}, shared)
  const there = await createDirectoryKernel(t, {
    ...shared,
    channels: { web: http({ listen: '127.0.0.1:0' }) },
    plugins: [jmap()],
  })
  const ann = await here.client('ann')
  const inbox = await ann.mailbox('inbox')
  const id = await ann.file(message({ Subject: 'One' }))
  const { list } = await ann.one('Email/get', { ids: [id], properties: ['threadId'] })
  const { account } = ann
  const [{ threadId }] = list
  const until = iso(here.clock.now() + HOUR)
  await ann.one('ConversationSnooze/set', { create: { a: { threadId, mailboxId: inbox, until } } })
  await here.close()
  await there.advance(HOUR + 120_000)
  const places = async () => (await Array.fromAsync(there.mail.emails(account, [id])))[0]?.places ?? []
  await eventually(async () => (await places())[0]?.mailbox === inbox)
  assert.equal((await places()).length, 1)
})
