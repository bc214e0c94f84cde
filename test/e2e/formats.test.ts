/**
 * The data folder of every released format opens, with all that it held; a snapshot is taken before an upgrade, and
 * leads back.
 *
 * `IEMS_NEW_FORMAT=0.2.0` makes the folder of a release (test/fixtures/formats/0.2.0.tar and .json) instead.
 */
import assert from 'node:assert/strict'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { type TestContext, test } from 'node:test'
import { runProgram } from 'iems/testing'
import { askServer } from '../../core/control/client.ts'
import { loadConfig } from '../../core/runtime/config.ts'
import { talkTo } from '../support/imap-talk.ts'
import { type Given, iemsCommand, type RunningServer, startProcess, tempFolder } from '../support/running-server.ts'
import { sendMany } from '../support/smtp-sender.ts'
import { talk } from '../support/smtp-talk.ts'

const FIXTURES = resolve(import.meta.dirname, '../fixtures/formats')

const configOf = (rest = '', plugins = '') => `
import { defineConfig } from 'iems'
import { directory } from 'iems/plugins/directory'
import { imap } from 'iems/plugins/imap'
import { lists } from 'iems/plugins/lists'
import { mailsort } from 'iems/plugins/mailsort'
import { mailstore } from 'iems/plugins/mailstore'
import { quota } from 'iems/plugins/quota'
import { smtpIn } from 'iems/plugins/smtp-in'
import { smtpOut } from 'iems/plugins/smtp-out'
${rest}
export default defineConfig({
  hostname: 'mx.test', store: { path: 'data', reserve: '0 B' }, dns: { servers: [] },
  channels: {
    mx: smtpIn({ listen: '127.0.0.1:0' }, { trusts: ['127.0.0.0/8'] }),
    imap: imap({ listen: '127.0.0.1:0', authWithoutTls: true }),
    local: mailstore({}),
    lists: lists({}),
    out: smtpOut({ nexthop: '127.0.0.1:1' }),
  },
  plugins: [directory(), mailsort(), quota(), ${plugins}],
})
`

async function portsOf(server: RunningServer) {
  const line = await server.line(/server\.started/)
  const { listeners } = JSON.parse(line) as { listeners: string[] }
  const port = (protocol: string) =>
    Number(
      listeners
        .find((listener) => listener.startsWith(protocol))
        ?.split(':')
        .at(-1),
    )
  return { smtp: port('SMTP'), imap: port('IMAP') }
}

async function logIn(t: TestContext, port: number) {
  const client = await talkTo(t, port)
  await client.line()
  assert.match((await client.command('LOGIN ann "a good password"')).at(-1) ?? '', /^OK/)
  return client
}

/** What the folder holds, as clients and administrators see it. */
async function contentOf(t: TestContext, server: RunningServer) {
  const client = await logIn(t, (await portsOf(server)).imap)
  const mailboxes: Record<string, unknown> = {}
  for (const name of ['INBOX', 'Work']) {
    assert.match((await client.command(`SELECT ${name}`)).at(-1) ?? '', /^OK/)
    const lines = await client.command('UID FETCH 1:* (UID FLAGS RFC822.SIZE BODY.PEEK[HEADER.FIELDS (SUBJECT)])')
    mailboxes[name] = lines.filter((line) => line !== ')' && line !== '' && !line.startsWith('OK'))
  }
  const queue: { recipients: { address: string }[] }[] = []
  const asked = { v: 1, method: 'queue.list', params: { filter: {}, limit: 10 } } as const
  await askServer(join(server.folder, 'data', 'control.sock'), asked, (one) =>
    queue.push(one as (typeof queue)[number]),
  )
  const said = [
    await run(server, 'list members', ['staff@here.test']),
    await run(server, 'account show', ['ann']),
    await run(server, 'alias list'),
    await run(server, 'mailsort list', [], { options: { account: 'ann' } }),
  ]
  return { mailboxes, queued: queue.map(({ recipients }) => recipients.map(({ address }) => address)), said }
}

const run = async (server: RunningServer, words: string, given: string[] = [], more: Given = {}) =>
  (await server.run(words, given, more)).text

async function kindsOf(config: string) {
  const { channels, plugins } = await loadConfig(config)
  return Object.fromEntries(
    [...channels, ...plugins].flatMap(({ name, definition: { records } }) =>
      records
        ? [[name, Object.fromEntries(Object.entries(records).map(([kind, { version }]) => [kind, version]))]]
        : [],
    ),
  )
}

async function fill(t: TestContext, server: RunningServer): Promise<void> {
  const { smtp, imap } = await portsOf(server)
  await run(server, 'domain add', ['here.test'])
  await run(server, 'account add', ['ann', 'address=ann@here.test'])
  await run(server, 'account password', ['ann'], { input: 'a good password\n' })
  await run(server, 'alias add', ['info@here.test', 'target=ann@here.test'])
  await run(server, 'list add', ['staff@here.test'])
  await run(server, 'list join', ['staff@here.test', 'ann@here.test'])
  const input = 'require "fileinto"; if header :contains "subject" "nothing" { fileinto "Work"; }'
  await run(server, 'mailsort put', ['mine'], { options: { account: 'ann' }, input })
  await sendMany({ port: smtp, to: 'ann@here.test', connections: 1, messages: 4, subject: (n) => `small-${n}` })
  const text = () => 'A long line of text.\r\n'.repeat(5000)
  await sendMany({ port: smtp, to: 'info@here.test', connections: 1, messages: 1, subject: () => 'large', text })
  await sendMany({ port: smtp, to: 'far@there.test', connections: 1, messages: 2, text })
  const client = await logIn(t, imap)
  for (let tries = 0; tries < 1000; tries++)
    if ((await client.command('STATUS INBOX (MESSAGES)')).join().includes('MESSAGES 5')) break
  for (const line of [
    'CREATE Work',
    'SELECT INBOX',
    'UID STORE 1 +FLAGS (\\Seen $Label)',
    'UID COPY 2 Work',
    'UID STORE 3 +FLAGS (\\Deleted)',
    'EXPUNGE',
  ])
    assert.match((await client.command(line)).at(-1) ?? '', /^OK/, line)
  assert.equal((await server.iems('queue', 'hold', '--from', 'a@there.test', '--reason', 'kept')).code, 0)
}

