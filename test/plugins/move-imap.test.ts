/** Accounts of Debian's Dovecot moved here: nothing differs, twice is harmless, killed in the middle goes on. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CommandOutput } from '../../core/index.ts'
import { secret } from '../../core/index.ts'
import { levelStore } from '../../core/store/level/level.ts'
import { hashPassword } from '../../plugins/directory/static/passwords.ts'
import { move } from '../../plugins/gateway/move/index.ts'
import { nameHere } from '../../plugins/gateway/move/sources/imap.ts'
import type { SourceAccount } from '../../plugins/gateway/move/sources/source.ts'
import { moveAccount } from '../../plugins/gateway/move/transfer/account-move.ts'
import { differencesIn, type MoveReport } from '../../plugins/gateway/move/transfer/report.ts'
import { startCyrus, whyNoCyrus } from '../support/cyrus.ts'
import { startDovecot, whyNoDovecot } from '../support/dovecot.ts'
import { createImapKernel } from '../support/imap-talk.ts'
import { contentOf, createMailKernel } from '../support/mailstore.ts'
import { countingProxy, fillMaildir, imapClient, numbered, seenBy } from '../support/move.ts'
import { freePort, iemsCommand, startProcess, tempFolder } from '../support/running-server.ts'

/** IEMS_MOVE_MESSAGES=50000 moves as many. */
const MESSAGES = Number(process.env.IEMS_MOVE_MESSAGES ?? 400)
const FOLDERS = ['Work', 'Work/2026', 'Sent Items']
/** A master user as Dovecot's documentation sets it up. */
const MASTER = `
auth_master_user_separator = *
passdb {
  driver = static
  args = password=master nopassword=n
  master = yes
  pass = yes
}
namespace inbox {
  mailbox "Sent Items" {
    special_use = \\Sent
  }
}
`
/** Runs the command against a server; fifty thousand messages take their time. */
const moved = (config: string) =>
  iemsCommand(['move', 'imap', 'ann', '--json', '--config', config], 'secret\n', undefined, 30_000 + MESSAGES * 40)
const skip = whyNoDovecot() ?? false
const reportIn = (outputs: readonly CommandOutput[]) =>
  outputs.flatMap((one) => ('value' in one && one.value ? [one.value as MoveReport] : []))[0] as MoveReport

test('an account of Dovecot comes as it is, and what changes there until the switch comes after', {
  skip,
}, async (t) => {
  const dovecot = await startDovecot(t, { users: ['ann'], settings: MASTER })
  await fillMaildir(dovecot.folder, 'ann', 120, FOLDERS)
  const old = await imapClient({ port: dovecot.imap, user: 'ann' })
  await old.mailboxSubscribe('Work')
  const server = {
    host: '127.0.0.1',
    port: dovecot.imap,
    tls: 'none' as const,
    login: 'name' as const,
    master: { user: 'boss', password: secret.value('master') },
  }
  const { command, port, mail } = await createImapKernel(t, { plugins: [move({ server })] })
  const run = async (values: object) => reportIn(await command('move imap', { values: { account: 'ann', ...values } }))

  const dry = await run({ dryRun: true })
  assert.deepEqual([dry.filed, (await mail.mailboxes('ann')).some(({ name }) => name === 'Work')], [120, false])
  const first = await run({ keepUids: true })
  assert.deepEqual(
    [first.messages, first.filed, first.flagged, first.removed, first.otherUids, first.problems],
    [120, 120, 0, 0, 0, []],
  )
  const there = await seenBy({ port: dovecot.imap, user: 'ann' }, { uids: true })
  const here = await seenBy({ port, user: 'ann' }, { uids: true })
  const names = new Set(there.map(({ name }) => name))
  assert.deepEqual(
    here.filter(({ name }) => names.has(name)),
    there,
  )
  // The account's own Sent mailbox took the name of the old one.
  assert.deepEqual(
    (await mail.mailboxes('ann')).filter(({ specialUse }) => specialUse === '\\Sent').map(({ name }) => name),
    ['Sent Items'],
  )
  const second = await run({ keepUids: true })
  assert.deepEqual([second.filed, second.already, second.flagged, second.removed], [0, 120, 0, 0])

  await old.mailboxOpen('INBOX')
  await old.messageFlagsAdd('1:20', ['\\Flagged', 'urgent'], { uid: true })
  await old.messageDelete('21:25', { uid: true })
  await old.append('Work', numbered(1000), ['\\Seen'], new Date(1_500_000_000_000))
  await old.mailboxSubscribe('Work/2026')
  await old.logout()
  const third = await run({ keepUids: true })
  assert.deepEqual([third.filed, third.removed, third.subscriptions], [1, 5, 1])
  assert.deepEqual(
    (await seenBy({ port, user: 'ann' }, { uids: true })).filter(({ name }) => names.has(name)),
    await seenBy({ port: dovecot.imap, user: 'ann' }, { uids: true }),
  )
  await assert.rejects(command('move imap', { values: { account: 'ann', login: 'nobody' } }), /1 account could not/)
})

