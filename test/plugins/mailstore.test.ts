/** Mailboxes: delivered into, appended to, flagged, copied, moved, expunged; and what is left afterwards. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryStore } from 'iems/testing'
import * as z from 'zod'
import { definePlugin, key, refuse, type Store, unkey } from '../../core/index.ts'
import type { Filing, FilingAction, Refused } from '../../plugins/mailbox/store/api.ts'
import { allowed, contentOf, createMailKernel } from '../support/mailstore.ts'

const DAY = 86_400_000
const ALL = [[1, 4_294_967_295]] as const
const PLAIN = 'From: <me@far.test>\r\nSubject: hi\r\nMessage-ID: <1@far.test>\r\n\r\nHello\r\n'

async function blobsIn(store: Store): Promise<number> {
  return (await Array.fromAsync(store.blobs.list())).length
}

/** Everything in the store below a plugin's prefix, as counted by the first part of its key. */
async function recordsIn(store: Store): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  for await (const [at] of store.scan({ from: key('p'), to: key('q') })) {
    const [space, plugin, letter] = unkey(at)
    if (space === 'p' && plugin === 'local') counts[`${letter}`] = (counts[`${letter}`] ?? 0) + 1
  }
  return counts
}

async function quiet(): Promise<void> {
  for (let turns = 0; turns < 200; turns++) await new Promise(setImmediate)
}

test('a message is in the Inbox when it is delivered, byte for byte, below the lines of the delivery', async (t) => {
  const { submit, deliver, entries, content, mailbox, queue } = await createMailKernel(t)
  const original =
    'Return-Path: <forged@x.test>\r\nSubject: =?utf-8?q?h=C3=B6?=\r\n\r\n.\r\nbody \x01 \xff\r\n\r\n.. end\r\n'
  await submit({ from: 'me@far.test', to: ['Ann@HERE.test'], content: Buffer.from(original, 'latin1') })
  await deliver()
  assert.equal(await queue.count(), 0)
  const [entry, ...others] = await entries('ann')
  assert.equal(others.length, 0)
  const text = await content(entry?.email as string)
  const [delivered, returnPath] = text.split('\r\n')
  assert.deepEqual([delivered, returnPath], ['Delivered-To: Ann@HERE.test', 'Return-Path: <me@far.test>'])
  assert.ok(text.endsWith(original.slice(original.indexOf('Subject'))), text)
  assert.equal(text.match(/Return-Path/g)?.length, 1)
  assert.equal(entry?.size, text.length)
  const inbox = await mailbox('ann')
  assert.deepEqual([inbox.messages, inbox.unseen, inbox.size, inbox.uidNext, entry?.uid], [1, 1, text.length, 2, 1])
})

test('an unknown address of ours is refused, and one of nobody of ours goes elsewhere', async (t) => {
  const { submit, deliver, delivered } = await createMailKernel(t, {
    deliver: ({ recipients }) =>
      recipients.map((recipient) => ({
        recipient,
        status: 'delivered',
        reply: { code: 250, enhanced: '2.0.0', text: 'ok' },
      })),
  })
  const { reply, refused } = await submit({ from: 'me@far.test', to: ['nobody@here.test', 'you@far.test'] })
  assert.equal(reply.code, 250)
  assert.deepEqual(
    refused.map(({ address, reply }) => [address, reply.enhanced]),
    [['nobody@here.test', '5.1.1']],
  )
  await deliver()
  assert.deepEqual(delivered[0]?.to, ['you@far.test'])
})

test('one body serves a thousand recipients, and goes with the last of them', async (t) => {
  const people = Array.from({ length: 1000 }, (_, index) => ({ name: `p${index}`, addresses: [`p${index}@here.test`] }))
  const { submit, deliver, entries, content, store, mail, mailbox } = await createMailKernel(t, {
    people,
    mailstore: { undelete: '0 s' },
    limits: { recipients: 1000 },
  })
  await submit({ from: 'me@far.test', to: people.map(({ addresses: [address = ''] }) => address) })
  await deliver()
  assert.equal(await blobsIn(store), 1)
  const [last] = await entries('p999')
  assert.match(await content(last?.email as string), /^Delivered-To: p999@here\.test\r\nReturn-Path/)
  for (const { name } of people.slice(1)) allowed(await mail.expunge(await mailbox(name), ALL))
  await quiet()
  assert.equal(await blobsIn(store), 1)
  allowed(await mail.expunge(await mailbox('p0'), ALL))
  await quiet()
  assert.equal(await blobsIn(store), 0)
  const { a, e, f, g, k, m, s } = await recordsIn(store)
  assert.equal(a, 1000)
  assert.deepEqual(
    { e, f, g, k, m, s },
    { e: undefined, f: undefined, g: undefined, k: undefined, m: undefined, s: undefined },
  )
})

