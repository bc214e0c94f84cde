/** Content at rest, by a server with workers: encrypted and compressed in a bucket, read by IMAP, checked, restored. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { hashPassword } from '../../plugins/directory/static/passwords.ts'
import { talkTo } from '../support/imap-talk.ts'
import { freePort, iemsCommand, startProcess, tempFolder } from '../support/running-server.ts'
import { credentialsFor, startS3 } from '../support/s3-server.ts'
import { sendMany } from '../support/smtp-sender.ts'

const PASSWORD = await hashPassword('secret')
const LINE = 'The quick brown fox jumps over the lazy dog, and this is its secret.\r\n'
/** Records hold previews of the beginning, so this is below it. */
const DEEP = 'words far below the beginning'
const LARGE = Array.from({ length: 6000 }, () => `${randomBytes(30).toString('hex')} ${LINE}`).join('')

interface Given {
  readonly data: string
  readonly smtp: number
  readonly imap: number
  readonly blobs: string
}

const configOf = ({ data, smtp, imap, blobs }: Given) => `
import { defineConfig, secret } from 'iems'
import { accounts } from 'iems/plugins/accounts'
import { imap } from 'iems/plugins/imap'
import { mailstore } from 'iems/plugins/mailstore'
import { smtpIn } from 'iems/plugins/smtp-in'
export default defineConfig({
  hostname: 'mx.test', store: { path: ${JSON.stringify(data)} }, dns: { servers: [] }, workers: 2,
  blobs: ${blobs},
  channels: {
    mx: smtpIn({ listen: '127.0.0.1:${smtp}' }),
    imap: imap({ listen: '127.0.0.1:${imap}', authWithoutTls: true }),
    local: mailstore({}),
  },
  plugins: [accounts({ domains: ['here.test'], accounts: [{ name: 'ann', addresses: ['ann@here.test'], password: ${JSON.stringify(PASSWORD)} }] })],
})
`

async function inbox(t: TestContext, port: number, messages: number) {
  const client = await talkTo(t, port)
  await client.line()
  await client.command('LOGIN ann secret')
  for (let tries = 0; tries < 3000; tries++) {
    const status = (await client.command('STATUS INBOX (MESSAGES)')).join('\n')
    if (Number(/MESSAGES (\d+)/.exec(status)?.[1]) >= messages) break
  }
  await client.command('SELECT INBOX')
  return client
}

/** As a mail program fetches an attachment: in parts. */
async function readsWhole(client: Awaited<ReturnType<typeof inbox>>, uid: number): Promise<string> {
  let text = ''
  for (let at = 0; ; at += 150_000) {
    const [fetched = ''] = await client.command(`UID FETCH ${uid} (BODY.PEEK[TEXT]<${at}.150000>)`)
    const part = /\{(\d+)\}\r\n([\s\S]*)\)$/.exec(fetched)?.[2] ?? ''
    if (part === '') return text
    text += part
  }
}

test('encrypted content in a bucket is read, survives a kill, is checked, backed up and restored; a wrong key stops a start', async (t) => {
  const s3 = await startS3(t)
  const folder = await tempFolder(t)
  const [smtp, imap, data] = [await freePort(), await freePort(), join(folder, 'data')]
  const [key, credentials] = [join(folder, 'blobs.key'), join(folder, 'credentials')]
  await writeFile(key, `${'5a'.repeat(32)}\n`)
  await writeFile(credentials, credentialsFor(s3))
  const keys = `keys: { main: secret.file(${JSON.stringify(key)}) }, encrypt: 'main'`
  const inBucket = `{ compress: true, ${keys}, place: 's3://backups/mail', credentials: ${JSON.stringify(credentials)} }`
  const config = configOf({ data, smtp, imap, blobs: inBucket })
  const first = await startProcess(t, folder, config)
  const send = (text: () => string) => sendMany({ port: smtp, to: 'ann@here.test', connections: 1, messages: 1, text })
  await send(() => LARGE + LINE)
  await inbox(t, imap, 1)
  await send(() => LINE.repeat(40) + DEEP)
  const client = await inbox(t, imap, 2)
  assert.ok((await readsWhole(client, 1)).includes(LARGE))
  const stored = [...s3.objects].filter(([name]) => name.startsWith('mail/blobs/'))
  assert.equal(stored.length, 1)
  const [object = '', content = Buffer.alloc(0)] = stored[0] ?? []
  assert.ok(content.length < LARGE.length * 0.7 && !content.includes('quick brown'))
  first.process.kill('SIGKILL')
  await first.ended()
  for (const name of await readdir(join(data, 'records')))
    assert.ok(!(await readFile(join(data, 'records', name))).includes(DEEP), name)

  const second = await startProcess(t, folder)
  assert.ok((await readsWhole(await inbox(t, imap, 2), 1)).includes(LARGE))
  await second.run('backup create', [join(folder, 'backup')])
  s3.objects.set(object, Buffer.concat([content.subarray(0, 900), Buffer.of(1), content.subarray(901)]))
  const damaged = await second.iems('store', 'check')
  assert.match(damaged.out, /cannot be read: a block has changed[\s\S]*1 file of large messages read, 1 damaged/)
  assert.equal(damaged.code, 1)
  s3.objects.set(object, content)

  // The configuration changes: `check` says what a start would refuse.
  const changed = (blobs: string) => writeFile(second.config, configOf({ data, smtp, imap, blobs }))
  await changed('{}')
  assert.match((await second.iems('check')).err, /key main is not among blobs\.keys/)
  await writeFile(key, '00'.repeat(32))
  await changed(inBucket)
  const wrong = await second.iems('check')
  assert.match(wrong.err, /key main in blobs\.keys is not the one/)
  assert.equal(wrong.code, 1)
  second.process.kill('SIGTERM')
  await second.ended()
  const refused = await iemsCommand(['start', '--quiet', '--config', second.config])
  assert.match(refused.err + refused.out, /key main in blobs\.keys is not the one/)
  await writeFile(key, 'short')
  assert.match((await second.iems('check')).err, /blobs\.keys\.main: must be 32 octets/)

  // Restored without the bucket: everything is in the folder, as it was encrypted.
  await writeFile(key, '5a'.repeat(32))
  s3.objects.clear()
  const restored = join(folder, 'restored')
  assert.equal((await iemsCommand(['backup', 'restore', join(folder, 'backup'), restored])).code, 0)
  await writeFile(second.config, configOf({ data: restored, smtp, imap, blobs: `{ ${keys} }` }))
  const exported = await second.iems('mailbox', 'export', 'ann', '--output', join(folder, 'ann.zip'))
  assert.equal(exported.code, 0, exported.err)
})
