/**
 * Mail for local accounts, from outside to the Inbox: by SMTP from swaks, by LMTP from Postfix, as an admin sees it.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import type { Mailbox } from '../../plugins/mailbox/store/api.ts'
import { startPostfix, whyNoPostfix } from '../support/postfix.ts'
import { type RunningServer, startProcess, tempFolder } from '../support/running-server.ts'

const run = promisify(execFile)
const noSwaks = existsSync('/usr/bin/swaks') ? false : 'swaks (Debian package) is not installed'

async function startMailServer(t: TestContext): Promise<{ server: RunningServer; smtp: number; lmtp: number }> {
  const folder = await tempFolder(t)
  const server = await startProcess(
    t,
    folder,
    `
import { defineConfig } from 'iems'
import { accounts } from 'iems/plugins/accounts'
import { mailstore } from 'iems/plugins/mailstore'
import { smtpIn } from 'iems/plugins/smtp-in'
export default defineConfig({
  hostname: 'mx.test',
  channels: {
    mx: smtpIn({ listen: '127.0.0.1:0' }),
    lmtp: smtpIn({ listen: '127.0.0.1:0', protocol: 'lmtp' }),
    local: mailstore({}, { accepts: 'anyone' }),
  },
  plugins: [accounts({
    domains: ['here.test'],
    accounts: [
      { name: 'ann', addresses: ['ann@here.test'] },
      { name: 'bob', addresses: ['bob@here.test'], quota: '2 kB' },
    ],
  })],
})
`,
  )
  const { listeners } = JSON.parse((await server.iems('status', '--json')).out) as {
    listeners: { plugin: string; port: number }[]
  }
  const port = (name: string) => listeners.find(({ plugin }) => plugin === name)?.port as number
  return { server, smtp: port('mx'), lmtp: port('lmtp') }
}

async function mailboxes(server: RunningServer, account: string): Promise<Mailbox[]> {
  const { out } = await server.iems('mailbox', 'list', account, '--json')
  return out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Mailbox)
}

async function inboxCount(server: RunningServer, account: string): Promise<number> {
  return (await mailboxes(server, account)).find(({ name }) => name === 'INBOX')?.messages as number
}

async function until(what: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + 30_000
  while (!(await what())) assert.ok(Date.now() < end, 'it did not happen')
}

test('what swaks sends is in the Inbox, and an unknown recipient is refused', { skip: noSwaks }, async (t) => {
  const { server, smtp } = await startMailServer(t)
  const swaks = (...to: string[]) =>
    run('swaks', ['--server', `127.0.0.1:${smtp}`, '--from', 'me@far.test', '--to', to.join(','), '--body', 'Hello'])
  await swaks('ann@here.test')
  await until(async () => (await inboxCount(server, 'ann')) === 1)
  const refused = (await swaks('nobody@here.test').catch((error: unknown) => error)) as { stdout: string }
  assert.match(refused.stdout, /550 5\.1\.1/)
  const elsewhere = (await swaks('you@far.test').catch((error: unknown) => error)) as { stdout: string }
  assert.match(elsewhere.stdout, /550 5\.1\.2/)
  assert.match((await server.iems('mailbox', 'usage', 'ann')).out, /^ann {2}[\d.]+ k?B {2}no limit/)
  assert.match((await server.iems('mailbox', 'check')).out, /2 accounts checked, 0 problems found/)
  assert.equal((await server.iems('mailbox', 'list', 'nobody')).code, 1)
})

test('Postfix hands its mail over by LMTP, and a full mailbox keeps it waiting', {
  skip: whyNoPostfix(),
}, async (t) => {
  const { server, lmtp } = await startMailServer(t)
  const postfix = await startPostfix(t, {
    fate: { relayTo: lmtp },
    settings: { relayhost: '', default_transport: `lmtp:inet:127.0.0.1:${lmtp}` },
  })
  const from = `127.0.0.1:${postfix.port}`
  await run('smtp-source', ['-m', '20', '-l', '500', '-t', 'ann@here.test', from])
  await until(async () => (await inboxCount(server, 'ann')) === 20)
  await run('smtp-source', ['-m', '3', '-l', '700', '-t', 'bob@here.test', from])
  // Refused at RCPT, they wait in Postfix; those that were taken before the mailbox was full wait here.
  const waiting = async () => (await postfix.queued()) + (await server.iems('queue')).out.split('4.2.2').length - 1
  await until(async () => (await inboxCount(server, 'bob')) === 1 && (await waiting()) === 2)
  await run('smtp-source', ['-l', '1000', '-t', 'bob@here.test', from])
  await until(async () => /452 4\.2\.2 The mailbox is full/.test(await postfix.log()))
  await run('smtp-source', ['-l', '3000', '-t', 'bob@here.test', from])
  await until(async () => /552 5\.2\.3 /.test(await postfix.log()))
  assert.equal(await inboxCount(server, 'bob'), 1)
})
