/** Certificates that are replaced while sessions are open: by SIGHUP, and by the look every minute. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { smtpIn } from 'iems/plugins/smtp-in'
import { createTestKernel } from 'iems/testing'
import { hashPassword } from '../../plugins/directory/static/passwords.ts'
import { createImapKernel, talkTo } from '../support/imap-talk.ts'
import { freePort, startProcess, tempFolder } from '../support/running-server.ts'
import { eventually } from '../support/several-kernels.ts'

interface Files {
  readonly cert: string
  readonly key: string
}

const filesIn = (folder: string): Files => ({ cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') })

async function put(name: 'mx' | 'other', { cert, key }: Files): Promise<void> {
  await copyFile(`test/fixtures/tls/${name}.pem`, cert)
  await copyFile(`test/fixtures/tls/${name}.key`, key)
}

/** Whose certificate a new client gets. */
async function nameAt(port: number): Promise<string> {
  const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const { subject } = socket.getPeerCertificate()
  socket.destroy()
  return `${subject.CN}`
}

test('SIGHUP takes new certificates, and an IDLE session goes on; unusable ones replace nothing', async (t) => {
  const folder = await tempFolder(t)
  const files = filesIn(folder)
  await put('mx', files)
  const [plain, secure] = [await freePort(), await freePort()]
  const server = await startProcess(
    t,
    folder,
    `
import { defineConfig } from 'iems'
import { accounts } from 'iems/plugins/accounts'
import { imap } from 'iems/plugins/imap'
import { mailstore } from 'iems/plugins/mailstore'
const ann = { name: 'ann', addresses: ['ann@here.test'], password: '${await hashPassword('secret')}' }
export default defineConfig({
  hostname: 'mx.test',
  channels: {
    imap: imap({ listen: '127.0.0.1:${plain}', authWithoutTls: true }),
    imaps: imap({ listen: '127.0.0.1:${secure}', tls: { cert: '${files.cert}', key: '${files.key}', mode: 'implicit' } }),
    local: mailstore({}, { accepts: 'anyone' }),
  },
  plugins: [accounts({ domains: ['here.test'], accounts: [ann] })],
})
`,
  )
  const client = await talkTo(t, plain)
  await client.line()
  await client.command('LOGIN ann secret')
  await client.command('SELECT INBOX')
  client.send('i IDLE\r\n')
  assert.match(await client.line(), /^\+/)
  assert.equal(await nameAt(secure), 'mx.test')
  await put('other', files)
  server.process.kill('SIGHUP')
  assert.ok(await eventually(async () => (await nameAt(secure)) === 'other.test'))
  await writeFile(files.key, 'not a key')
  const refused = await server.iems('reload')
  assert.equal(refused.code, 1)
  assert.match(refused.err, /key\.pem/)
  assert.equal(await nameAt(secure), 'other.test')
  client.send('DONE\r\n')
  assert.match(await client.line(), /^i OK/)
  assert.match((await client.command('NOOP')).at(-1) ?? '', /OK/)
})

test('certificates are looked at every minute, by IMAP and SMTP listeners', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'iems-certificates-'))
  t.after(() => rm(folder, { recursive: true }))
  const files = filesIn(folder)
  const tls = { ...files, mode: 'implicit' } as const
  await put('mx', files)
  const imap = await createImapKernel(t, { imap: { tls } })
  const smtp = await createTestKernel(t, { channels: { mx: smtpIn({ listen: '127.0.0.1:0', tls }) } })
  const ports = [imap.port, smtp.listener('mx').port]
  for (const port of ports) assert.equal(await nameAt(port), 'mx.test')
  await put('other', files)
  for (const { clock } of [imap, smtp]) await clock.advance(60_000)
  for (const port of ports) assert.ok(await eventually(async () => (await nameAt(port)) === 'other.test'))
})
