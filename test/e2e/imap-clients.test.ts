/** Real clients against our IMAP server: what they write is there, what is there they read. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { ImapFlow } from 'imapflow'
import { createImapKernel } from '../support/imap-talk.ts'
import { allowed, contentOf } from '../support/mailstore.ts'
import { tempFolder } from '../support/running-server.ts'

const run = promisify(execFile)
const lacks = (path: string, name: string) => (existsSync(path) ? false : `${name} (Debian package) is not installed`)
const message = (subject: string) =>
  `From: me@far.test\r\nSubject: ${subject}\r\nMessage-ID: <${subject}@x>\r\n\r\nText of ${subject}\r\n`

async function withMail(t: Parameters<typeof createImapKernel>[0], count: number) {
  const kernel = await createImapKernel(t)
  const inbox = await kernel.mailbox('ann')
  allowed(
    await kernel.mail.append(
      inbox,
      Array.from({ length: count }, (_, index) => ({ content: contentOf(message(`s${index + 1}`)) })),
    ),
  )
  return { ...kernel, inbox }
}

test('curl lists, reads, searches and appends', { skip: lacks('/usr/bin/curl', 'curl') }, async (t) => {
  const { port, entries } = await withMail(t, 3)
  const folder = await tempFolder(t)
  await writeFile(join(folder, 'new'), message('from-curl'))
  const curl = async (path: string, ...more: string[]) =>
    (await run('curl', ['-sS', '--max-time', '20', '-u', 'ann:secret', `imap://127.0.0.1:${port}/${path}`, ...more]))
      .stdout
  assert.match(await curl(''), /\* LIST \(\\HasNoChildren\) "\/" INBOX/)
  assert.equal(await curl('INBOX;UID=2'), message('s2'))
  assert.match(await curl('INBOX', '-X', 'SEARCH SUBJECT s3'), /\* SEARCH 3/)
  await curl('Drafts', '-T', join(folder, 'new'))
  assert.equal((await entries('ann', 'Drafts')).length, 1)
})

test("Python's imaplib works through a session", { skip: lacks('/usr/bin/python3', 'python3') }, async (t) => {
  const { port, entries } = await withMail(t, 2)
  const script = `
import imaplib, sys
c = imaplib.IMAP4('127.0.0.1', ${port})
c.login('ann', 'secret')
assert c.create('Work/2026')[0] == 'OK'
assert c.append('Work/2026', '(\\\\Seen)', imaplib.Time2Internaldate(1700000000), b'Subject: py\\r\\n\\r\\nhi\\r\\n')[0] == 'OK'
assert c.select('INBOX') == ('OK', [b'2']), 'select'
typ, data = c.fetch('1:*', '(UID RFC822)')
assert data[0][1] == ${JSON.stringify(message('s1')).replaceAll('\\r', '\\\\r').replaceAll('\\n', '\\\\n').replace(/^"|"$/g, "'").replace(/^'/, "b'")}.replace(b'\\\\r', b'\\r').replace(b'\\\\n', b'\\n'), data[0][1]
assert c.uid('COPY', '1', 'Work/2026')[0] == 'OK'
assert c.store('2', '+FLAGS', '\\\\Deleted')[0] == 'OK'
assert c.expunge() == ('OK', [b'2'])
assert c.search(None, 'ALL') == ('OK', [b'1'])
assert c.getquotaroot('INBOX')[0] == 'OK'
assert c.myrights('INBOX')[0] == 'OK'
c.close(); c.logout()
print('done')
`
  assert.equal((await run('python3', ['-c', script])).stdout, 'done\n')
  assert.deepEqual(
    (await entries('ann', 'Work/2026')).map(({ received }) => received > 1_700_000_000_000),
    [false, true],
  )
})

test('imapflow fetches, flags, moves, idles and sees what comes', async (t) => {
  const { port, entries, submit, deliver } = await withMail(t, 3)
  const client = new ImapFlow({
    host: '127.0.0.1',
    port,
    secure: false,
    doSTARTTLS: false,
    auth: { user: 'ann', pass: 'secret' },
    logger: false,
  })
  t.after(() => client.close())
  await client.connect()
  const lock = await client.getMailboxLock('INBOX')
  const subjects: (string | undefined)[] = []
  for await (const one of client.fetch('1:*', { envelope: true, bodyStructure: true, flags: true }))
    subjects.push(one.envelope?.subject)
  assert.deepEqual(subjects, ['s1', 's2', 's3'])
  const source = await client.fetchOne('2', { source: true })
  assert.equal(source ? source.source?.toString() : '', message('s2'))
  assert.ok(await client.messageFlagsAdd('1', ['\\Flagged', '$Label1']))
  const moved = await client.messageMove('3', 'Archive')
  assert.equal(moved ? moved.uidMap?.get(3) : 0, 1)
  assert.deepEqual(await client.search({ subject: 's2' }), [2])
  const more = new Promise<number>((resolve) => client.once('exists', ({ count }) => resolve(count)))
  const idle = client.idle()
  await submit({ from: 'me@far.test', to: ['ann@here.test'] })
  await deliver()
  assert.equal(await more, 3)
  lock.release()
  await client.noop()
  await idle
  await client.logout()
  assert.deepEqual((await entries('ann'))[0]?.flags, ['\\Flagged', '$Label1'])
})

/** Subjects and flags of a mailbox, as lines. */
async function subjectsOf({ entries, content }: Awaited<ReturnType<typeof withMail>>, name: string): Promise<string[]> {
  const lines: string[] = []
  for (const { email, flags } of await entries('ann', name)) {
    const subject = /^Subject: (.*)\r$/m.exec(await content(email))?.[1]
    lines.push([subject, ...flags].join(' '))
  }
  return lines
}

