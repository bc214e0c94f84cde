/** `iems init`: what it writes starts as it stands, and a mail program reads mail over TLS with it. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { selfSigned } from '../../core/net/self-signed.ts'
import { freePort, iemsCommand, startProcess, tempFolder } from '../support/running-server.ts'

const run = promisify(execFile)

test('with options it asks nothing, and mbsync reads a message over TLS', async (t) => {
  const folder = await tempFolder(t)
  const words = ['init', '--folder', folder, '--domain', 'example.org', '--address', '127.0.0.1', '--ports', 'high']
  const done = await iemsCommand([...words, '--account', 'ann', '--yes'])
  assert.equal(done.code, 0, done.err)
  const [, password = ''] =
    /The first account is ann@example\.org[^\n]*\nIts password, shown this once: (\S+)/.exec(done.out) ?? []
  assert.match(done.out, /^example\.org\. IN MX 10 mail\.example\.org\./m)
  assert.match(done.out, /^example\.org\. IN TXT "v=spf1 mx -all"/m)
  assert.match(done.out, /^_dmarc\.example\.org\. IN TXT "v=DMARC1; /m)
  assert.match(done.out, /^\S+\._domainkey\.example\.org\. IN TXT \( "v=DKIM1; .*p=/m)
  assert.match(done.out, /iems dkim activate example\.org /)
  assert.equal((await stat(join(folder, 'tls.key'))).mode & 0o777, 0o600)
  assert.match(
    await readFile(join(folder, 'iems.service'), 'utf8'),
    new RegExp(`^ExecStart=.* start --quiet --config ${folder}/iems.config.ts$`, 'm'),
  )

  const again = await iemsCommand([...words, '--yes'])
  assert.equal(again.code, 1)
  assert.match(again.err, /is there already; --force overwrites/)

  // The same on a port that is free here.
  const port = await freePort()
  const config = join(folder, 'iems.config.ts')
  const source = (await readFile(config, 'utf8'))
    .replace('import { mailServer }', "import { imap } from 'iems/plugins/imap'\nimport { mailServer }")
    .replace(
      'mailServer({',
      `mailServer({ without: ['mx', 'submission', 'submissions', 'imap', 'pop3', 'pop3s', 'ldap', 'ldaps', 'sieve', 'web'], channels: { imaps: imap({ listen: '127.0.0.1:${port}', tls: { cert: '${folder}/tls.pem', key: '${folder}/tls.key', mode: 'implicit' } }) },`,
    )
  const server = await startProcess(t, folder, source)
  assert.equal((await server.iems('send', 'ann@example.org', '--subject', 'Over TLS', '--text', 'It works')).code, 0)
  const mail = join(folder, 'mail')
  await mkdir(mail)
  const rc = join(folder, 'mbsyncrc')
  await writeFile(
    rc,
    `IMAPStore far
Host 127.0.0.1
Port ${port}
User ann
Pass ${password}
SSLType IMAPS
CertificateFile ${folder}/tls.pem

MaildirStore near
Path ${mail}/
Inbox ${mail}/INBOX

Channel all
Far :far:
Near :near:
Create Near
SyncState *
`,
  )
  await run('mbsync', ['-c', rc, 'all'])
  const [file = ''] = await readdir(join(mail, 'INBOX/new'))
  assert.match(await readFile(join(mail, 'INBOX/new', file), 'utf8'), /^Subject: Over TLS$/m)
})

test('what is missing or wrong is said, and nothing is written', async (t) => {
  const folder = await tempFolder(t)
  assert.match((await iemsCommand(['init', '--folder', folder])).err, /--domain <name> is needed/)
  const wrong = await iemsCommand(['init', '--folder', folder, '--domain', "x'.example", '--yes'])
  assert.match(wrong.err, /--domain must be a domain such as example\.org/)
  const file = await iemsCommand([
    'init',
    '--folder',
    folder,
    '--domain',
    'example.org',
    '--tls',
    '/no/cert,/no/key',
    '--yes',
  ])
  assert.match(file.err, /\/no\/cert: there is no such file/)
  assert.deepEqual(await readdir(folder), [])
})

test('a command of a plugin runs on the store while no server runs', async (t) => {
  const folder = await tempFolder(t)
  const config = join(folder, 'iems.config.ts')
  await writeFile(
    config,
    `import { directory } from 'iems/plugins/directory'
import { mailstore } from 'iems/plugins/mailstore'
export default { hostname: 'mx.test', channels: { local: mailstore() }, plugins: [directory()] }
`,
  )
  assert.equal((await iemsCommand(['domain', 'add', 'here.test', '--config', config])).code, 0)
  assert.match((await iemsCommand(['domain', 'list', '--config', config])).out, /^here\.test$/m)
  const help = (await iemsCommand(['--help', '--config', config])).out
  assert.match(help, /account app-password <name> <program> +a new password for one program/)
  assert.match(help, /queue release \[ids\.\.\.\] +let held deliveries go/)
})

test('the certificate is one for its names, valid now', () => {
  const certificate = new X509Certificate(selfSigned(['mail.example.org', 'example.org']).cert)
  assert.ok(certificate.verify(certificate.publicKey))
  for (const name of ['mail.example.org', 'example.org']) assert.equal(certificate.checkHost(name), name)
  assert.equal(certificate.checkIP('127.0.0.1'), '127.0.0.1')
  assert.equal(certificate.ca, false)
  assert.ok(certificate.validToDate.getTime() > Date.now())
})
