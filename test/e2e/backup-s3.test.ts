/** Backups in an S3-compatible store, and of one account: by the command of a running server, and read by IMAP. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { hashPassword } from '../../plugins/directory/static/passwords.ts'
import { talkTo } from '../support/imap-talk.ts'
import { freePort, iemsCommand, startProcess, tempFolder } from '../support/running-server.ts'
import { credentialsFor, startS3 } from '../support/s3-server.ts'
import { sendMany } from '../support/smtp-sender.ts'

const PASSWORD = await hashPassword('secret')

const configOf = (data: string, smtp: number, imap: number) => `
import { defineConfig } from 'iems'
import { accounts } from 'iems/plugins/accounts'
import { imap } from 'iems/plugins/imap'
import { mailstore } from 'iems/plugins/mailstore'
import { smtpIn } from 'iems/plugins/smtp-in'
const person = (name) => ({ name, addresses: [name + '@here.test'], password: ${JSON.stringify(PASSWORD)} })
export default defineConfig({
  hostname: 'mx.test', store: { path: ${JSON.stringify(data)} }, dns: { servers: [] },
  channels: {
    mx: smtpIn({ listen: '127.0.0.1:${smtp}' }),
    imap: imap({ listen: '127.0.0.1:${imap}', authWithoutTls: true }),
    local: mailstore({}),
  },
  plugins: [accounts({ domains: ['here.test'], accounts: [person('ann'), person('bob')] })],
})
`

async function start(t: TestContext, data?: string) {
  const folder = await tempFolder(t)
  const [smtp, imap] = [await freePort(), await freePort()]
  const server = await startProcess(t, folder, configOf(data ?? join(folder, 'data'), smtp, imap))
  const send = (to: string, messages: number, name: string) =>
    sendMany({ port: smtp, to: `${to}@here.test`, connections: 1, messages, subject: (index) => `${name}-${index}` })
  return { folder, server, send, imap }
}

async function logIn(t: TestContext, port: number, name: string) {
  const client = await talkTo(t, port)
  await client.line()
  assert.match((await client.command(`LOGIN ${name} secret`)).at(-1) ?? '', /^OK/)
  return client
}

async function subjects(t: TestContext, port: number, name: string, atLeast: number): Promise<string[]> {
  const client = await logIn(t, port, name)
  for (let tries = 0; tries < 3000; tries++) {
    const status = (await client.command('STATUS INBOX (MESSAGES)')).join('\n')
    if (Number(/MESSAGES (\d+)/.exec(status)?.[1]) >= atLeast) break
  }
  await client.command('SELECT INBOX')
  const lines = await client.command('UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)])')
  return [...lines.join('\n').matchAll(/^Subject: (\S+)/gm)].map(([, subject = '']) => subject).sort()
}

test('a backup in a bucket is listed, verified and restored; a store that is away fails with the reason', async (t) => {
  const s3 = await startS3(t)
  const { folder, server, send, imap } = await start(t)
  const credentials = join(folder, 'credentials')
  await writeFile(credentials, credentialsFor(s3))
  const options = ['--credentials', credentials]
  const place = 's3://backups/mail/mx'
  await send('ann', 5, 'first')
  await subjects(t, imap, 'ann', 5)
  s3.failures = 2
  const create = (more: Record<string, string> = {}) =>
    server.run('backup create', [place], { options: { credentials, ...more } })
  await create()
  assert.ok(s3.objects.has('mail/mx/format'))
  const first = new Map(s3.objects)
  await send('ann', 1, 'second')
  await create()
  for (const [name, object] of first) assert.ok(s3.objects.get(name)?.equals(object), `${name} stays as it was`)
  const verified = await iemsCommand(['backup', 'verify', place, '--all', ...options])
  assert.equal(verified.out.match(/whole/g)?.length, 2, verified.err)

  const target = join(folder, 'restored')
  const restored = await iemsCommand(['backup', 'restore', place, target, ...options])
  assert.equal(restored.code, 0, restored.err)
  const copy = await start(t, target)
  assert.equal((await subjects(t, copy.imap, 'ann', 5)).length >= 5, true)
  assert.match((await create({ keep: '1' })).text, /2 older snapshots removed/)

  const [name = ''] = [...s3.objects.keys()].filter((key) => key.includes('/objects/'))
  s3.objects.set(name, Buffer.from('something else'))
  assert.match((await iemsCommand(['backup', 'verify', place, ...options])).out, /1 damaged/)
  await writeFile(credentials, credentialsFor({ ...s3, secretAccessKey: 'wrong' }))
  const refused = await server.iems('backup', 'create', place, ...options)
  assert.equal(refused.code, 1)
  assert.match(refused.err, /s3:\/\/|backups.*403 SignatureDoesNotMatch/)
  assert.doesNotMatch(refused.err, /wrong/)
})

test('mail of one account comes back into the running server, from its own backup and from one of everything', async (t) => {
  const { folder, server, send, imap } = await start(t)
  const [all, one] = [join(folder, 'all'), join(folder, 'one')]
  await send('ann', 6, 'ann')
  await send('bob', 2, 'bob')
  const before = await subjects(t, imap, 'ann', 6)
  const bobs = await subjects(t, imap, 'bob', 2)
  await server.run('backup create', [all])
  await server.run('backup create', [one], { options: { account: 'ann' } })
  const remove = async () => {
    const client = await logIn(t, imap, 'ann')
    await client.command('SELECT INBOX')
    await client.command('UID STORE 1:* +FLAGS (\\Deleted)')
    await client.command('EXPUNGE')
    await client.command('LOGOUT')
  }
  for (const place of [one, all]) {
    await remove()
    await send('ann', 1, 'later')
    await subjects(t, imap, 'ann', 1)
    const restored = await server.iems('backup', 'restore', place, '--account', 'ann')
    assert.equal(restored.code, 0, restored.err)
    assert.deepEqual(await subjects(t, imap, 'ann', 7), [...before, 'later-0'])
  }
  const again = await server.iems('backup', 'restore', one, '--account', 'ann')
  assert.match(again.out, /0 messages into .*6 were there/)
  assert.equal((await subjects(t, imap, 'ann', 7)).length, 7)
  assert.deepEqual(await subjects(t, imap, 'bob', 2), bobs)
  const listed = await iemsCommand(['backup', 'list', one])
  assert.match(listed.out, /account ann/)
  assert.equal((await iemsCommand(['backup', 'restore', one, join(folder, 'never')])).code, 1)
})