test('two addresses of one account and a repeated delivery make one copy', async (t) => {
  const { submit, deliver, entries, store } = await createMailKernel(t)
  await submit({ from: 'me@far.test', to: ['ann@here.test', 'anne@here.test', 'bob@here.test'] })
  await deliver()
  assert.equal((await entries('ann')).length, 1)
  assert.equal((await entries('bob')).length, 1)
  assert.equal(await blobsIn(store), 1)
})

test('a subaddress files into a mailbox that is there, and makes none', async (t) => {
  const { submit, deliver, entries, mail } = await createMailKernel(t)
  allowed(await mail.create('ann', 'Lists/iems'))
  await submit({ from: 'me@far.test', to: ['ann+Lists/iems@here.test'] })
  await submit({ from: 'me@far.test', to: ['ann+nowhere@here.test'] })
  await deliver()
  assert.equal((await entries('ann', 'Lists/iems')).length, 1)
  assert.equal((await entries('ann')).length, 1)
  assert.equal(await mail.find('ann', 'nowhere'), undefined)
})

test('plugins decide where a message is filed, refuse it, or throw it away for its owner', async (t) => {
  const sorter = definePlugin({
    name: 'sorter',
    config: z.undefined(),
    setup: () => ({
      hooks: {
        'mailstore:filing': (filing: Filing): Filing | undefined => {
          const act = (action: FilingAction) => ({ ...filing, actions: [...filing.actions, action] })
          const [subject] = filing.delivery.message.headers.get('subject')
          if (subject === 'both')
            return act({
              ...{ kind: 'fileinto', mailbox: { name: 'New/Made', create: true }, flags: ['\\Seen', 'work'] },
              ...{ copy: true, reason: 'a rule' },
            })
          if (subject === 'no')
            return act({ kind: 'reject', refusal: refuse(550, '5.7.1', 'Not wanted'), reason: 'a rule' })
          return subject === 'drop' ? act({ kind: 'discard', reason: 'a rule' }) : undefined
        },
      },
    }),
  })
  const { submit, deliver, entries, queue } = await createMailKernel(t, { plugins: [sorter()] })
  for (const subject of ['both', 'no', 'drop'])
    await submit({ from: '', to: ['ann@here.test'], content: `Subject: ${subject}\r\n\r\nx\r\n` })
  await deliver()
  assert.equal(await queue.count(), 0)
  const [made] = await entries('ann', 'New/Made')
  const [inbox, ...others] = await entries('ann')
  assert.deepEqual([made?.flags, made?.email], [['\\Seen', 'work'], inbox?.email])
  assert.equal(others.length, 0)
})

test('a full mailbox defers what comes, and says so to who appends', async (t) => {
  const { submit, deliver, mail, mailbox, queue } = await createMailKernel(t, {
    people: [{ name: 'ann', addresses: ['ann@here.test'], quota: '1000 B' }],
  })
  allowed(await mail.append(await mailbox('ann'), [{ content: contentOf('x'.repeat(900)) }]))
  await submit({ from: 'me@far.test', to: ['ann@here.test'] })
  await deliver()
  const [waiting] = await Array.fromAsync(queue.list())
  assert.match(waiting?.recipients[0]?.last ?? '', /4\.2\.2/)
  const refusal = (await mail.append(await mailbox('ann'), [{ content: contentOf('x'.repeat(101)) }])) as Refused
  assert.equal(refusal.refused, 'OVERQUOTA')
})

