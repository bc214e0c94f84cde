/** The web mail's picture of an account, against the real server: what both sides do ends in the same state. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { mailboxWithRole, moveToRole, setKeyword } from '../../plugins/web/mail/store/actions.ts'
import { Failure, JmapClient } from '../../plugins/web/mail/store/client.ts'
import { emptyDraft, readAddresses, saveDraft, sendDraft } from '../../plugins/web/mail/store/compose.ts'
import { keywordOf } from '../../plugins/web/mail/store/labels.ts'
import { MailStore } from '../../plugins/web/mail/store/mail-store.ts'
import { changeAll, destroyAll } from '../../plugins/web/mail/store/many.ts'
import { isUnread } from '../../plugins/web/mail/store/objects.ts'
import { type Events, keepLive } from '../../plugins/web/mail/store/push.ts'
import { filterOf } from '../../plugins/web/mail/store/search.ts'
import { endSnooze, snooze } from '../../plugins/web/mail/store/snooze.ts'
import { type Json, message, startJmap } from '../support/jmap.ts'
import { fc } from '../support/property.ts'

async function startStore(t: TestContext, options: Parameters<typeof startJmap>[1] = {}) {
  const here = await startJmap(t, options)
  const ann = await here.client('ann')
  const net = { isDown: false }
  const client = new JmapClient({
    base: here.base,
    fetch: (input, init) => {
      if (net.isDown) return Promise.reject(new TypeError('fetch failed'))
      return fetch(input, { ...init, headers: { ...init?.headers, authorization: ann.authorization } })
    },
  })
  const store = new MailStore(client)
  await store.open()
  return { ...here, ann, store, net }
}

/** Waits until the store shows what is expected. */
async function until(store: MailStore, isSo: () => boolean): Promise<void> {
  if (isSo()) return
  await new Promise<void>((resolve) => {
    const stop = store.subscribe(() => {
      if (!isSo()) return
      stop()
      resolve()
    })
  })
}

async function showInbox(store: MailStore) {
  const list = store.show({ kind: 'mailbox', id: store.withRole('inbox')?.id as string })
  await until(store, () => list.isLoaded)
  return list
}

const subjects = (store: MailStore) =>
  Array.from({ length: store.list?.total ?? 0 }, (_, index) => store.row(index)?.emails[0]?.subject)

test('a list shows conversations, newest first, and answers of one’s own belong to them', async (t) => {
  const { ann, store } = await startStore(t)
  const sent = { mailboxIds: { [await ann.mailbox('sent')]: true } }
  await ann.file(message({ Subject: 'One', 'Message-ID': '<1@here.test>' }), { receivedAt: '2026-03-01T10:00:00Z' })
  await ann.file(message({ Subject: 'Two' }), { receivedAt: '2026-03-02T10:00:00Z' })
  await ann.file(message({ Subject: 'Re: One', From: 'ann@here.test', 'In-Reply-To': '<1@here.test>' }), {
    ...sent,
    receivedAt: '2026-03-03T10:00:00Z',
  })
  const list = await showInbox(store)
  assert.deepEqual(subjects(store), ['Two', 'One'])
  assert.equal(list.total, 2)
  assert.deepEqual(
    store.row(1)?.emails.map(({ subject }) => subject),
    ['One', 'Re: One'],
  )
})

test('an archived conversation is gone at once, its undo brings it back, and another client’s change arrives by a push', async (t) => {
  const { ann, store } = await startStore(t)
  const id = await ann.file(message({ Subject: 'One' }))
  await showInbox(store)
  const thread = store.row(0)?.threadId as string
  const archiving = moveToRole(store, [thread], 'archive')
  await until(store, () => store.list?.total === 0)
  const undo = await archiving
  await store.sync()
  const inArchive = async () =>
    (await ann.one('Email/get', { ids: [id], properties: ['mailboxIds'] })).list[0].mailboxIds
  assert.deepEqual(await inArchive(), { [await ann.mailbox('archive')]: true })
  await undo()
  await until(store, () => store.row(0)?.threadId === thread)
  assert.deepEqual(await inArchive(), { [await ann.mailbox('inbox')]: true })

  let push = () => {}
  const events: Events = {
    addEventListener(type, run) {
      if (type === 'state') push = run
    },
    close() {},
  }
  t.after(keepLive(store, { open: () => events, after: () => () => {} }).stop)
  await ann.one('Email/set', { update: { [id]: { 'keywords/$seen': true } } })
  push()
  await until(store, () => store.row(0)?.emails.some(isUnread) === false)
})