test('a move that was killed in the middle goes on, and nothing comes twice', { skip }, async (t) => {
  // Without COMPRESS, so that octets on the wire are those of messages.
  const settings = 'imap_capability = IMAP4rev1 LITERAL+ LIST-EXTENDED NAMESPACE UIDPLUS'
  const dovecot = await startDovecot(t, { users: ['ann'], settings })
  await fillMaildir(dovecot.folder, 'ann', MESSAGES, FOLDERS)
  const folder = await tempFolder(t)
  const port = await freePort()
  const config = (old: number) => `import { defineConfig } from 'iems'
import { accounts } from 'iems/plugins/accounts'
import { imap } from 'iems/plugins/imap'
import { mailstore } from 'iems/plugins/mailstore'
import { move } from 'iems/plugins/move'
export default defineConfig({
  hostname: 'new.test',
  store: { path: 'data' },
  channels: {
    imap: imap({ listen: '127.0.0.1:${port}', authWithoutTls: true }),
    local: mailstore({}, { accepts: 'anyone' }),
  },
  plugins: [
    accounts({ domains: ['here.test'], accounts: [{ name: 'ann', addresses: ['ann@here.test'], password: '${hash}' }] }),
    move({ server: { host: '127.0.0.1', port: ${old}, tls: 'none', login: 'name' } }),
  ],
})
`
  const hash = await hashPassword('secret')
  // The list of messages, then half of them.
  const half =
    MESSAGES * 100 + Array.from({ length: MESSAGES / 2 }, (_, n) => numbered(n).length).reduce((a, b) => a + b)
  let kill = () => {}
  const proxy = await countingProxy(t, dovecot.imap, half, () => kill())
  const first = await startProcess(t, folder, config(proxy))
  kill = () => first.process.kill('SIGKILL')
  await moved(first.config)
  await first.ended()

  const second = await startProcess(t, folder, config(dovecot.imap))
  const again = await moved(second.config)
  const report = JSON.parse(again.out.split('\n')[0] ?? '') as MoveReport
  assert.ok(report.already > 0 && report.filed > 0, again.out + again.err)
  assert.equal(report.already + report.filed, MESSAGES)
  assert.deepEqual(await seenBy({ port, user: 'ann' }), await seenBy({ port: dovecot.imap, user: 'ann' }))
  const last = JSON.parse((await moved(second.config)).out.split('\n')[0] ?? '') as MoveReport
  assert.deepEqual([last.already, last.filed, last.flagged, last.removed], [MESSAGES, 0, 0, 0])
})