test('flags, copies, moves and expunges are told to who asks what changed', async (t) => {
  const { mail, mailbox, entries } = await createMailKernel(t)
  const inbox = await mailbox('ann')
  const messages = [1, 2, 3, 4].map(() => ({ content: contentOf(PLAIN), flags: ['\\seen', '\\Seen', 'Work'] }))
  const { uids, uidValidity } = allowed(await mail.append(inbox, messages))
  assert.deepEqual([uids, uidValidity], [[1, 2, 3, 4], inbox.uidValidity])
  const { modseq } = await mailbox('ann')

  const flagged = allowed(await mail.setFlags(inbox, [[2, 3]], { how: 'add', flags: ['\\Flagged', 'WORK'] }))
  assert.deepEqual(
    flagged.entries.map(({ flags }) => flags),
    Array(2).fill(['\\Seen', 'Work', '\\Flagged']),
  )
  const since = allowed(
    await mail.setFlags(inbox, [[1, 4]], { how: 'remove', flags: ['Work'], unchangedSince: modseq }),
  )
  assert.deepEqual([since.entries.map(({ uid }) => uid), since.modified], [[1, 4], [[2, 3]]])

  const archive = await mailbox('ann', 'Archive')
  const copied = allowed(await mail.copy(inbox, [[1, 2]], archive))
  assert.deepEqual(copied.copied, [
    { from: 1, to: 1 },
    { from: 2, to: 2 },
  ])
  const moved = allowed(await mail.move(inbox, [[3, 9]], archive))
  assert.deepEqual(moved.copied, [
    { from: 3, to: 3 },
    { from: 4, to: 4 },
  ])
  assert.deepEqual(allowed(await mail.expunge(inbox, [[1, 1]])), [[1, 1]])

  const { changed, vanished, forgotten } = allowed(await mail.changes(inbox, modseq))
  assert.deepEqual(
    [changed.map(({ uid }) => uid), vanished, forgotten],
    [
      [2],
      [
        [1, 1],
        [3, 4],
      ],
      false,
    ],
  )
  const { mailbox: now, uids: left } = allowed(await mail.open(inbox))
  assert.deepEqual([now.messages, now.unseen, left, now.uidNext], [1, 0, [[2, 2]], 5])
  const [first] = await entries('ann', 'Archive')
  const [original] = await entries('ann')
  assert.deepEqual(
    [first?.flags.toSorted(), (await entries('ann', 'Archive'))[1]?.email],
    [['\\Seen'], original?.email],
  )
  const within = allowed(await mail.move(inbox, ALL, inbox))
  assert.deepEqual(within.copied, [{ from: 2, to: 5 }])
})

test('an email in two accounts survives the expunge of one', async (t) => {
  const { mail, mailbox, entries, content, store } = await createMailKernel(t, { mailstore: { undelete: '0 s' } })
  const [from, to] = [await mailbox('ann'), await mailbox('bob')]
  allowed(await mail.append(from, [{ content: contentOf(PLAIN) }]))
  allowed(await mail.copy(from, ALL, to))
  allowed(await mail.expunge(from, ALL))
  await quiet()
  const [left] = await entries('bob')
  assert.equal(await content(left?.email as string), PLAIN)
  assert.equal((await mail.usage('ann')).octets, 0)
  assert.equal((await mail.usage('bob')).octets, PLAIN.length)
  allowed(await mail.move(to, ALL, from))
  allowed(await mail.expunge(from, ALL))
  await quiet()
  assert.equal(await blobsIn(store), 0)
})

test('fifty who change one mailbox at the same time all succeed, and no UID is given twice', async (t) => {
  const { mail, mailbox, submit, kernel, deliver, entries } = await createMailKernel(t)
  const inbox = await mailbox('ann')
  kernel.run()
  await Promise.all(
    Array.from({ length: 50 }, async (_, index) => {
      await submit({ from: 'me@far.test', to: ['ann@here.test'] })
      const { uids } = allowed(await mail.append(inbox, [{ content: contentOf(PLAIN) }]))
      allowed(await mail.setFlags(inbox, [[uids[0] ?? 0, uids[0] ?? 0]], { how: 'add', flags: [`n${index}`] }))
      if (index % 5 === 0) allowed(await mail.expunge(inbox, [[uids[0] ?? 0, uids[0] ?? 0]]))
    }),
  )
  await deliver()
  const all = await entries('ann')
  assert.equal(all.length, 90)
  assert.equal(new Set(all.map(({ uid }) => uid)).size, 90)
  const now = await mailbox('ann')
  assert.deepEqual([now.messages, now.uidNext], [90, 101])
})