test('a refused change is put back and says why', async (t) => {
  const { ann, store } = await startStore(t)
  const id = await ann.file(message({ Subject: 'One' }))
  await showInbox(store)
  await assert.rejects(
    store.update(new Map([[id, { mailboxIds: { nowhere: true } }]]), new Set([store.row(0)?.threadId as string])),
    Failure,
  )
  await until(store, () => store.list?.total === 1)
  assert.deepEqual(store.emails.get(id)?.mailboxIds, { [await ann.mailbox('inbox')]: true })
})

test('only what is in sight is loaded: of 150 conversations those at the end, not those between', async (t) => {
  const { ann, store } = await startStore(t)
  const inbox = await ann.mailbox('inbox')
  const emails: Record<string, Json> = {}
  for (let index = 0; index < 150; index++)
    emails[`e${index}`] = {
      blobId: await ann.upload(message({ Subject: `Many ${index}` })),
      mailboxIds: { [inbox]: true },
      receivedAt: `2026-01-01T0${Math.floor(index / 60)}:${String(index % 60).padStart(2, '0')}:00Z`,
    }
  await ann.one('Email/import', { emails })
  const list = await showInbox(store)
  assert.equal(list.total, 150)
  assert.equal(store.row(130), undefined)
  store.see(130, 140)
  await until(store, () => store.row(140) !== undefined)
  assert.equal(store.row(100), undefined)

  // All of them, loaded or not.
  const archive = await mailboxWithRole(store, 'archive')
  const steps: string[] = []
  const watch = (signal = new AbortController().signal) => ({
    signal,
    progress: (done: number, count: number) => void steps.push(`${done} of ${count}`),
  })
  const toArchive = {
    patchOf: ({ mailboxIds }: { mailboxIds: object }) => [{ mailboxIds: { [archive]: true } }, { mailboxIds }] as const,
  }
  assert.equal((await changeAll(store, toArchive, watch(AbortSignal.abort()))).done, 0)
  const { done, undo } = await changeAll(store, toArchive, watch())
  assert.equal(done, 150)
  assert.deepEqual(steps, ['0 of 150'])
  const counts = () => [store.withRole('inbox')?.totalEmails, store.withRole('archive')?.totalEmails]
  assert.deepEqual(counts(), [0, 150])
  assert.equal(store.list?.total, 0)
  await undo()
  assert.deepEqual(counts(), [150, 0])
  // What is in another mailbox as well stays there.
  const [kept] = (await ann.one('Email/query', { filter: { inMailbox: inbox }, limit: 1 })).ids
  await ann.one('Email/set', { update: { [kept]: { [`mailboxIds/${archive}`]: true } } })
  assert.equal(await destroyAll(store, watch()), 150)
  assert.deepEqual(counts(), [0, 1])
})

test('a draft is stored, replaced, sent, and taken back', async (t) => {
  const { ann, store } = await startStore(t, { undo: '1 h' })
  const bob = { name: null, email: 'bob@here.test' }
  const draft = {
    ...emptyDraft('k', store.identities[0]),
    to: [bob],
    bcc: [bob],
    subject: 'Plan',
    inReplyTo: ['two@here.test'],
    references: ['one@here.test', 'two@here.test'],
    html: '<div>Hello</div>',
  }
  const first = await saveDraft(store, draft, 'Hello')
  const emailId = await saveDraft(store, { ...draft, subject: 'Plan B', emailId: first }, 'Hello')
  const drafts = await ann.mailbox('drafts')
  const inDrafts = async () => (await ann.one('Email/query', { filter: { inMailbox: drafts } })).ids as string[]
  assert.deepEqual(await inDrafts(), [emailId])
  const takeBack = await sendDraft(store, { ...draft, emailId })
  assert.deepEqual(await inDrafts(), [])
  await takeBack()
  assert.deepEqual(await inDrafts(), [emailId])
  const { list } = await ann.one('Email/get', {
    ids: [emailId],
    properties: ['keywords', 'bcc', 'inReplyTo', 'references'],
  })
  assert.deepEqual(list[0].keywords, { $draft: true, $seen: true })
  assert.equal(list[0].bcc[0].email, 'bob@here.test')
  // Mail programs join an answer to its conversation by these.
  assert.deepEqual(list[0].inReplyTo, ['two@here.test'])
  assert.deepEqual(list[0].references, ['one@here.test', 'two@here.test'])
})