test('an account of Cyrus comes as it is, without the prefix of its namespace', {
  skip: whyNoCyrus() ?? false,
}, async (t) => {
  const cyrus = await startCyrus(t, ['ann'])
  const old = await imapClient({ port: cyrus.imap, user: 'ann' })
  for (const name of ['INBOX.Work', 'INBOX.Work.2026']) await old.mailboxCreate(name)
  await old.mailboxSubscribe('INBOX.Work')
  for (let n = 0; n < MESSAGES; n++) {
    const folder = ['INBOX', 'INBOX.Work', 'INBOX.Work.2026'][n % 3] ?? ''
    const flags = ['\\Seen', '\\Flagged', '$Label'].filter((_, bit) => n & (1 << bit))
    await old.append(folder, numbered(n), flags, new Date(1_600_000_000_000 + n * 61_000))
  }
  await old.logout()
  const server = { host: '127.0.0.1', port: cyrus.imap, tls: 'none' as const, login: 'name' as const }
  // The store in memory is for some thousand records.
  const store = MESSAGES > 1000 ? await levelStore({ path: await tempFolder(t) }) : undefined
  const { command, port } = await createImapKernel(t, { plugins: [move({ server })], ...(store ? { store } : {}) })
  const run = () => command('move imap', { values: { account: 'ann', keepUids: true }, input: 'secret\n' })
  const first = reportIn(await run())
  assert.deepEqual([first.messages, first.filed, first.problems], [MESSAGES, MESSAGES, []])
  const here = await seenBy({ port, user: 'ann' }, { uids: true })
  for (const folder of await seenBy({ port: cyrus.imap, user: 'ann' }, { uids: true })) {
    const name = folder.name.replace(/^INBOX\./, '').replaceAll('.', '/')
    assert.deepEqual(
      here.find((one) => one.name === name),
      { ...folder, name },
    )
  }
  const second = reportIn(await run())
  assert.deepEqual([second.filed, second.flagged, second.removed, second.subscriptions], [0, 0, 0, 0])
})

test('messages that were filed when a run was ended, but not yet recorded, are found again, also when they are alike', async (t) => {
  const { mail, store, entries } = await createMailKernel(t)
  const texts = ['Subject: a\r\n\r\n', 'Subject: a\r\n\r\n', 'Subject: b\r\n\r\n']
  const listed = texts.map((text, n) => ({ id: `${n}`, size: text.length, flags: [] }))
  const source: SourceAccount = {
    id: 'test',
    folders: async () => [{ path: 'INBOX', name: 'INBOX' }],
    async *list() {
      yield* listed
    },
    async *read(_, messages) {
      for (const message of messages) yield { message, content: Buffer.from(texts[Number(message.id)] ?? '') }
    },
    close: async () => {},
  }
  const signal = new AbortController().signal
  const options = { account: 'ann', keepsUids: false, isDry: false, signal }
  const ended = {
    ...mail,
    async append(...given: Parameters<typeof mail.append>) {
      await mail.append(...given)
      throw new Error('ended')
    },
  }
  await assert.rejects(Array.fromAsync(moveAccount({ store, mail: ended }, source, options)), /ended/)
  const run = moveAccount({ store, mail }, source, options)
  let last = await run.next()
  while (!last.done) last = await run.next()
  assert.deepEqual([last.value.recovered, last.value.already, last.value.filed], [3, 3, 0])
  assert.equal((await entries('ann')).length, 3)
})

test('a mailbox that has UIDs of its own is named, and is no difference that holds a switch up', async (t) => {
  const { mail, store, mailbox, entries } = await createMailKernel(t)
  const own = { content: contentOf('Subject: own\r\n\r\n') }
  await mail.append(await mailbox('ann'), [own])
  const source: SourceAccount = {
    id: 'test',
    folders: async () => [{ path: 'INBOX', name: 'INBOX', uids: { uidValidity: 7, uidNext: 10 } }],
    async *list() {
      yield { id: '7.9', uid: 9, size: 20, flags: [] }
    },
    async *read(_, messages) {
      for (const message of messages) yield { message, content: Buffer.from('Subject: moved\r\n\r\n') }
    },
    close: async () => {},
  }
  const options = { account: 'ann', keepsUids: true, isDry: false, signal: new AbortController().signal }
  const run = async () => {
    const move = moveAccount({ store, mail }, source, options)
    let last = await move.next()
    while (!last.done) last = await move.next()
    return last.value.report('ann', 'test')
  }
  const first = await run()
  assert.deepEqual([first.filed, first.otherFolders, first.problems], [1, ['INBOX'], []])
  assert.equal(differencesIn(await run()), 0)
  assert.equal((await entries('ann')).length, 2)
})

test('names lose the prefix of their namespace and get our divider', () => {
  assert.equal(nameHere('INBOX.Work.a/b', { delimiter: '.', prefix: 'INBOX.' }), 'Work/a-b')
  assert.equal(nameHere('INBOX', { delimiter: '.', prefix: 'INBOX.' }), 'INBOX')
  assert.equal(nameHere('flat', { delimiter: '', prefix: '' }), 'flat')
})
