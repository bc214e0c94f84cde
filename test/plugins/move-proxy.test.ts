/** Accounts that are still on the old server are served by it behind our address, and moved while clients work. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { secret } from '../../core/index.ts'
import { connectLineClient, missing } from '../../core/testing/index.ts'
import { managesieve } from '../../plugins/access/managesieve/index.ts'
import { pop3 } from '../../plugins/access/pop3/index.ts'
import { move } from '../../plugins/gateway/move/index.ts'
import { mailsort } from '../../plugins/mailbox/mailsort/index.ts'
import { smtpOut } from '../../plugins/smtp/out/index.ts'
import { createDirectoryKernel } from '../support/directory.ts'
import { startDovecot, whyNoDovecot } from '../support/dovecot.ts'
import { createImapKernel } from '../support/imap-talk.ts'
import { fillMaildir, imapClient, seenBy } from '../support/move.ts'
import { freePort, tempFolder } from '../support/running-server.ts'

const run = promisify(execFile)
const skip = whyNoDovecot() ?? missing('/usr/bin/mbsync', '/usr/lib/dovecot/managesieve')

const MASTER = `
auth_master_user_separator = *
passdb {
  driver = static
  args = password=master
  master = yes
  pass = yes
}
`

/** Pigeonhole's ManageSieve; names with a dot would be folders of the Maildir. */
const sieveOn = (port: number) => `
protocols = imap pop3 lmtp sieve
plugin {
  sieve = file:~/scripts;active=~/active.sieve
}
service managesieve-login {
  inet_listener sieve {
    address = 127.0.0.1
    port = ${port}
  }
}
`

async function startBoth(t: TestContext) {
  const sievePort = await freePort()
  const dovecot = await startDovecot(t, { users: ['ann', 'bob'], settings: MASTER + sieveOn(sievePort) })
  await fillMaildir(dovecot.folder, 'ann', 60, ['Work'])
  await fillMaildir(dovecot.folder, 'bob', 20, ['Work'])
  const server = {
    host: '127.0.0.1',
    port: dovecot.imap,
    tls: 'none' as const,
    login: 'name' as const,
    master: { user: 'boss', password: secret.value('master') },
  }
  const kernel = await createImapKernel(t, {
    channels: {
      pop3: pop3({ listen: '127.0.0.1:0', authWithoutTls: true, uidl: '%08Xu%08Xv' }),
      sieve: managesieve({ listen: '127.0.0.1:0', authWithoutTls: true }),
      old: smtpOut({ protocol: 'lmtp' }, { accepts: 'anyone' }),
    },
    plugins: [
      mailsort(),
      move({
        server,
        proxy: {
          pop3: { port: dovecot.pop3 },
          sieve: { port: sievePort, tls: 'none' },
          delivery: { channel: 'old', nexthop: `[127.0.0.1]:${dovecot.lmtp}` },
        },
      }),
    ],
  })
  return { dovecot, ...kernel }
}

/** Runs mbsync for a user against our port. */
async function mbsyncOf(t: TestContext, user: string, port: number) {
  const folder = await tempFolder(t)
  await mkdir(join(folder, 'mail'))
  await writeFile(
    join(folder, 'rc'),
    `IMAPAccount x
Host 127.0.0.1
Port ${port}
User ${user}
Pass secret
SSLType None
AuthMechs LOGIN

IMAPStore far
Account x

MaildirStore near
Path ${folder}/mail/
Inbox ${folder}/mail/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns INBOX Work
Create Both
Expunge Both
SyncState *
`,
  )
  return {
    sync: () => run('mbsync', ['-c', join(folder, 'rc'), '-a'], { timeout: 30_000 }),
    /** Names and flags of the files, which change when a message is fetched again. */
    async files() {
      const names: string[] = []
      for (const box of ['INBOX', 'Work'])
        for (const sub of ['cur', 'new']) names.push(...(await readdir(join(folder, 'mail', box, sub)).catch(() => [])))
      return names.sort()
    },
  }
}

