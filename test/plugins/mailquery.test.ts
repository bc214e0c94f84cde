/** The mail store's queries, as JMAP, web mail and Sieve ask them; IMAP's own tests ask them through SEARCH, SORT and THREAD. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { below, unkey } from '../../core/index.ts'
import { memoryStore, testClock } from '../../core/testing/index.ts'
import type { Condition, ThreadTree } from '../../plugins/mailbox/store/api.ts'
import { allowed, contentOf, createMailKernel, type MailKernel } from '../support/mailstore.ts'
import { eventually } from '../support/several-kernels.ts'

interface Written {
  readonly name: string
  readonly head?: string
  readonly body?: string
  readonly flags?: readonly string[]
  readonly received?: number
}

const DAY_MS = 86_400_000
const write = ({ name, head = '', body = 'Nothing to say.' }: Written) =>
  `Message-ID: <${name}@far.test>\r\nSubject: ${name}\r\nFrom: ${name} <${name}@far.test>\r\n${head}\r\n${body}\r\n`

async function append(kernel: MailKernel, mailbox: string, messages: readonly Written[]): Promise<void> {
  const given = messages.map((one) => ({
    content: contentOf(write(one)),
    flags: one.flags ?? [],
    ...(one.received === undefined ? {} : { received: one.received }),
  }))
  allowed(await kernel.mail.append(await kernel.mailbox('ann', mailbox), given))
}

async function namesOf(kernel: MailKernel, ids: readonly string[]): Promise<readonly string[]> {
  return Promise.all(ids.map(async (id) => (await (await kernel.mail.email(id))?.envelope())?.subject ?? ''))
}

const MIXED = 'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n'
const ATTACHED =
  '--b\r\nContent-Type: text/html\r\n\r\n<p>Dear&nbsp;all</p>\r\n' +
  '--b\r\nContent-Type: application/pdf; name=a.pdf\r\nContent-Disposition: attachment\r\n\r\nx\r\n--b--'

test('conditions are asked of a mailbox and of a whole account', async (t) => {
  const kernel = await createMailKernel(t)
  const { query, mail, mailbox } = kernel
  await append(kernel, 'INBOX', [
    {
      name: 'one',
      head: 'Date: Mon, 2 Feb 2026 23:30:00 -0500\r\nX-Colour: Red\r\n',
      received: DAY_MS,
      flags: ['\\Seen', 'Work'],
    },
    { name: 'two', head: MIXED, body: ATTACHED, received: 2 * DAY_MS },
    { name: 'three', body: 'an invoice', received: 3 * DAY_MS },
  ])
  await append(kernel, 'Archive', [{ name: 'four', body: 'another invoice', received: 4 * DAY_MS }])
  const archive = await mailbox('ann', 'Archive')
  const inbox = await mailbox('ann')
  // One and two are in both mailboxes; two is read in one of them alone.
  allowed(await mail.copy(inbox, [[1, 2]], archive))
  allowed(await mail.setFlags(archive, [[3, 3]], { how: 'add', flags: ['\\Seen', '\\Flagged'] }))

  const there = async (condition: Condition) =>
    namesOf(
      kernel,
      (await Array.fromAsync(query.search({ mailbox: inbox, condition }))).map(({ email }) => email),
    )
  const everywhere = async (condition: Condition) =>
    namesOf(
      kernel,
      (await query.emails({ account: 'ann', condition, order: [{ by: 'received' }] })).map(({ id }) => id),
    )
  const text = (text: string): Condition => ({ kind: 'text', fields: ['body'], text, how: 'substring' })
  const cases: readonly [Condition, string, string][] = [
    [{ kind: 'all' }, 'one two three', 'one two three four'],
    [{ kind: 'or', of: [] }, '', ''],
    [text('INVOICE'), 'three', 'three four'],
    [{ kind: 'not', of: text('invoice') }, 'one two', 'one two'],
    [{ kind: 'text', fields: ['subject'], text: 'thr', how: 'words' }, 'three', 'three'],
    [{ kind: 'attachments', has: true }, 'two', 'two'],
    [{ kind: 'attachments', has: false }, 'one three', 'one three four'],
    [{ kind: 'field', name: 'x-colour', text: 'red' }, 'one', 'one'],
    [{ kind: 'field', name: 'date', text: '' }, 'one', 'one'],
    [{ kind: 'flag', flag: '\\Seen', isSet: true }, 'one', 'one'],
    [{ kind: 'flag', flag: '\\Flagged', isSet: true }, '', 'two'],
    [{ kind: 'flag', flag: 'work', isSet: false }, 'two three', 'two three four'],
    [{ kind: 'mailbox', id: archive.id }, '', 'one two four'],
    [{ kind: 'uids', uids: [[2, 9]] }, 'two three', ''],
    [{ kind: 'time', of: 'received', is: 'since', at: 3 * DAY_MS }, 'three', 'three four'],
    [{ kind: 'time', of: 'received', is: 'before', at: 3 * DAY_MS }, 'one two', 'one two'],
    [{ kind: 'time', of: 'sent', is: 'since', at: Date.UTC(2026, 1, 3, 4, 30) }, 'one', 'one'],
    [{ kind: 'time', of: 'sent', is: 'before', at: Date.UTC(2026, 1, 3, 4, 30) }, '', ''],
    [{ kind: 'day', of: 'sent', is: 'on', day: Date.UTC(2026, 1, 2) }, 'one', 'one'],
    [{ kind: 'and', of: [text('invoice'), { kind: 'mailbox', id: inbox.id }] }, 'three', 'three'],
  ]
  for (const [condition, here, all] of cases) {
    assert.equal((await there(condition)).join(' '), here, JSON.stringify(condition))
    assert.equal((await everywhere(condition)).join(' '), all, JSON.stringify(condition))
  }
  const [two] = await query.emails({ account: 'ann', condition: { kind: 'attachments', has: true } })
  assert.deepEqual(two?.flags, ['\\Flagged'])
  assert.deepEqual(
    two?.places.map(({ mailbox, uid }) => [mailbox, uid]).sort(),
    [
      [archive.id, 3],
      [inbox.id, 2],
    ].sort(),
  )
})

test('emails are in the order asked for, and a thread may stand once', async (t) => {
  const kernel = await createMailKernel(t)
  await append(kernel, 'INBOX', [
    { name: 'b', received: 1000, flags: ['\\Flagged'] },
    { name: 'a', received: 3000 },
  ])
  await append(kernel, 'Archive', [
    { name: 'c', received: 2000, head: 'References: <b@far.test>\r\n' },
    { name: 'd', received: 4000, head: 'In-Reply-To: <c@far.test>\r\nReferences: <b@far.test> <c@far.test>\r\n' },
  ])
  const { query, mailbox } = kernel
  const order = async (options: Partial<Parameters<typeof query.emails>[0]>) =>
    (
      await namesOf(
        kernel,
        (await query.emails({ account: 'ann', condition: { kind: 'all' }, ...options })).map(({ id }) => id),
      )
    ).join('')
  assert.equal(await order({}), 'dacb')
  assert.equal(await order({ collapseThreads: true }), 'da')
  assert.equal(await order({ order: [{ by: 'subject' }] }), 'abcd')
  assert.equal(await order({ order: [{ by: 'from', isReverse: true }] }), 'dcba')
  assert.equal(await order({ order: [{ by: 'flag', flag: '\\flagged' }, { by: 'received' }] }), 'bcad')
  const inbox = await mailbox('ann')
  assert.deepEqual(await query.sort({ mailbox: inbox, uids: [1, 2], order: [{ by: 'subject' }] }), [2, 1])
  const shape = ({ message, children }: ThreadTree): unknown => [message?.uid, children.map(shape)]
  const archive = await mailbox('ann', 'Archive')
  const threads = await query.threads({ mailbox: archive, uids: [1, 2], algorithm: 'references' })
  assert.deepEqual(threads.map(shape), [[1, [[2, []]]]])
})

test('messages are sorted by each order that is asked for, again and with new ones', async (t) => {
  const kernel = await createMailKernel(t)
  await append(kernel, 'INBOX', [
    { name: 'b', received: 1000 },
    { name: 'c', received: 3000 },
    { name: 'a', received: 2000 },
  ])
  const inbox = await kernel.mailbox('ann')
  type Order = Parameters<typeof kernel.query.sort>[0]['order']
  const sorted = async (uids: readonly number[], ...order: Order) =>
    (await kernel.query.sort({ mailbox: inbox, uids, order })).join(' ')
  for (const _ of ['first', 'again']) {
    assert.equal(await sorted([1, 2, 3], { by: 'subject' }), '3 1 2')
    assert.equal(await sorted([1, 2, 3], { by: 'subject', isReverse: true }), '2 1 3')
    assert.equal(await sorted([2, 3], { by: 'subject', isReverse: true }), '2 3')
    assert.equal(await sorted([1, 2, 3], { by: 'cc' }, { by: 'received' }), '1 3 2')
  }
  await append(kernel, 'INBOX', [{ name: 'bb', received: 4000 }])
  assert.equal(await sorted([1, 2, 3, 4], { by: 'cc' }, { by: 'received' }), '1 3 2 4')
  assert.equal(await sorted([1, 2, 3, 4], { by: 'subject' }), '3 1 4 2')
})

test('a query that is asked again reads no entries, and knows what another kernel has changed', async (t) => {
  const clock = testClock()
  const store = memoryStore({ now: clock.now })
  let scans = 0
  const counted = {
    ...store,
    scan(range: Parameters<typeof store.scan>[0]) {
      scans++
      return store.scan(range)
    },
  }
  const here = await createMailKernel(t, { store: counted, clock })
  const there = await createMailKernel(t, { store, clock })
  for (const mailbox of ['INBOX', 'Archive'])
    await append(
      there,
      mailbox,
      ['one', 'two', 'three'].map((name, index) => ({ name: `${mailbox} ${name}`, received: (index + 1) * DAY_MS })),
    )
  const [inbox, archive] = [await there.mailbox('ann'), await there.mailbox('ann', 'Archive')]
  const unread: Condition = { kind: 'flag', flag: '\\Seen', isSet: false }
  const asked = async (condition: Condition) => {
    const before = scans
    const found = await here.query.emails({ account: 'ann', condition })
    return {
      names: await namesOf(
        here,
        found.map(({ id }) => id),
      ),
      scans: scans - before,
    }
  }
  const names = async (condition: Condition) => (await asked(condition)).names
  const inInbox: Condition = { kind: 'mailbox', id: inbox.id }
  const first = await asked(inInbox)
  assert.deepEqual(first.names, ['INBOX three', 'INBOX two', 'INBOX one'])
  const again = await asked(inInbox)
  assert.deepEqual(again.names, first.names)
  // The account's last change, and what has changed since.
  assert.ok(again.scans <= 2, `${again.scans} scans`)

  assert.deepEqual((await names(unread)).length, 6)
  allowed(await there.mail.setFlags(inbox, [[2, 2]], { how: 'add', flags: ['\\Seen'] }))
  assert.deepEqual((await names(unread)).length, 5)
  const [, two] = await here.query.emails({ account: 'ann', condition: inInbox })
  assert.deepEqual(two?.flags, ['\\Seen'], 'a result that a flag leaves as it is has the email of now')
  assert.deepEqual(await here.query.emailsById('ann', [two.id, 'unknown']), [two])
  assert.deepEqual(await there.query.emailsById('ann', [two.id]), [two], 'an account that was not queried')
  const flaggedFirst = async () =>
    (await here.query.emails({ account: 'ann', condition: inInbox, order: [{ by: 'flag', flag: '\\Seen' }] }))[0]?.id
  assert.equal(await flaggedFirst(), two.id)
  allowed(await there.mail.setFlags(inbox, [[2, 2]], { how: 'remove', flags: ['\\Seen'] }))
  allowed(await there.mail.setFlags(inbox, [[1, 1]], { how: 'add', flags: ['\\Seen'] }))
  assert.notEqual(await flaggedFirst(), two.id)
  assert.deepEqual((await names(unread)).includes('INBOX one'), false)
  allowed(await there.mail.move(archive, [[1, 1]], inbox))
  assert.deepEqual((await names(inInbox)).toSorted(), ['Archive one', 'INBOX one', 'INBOX three', 'INBOX two'])
  allowed(await there.mail.expunge(inbox, [[3, 3]]))
  await append(there, 'INBOX', [{ name: 'new', received: 9 * DAY_MS }])
  assert.deepEqual((await names(inInbox)).slice(0, 2), ['new', 'INBOX two'])
  allowed(await there.mail.remove(archive))
  assert.deepEqual((await names({ kind: 'all' })).toSorted(), ['Archive one', 'INBOX one', 'INBOX two', 'new'])
})

test('a query ends when its signal is aborted', async (t) => {
  const kernel = await createMailKernel(t)
  await append(kernel, 'INBOX', [{ name: 'a' }])
  const signal = AbortSignal.abort(new Error('gone'))
  const condition: Condition = { kind: 'field', name: 'x', text: 'x' }
  await assert.rejects(kernel.query.emails({ account: 'ann', condition, signal }), /gone/)
})

/** Digests that stand in the mail store's records. */
async function digestsIn({ store }: MailKernel): Promise<number> {
  const all = await Array.fromAsync(store.scan(below('p')))
  return all.filter(([at]) => unkey(at).at(-2) === 'h').length
}