test('mailboxes are made with their levels, renamed with what is below, and removed', async (t) => {
  const { mail, mailbox, entries, store } = await createMailKernel(t, { mailstore: { undelete: '0 s' } })
  const names = async () => (await mail.mailboxes('ann')).map(({ name }) => name)
  assert.deepEqual(await names(), ['Archive', 'Drafts', 'INBOX', 'Junk', 'Sent', 'Trash'])
  const made = allowed(await mail.create('ann', 'Ä/b/c'))
  assert.equal(((await mail.create('ann', 'A\u0308/b/c')) as Refused).refused, 'ALREADYEXISTS')
  for (const bad of ['', 'a//b', '/a', 'a/', 'a\0b', 'a\nb'])
    assert.equal(((await mail.create('ann', bad)) as Refused).refused, 'CANNOT')
  allowed(await mail.append(made, [{ content: contentOf(PLAIN) }]))
  const top = await mailbox('ann', 'Ä')
  const renamed = allowed(await mail.rename(top, 'New/top'))
  assert.deepEqual([renamed.id, renamed.uidValidity], [top.id, top.uidValidity])
  assert.deepEqual((await names()).slice(4, 8), ['New', 'New/top', 'New/top/b', 'New/top/b/c'])
  assert.equal((await entries('ann', 'New/top/b/c')).length, 1)
  assert.equal(((await mail.rename(top, 'New/top/b/x')) as Refused).refused, 'CANNOT')
  assert.equal(((await mail.rename(top, 'Junk')) as Refused).refused, 'ALREADYEXISTS')

  allowed(await mail.remove(top))
  assert.equal((await mailbox('ann', 'New/top')).noSelect, true)
  assert.equal(
    ((await mail.append(await mailbox('ann', 'New/top'), [{ content: contentOf('') }])) as Refused).refused,
    'CANNOT',
  )
  assert.equal(((await mail.remove(await mailbox('ann', 'New/top'))) as Refused).refused, 'HASCHILDREN')
  allowed(await mail.remove(made))
  await quiet()
  assert.equal(await blobsIn(store), 0)
  assert.equal((await mail.usage('ann')).octets, 0)
  assert.equal(((await mail.append(made, [{ content: contentOf('') }])) as Refused).refused, 'NONEXISTENT')
  const again = allowed(await mail.create('ann', 'New/top/b/c'))
  assert.ok(again.uidValidity > made.uidValidity && again.id !== made.id)

  const inbox = await mailbox('ann', 'iNbOx')
  allowed(await mail.append(inbox, [{ content: contentOf(PLAIN) }]))
  allowed(await mail.rename(inbox, 'Old'))
  assert.equal((await entries('ann', 'Old')).length, 1)
  assert.equal((await mailbox('ann')).messages, 0)
  assert.equal(((await mail.remove(inbox)) as Refused).refused, 'CANNOT')
})

test('rights are given to accounts, groups and anyone, and taken by a minus', async (t) => {
  const { mail, mailbox } = await createMailKernel(t, {
    people: [
      { name: 'ann', addresses: ['ann@here.test'] },
      { name: 'bob', addresses: ['bob@here.test'], groups: ['staff'] },
      { name: 'cid', addresses: ['cid@here.test'] },
    ],
  })
  const acl = { anyone: 'lr', 'group:staff': 'swi', '-bob': 'w', cid: 't' }
  const shared = allowed(await mail.setAcl(await mailbox('ann', 'Archive'), acl))
  assert.deepEqual(await Promise.all(['ann', 'bob', 'cid', 'dan'].map((who) => mail.rights(shared, who))), [
    'lrswipkxtea',
    'lrsi',
    'lrt',
    'lr',
  ])
  assert.deepEqual(
    (await mail.shared('bob')).map(({ name }) => name),
    ['Archive'],
  )
  allowed(await mail.setAcl(shared, { '-bob': 'l' }))
  assert.deepEqual(await mail.shared('bob'), [])
})

test('a removed mailbox, what is expunged and what is past its time goes by itself', async (t) => {
  const { mail, mailbox, advance, clock, store, kernel } = await createMailKernel(t, {
    mailstore: { undelete: '7 days', remember: '30 days', retention: [{ mailbox: 'Trash', after: '10 days' }] },
  })
  kernel.run()
  const [inbox, trash] = [await mailbox('ann'), await mailbox('ann', 'Trash')]
  allowed(await mail.append(inbox, [{ content: contentOf(PLAIN) }]))
  allowed(await mail.append(trash, [{ content: contentOf(PLAIN) }]))
  const { modseq } = await mailbox('ann')
  allowed(await mail.expunge(inbox, ALL))
  await quiet()
  assert.equal(await blobsIn(store), 2, 'it can still be brought back')
  for (let days = 0; days < 9; days++) await advance(DAY)
  await quiet()
  assert.equal(await blobsIn(store), 1)
  assert.equal(allowed(await mail.changes(inbox, modseq)).forgotten, false)
  for (let days = 0; days < 31; days++) await advance(DAY)
  await quiet()
  assert.equal((await mailbox('ann', 'Trash')).messages, 0)
  const { vanished, forgotten } = allowed(await mail.changes(inbox, modseq))
  assert.deepEqual([vanished, forgotten], [[], true])
  assert.equal(await blobsIn(store), 0)
  assert.ok(clock.now() > 0)
})

