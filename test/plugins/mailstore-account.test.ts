/** A whole account, as JMAP and quota plugins see it: changes, threads, places, uploads, limits, usage; by two kernels. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as z from 'zod'
import { below, definePlugin, unkey } from '../../core/index.ts'
import type {
  AccountChanges,
  AccountLimits,
  MailStoreApi,
  Refused,
  UsageChange,
} from '../../plugins/mailbox/store/api.ts'
import { allowed, contentOf, createMailKernel, type MailKernel } from '../support/mailstore.ts'
import { eventually, STORES, seeded } from '../support/several-kernels.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const write = (id: string, head = '') => `Message-ID: <${id}@far.test>\r\nSubject: ${id}\r\n${head}\r\nHello\r\n`

async function append(kernel: MailKernel, mailbox: string, ...texts: readonly string[]): Promise<readonly string[]> {
  const ref = await kernel.mailbox('ann', mailbox)
  const given = texts.map((text) => ({ content: contentOf(text) }))
  const { uids } = allowed(await kernel.mail.append(ref, given))
  return (await kernel.entries('ann', mailbox)).filter(({ uid }) => uids.includes(uid)).map(({ email }) => email)
}

async function changed(mail: MailStoreApi, since: string, limit?: number): Promise<AccountChanges> {
  const changes = await mail.accountChanges('ann', since, limit === undefined ? {} : { limit })
  assert.ok(changes !== 'cannotCalculate')
  const { emails } = changes
  const sorted = (ids: readonly string[]) => [...ids].sort()
  return {
    ...changes,
    emails: {
      created: sorted(emails.created),
      updated: sorted(emails.updated),
      destroyed: sorted(emails.destroyed),
    },
  }
}

const NONE = { created: [], updated: [], destroyed: [] }
const textOf = async (open: () => AsyncIterable<Uint8Array>) =>
  Buffer.concat(await Array.fromAsync(open())).toString('latin1')

for (const [name, makeStore] of Object.entries(STORES)) {
  test(`${name}: one kernel tells what another has done to an account since a state`, async (t) => {
    const shared = await makeStore(t)
    const here = await createMailKernel(t, { ...shared, mailstore: { undelete: '0 s' } })
    const there = await createMailKernel(t, { ...shared, mailstore: { undelete: '0 s' } })
    const start = await there.mail.accountState('ann')
    const [inbox, archive] = [await here.mailbox('ann'), await here.mailbox('ann', 'Archive')]
    const empty = await there.mail.accountState('ann')
    assert.notEqual(empty, start)
    assert.deepEqual(
      (await changed(there.mail, start)).mailboxes.created.length,
      (await here.mail.mailboxes('ann')).length,
    )

    const [one = '', two = ''] = await append(
      here,
      'INBOX',
      write('one'),
      write('two', 'References: <one@far.test>\r\n'),
    )
    const { thread } = (await here.entries('ann'))[0] as { thread: string }
    const added = await changed(there.mail, empty)
    assert.deepEqual(added.emails, { ...NONE, created: [one, two].sort() })
    assert.deepEqual(added.mailboxes, { ...NONE, updated: [inbox.id] })
    assert.deepEqual(added.threads, [thread])

    allowed(await here.mail.copy(inbox, [[1, 1]], archive))
    allowed(await here.mail.setFlags(inbox, [[2, 2]], { how: 'add', flags: ['\\Flagged'] }))
    const filed = await changed(there.mail, added.state)
    assert.deepEqual([filed.emails, filed.threads], [{ ...NONE, updated: [one, two].sort() }, []])
    assert.deepEqual((await changed(there.mail, empty)).emails, { ...NONE, created: [one, two].sort() })

    allowed(await here.mail.expunge(inbox, [[1, 2]]))
    const gone = await changed(there.mail, filed.state)
    assert.deepEqual([gone.emails, gone.threads], [{ ...NONE, updated: [one], destroyed: [two] }, [thread]])
    // Who never knew of it hears nothing of it.
    assert.deepEqual((await changed(there.mail, empty)).emails, { ...NONE, created: [one] })

    allowed(await here.mail.rename(archive, 'Old'))
    const renamed = await changed(there.mail, gone.state)
    assert.deepEqual([renamed.mailboxes, renamed.emails], [{ ...NONE, updated: [archive.id] }, NONE])
    allowed(await here.mail.remove(archive))
    assert.ok(await eventually(async () => (await changed(there.mail, renamed.state)).emails.destroyed.includes(one)))
    const last = await changed(there.mail, renamed.state)
    assert.deepEqual(last.mailboxes.destroyed, [archive.id])
    assert.deepEqual(await changed(there.mail, last.state), {
      ...{ state: last.state, hasMore: false, emails: NONE, mailboxes: NONE, threads: [] },
    })
    assert.equal(await there.mail.accountState('ann'), last.state)

    // What has gone is forgotten after `remember`, and older states end.
    await here.advance(31 * DAY_MS)
    assert.ok(
      await eventually(async () => {
        await here.advance(HOUR_MS)
        return (await there.mail.accountChanges('ann', renamed.state)) === 'cannotCalculate'
      }),
    )
    const now = await there.mail.accountState('ann')
    assert.equal((await changed(there.mail, now)).state, now)
    for (const unknown of ['', 'x', '999999', '-1', '1.2', '1.2.e', `1.2.e.${'x'.repeat(5000)}`])
      assert.equal(await there.mail.accountChanges('ann', unknown), 'cannotCalculate', unknown)
  })
}

test('a client that follows the changes page by page ends with what there is, whatever happens meanwhile', async (t) => {
  for (let seed = 1; seed <= 12; seed++) {
    const kernel = await createMailKernel(t, { mailstore: { undelete: '0 s' } })
    const random = seeded(seed)
    const inbox = await kernel.mailbox('ann')
    const known = new Set<string>()
    let state = await kernel.mail.accountState('ann')
    let count = 0
    for (let step = 0; step < 60; step++) {
      const what = random(3)
      if (what === 0) await append(kernel, 'INBOX', write(`m${seed}-${count++}`))
      else if (what === 1) await kernel.mail.expunge(inbox, [[1 + random(count + 1), 1 + random(count + 1)]])
      else await kernel.mail.setFlags(inbox, [[1 + random(count + 1), count]], { how: 'add', flags: [`k${step}`] })
      const page = await changed(kernel.mail, state, 1 + random(3))
      state = page.state
      for (const id of [...page.emails.created, ...page.emails.updated]) known.add(id)
      for (const id of page.emails.destroyed) known.delete(id)
    }
    for (let hasMore = true; hasMore; ) {
      const page = await changed(kernel.mail, state, 2)
      ;({ state, hasMore } = page)
      for (const id of [...page.emails.created, ...page.emails.updated]) known.add(id)
      for (const id of page.emails.destroyed) known.delete(id)
    }
    const there = (await kernel.entries('ann')).map(({ email }) => email)
    assert.deepEqual([...known].sort(), there.sort(), `seed ${seed}`)
  }
})

test('an email has the keywords of all its places, and is flagged in all of them', async (t) => {
  const kernel = await createMailKernel(t)
  const { mail } = kernel
  const [inbox, archive] = [await kernel.mailbox('ann'), await kernel.mailbox('ann', 'Archive')]
  const [two = '', one = ''] = await append(
    kernel,
    'INBOX',
    write('two', 'References: <one@far.test>\r\n'),
    write('one'),
  )
  allowed(await mail.copy(inbox, [[1, 1]], archive))
  allowed(await mail.setFlags(inbox, [[1, 1]], { how: 'add', flags: ['\\Seen', '\\Deleted', 'Work'] }))
  const [email] = await Array.fromAsync(mail.emails('ann', [two, 'nothing-here']))
  assert.deepEqual(email?.keywords, ['work'])
  assert.deepEqual(email?.places.map(({ mailbox }) => mailbox).sort(), [inbox.id, archive.id].sort())
  const read = allowed(await mail.setEmailFlags('ann', two, { how: 'set', flags: ['$seen', '$Flagged'] }))
  assert.deepEqual([...read.keywords].sort(), ['$flagged', '$seen'])
  assert.deepEqual([...((await kernel.entries('ann'))[0]?.flags ?? [])].sort(), ['\\Deleted', '\\Flagged', '\\Seen'])
  assert.deepEqual([...((await kernel.entries('ann', 'Archive'))[0]?.flags ?? [])].sort(), ['\\Flagged', '\\Seen'])
  assert.deepEqual(await Array.fromAsync(mail.emails('bob', [two])), [])
  assert.equal(((await mail.setEmailFlags('bob', two, { how: 'set', flags: [] })) as Refused).refused, 'NONEXISTENT')
  const thread = await mail.thread('ann', email?.thread ?? '')
  assert.deepEqual(new Set(thread.map(({ id }) => id)), new Set([one, two]))
  assert.deepEqual(await mail.thread('bob', email?.thread ?? ''), [])
  // What is expunged has left its thread, though it may come back.
  allowed(await mail.expunge(inbox, [[1, 2]]))
  assert.deepEqual(
    (await mail.thread('ann', email?.thread ?? '')).map(({ id, places }) => [id, places.length]),
    [[two, 1]],
  )
})

test('an upload is its account’s alone, has a limit, and ends when its time is up', async (t) => {
  const kernel = await createMailKernel(t, { mailstore: { uploads: { maxOctets: '1000 B', keep: '1 h' } } })
  const { mail, store } = kernel
  const { id, size } = allowed(await mail.upload('ann', contentOf('x'.repeat(600))))
  assert.equal(size, 600)
  const open = await mail.openUpload('ann', id)
  assert.equal(await textOf(() => (open as NonNullable<typeof open>).open()), 'x'.repeat(600))
  assert.equal(await mail.openUpload('bob', id), undefined)
  assert.equal(((await mail.upload('ann', contentOf('y'.repeat(401)))) as Refused).refused, 'LIMIT')
  allowed(await mail.upload('bob', contentOf('y'.repeat(401))))
  await kernel.advance(2 * 3_600_000)
  assert.equal(await mail.openUpload('ann', id), undefined)
  assert.ok(await eventually(async () => (await Array.fromAsync(store.blobs.list())).length === 0))
  allowed(await mail.upload('ann', contentOf('z'.repeat(1000))))
})

test('a plugin sets limits of octets and messages, and hears of usage before and after', async (t) => {
  const heard: UsageChange[] = []
  const limits = { octets: 1000, messages: 2 }
  const quota = definePlugin({
    name: 'quota',
    config: z.undefined(),
    setup: () => ({
      hooks: {
        'mailstore:limits': (one: AccountLimits) => (one.account === 'ann' ? { ...one, ...limits } : undefined),
        'mailstore:usage': (change: UsageChange): void => void heard.push(change),
      },
    }),
  })
  const people = ['ann', 'bob'].map((name) => ({ name, addresses: [`${name}@here.test`], quota: '5000 B' }))
  const kernel = await createMailKernel(t, { people, plugins: [quota()] })
  const { mail, submit, deliver, queue } = kernel
  assert.deepEqual(await mail.limitsOf('bob'), { account: 'bob', octets: 5000, messages: null })
  const inbox = await kernel.mailbox('ann')
  const text = write('one')
  await append(kernel, 'INBOX', text)
  assert.ok(await eventually(() => heard.length === 1))
  const one = { octets: text.length, messages: 1 }
  assert.deepEqual(heard, [{ account: 'ann', before: { octets: 0, messages: 0 }, after: one, mailboxes: [inbox.id] }])
  // Flags change no usage.
  allowed(await mail.setFlags(inbox, [[1, 1]], { how: 'add', flags: ['\\Seen'] }))
  allowed(await mail.copy(inbox, [[1, 1]], await kernel.mailbox('ann', 'Archive')))
  assert.ok(await eventually(() => heard.length === 2))
  assert.deepEqual(heard[1]?.before, one)
  const full = (await mail.append(inbox, [{ content: contentOf('x') }])) as Refused
  assert.equal(full.refused, 'OVERQUOTA')
  assert.equal(((await mail.copy(inbox, [[1, 1]], inbox)) as Refused).refused, 'OVERQUOTA')
  await submit({ from: 'me@far.test', to: ['ann@here.test', 'bob@here.test'] })
  await deliver()
  assert.equal(await queue.count(), 1)
  const all = await Array.fromAsync(mail.usages())
  assert.deepEqual(
    all.map(({ account, messages }) => [account, messages]),
    [
      ['ann', 2],
      ['bob', 1],
    ],
  )
  allowed(await mail.remove(await kernel.mailbox('ann', 'Archive')))
  assert.deepEqual(await mail.usage('ann'), one)
})

test('an account from before histories were kept gets one when its server starts', async (t) => {
  const shared = await (STORES.memory as (typeof STORES)[string])(t)
  const before = await createMailKernel(t, shared)
  const [one = ''] = await append(before, 'INBOX', write('one'))
  const { thread } = (await before.entries('ann'))[0] as { thread: string }
  await before.close()
  // As the version before left it.
  const ops = []
  for await (const [at, value] of shared.store.scan(below('p', 'local'))) {
    const letter = unkey(at)[2]
    if (letter === 't' || letter === 'l') ops.push({ del: at })
    const { messages: _m, created: _c, noted: _n, ...record } = JSON.parse(Buffer.from(value).toString())
    if (letter === 'a' || letter === 'b')
      ops.push({ put: at, value: Buffer.from(JSON.stringify(letter === 'b' ? { ...record, messages: _m } : record)) })
  }
  for await (const [at] of shared.store.scan(below('v', 'local'))) ops.push({ del: at })
  assert.ok(await shared.store.commit(ops))
  const after = await createMailKernel(t, shared)
  assert.deepEqual(
    (await after.mail.thread('ann', thread)).map(({ id }) => id),
    [one],
  )
  assert.equal((await after.mail.usage('ann')).messages, 1)
  assert.equal(await after.mail.accountChanges('ann', '0'), 'cannotCalculate')
  const state = await after.mail.accountState('ann')
  allowed(await after.mail.setEmailFlags('ann', one, { how: 'add', flags: ['$seen'] }))
  assert.deepEqual((await changed(after.mail, state)).emails, { ...NONE, updated: [one] })
})