async function uidlsOf(t: TestContext, port: number) {
  const client = await connectLineClient(t, port, { timeout: 30_000 })
  const lines: string[] = []
  await client.line()
  for (const command of ['USER ann', 'PASS secret']) {
    client.send(`${command}\r\n`)
    await client.line()
  }
  client.send('UIDL\r\n')
  for (let line = await client.line(); line !== undefined && line !== '.'; line = await client.line()) lines.push(line)
  client.send('QUIT\r\n')
  return lines.slice(1)
}

/** Sends each command, and returns all that the server says from the login on. */
async function sieveTalk(t: TestContext, port: number, commands: readonly string[]): Promise<string> {
  const client = await connectLineClient(t, port, { timeout: 30_000 })
  const said: string[] = []
  const answer = async () => {
    for (let line = await client.line(); ; line = await client.line()) {
      said.push(line ?? '')
      if (line === undefined || /^(?:OK|NO|BYE)/.test(line)) return
    }
  }
  await answer()
  said.length = 0
  for (const command of ['AUTHENTICATE "PLAIN" "AGFubgBzZWNyZXQ="', ...commands]) {
    client.send(`${command}\r\n`)
    await answer()
  }
  await client.end()
  return said.join('\n')
}

const SCRIPT = 'require "fileinto"; if header :contains "subject" "(k)" { fileinto "Work"; }'