test('a digest is made of content, kept with it, and goes with it', async (t) => {
  const kernel = await createMailKernel(t, { mailstore: { undelete: '0 s' } })
  const { mail, mailbox } = kernel
  const inline =
    '--b\r\nContent-Type: text/plain\r\n\r\nHi\r\n--b\r\nContent-Type: image/png; name=a.png\r\nContent-ID: <a>\r\n' +
    'Content-Disposition: inline\r\n\r\nx\r\n--b--'
  const signed =
    '--b\r\nContent-Type: text/plain\r\n\r\nHi\r\n--b\r\nContent-Type: application/pgp-signature; name=s.asc\r\n\r\nx\r\n--b--'
  const head = (type: string) => `MIME-Version: 1.0\r\nContent-Type: multipart/${type}; boundary=b\r\n`
  await append(kernel, 'INBOX', [
    { name: 'plain', head: 'References: <x@y.test>\r\n <z@y.test>\r\n', body: `A  text.\r\n${'long '.repeat(100)}` },
    { name: 'attached', head: MIXED, body: ATTACHED },
    { name: 'inline', head: head('related'), body: inline },
    { name: 'signed', head: head('signed'), body: signed },
    { name: 'many', head: `To: ${Array.from({ length: 2000 }, (_, at) => `p${at}@far.test`).join(',\r\n ')}\r\n` },
  ])
  const digests = []
  for (const { email } of await kernel.entries('ann')) {
    const one = await mail.email(email)
    const digest = await one?.digest()
    assert.deepEqual(await one?.digest(), digest)
    assert.deepEqual(await one?.envelope(), digest?.envelope)
    digests.push(digest)
  }
  const [plain, attached, , , many] = digests
  assert.deepEqual(
    digests.map((digest) => digest?.hasAttachments),
    [false, true, false, false, false],
  )
  assert.deepEqual([plain?.messageId, plain?.references], ['plain@far.test', ['x@y.test', 'z@y.test']])
  assert.equal(plain?.preview.length, 256)
  assert.match(plain?.preview ?? '', /^A text\. long long/)
  assert.equal(attached?.preview, 'Dear all')
  assert.equal(many?.envelope.to.length, 2000)
  assert.equal(await digestsIn(kernel), 5)
  allowed(await mail.expunge(await mailbox('ann'), [[1, 5]], { forGood: true }))
  assert.ok(await eventually(async () => (await digestsIn(kernel)) === 0))
})
