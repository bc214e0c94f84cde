/**
 * Signatures survive: what openssl (S/MIME) and Python's dkim have signed comes by SMTP, lies in a mailbox, is copied and
 * exported, and comes out by POP3 and IMAP octet for octet.
 */
import assert from 'node:assert/strict'
import { execFile, execFileSync, spawnSync } from 'node:child_process'
import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { imap } from 'iems/plugins/imap'
import { pop3 } from 'iems/plugins/pop3'
import { smtpIn } from 'iems/plugins/smtp-in'
import { createDirectoryKernel } from '../support/directory.ts'
import { tempFolder } from '../support/running-server.ts'
import { talk } from '../support/smtp-talk.ts'

const run = promisify(execFile)
const PYTHON = '/usr/bin/python3'
const missing = ['openssl', 'curl'].find((program) => spawnSync(program, ['version']).error)
const without = missing ?? (existsSync('/usr/lib/python3/dist-packages/dkim') ? undefined : "Python's dkim")
const skip = without === undefined ? false : `${without} is not on this machine`

/** Text that a careless server would mend. */
const TEXT = [
  'Content-Type: text/plain; charset=iso-8859-1',
  'Content-Transfer-Encoding: 8bit',
  '',
  'Gr\u00fc\u00dfe \t ',
  '.',
  '..dots',
  'From the start of a line',
  `${'long '.repeat(180)}`,
  '',
  '  ',
  '',
  '',
].join('\r\n')

async function signed(folder: string): Promise<{ message: Buffer; zone: string }> {
  const [key, cert, text, out] = ['key', 'cert', 'text', 'out'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
    string,
  ]
  const subject = ['-subj', '/CN=Ann/emailAddress=ann@far.test', '-addext', 'subjectAltName=email:ann@far.test']
  execFileSync(
    'openssl',
    ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert, '-days', '30', ...subject],
    { stdio: 'ignore' },
  )
  await writeFile(text, TEXT, 'latin1')
  execFileSync('openssl', [
    'cms',
    '-sign',
    '-binary',
    '-in',
    text,
    '-signer',
    cert,
    '-inkey',
    key,
    '-out',
    out,
    '-crlfeol',
  ])
  const mime = (await readFile(out, 'latin1')).replace(/\r?\n/g, '\r\n')
  const message = Buffer.from(
    `From: Ann <ann@far.test>\r\nTo: bob@here.test\r\nSubject:  two  spaces\t\r\nX-Odd:\r\n ${'folded'}\r\n${mime}`,
    'latin1',
  )
  const pair = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const pem = join(folder, 'dkim')
  await writeFile(pem, pair.privateKey.export({ type: 'pkcs1', format: 'pem' }))
  const sign = `
import sys, dkim
key = open(sys.argv[1], 'rb').read()
message = sys.stdin.buffer.read()
sys.stdout.buffer.write(dkim.sign(message, b'sel', b'far.test', key, canonicalize=(b'simple', b'simple')) + message)
`
  const whole = execFileSync(PYTHON, ['-c', sign, pem], { input: message })
  const zone = createPublicKey(pair.privateKey).export({ type: 'spki', format: 'der' }).toString('base64')
  return { message: whole, zone: `v=DKIM1; k=rsa; p=${zone}` }
}

/** Both signatures, and that nothing below what we add has changed. */
async function verify(
  folder: string,
  { message, zone }: { message: Buffer; zone: string },
  content: Buffer,
  how: string,
) {
  assert.ok(content.subarray(-message.length).equals(message), `${how}: not octet for octet`)
  const check =
    'import sys, dkim; sys.exit(0 if dkim.verify(sys.stdin.buffer.read(), dnsfunc=lambda name, timeout=5: sys.argv[1].encode()) else 1)'
  execFileSync(PYTHON, ['-c', check, zone], { input: content })
  const file = join(folder, 'came')
  await writeFile(file, content)
  const verified = await run('openssl', ['cms', '-verify', '-in', file, '-noverify', '-out', join(folder, 'said')])
  assert.match(verified.stderr, /Verification successful/, how)
}

async function startServer(t: TestContext) {
  const here = await createDirectoryKernel(t, {
    channels: {
      mx: smtpIn({ listen: '127.0.0.1:0' }),
      pop3: pop3({ listen: '127.0.0.1:0', authWithoutTls: true }),
      imap: imap({ listen: '127.0.0.1:0', authWithoutTls: true }),
    },
  })
  await here.make({ add: { kind: 'domain', name: 'here.test' } })
  await here.make({ add: { kind: 'account', name: 'bob', addresses: ['bob@here.test'], password: 'secret' } })
  return here
}

test('S/MIME and DKIM signatures are good whichever way a message comes and goes', { skip }, async (t) => {
  const folder = await tempFolder(t)
  const sample = await signed(folder)
  const here = await startServer(t)
  const client = await talk(t, here.listener('mx').port ?? 0)
  await client.reply()
  for (const line of ['EHLO far.test', 'MAIL FROM:<ann@far.test> BODY=8BITMIME', 'RCPT TO:<bob@here.test>', 'DATA'])
    await client.ask(line)
  const stuffed = sample.message.toString('latin1').replace(/^\./gm, '..')
  client.send(Buffer.from(`${stuffed}.\r\n`, 'latin1'))
  assert.match(await client.reply(), /^250 /)
  client.send(`MAIL FROM:<ann@far.test>\r\nRCPT TO:<bob@here.test>\r\n`)
  await client.reply()
  await client.reply()
  client.send(Buffer.concat([Buffer.from(`BDAT ${sample.message.length} LAST\r\n`), sample.message]))
  assert.match(await client.reply(), /^250 /)
  await here.deliver()
  const curl = async (url: string, ...more: readonly string[]) => {
    const options = ['-sS', '--max-time', '10', '-u', 'bob:secret', url, ...more]
    return (await run('curl', options, { encoding: 'buffer', maxBuffer: 10_000_000 })).stdout
  }
  const imapUrl = `imap://127.0.0.1:${here.listener('imap').port}`
  for (const number of [1, 2]) {
    await verify(
      folder,
      sample,
      await curl(`pop3://127.0.0.1:${here.listener('pop3').port}/${number}`),
      `POP3 ${number}`,
    )
    await verify(folder, sample, await curl(`${imapUrl}/INBOX;MAILINDEX=${number}`), `IMAP ${number}`)
  }
  await curl(`${imapUrl}/INBOX`, '-X', 'COPY 1 Archive')
  await verify(folder, sample, await curl(`${imapUrl}/Archive;MAILINDEX=1`), 'a copy')
  await writeFile(join(folder, 'upload'), sample.message)
  await curl(`${imapUrl}/Drafts`, '-T', join(folder, 'upload'))
  await verify(folder, sample, await curl(`${imapUrl}/Drafts;MAILINDEX=1`), 'APPEND')
  const { bytes } = await here.iems('mailbox export bob --format maildir --mailbox Archive')
  assert.ok(bytes.includes(sample.message), 'export')
})
