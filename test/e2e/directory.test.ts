/**
 * The directory as an admin and his users meet it: the command line of a running server, swaks and curl.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { startProcess, tempFolder } from '../support/running-server.ts'

const run = promisify(execFile)
const missing = ['swaks', 'curl'].find((tool) => !existsSync(`/usr/bin/${tool}`))
const skip = missing === undefined ? false : `${missing} (Debian package) is not installed`

const CONFIG = `
import { defineConfig } from 'iems'
import { directory } from 'iems/plugins/directory'
import { imap } from 'iems/plugins/imap'
import { mailstore } from 'iems/plugins/mailstore'
import { smtpIn } from 'iems/plugins/smtp-in'
export default defineConfig({
  hostname: 'mx.test',
  channels: {
    mx: smtpIn({ listen: '127.0.0.1:0', auth: 'optional', authWithoutTls: true }),
    local: mailstore({}, { accepts: 'anyone' }),
    imap: imap({ listen: '127.0.0.1:0', authWithoutTls: true }),
  },
  plugins: [directory()],
})
`

test('accounts, groups and aliases made by command get mail and log in at once; a restart keeps them', {
  skip,
}, async (t) => {
  const folder = await tempFolder(t)
  const server = await startProcess(t, folder, CONFIG)
  const iems = async (...words: string[]) => {
    const { code, out, err } = await server.iems(...words)
    assert.equal(code, 0, err)
    return out
  }
  const { listeners } = JSON.parse(await iems('status', '--json')) as { listeners: { plugin: string; port: number }[] }
  const port = (name: string) => listeners.find(({ plugin }) => plugin === name)?.port as number
  await iems('domain', 'add', 'here.test')
  await iems('account', 'add', 'ann', 'address=ann@here.test', 'display-name=Ann Example')
  assert.equal((await server.iemsWithInput('a good password\n', 'account', 'password', 'ann')).code, 0)
  await iems('account', 'add', 'bob', 'address=bob@here.test')
  await iems('group', 'add', 'staff', 'address=staff@here.test', 'member=ann', 'member=bob')
  await iems('alias', 'add', 'info-*@here.test', 'target=ann+*@here.test')
  const swaks = (to: string, ...more: string[]) =>
    run('swaks', [
      '--server',
      `127.0.0.1:${port('mx')}`,
      '--from',
      'ann@here.test',
      '--to',
      to,
      '--body',
      'Hello',
      ...more,
    ])
  const asAnn = ['--auth', 'PLAIN', '--auth-user', 'ann@here.test', '--auth-password', 'a good password']
  await swaks('staff@here.test', '--header', 'Subject: to all', ...asAnn)
  await swaks('info-x@here.test', '--header', 'Subject: by alias')
  const spoofed = swaks('bob@here.test', ...asAnn, '--from', 'bob@here.test')
  assert.match(((await spoofed.catch((error: unknown) => error)) as { stdout: string }).stdout, /553 5\.7\.1/)
  const wrong = swaks('bob@here.test', ...asAnn.slice(0, 5), 'wrong')
  assert.match(((await wrong.catch((error: unknown) => error)) as { stdout: string }).stdout, /535 5\.7\.8/)

  const curl = async (path: string, password: string, ...more: string[]) =>
    (await run('curl', ['-s', '-u', `ann:${password}`, `imap://127.0.0.1:${port('imap')}/${path}`, ...more])).stdout
  const end = Date.now() + 30_000
  while (!(await curl('INBOX', 'a good password', '-X', 'SEARCH ALL')).includes('1 2'))
    assert.ok(Date.now() < end, 'the mail did not come')
  const phone = (await iems('account', 'app-password', 'ann', 'phone', '--for', 'imap')).trim()
  assert.match(await curl('INBOX;MAILINDEX=1', phone), /Subject: to all/)

  const told = await iems('route', 'x@far.test', 'info-y@here.test')
  assert.match(told, /info-y@here\.test is alias info-\*@here\.test/)
  assert.match(told, /ann\+y@here\.test goes to local mailboxes \(account ann\)/)
  assert.match(await iems('route', 'x@far.test', 'nobody@here.test'), /refused: 550 5\.1\.1/)
  assert.match((await server.iems('account', 'add', 'ann')).err, /taken/)
  assert.match(await iems('route', '--help'), /add|<from> <to>/)
  assert.match(await iems('directory', 'history', 'ann'), /add account ann/)

  const table = await iems('account', 'export')
  assert.equal(
    table.split('\r\n')[0],
    'name,rdn,unit,address,display-name,quota,status,forward,forward-keep,route,role,may-relay,send-as',
  )
  server.process.kill('SIGTERM')
  await server.ended()
  const again = await startProcess(t, folder)
  assert.match((await again.iems('account', 'list')).out, /^ann {2}ann@here\.test\nbob/)
})