test('clients work on while their accounts are moved, and fetch nothing twice', { skip }, async (t) => {
  const { dovecot, port, listener, command, mail, session, submit, deliver, entries, advance } = await startBoth(t)
  const [ann, bob] = [await mbsyncOf(t, 'ann', port), await mbsyncOf(t, 'bob', port)]
  await ann.sync()
  await bob.sync()
  const before = await ann.files()
  // mbsync leaves out what is marked as deleted.
  const count = { ann: before.length, bob: (await bob.files()).length }
  assert.ok(count.ann > 50 && count.bob > 10)
  assert.equal(
    (await mail.mailboxes('ann')).every(({ messages }) => messages === 0),
    true,
  )
  const uidls = await uidlsOf(t, listener('pop3').port)
  assert.ok(uidls.length > 30)

  // Scripts are managed there.
  const sieve = listener('sieve').port
  const stored = await sieveTalk(t, sieve, [
    'CAPABILITY',
    `PUTSCRIPT "my \\"own\\" sort" {${SCRIPT.length}+}\r\n${SCRIPT}`,
    'PUTSCRIPT "spare" "keep;"',
    'SETACTIVE "my \\"own\\" sort"',
  ])
  assert.match(stored, /"IMPLEMENTATION" "Dovecot/)
  assert.doesNotMatch(stored, /^(?:NO|BYE)/m)

  // Mail for both arrives there.
  const stranger = await session({ channel: 'old' }).submit({
    from: 'me@far.test',
    to: ['ann@here.test', 'bob@here.test'],
    body: 'first',
  })
  assert.deepEqual([stranger.reply.code, stranger.refused], [250, []])
  await deliver()
  assert.equal((await entries('ann')).length, 0)

  // An open session ends, and the next one is served here.
  const idle = await imapClient({ port, user: 'ann' })
  const ended = new Promise((resolve) => idle.once('close', resolve))
  const moving = command('move switch', { values: { accounts: ['ann'] } })
  const [moved] = await Promise.all([moving, bob.sync(), ended])
  assert.match(JSON.stringify(moved), /is served here/)
  await ann.sync()
  const after = await ann.files()
  assert.deepEqual(
    after.filter((name) => before.includes(name)),
    before,
  )
  assert.equal(after.length, count.ann + 1)
  assert.deepEqual((await uidlsOf(t, listener('pop3').port)).slice(0, uidls.length), uidls)
  assert.equal((await bob.files()).length, count.bob + 1)

  // The scripts came along.
  const listed = await sieveTalk(t, sieve, ['CAPABILITY', 'LISTSCRIPTS', 'GETSCRIPT "my \\"own\\" sort"'])
  assert.match(listed, /"IMPLEMENTATION" "IEMS"/)
  assert.match(listed, /^"my \\"own\\" sort" ACTIVE$/m)
  assert.match(listed, /^"spare"$/m)
  assert.ok(listed.includes(SCRIPT))

  // From now on ann's mail arrives here and bob's there.
  await submit({ from: 'me@far.test', to: ['ann@here.test', 'bob@here.test'], body: 'second' })
  await deliver()
  await ann.sync()
  await bob.sync()
  assert.equal((await ann.files()).length, count.ann + 2)
  assert.equal((await bob.files()).length, count.bob + 2)
  const there = await seenBy({ port: dovecot.imap, user: 'ann' })
  assert.equal(there.find(({ name }) => name === 'INBOX')?.messages.length, (await entries('ann')).length - 1)
  await command('move switch', { values: { accounts: ['bob'] } })
  await bob.sync()
  assert.equal((await bob.files()).length, count.bob + 2)
  const places = await command('move places')
  assert.match(JSON.stringify(places.at(-1)), /2 here, 0 there/)

  // Mail that still reached the old server is fetched; what has been deleted here does not come back.
  const [first] = await entries('ann', 'Work')
  const work = await mail.find('ann', 'Work')
  if (!first || !work) throw new Error('nothing in Work')
  await mail.expunge(work, [[first.uid, first.uid]])
  const [inHere, inWork] = [(await entries('ann')).length, (await entries('ann', 'Work')).length]
  const late = await imapClient({ port: dovecot.imap, user: 'ann' })
  await late.append('INBOX', 'Subject: late\r\n\r\nText\r\n')
  await late.logout()
  await advance(600_000)
  for (const end = Date.now() + 20_000; (await entries('ann')).length === inHere && Date.now() < end; )
    await new Promise((resolve) => setTimeout(resolve, 50))
  assert.equal((await entries('ann')).length, inHere + 1)
  assert.equal((await entries('ann', 'Work')).length, inWork)
  await assert.rejects(command('move imap', { values: { account: 'ann' } }), /1 account could not be moved/)
})

test('a password that only the old server knows is verified there once, and kept', { skip }, async (t) => {
  const dovecot = await startDovecot(t, { users: ['ann'], settings: MASTER })
  const server = {
    host: '127.0.0.1',
    port: dovecot.imap,
    tls: 'none' as const,
    login: 'name' as const,
    master: { user: 'boss', password: secret.value('master') },
  }
  const proxy = { delivery: { channel: 'local', nexthop: 'mailboxes' } }
  const { directory, make, session } = await createDirectoryKernel(t, { plugins: [move({ server, proxy })] })
  await make({ add: { kind: 'domain', name: 'here.test' } })
  await make({ add: { kind: 'account', name: 'ann', addresses: ['ann@here.test'] } })
  await make({ add: { kind: 'account', name: 'eve', addresses: ['eve@here.test'] } })
  const login = async (username: string, password: string, from: number) =>
    (await session({ remote: { address: `192.0.2.${from}` } }).auth({ kind: 'password', username, password })).kind
  const hasPassword = async (name: string) => (await directory.byName('account', name))?.hasPassword
  assert.deepEqual([await login('ann', 'wrong', 1), await hasPassword('ann')], ['refuse', false])
  assert.deepEqual([await login('ann@here.test', 'secret', 2), await hasPassword('ann')], ['identity', true])
  // The old server knows no eve, and the master's password opens no account here.
  assert.deepEqual([await login('eve', 'master', 3), await hasPassword('eve')], ['refuse', false])
  process.kill(dovecot.pid)
  assert.equal(await login('ann', 'secret', 4), 'identity')
})