test('searches are filters of the server', () => {
  const box = (id: string, role: string | null, name = id) => ({ id, role, name }) as never
  const boxes = [box('i', 'inbox'), box('j', 'junk'), box('t', 'trash'), box('p', null, 'Projects')]
  const elsewhere = { inMailboxOtherThan: ['j', 't'] }
  assert.deepEqual(filterOf('in:projects', boxes), { inMailbox: 'p' })
  const labels = [{ keyword: 'bau-brucken', name: 'Bau & Brücken' }]
  assert.deepEqual(filterOf('in:projects -label:"bau & brücken"', boxes, labels), {
    operator: 'AND',
    conditions: [{ inMailbox: 'p' }, { operator: 'NOT', conditions: [{ hasKeyword: 'bau-brucken' }] }],
  })
  assert.deepEqual(filterOf('from:ann "harbour bridge" -is:unread', boxes), {
    operator: 'AND',
    conditions: [
      { from: 'ann' },
      { text: 'harbour bridge' },
      { operator: 'NOT', conditions: [{ notKeyword: '$seen' }] },
      elsewhere,
    ],
  })
  assert.deepEqual((filterOf('what:ever', boxes).conditions as Json[])[0], { text: 'what:ever' })
})

test('a label gets a keyword that IMAP can carry', () => {
  assert.deepEqual(['Work', 'Straße 7', 'Bau & Brücken', '仕事', '&&'].map(keywordOf), [
    'work',
    'strasse-7',
    'bau-brucken',
    'u4ed5.4e8b',
    'u26.26',
  ])
})

test('addresses are read as they are typed and pasted', () => {
  const { addresses, rest } = readAddresses('Bob <bob@here.test>, ann@here.test; nobody')
  assert.deepEqual(addresses, [
    { name: 'Bob', email: 'bob@here.test' },
    { name: null, email: 'ann@here.test' },
  ])
  assert.equal(rest, 'nobody')
})

test('whatever both sides do, with lost pushes and the network away, the store ends as the server is', async (t) => {
  const { ann, store, net } = await startStore(t)
  const ids: string[] = []
  for (let index = 0; index < 8; index++)
    ids.push(await ann.file(message({ Subject: `S${index}` }), { receivedAt: `2026-03-0${index + 1}T10:00:00Z` }))
  await showInbox(store)
  const step = fc.record({
    what: fc.constantFrom(
      'seen',
      'archive',
      'label',
      'snooze',
      'end-snooze',
      'other-seen',
      'other-new',
      'other-destroy',
      'down',
      'up',
      'sync',
    ),
    at: fc.nat(7),
  })
  let made = 0
  const run = async ({ what, at }: { what: string; at: number }) => {
    const row = store.row(at % Math.max(1, store.list?.total ?? 0))
    if (what === 'seen' && row) await setKeyword(store, [row.threadId], { keyword: '$seen', isSet: at % 2 === 0 })
    else if (what === 'archive' && row) await moveToRole(store, [row.threadId], 'archive')
    else if (what === 'label' && row) await setKeyword(store, [row.threadId], { keyword: 'work', isSet: at % 2 === 0 })
    else if (what === 'snooze' && row) {
      const undo = await snooze(store, [row.threadId], new Date('2099-01-01'))
      if (at % 2 === 0) await undo()
    } else if (what === 'end-snooze') await endSnooze(store, [...store.snoozes.keys()].slice(0, 1))
    else if (what === 'other-seen')
      await ann.one('Email/set', { update: { [ids[at] as string]: { 'keywords/$flagged': true } } })
    else if (what === 'other-new') ids.push(await ann.file(message({ Subject: `N${made++}` })))
    else if (what === 'other-destroy' && at < 2) await ann.one('Email/set', { destroy: [ids[at] as string] })
    else if (what === 'down' || what === 'up') net.isDown = what === 'down'
    else await store.sync()
  }
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      for (const one of steps)
        await run(one).catch((cause: unknown) => assert.ok(cause instanceof Failure, String(cause)))
      net.isDown = false
      await store.sync()
      await store.sync()
      const filter = { inMailbox: await ann.mailbox('inbox') }
      const sort = [{ property: 'receivedAt', isAscending: false }]
      const { ids: wanted } = await ann.one('Email/query', { filter, sort, collapseThreads: true })
      const { list } = await ann.one('Email/get', { ids: wanted, properties: ['keywords', 'threadId'] })
      const kept = Array.from({ length: store.list?.total ?? 0 }, (_, index) => store.row(index))
      const byId = new Map((list as Json[]).map((one) => [one.id, one]))
      assert.deepEqual(
        kept.map((row) => row?.threadId),
        (wanted as string[]).map((id) => byId.get(id)?.threadId),
      )
      const { list: asleep } = await ann.one('ConversationSnooze/get', { ids: null })
      assert.deepEqual([...store.snoozes.keys()].sort(), (asleep as Json[]).map(({ id }) => id).sort())
      for (const row of kept)
        for (const email of row?.emails ?? [])
          if (byId.has(email.id)) assert.deepEqual(email.keywords, byId.get(email.id)?.keywords)
    }),
    { numRuns: 15 },
  )
})