const makes = process.env.IEMS_NEW_FORMAT

async function makeFolder(t: TestContext): Promise<void> {
  const folder = await tempFolder(t)
  const server = await startProcess(t, folder, configOf())
  await fill(t, server)
  const content = await contentOf(t, server)
  server.process.kill('SIGTERM')
  await server.ended()
  const kinds = await kindsOf(server.config)
  await writeFile(join(FIXTURES, `${makes}.json`), `${JSON.stringify({ kinds, content }, undefined, 2)}\n`)
  const tar = ['--create', '--gzip', '--file', join(FIXTURES, `${makes}.tar.gz`), '--exclude=LOCK', '--exclude=LOG*']
  const { code, err } = await runProgram('tar', [...tar, '-C', folder, 'data/records', 'data/blobs'])
  assert.equal(code, 0, err)
}

// Not a test: how the folder of a release comes about.
if (makes !== undefined) test('the folder of this release is made', makeFolder)

const released = (await readdir(FIXTURES)).filter((name) => name.endsWith('.json')).map((name) => name.slice(0, -5))

async function unpacked(t: TestContext, release: string): Promise<string> {
  const folder = await tempFolder(t)
  const { code } = await runProgram('tar', ['--extract', '--file', join(FIXTURES, `${release}.tar.gz`), '-C', folder])
  assert.equal(code, 0)
  return folder
}

for (const release of released)
  test(`the data folder of ${release} opens with everything it held`, async (t) => {
    const folder = await unpacked(t, release)
    const { content } = JSON.parse(await readFile(join(FIXTURES, `${release}.json`), 'utf8')) as { content: unknown }
    const server = await startProcess(t, folder, configOf())
    assert.deepEqual(await contentOf(t, server), content)
    assert.match(await run(server, 'mailbox check', [], { options: { deep: true } }), / 0 problems found/)
  })

test('each version of a kind of record has the data folder of a release', async (t) => {
  const known = await Promise.all(released.map((release) => readFile(join(FIXTURES, `${release}.json`), 'utf8')))
  const folder = await tempFolder(t)
  const config = join(folder, 'iems.config.ts')
  await writeFile(config, configOf())
  for (const [name, kinds] of Object.entries(await kindsOf(config)))
    for (const [kind, version] of Object.entries(kinds))
      assert.ok(
        known.some(
          (text) => (JSON.parse(text) as { kinds: Record<string, typeof kinds> }).kinds[name]?.[kind] === version,
        ),
        `no folder has ${name} ${kind} ${version}: make one with IEMS_NEW_FORMAT`,
      )
})

const notes = (version: number) => `
import { definePlugin, key } from 'iems'
const notes = definePlugin({
  name: 'notes',
  config: { '~standard': { version: 1, vendor: 'test', validate: () => ({ value: undefined }) } },
  records: { note: { version: ${version}, async upgrade(view) {
    await view.commit([{ put: key('note'), value: Buffer.from('upgraded') }])
  } } },
  async setup(_, ctx) {
    if (!(await ctx.store.get(key('note')))) await ctx.store.commit([{ put: key('note'), value: Buffer.from('first') }])
    return { commands: { 'notes show': { summary: 'the note', async *run() {
      yield { text: String(await ctx.store.get(key('note'))) }
    } } } }
  },
})`

test('an upgrade takes a snapshot first, and iems store revert goes back to it', async (t) => {
  const folder = await unpacked(t, released.at(-1) ?? '')
  const before = await startProcess(t, folder, configOf(notes(1), 'notes()'))
  const content = await contentOf(t, before)
  assert.equal(await run(before, 'notes show'), 'first')
  before.process.kill('SIGTERM')
  await before.ended()

  const after = await startProcess(t, folder, configOf(notes(2), 'notes()'))
  assert.equal(await run(after, 'notes show'), 'upgraded')
  const { back = '', path = '' } = JSON.parse(await after.line(/"store\.snapshot"/)) as { back?: string; path?: string }
  assert.match(await after.line(/"records\.upgraded"/), /"kind":"note","from":1,"to":2,"written":1/)
  const [large] = (await readdir(join(path, 'blobs'), { recursive: true })).filter((name) => name.length > 20)
  assert.ok((await stat(join(path, 'blobs', large ?? ''))).nlink > 1, 'files are links')
  const client = await talk(t, (await portsOf(after)).smtp)
  await client.reply()
  for (const line of ['EHLO c.test', 'MAIL FROM:<>', 'RCPT TO:<ann@here.test>', 'DATA', 'Subject: late\r\n\r\n.'])
    await client.ask(line)
  const [, , ...revert] = back.split(' ')
  assert.match((await after.iems('store', ...revert)).err, /in use|another/i)
  after.process.kill('SIGTERM')
  await after.ended()

  const reverted = await iemsCommand(['store', ...revert, '--config', after.config])
  assert.equal(reverted.code, 0, reverted.err)
  const again = await startProcess(t, folder, configOf(notes(1), 'notes()'))
  assert.equal(await run(again, 'notes show'), 'first')
  assert.deepEqual(await contentOf(t, again), content)
})