test('fetchmail takes everything away', { skip: lacks('/usr/bin/fetchmail', 'fetchmail') }, async (t) => {
  const kernel = await withMail(t, 5)
  const folder = await tempFolder(t)
  const rc = join(folder, 'rc')
  const mda = `cat >> ${folder}/all`
  await writeFile(
    rc,
    `poll 127.0.0.1 protocol imap port ${kernel.port} auth password user ann password secret sslproto "" fetchall mda "${mda}"\n`,
  )
  await chmod(rc, 0o700)
  await run('fetchmail', ['-f', rc, '-i', join(folder, 'ids'), '--pidfile', join(folder, 'pid')], {
    env: { ...process.env, HOME: folder },
    timeout: 30_000,
  })
  const all = await readFile(join(folder, 'all'), 'utf8')
  for (let number = 1; number <= 5; number++) assert.ok(all.includes(`\n\nText of s${number}\n`), all)
  assert.deepEqual(await subjectsOf(kernel, 'INBOX'), [])
})

for (const mutt of ['mutt', 'neomutt']) {
  const skip = lacks(`/usr/bin/${mutt}`, mutt) || lacks('/usr/bin/script', 'bsdutils')
  test(`${mutt} reads, flags, removes and files messages`, { skip }, async (t) => {
    const kernel = await withMail(t, 5)
    const folder = await tempFolder(t)
    await writeFile(
      join(folder, 'rc'),
      `set folder=imap://ann@127.0.0.1:${kernel.port}/ spoolfile=+INBOX imap_user=ann imap_pass=secret
set imap_authenticators=login ssl_starttls=no ssl_force_tls=no move=no confirmappend=no delete=yes mark_old=no quit=yes
set sort=mailbox-order wait_key=no pipe_decode=yes
push "<first-entry><flag-message><pipe-message>cat > ${folder}/read<enter><tag-pattern>~s s4<enter><tag-prefix><save-message>=Archive<enter><delete-pattern>~s s2<enter><sync-mailbox><quit>"
`,
    )
    // It wants a terminal.
    await run('script', ['-qec', `${mutt} -n -F ${folder}/rc`, '/dev/null'], {
      env: { ...process.env, HOME: folder, TERM: 'vt100' },
      timeout: 30_000,
    })
    assert.match(await readFile(join(folder, 'read'), 'utf8'), /^Subject: s2$[\s\S]*Text of s2/m)
    assert.deepEqual(await subjectsOf(kernel, 'INBOX'), ['s1 \\Flagged', 's3', 's5'])
    assert.deepEqual(await subjectsOf(kernel, 'Archive'), ['s4'])
  })
}

test('s-nail reads, copies, removes and files messages', { skip: lacks('/usr/bin/s-nail', 's-nail') }, async (t) => {
  const kernel = await withMail(t, 5)
  const folder = await tempFolder(t)
  const url = `imap://ann:secret@127.0.0.1:${kernel.port}`
  const args = [
    '-:/',
    '-#',
    '-S',
    'v15-compat=yes',
    '-S',
    'imap-auth=login',
    '-S',
    `folder=${url}/`,
    '-f',
    `${url}/INBOX`,
  ]
  const nail = run('s-nail', args, { env: { ...process.env, HOME: folder }, timeout: 30_000 })
  nail.child.stdin?.end('headers\ntype 5\ncopy 1 +Drafts\ndelete 2\nmove 3 +Junk\nflag 4\nquit\n')
  const { stdout } = await nail
  assert.match(stdout, / 4 .* s4 *\n[\s\S]*Text of s5/)
  const left = await subjectsOf(kernel, 'INBOX')
  assert.deepEqual(
    left.map((line) => line.split(' ')[0]),
    ['s1', 's4', 's5'],
  )
  assert.ok(left[1]?.includes('\\Flagged'), left[1])
  assert.deepEqual((await subjectsOf(kernel, 'Drafts')).length, 1)
  assert.deepEqual((await subjectsOf(kernel, 'Junk')).length, 1)
})

/** Subjects and flags of a Maildir, as lines. */
async function maildir(path: string): Promise<string[]> {
  const lines: string[] = []
  for (const part of ['cur', 'new']) {
    for (const name of await readdir(join(path, part)).catch(() => [])) {
      const text = await readFile(join(path, part, name), 'utf8')
      lines.push(`${/^Subject: (.*)$/m.exec(text)?.[1]?.trim()} ${/:2,(.*)$/.exec(name)?.[1] ?? ''}`)
    }
  }
  return lines.sort()
}

