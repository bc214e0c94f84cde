/**
 * A Notes site is moved: its directory, then mail files of 60 people (NOTES_USERS says how many), with a kill -9 in the
 * middle and a second run. The mailboxes are read by IMAP (Python's imaplib), web mail's JMAP, and mbsync.
 */
import assert from 'node:assert/strict'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { missing, runProgram } from 'iems/testing'
import type { Json } from '../support/jmap.ts'
import { makeNotesSite, type SiteUser, USERS } from '../support/notes-site.ts'
import { freePort, iemsCommand, startProcess, tempFolder } from '../support/running-server.ts'

/** For an import on a machine that does much else. */
const PATIENCE_MS = 300_000

const configOf = ({ imap, web }: { readonly imap: number; readonly web: number }) => `
import { defineConfig } from 'iems'
import { directory } from 'iems/plugins/directory'
import { http } from 'iems/plugins/http'
import { imap } from 'iems/plugins/imap'
import { jmap } from 'iems/plugins/jmap'
import { mailstore } from 'iems/plugins/mailstore'
import { notes } from 'iems/plugins/notes'
export default defineConfig({
  hostname: 'acme.test',
  channels: {
    local: mailstore(),
    imap: imap({ listen: '127.0.0.1:${imap}', authWithoutTls: true }),
    web: http({ listen: '127.0.0.1:${web}' }),
  },
  plugins: [directory({ proxyLogin: true }), jmap(), notes({ domain: 'acme.test' })],
})
`

/** Subjects by mailbox of each user, with the flags of the first message of INBOX, as a client sees them. */
const READER = `
import base64, imaplib, json, re, sys
from email import message_from_bytes, policy
port, names = int(sys.argv[1]), json.load(sys.stdin)
found = {}
for name in names:
    c = imaplib.IMAP4('127.0.0.1', port)
    c.authenticate('PLAIN', lambda _: (name + '\\0admin\\0migration-secret').encode())
    boxes = {}
    for line in c.list()[1]:
        box = re.match(rb'\\((.*?)\\) "/" "?(.*?)"?$', line).group(2).decode()
        count = int(c.select('"' + box + '"', readonly=True)[1][0])
        fetched = c.fetch('1:*', '(FLAGS BODY.PEEK[])')[1] if count else []
        rows = []
        for at in range(0, len(fetched) - 1, 2):
            m = message_from_bytes(fetched[at][1], policy=policy.default)
            body = m.get_body(('plain', 'html'))
            rows.append([str(m['subject']), '\\\\Seen' in str(fetched[at][0]) + str(fetched[at + 1]), str(m['from']), body.get_content() if body else ''])
        boxes[box] = sorted(rows)
    found[name] = boxes
    c.logout()
print(json.dumps(found))
`

type Row = readonly [subject: string, isSeen: boolean, from: string, text: string]
type Read = Record<string, Record<string, readonly Row[]>>

async function read(port: number, users: readonly SiteUser[]): Promise<Read> {
  const { out, err } = await runProgram('/usr/bin/python3', ['-c', READER, String(port)], {
    input: JSON.stringify(users.map(({ name }) => name)),
    timeout: PATIENCE_MS,
  })
  assert.ok(out.startsWith('{'), err)
  return JSON.parse(out) as Read
}

test(`${USERS} people of a Notes site are moved, killed in the middle, and come to the same mailboxes`, {
  skip: missing('/usr/bin/python3'),
}, async (t) => {
  const folder = await tempFolder(t)
  const site = await makeNotesSite(folder, USERS, 'acme.test')
  const ports = { imap: await freePort(), web: await freePort() }
  let server = await startProcess(t, folder, configOf(ports))
  const { config } = server
  const iems = async (...args: string[]) => {
    const { code, out, err } = await iemsCommand([...args, '--config', config], '', undefined, PATIENCE_MS)
    assert.equal(code, 0, `${args.join(' ')}: ${out.slice(-2000)}${err}`)
    return out
  }
  await iems('domain', 'add', 'acme.test')
  assert.match(await iems('notes', 'directory', site.directory), new RegExp(`${USERS + 1} entries added`))
  assert.match(await iems('notes', 'directory', site.directory), /0 entries added, 0 changed/)
  await iems('account', 'add', 'admin', 'role=admin', 'address=admin@acme.test')
  for (const name of ['admin', 'user7'])
    assert.equal((await server.iemsWithInput('migration-secret\n', 'account', 'password', name)).code, 0)

  // Killed when about half is there.
  const importing = iemsCommand(
    ['notes', 'import', site.mail, '--json', '--config', config],
    '',
    undefined,
    PATIENCE_MS,
  )
  for (let tries = 0; tries < 600; tries++) {
    const { out } = await server.iems('mailbox', 'list', `user${USERS / 2}`)
    if (/Projects/.test(out)) break
  }
  server.process.kill('SIGKILL')
  await server.ended()
  assert.notEqual((await importing).code, 0)
  server = await startProcess(t, folder)
  const last = (out: string) => JSON.parse(out.trim().split('\n').at(-1) ?? '') as Record<string, number>
  const second = last(await iems('notes', 'import', site.mail, '--json'))
  assert.ok((second.already ?? 0) > 0 && (second.filed ?? 0) > 0, JSON.stringify(second))
  const third = last(await iems('notes', 'import', site.mail, '--json'))
  assert.deepEqual([third.accounts, third.filed, third.failed], [USERS, 0, 0])

  const found = await read(ports.imap, site.users)
  for (const { name, mailboxes } of site.users) {
    const boxes = found[name] ?? {}
    if (!mailboxes) {
      assert.ok(Object.values(boxes).flat().length > 0, name)
      continue
    }
    for (const [mailbox, subjects] of Object.entries(mailboxes))
      assert.deepEqual(
        boxes[mailbox]?.map(([subject]) => subject),
        subjects.toSorted(),
        `${name} ${mailbox}`,
      )
  }
  const [first] = found.user7?.INBOX ?? []
  assert.deepEqual(first, ['Message 0 of 7', false, 'Person 7 <user7@acme.test>', 'Text 0, größer\r\n'])

  await readByWeb(ports.web)
  await readByMbsync(t, ports.imap)
})

