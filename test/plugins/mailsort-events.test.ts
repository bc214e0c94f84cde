/** Scripts for events in IMAP (RFC 6785), as an IMAP client meets them; lists of contacts and groups. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import * as z from 'zod'
import { definePlugin } from '../../core/index.ts'
import { isScriptRefused, Mailsort, type MailsortApi } from '../../plugins/mailbox/mailsort/api.ts'
import { mailsort } from '../../plugins/mailbox/mailsort/index.ts'
import { createImapKernel } from '../support/imap-talk.ts'

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