test('what was expunged comes back where it was, with a new UID', async (t) => {
  const { mail, mailbox, entries, content, kernel, clock } = await createMailKernel(t)
  const work = allowed(await mail.create('ann', 'Work'))
  allowed(await mail.append(work, [{ content: contentOf(PLAIN), flags: ['\\Seen', '\\Deleted'] }]))
  allowed(await mail.append(await mailbox('ann'), [{ content: contentOf(PLAIN) }]))
  allowed(await mail.expunge(work, ALL))
  allowed(await mail.expunge(await mailbox('ann'), ALL))
  allowed(await mail.remove(work))
  const undelete = async (options: Record<string, string>) => {
    const call = { arguments: ['ann'], options, input: (async function* () {})(), signal: new AbortController().signal }
    const said = await Array.fromAsync(kernel.commands.get('mailbox undelete')?.run(call) ?? [])
    return JSON.stringify(said.at(-1))
  }
  assert.match(await undelete({ since: new Date(clock.now() + DAY).toISOString() }), /0 messages/)
  assert.match(await undelete({ mailbox: 'Work' }), /1 message restored/)
  const [back] = await entries('ann', 'Work')
  assert.deepEqual([back?.flags, await content(back?.email ?? '')], [['\\Seen'], PLAIN])
  assert.match(await undelete({}), /1 message restored/)
  assert.deepEqual(
    (await entries('ann')).map(({ uid }) => uid),
    [2],
  )
  assert.match(await undelete({}), /0 messages/)
})

test('a session that waits is told of every change', async (t) => {
  const { mail, mailbox, submit, deliver } = await createMailKernel(t)
  const inbox = await mailbox('ann')
  const told: string[][] = []
  const stop = mail.watch('ann', (mailboxes) => told.push([...mailboxes]))
  await submit({ from: 'me@far.test', to: ['ann@here.test'] })
  await deliver()
  allowed(await mail.setFlags(inbox, ALL, { how: 'set', flags: ['\\Deleted'] }))
  stop()
  allowed(await mail.expunge(inbox, ALL))
  assert.deepEqual(told, [[inbox.id], [inbox.id]])
})

test('what was moved by hand into and out of Junk is told to plugins that learn from it', async (t) => {
  const seen: string[] = []
  const learner = definePlugin({
    name: 'learner',
    config: z.undefined(),
    setup: () => ({
      hooks: {
        'mailstore:moved': ({ account, from, to, emails }) =>
          void seen.push(`${account}: ${emails.length} ${from.name} → ${to.name}`),
      },
    }),
  })
  const { mail, mailbox } = await createMailKernel(t, { plugins: [learner()] })
  const [inbox, junk, other] = [
    await mailbox('ann'),
    await mailbox('ann', 'Junk'),
    allowed(await mail.create('ann', 'Other')),
  ]
  allowed(await mail.append(inbox, [{ content: contentOf(PLAIN) }]))
  allowed(await mail.move(inbox, ALL, other))
  allowed(await mail.move(other, ALL, junk))
  allowed(await mail.move(junk, ALL, inbox))
  await quiet()
  assert.deepEqual(seen, ['ann: 1 Other → Junk', 'ann: 1 Junk → INBOX'])
})

test('no change is reported with a mod-sequence behind which others are not reported yet', async (t) => {
  const below = memoryStore()
  let interfere: ((at: string) => Promise<void>) | undefined
  const store = new Proxy(below, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      if (name !== 'get') return typeof value === 'function' ? value.bind(target) : value
      return async (at: Uint8Array) => {
        const meddle = interfere
        if (meddle && Buffer.from(at).includes('m\0')) {
          interfere = undefined
          await meddle(String(at))
        }
        return target.get(at)
      }
    },
  })
  const { mail, mailbox, submit, deliver } = await createMailKernel(t, { store })
  for (let n = 0; n < 3; n++) await submit({ from: 'bob@far.test', to: ['ann@here.test'] })
  await deliver()
  const inbox = await mailbox('ann')
  allowed(await mail.setFlags(inbox, [[1, 1]], { how: 'add', flags: ['one'] }))
  interfere = async () => {
    allowed(await mail.setFlags(inbox, [[2, 2]], { how: 'add', flags: ['two'] }))
    allowed(await mail.setFlags(inbox, [[1, 1]], { how: 'add', flags: ['again'] }))
  }
  const first = allowed(await mail.changes(inbox, inbox.modseq))
  assert.equal(interfere, undefined, 'nothing came in between')
  assert.deepEqual(
    first.changed.map(({ uid }) => uid),
    [1],
  )
  const known = Math.max(...first.changed.map(({ modseq }) => modseq))
  const next = allowed(await mail.changes(inbox, known))
  assert.deepEqual(
    next.changed.map(({ uid, flags }) => [uid, flags]),
    [
      [1, ['one', 'again']],
      [2, ['two']],
    ],
  )
})
