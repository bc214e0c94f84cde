/** Scripts for events in IMAP (RFC 6785), as an IMAP client meets them; lists of contacts and groups. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import * as z from 'zod'
import { definePlugin } from '../../core/index.ts'
import { isScriptRefused, Mailsort, type MailsortApi } from '../../plugins/mailbox/mailsort/api.ts'
import { mailsort } from '../../plugins/mailbox/mailsort/index.ts'
import { createImapKernel } from '../support/imap-talk.ts'
import { startJmap } from '../support/jmap.ts'

async function start(t: TestContext) {
  const lent: { sort?: MailsortApi } = {}
  const borrow = definePlugin({
    name: 'borrow-mailsort',
    config: z.undefined(),
    needs: [Mailsort],
    setup(_, ctx) {
      lent.sort = ctx.use(Mailsort)
      return {}
    },
  })
  const kernel = await createImapKernel(t, { plugins: [mailsort({ imapEvents: true }), borrow()] })
  const client = await kernel.talk('ann')
  return {
    ...kernel,
    client,
    async script(text: string, mailbox = 'INBOX') {
      const done = await lent.sort?.put('ann', 'events', text)
      assert.ok(done && !isScriptRefused(done), JSON.stringify(done))
      const [answer] = await client.command(`SETMETADATA "${mailbox}" (/shared/imapsieve/script "events")`)
      assert.match(answer ?? '', /^OK/)
    },
    async append(mailbox: string, subject: string) {
      const content = `From: bob@here.test\r\nSubject: ${subject}\r\n\r\ntext\r\n`
      assert.match((await client.command(`APPEND ${mailbox} {${content.length}+}\r\n${content}`)).at(-1) ?? '', /^OK/)
    },
    async filed() {
      const found: string[] = []
      for (const { name } of await kernel.mail.mailboxes('ann'))
        for (const { flags } of await kernel.entries('ann', name)) found.push([name, ...flags].join(' '))
      return found.join(', ')
    },
  }
}

test('a script runs for what a client appends, copies, moves and flags', async (t) => {
  const { client, script, append, filed, deliver, content, entries } = await start(t)
  assert.match((await client.command('CAPABILITY')).join(' '), / IMAPSIEVE=sieve:\/\/\S+ /)
  // RFC 6785 section 5, example 1, and what the items of the environment say.
  await script(
    `require ["copy", "environment", "imapsieve", "fileinto", "mailbox", "imap4flags", "variables", "editheader"];
if environment :matches "imap.cause" "*" { set "cause" "\${1}"; }
if allof (environment "imap.mailbox" "INBOX", environment "imap.user" "ann", environment "imap.email" "ann@here.test", environment "phase" "post", environment "location" "MS") { addflag "\${cause}"; }
if header :contains "subject" "copy" { addheader "X-New" "y"; fileinto :copy :create "Copies"; }
if header :contains "subject" "drop" { discard; }
if allof (hasflag "\\\\Flagged", environment :contains "imap.changedflags" "\\\\Flagged") { redirect :copy "bob@here.test"; }`,
  )
  await append('INBOX', 'one')
  assert.equal(await filed(), 'INBOX APPEND')
  await append('INBOX', 'copy')
  assert.equal(await filed(), 'Copies APPEND, INBOX APPEND, INBOX APPEND')
  assert.match(await content((await entries('ann', 'Copies'))[0]?.email ?? ''), /^X-New: y\r\n/)
  await append('INBOX', 'drop')
  assert.equal(await filed(), 'Copies APPEND, INBOX APPEND, INBOX APPEND, INBOX \\Deleted')
  await client.command('SELECT INBOX')
  await client.command('UID STORE 1 +FLAGS (\\Flagged)')
  await deliver()
  assert.equal((await entries('bob')).length, 1)
  assert.deepEqual((await entries('ann'))[0]?.flags.toSorted(), ['APPEND', 'FLAG', '\\Flagged'])
  // A change of another flag is another event, and nothing for bob.
  await client.command('UID STORE 1 +FLAGS (\\Seen)')
  await deliver()
  assert.equal((await entries('bob')).length, 1)
})

test('a script that is not for events fails, and its owner hears of it once', async (t) => {
  const { script, append, filed, deliver, entries, content } = await start(t)
  await script('require "vacation"; vacation "x";', 'Archive')
  for (const subject of ['a', 'b']) await append('Archive', subject)
  await deliver()
  assert.equal(await filed(), 'Archive, Archive, INBOX')
  const text = await content((await entries('ann'))[0]?.email ?? '')
  assert.match(text, /^Subject: Your mail filter "events" has failed\r$/m)
  await script('require "envelope"; if envelope "from" "x" { discard; }', 'Archive')
  await append('Archive', 'c')
  await deliver()
  assert.equal(await filed(), 'Archive, Archive, Archive, INBOX, INBOX')
})

test('scripts ask the address books of the account and the groups of the directory', async (t) => {
  const lent: { sort?: MailsortApi } = {}
  const borrow = definePlugin({
    name: 'borrow-mailsort',
    config: z.undefined(),
    needs: [Mailsort],
    setup(_, ctx) {
      lent.sort = ctx.use(Mailsort)
      return {}
    },
  })
  const { client, make, directory, mail, submit, deliver } = await startJmap(t, {}, [mailsort(), borrow()])
  const ann = await client('ann')
  const bob = await directory.byName('account', 'bob')
  await make({ add: { kind: 'group', name: 'staff', members: [{ id: bob?.id ?? '' }] } })
  const { created } = await ann.one('AddressBook/set', { create: { a: { name: 'Friends' } } })
  const card = (address: string, book: string) => ({
    ...{ addressBookIds: { [book]: true }, uid: address, emails: { e: { address } } },
  })
  const done = await ann.one('ContactCard/set', {
    create: { a: card('Cleo@far.test', created.a.id), b: card('dan@far.test', 'contacts') },
  })
  assert.equal(done.notCreated, null)
  const account = (await directory.byName('account', 'ann'))?.id ?? ''
  const sort = lent.sort as MailsortApi
  assert.deepEqual(sort.lists, ['urn', 'addrbook', 'tag'])
  const put = await sort.put(
    account,
    'main',
    `require ["extlists", "fileinto", "mailbox", "copy"];
if address :list "from" "tag:here.test,2026:group:staff" { fileinto :create "Staff"; }
elsif address :list "from" "addrbook:friends" { fileinto :create "Friends"; }
elsif address :list "from" "urn:ietf:params:sieve:addrbook:default" { fileinto :create "Known"; }
if valid_ext_list "addrbook:enemies" { fileinto :create "Wrong"; }
if header :contains "subject" "all" { redirect :copy :list "tag:here.test,2026:group:staff"; }
`.replaceAll('\n', '\r\n'),
  )
  assert.ok(!isScriptRefused(put), JSON.stringify(put))
  await sort.activate(account, 'main')
  const send = async (from: string, subject = 'x') => {
    const content = `From: ${from}\r\nTo: ann@here.test\r\nSubject: ${subject}\r\n\r\ntext\r\n`
    await submit({ from: 'x@far.test', to: ['ann@here.test'], content })
    await deliver()
  }
  for (const from of ['bob@here.test', 'cleo@far.test', 'DAN@far.test', 'eve@far.test']) await send(from)
  await send('eve@far.test', 'for all')
  await deliver()
  const filed = (await mail.mailboxes(account)).flatMap(({ name, messages }) =>
    messages > 0 ? [`${name} ${messages}`] : [],
  )
  assert.deepEqual(filed.sort(), ['Friends 1', 'INBOX 2', 'Known 1', 'Staff 1'])
  assert.equal((await mail.find(bob?.id ?? '', 'INBOX'))?.messages, 1)
})