interface Syncer {
  readonly program: string
  readonly package: string
  /** Writes its configuration and says how to run it. */
  prepare(folder: string, port: number): Promise<readonly string[]>
}

const MBSYNC: Syncer = {
  program: '/usr/bin/mbsync',
  package: 'isync',
  async prepare(folder, port) {
    const { stdout } = await run('mbsync', ['--version'])
    const tls = /isync 1\.[0-4]\b/.test(stdout) ? 'SSLType' : 'TLSType'
    const boxes = join(folder, 'mail')
    await writeFile(
      join(folder, 'rc'),
      `IMAPStore far\nHost 127.0.0.1\nPort ${port}\nUser ann\nPass secret\n${tls} None\nAuthMechs LOGIN\n
MaildirStore near\nPath ${boxes}/\nInbox ${boxes}/INBOX\nSubFolders Verbatim\n
Channel all\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nExpunge Both\nSync All\nSyncState *\n`,
    )
    return ['mbsync', '-c', join(folder, 'rc'), '-a']
  },
}

const OFFLINEIMAP: Syncer = {
  program: '/usr/bin/offlineimap',
  package: 'offlineimap3',
  async prepare(folder, port) {
    await writeFile(
      join(folder, 'rc'),
      `[general]\naccounts = a\nmetadata = ${folder}/meta\nui = quiet\n
[Account a]\nlocalrepository = near\nremoterepository = far\n
[Repository near]\ntype = Maildir\nlocalfolders = ${folder}/mail\n
[Repository far]\ntype = IMAP\nremotehost = 127.0.0.1\nremoteport = ${port}\nremoteuser = ann\nremotepass = secret\nssl = no\nstarttls = no\nauth_mechanisms = LOGIN\n`,
    )
    return ['offlineimap', '-c', join(folder, 'rc'), '-o', '-1']
  },
}

const LETTERS: Record<string, string> = { '\\Seen': 'S', '\\Flagged': 'F', '\\Answered': 'R', '\\Draft': 'D' }

for (const syncer of [MBSYNC, OFFLINEIMAP]) {
  const name = `${syncer.package} keeps both sides the same over three rounds of changes`
  test(name, { skip: lacks(syncer.program, syncer.package) }, async (t) => {
    const { port, mail, mailbox, entries, content } = await withMail(t, 20)
    const folder = await tempFolder(t)
    const boxes = join(folder, 'mail')
    await mkdir(boxes)
    const [command = '', ...args] = await syncer.prepare(folder, port)
    const sync = async () => {
      const { stderr } = await run(command, args, { timeout: 60_000, env: { ...process.env, HOME: folder } })
      assert.doesNotMatch(stderr, /unexpected EOF|Socket error/)
    }
    const ours = async (name: string) => {
      const lines: string[] = []
      for (const { email, flags } of await entries('ann', name)) {
        const subject = /^Subject: (.*)\r$/m.exec(await content(email))?.[1]
        lines.push(
          `${subject} ${flags
            .map((flag) => LETTERS[flag] ?? '')
            .sort()
            .join('')}`,
        )
      }
      return lines.sort()
    }
    const same = async (...names: string[]) => {
      for (const name of names) assert.deepEqual(await maildir(join(boxes, name)), await ours(name), name)
    }
    await sync()
    await same('INBOX', 'Archive')

    const inbox = await mailbox('ann')
    for (let round = 1; round <= 3; round++) {
      // Ours: flags, an expunge, a move, something new.
      const uids = (await entries('ann')).map(({ uid }) => uid)
      allowed(await mail.setFlags(inbox, [[uids[0] ?? 0, uids[2] ?? 0]], { how: 'add', flags: ['\\Flagged'] }))
      allowed(await mail.expunge(inbox, [[uids[3] ?? 0, uids[3] ?? 0]]))
      allowed(await mail.move(inbox, [[uids[4] ?? 0, uids[4] ?? 0]], await mailbox('ann', 'Archive')))
      allowed(await mail.append(inbox, [{ content: contentOf(message(`ours${round}`)), flags: ['\\Seen'] }]))
      // Theirs: one seen, one removed, one new.
      const unread = (await readdir(join(boxes, 'INBOX', 'new'))).sort()
      const [seen = '', gone = ''] = unread.slice(-2)
      await rename(join(boxes, 'INBOX', 'new', seen), join(boxes, 'INBOX', 'cur', `${seen.replace(/:2,.*/, '')}:2,S`))
      await rm(join(boxes, 'INBOX', 'new', gone))
      await writeFile(join(boxes, 'INBOX', 'new', `${round}.x.theirs`), message(`theirs${round}`).replaceAll('\r', ''))
      await sync()
      await sync()
      await same('INBOX', 'Archive')
    }
    assert.ok((await entries('ann')).length > 10)
  })
}