/** As web mail does: the tree, the messages of INBOX with their text, and the address book. */
async function readByWeb(port: number): Promise<void> {
  const base = `http://127.0.0.1:${port}`
  const authorization = `Basic ${Buffer.from('user7:migration-secret').toString('base64')}`
  const session = (await (await fetch(`${base}/.well-known/jmap`, { headers: { authorization } })).json()) as Json
  const accountId = session.primaryAccounts['urn:ietf:params:jmap:mail']
  const using = ['core', 'mail', 'contacts'].map((name) => `urn:ietf:params:jmap:${name}`)
  const call = async (name: string, given: Json): Promise<Json> => {
    const body = JSON.stringify({ using, methodCalls: [[name, { accountId, ...given }, 'a']] })
    const headers = { authorization, 'content-type': 'application/json' }
    const answer = (await (
      await fetch(new URL(session.apiUrl, base), { method: 'POST', headers, body })
    ).json()) as Json
    return answer.methodResponses[0][1]
  }
  const tree: Json[] = (await call('Mailbox/get', { ids: null })).list
  const named = (name: string) => tree.find((one) => one.name === name)
  assert.equal(named('Empty')?.parentId, named('Deep')?.id)
  assert.equal(named('Deep')?.parentId, named('Projects')?.id)
  const inbox = tree.find(({ role }) => role === 'inbox')
  assert.deepEqual([inbox?.totalEmails, inbox?.unreadEmails], [2, 1])
  const { ids } = await call('Email/query', { filter: { inMailbox: inbox?.id, text: 'größer' } })
  assert.equal(ids.length, 2)
  const properties = ['subject', 'receivedAt', 'bodyValues', 'textBody']
  const { list } = await call('Email/get', { ids, properties, fetchTextBodyValues: true })
  const first = list.find(({ subject }: Json) => subject === 'Message 0 of 7')
  assert.equal(first.receivedAt, '2001-06-12T12:05:10Z')
  assert.match(first.bodyValues[first.textBody[0].partId].value, /^Text 0, größer/)
  const cards: Json[] = (await call('ContactCard/get', { ids: null })).list
  assert.ok(cards.some(({ emails }) => emails?.e1?.address === 'ed@example.org'))
}

async function readByMbsync(t: Parameters<typeof tempFolder>[0], port: number): Promise<void> {
  if (missing('/usr/bin/mbsync')) return
  const folder = await tempFolder(t)
  const rc = join(folder, 'mbsyncrc')
  await writeFile(
    rc,
    `IMAPAccount a\nHost 127.0.0.1\nPort ${port}\nUser user7\nPass migration-secret\nSSLType None\nAuthMechs LOGIN\n\nIMAPStore far\nAccount a\n\nMaildirStore near\nPath ${folder}/\nInbox ${folder}/Inbox\nSubFolders Verbatim\n\nChannel all\nFar :far:\nNear :near:\nPatterns *\nCreate Near\nSyncState *\n`,
  )
  const ran = await runProgram('/usr/bin/mbsync', ['-c', rc, '-a'], { env: { ...process.env, HOME: folder } })
  assert.equal(ran.code, 0, ran.err)
  const letters = async (box: string) =>
    (await readdir(join(folder, box, 'cur'))).length + (await readdir(join(folder, box, 'new'))).length
  assert.deepEqual(
    [await letters('Inbox'), await letters('Projects/Deep'), await letters('Projects/Deep/Empty')],
    [2, 2, 0],
  )
}
