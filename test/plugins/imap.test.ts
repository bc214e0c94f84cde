/** IMAP as a client meets it, line by line. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defer, definePlugin, refuse } from 'iems'
import * as z from 'zod'
import type { ImapChange, ImapCommand } from '../../plugins/access/imap/api.ts'
import { imap } from '../../plugins/access/imap/index.ts'
import { createImapKernel, type ImapTalk } from '../support/imap-talk.ts'
import { allowed, contentOf } from '../support/mailstore.ts'

const message = (subject: string, more = '') =>
  `From: Me <me@far.test>\r\nTo: ann@here.test\r\nSubject: ${subject}\r\nMessage-ID: <${subject}@far.test>\r\n${more}\r\nText of ${subject}\r\n`

async function append(client: ImapTalk, mailbox: string, text: string, flags = ''): Promise<string> {
  const [answer = ''] = (await client.command(`APPEND ${mailbox} ${flags}{${text.length}+}\r\n${text}`)).slice(-1)
  assert.match(answer, /^OK \[APPENDUID/)
  return answer
}

/** A client in a mailbox of so many messages. */
async function selected(t: Parameters<typeof createImapKernel>[0], count: number) {
  const kernel = await createImapKernel(t)
  const client = await kernel.talk('ann')
  for (let number = 1; number <= count; number++) await append(client, 'INBOX', message(`m${number}`))
  await client.command('SELECT INBOX')
  return { ...kernel, client }
}

test('a wrong password and an unknown name are answered alike, and too many end the session', async (t) => {
  const { talk } = await createImapKernel(t)
  const client = await talk()
  assert.deepEqual(await client.command('LOGIN ann wrong'), ['NO [AUTHENTICATIONFAILED] Invalid credentials'])
  assert.deepEqual(await client.command('LOGIN nobody secret'), ['NO [AUTHENTICATIONFAILED] Invalid credentials'])
  assert.deepEqual(await client.command('SELECT INBOX'), ['BAD Not authenticated'])
  const plain = Buffer.from('\0ann\0secret').toString('base64')
  assert.match((await client.command(`AUTHENTICATE PLAIN ${plain}`))[0] ?? '', /^OK \[CAPABILITY .*IDLE/)
  assert.deepEqual(await client.command('LOGIN ann secret'), ['BAD Already authenticated'])
  assert.deepEqual(await client.command('UNAUTHENTICATE'), ['OK UNAUTHENTICATE completed'])
  for (let times = 0; times < 2; times++) await client.command('LOGIN ann wrong')
  assert.match((await client.command('LOGIN ann wrong')).join('\n'), /\* BYE Too many authentication failures/)
})

test('passwords are not taken without TLS', async (t) => {
  const { talk } = await createImapKernel(t, { imap: { authWithoutTls: false } })
  const client = await talk()
  assert.match((await client.command('CAPABILITY'))[0] ?? '', /LOGINDISABLED/)
  assert.deepEqual(await client.command('LOGIN ann secret'), ['NO [PRIVACYREQUIRED] Authentication requires TLS'])
})

test('what is appended comes back octet for octet, whole and in parts', async (t) => {
  const { client } = await selected(t, 0)
  const text = `Subject: =?utf-8?q?=C3=A4?=\r\nX: 1\r\nX: 2\r\n\r\n\x01\xff.\r\n..\r\n${'x'.repeat(70_000)}\r\n`
  await append(client, 'INBOX', text, '(\\Seen $Label) "02-Feb-2020 20:02:02 -0330" ')
  const [whole] = await client.command('FETCH 1 BODY.PEEK[]')
  assert.equal(whole, `* 1 FETCH (BODY[] {${text.length}}\r\n${text})`)
  const [part] = await client.command('FETCH 1 (BODY.PEEK[HEADER.FIELDS (X)] BODY.PEEK[TEXT]<2.3> INTERNALDATE)')
  assert.equal(
    part,
    '* 1 FETCH (BODY[HEADER.FIELDS (X)] {14}\r\nX: 1\r\nX: 2\r\n\r\n BODY[TEXT]<2> {3}\r\n.\r\n INTERNALDATE "02-Feb-2020 23:32:02 +0000")',
  )
})

test('several messages are appended all or none', async (t) => {
  const { client, mailbox } = await selected(t, 0)
  const [one, two] = [message('one'), message('two')]
  const both = await client.command(`APPEND INBOX {${one.length}+}\r\n${one} (\\Flagged) {${two.length}+}\r\n${two}`)
  assert.match(both.at(-1) ?? '', /^OK \[APPENDUID \d+ 1,2\]|1:2\]/)
  const broken = await client.command(`APPEND INBOX {${one.length}+}\r\n${one} (bad {${two.length}+}\r\n${two}`)
  assert.match(broken.at(-1) ?? '', /^BAD/)
  assert.equal((await mailbox('ann')).messages, 2)
  assert.deepEqual((await client.command('NOOP')).slice(-1), ['OK NOOP completed'])
})

test('a literal is asked for, and one that is too big is not', async (t) => {
  const { client } = await selected(t, 0)
  client.send('x1 APPEND INBOX {5}\r\n')
  assert.match(await client.line(), /^\+ /)
  client.send('A: b\n\r\n')
  assert.match(await client.line(), /^(\* 1 EXISTS|x1 OK)/)
  client.send('x2 APPEND INBOX {60000000}\r\n')
  let line = await client.line()
  while (!line.startsWith('x2')) line = await client.line()
  assert.match(line, /^x2 NO \[TOOBIG\]/)
  client.send('x3 APPEND Nowhere {5}\r\n')
  assert.match(await client.line(), /^x3 NO \[TRYCREATE\]/)
})

test('sequence numbers of one session stay what they are while another expunges', async (t) => {
  const { client, talk } = await selected(t, 4)
  const other = await talk('ann')
  await other.command('SELECT INBOX')
  await other.command('STORE 2 +FLAGS (\\Deleted)')
  assert.deepEqual(await other.command('EXPUNGE'), ['* 2 EXPUNGE', 'OK EXPUNGE completed'])
  const fetched = await client.command('FETCH 3 (UID)')
  assert.equal(fetched[0], '* 3 FETCH (UID 3)')
  assert.ok(!fetched.join().includes('EXPUNGE'), 'not during FETCH')
  assert.match((await client.command('FETCH 2 (UID BODY.PEEK[])'))[0] ?? '', /^OK \[EXPUNGEISSUED\]/)
  assert.deepEqual(await client.command('NOOP'), ['* 2 EXPUNGE', 'OK NOOP completed'])
  assert.equal((await client.command('FETCH 2 (UID)'))[0], '* 2 FETCH (UID 3)')
})

test('an idling client hears of a delivery, of flags and of expunges', async (t) => {
  const { client, talk, submit, deliver } = await selected(t, 1)
  client.send('i IDLE\r\n')
  assert.equal(await client.line(), '+ idling')
  await submit({ from: 'me@far.test', to: ['ann@here.test'] })
  await deliver()
  assert.equal(await client.line(), '* 2 EXISTS')
  const other = await talk('ann')
  await other.command('SELECT INBOX')
  await other.command('STORE 1 FLAGS (\\Deleted)')
  assert.equal(await client.line(), '* 1 FETCH (FLAGS (\\Deleted))')
  await other.command('EXPUNGE')
  assert.equal(await client.line(), '* 1 EXPUNGE')
  client.send('DONE\r\n')
  assert.equal(await client.line(), 'i OK IDLE terminated')
})

test('a QRESYNC client is told what it missed', async (t) => {
  const { client, talk } = await selected(t, 5)
  const [, validity = '', modseq = ''] =
    /UIDVALIDITY (\d+)[\s\S]*HIGHESTMODSEQ (\d+)/.exec((await client.command('SELECT INBOX')).join('\n')) ?? []
  await client.command('UID STORE 2 +FLAGS (\\Flagged)')
  await client.command('UID STORE 4 +FLAGS (\\Deleted)')
  await client.command('UID EXPUNGE 4')
  const other = await talk('ann')
  assert.deepEqual(await other.command('ENABLE QRESYNC'), ['* ENABLED QRESYNC', 'OK ENABLE completed'])
  const lines = await other.command(`SELECT INBOX (QRESYNC (${validity} ${modseq}))`)
  assert.ok(lines.includes('* VANISHED (EARLIER) 4'), lines.join('\n'))
  assert.ok(
    lines.some((line) => /^\* 2 FETCH \(UID 2 FLAGS \(\\Flagged\) MODSEQ \(\d+\)\)$/.test(line)),
    lines.join('\n'),
  )
  const stored = await other.command(`UID STORE 2:3 (UNCHANGEDSINCE ${modseq}) +FLAGS.SILENT (\\Seen)`)
  assert.match(stored.at(-1) ?? '', /^OK \[MODIFIED 2\]/)
  await client.command('UID STORE 5 +FLAGS (\\Deleted)')
  await client.command('EXPUNGE')
  const vanished = await other.command('NOOP')
  assert.ok(vanished.includes('* VANISHED 5'), vanished.join('\n'))
})

test('copies and moves say what became of the UIDs', async (t) => {
  const { client } = await selected(t, 3)
  assert.match((await client.command('COPY 1:2 Archive')).at(-1) ?? '', /^OK \[COPYUID \d+ 1:2 1:2\] COPY completed/)
  const moved = await client.command('UID MOVE 2,3 Archive')
  assert.match(moved[0] ?? '', /^\* OK \[COPYUID \d+ 2:3 3:4\]/)
  assert.deepEqual(moved.slice(1), ['* 3 EXPUNGE', '* 2 EXPUNGE', 'OK MOVE completed'])
  assert.deepEqual(await client.command('COPY 1 Nowhere'), ['NO [TRYCREATE] No such mailbox'])
  assert.deepEqual(await client.command('COPY 9 Archive'), ['BAD No such message'])
})

test('messages are searched by flags, sizes, dates, headers and text', async (t) => {
  const { client } = await selected(t, 0)
  await append(
    client,
    'INBOX',
    message('alpha', 'Date: Tue, 3 Mar 2020 23:00:00 -0800\r\n'),
    '(\\Seen) "01-Jan-2020 00:00:00 +0000" ',
  )
  await append(
    client,
    'INBOX',
    message('beta', 'Date: Wed, 4 Mar 2020 01:00:00 +0000\r\n'),
    '(work) "05-Jan-2020 00:00:00 +0000" ',
  )
  await append(client, 'INBOX', `${message('gamma')}${'long '.repeat(100)}\r\n`)
  await client.command('NOOP')
  const cases: Record<string, string> = {
    ALL: ' 1 2 3',
    UNSEEN: ' 2 3',
    'KEYWORD work': ' 2',
    'NOT KEYWORD work SEEN': ' 1',
    'OR SEEN LARGER 500': ' 1 3',
    'SENTON 3-Mar-2020': ' 1',
    'SENTSINCE 4-Mar-2020': ' 2',
    'BEFORE 5-Jan-2020': ' 1',
    'ON 5-Jan-2020': ' 2',
    'YOUNGER 60': ' 3',
    'SUBJECT BET': ' 2',
    'HEADER Message-ID gamma@': ' 3',
    'BODY "text of ALPHA"': ' 1',
    'TEXT far.test (NOT 1:2)': ' 3',
    'UID 2:*': ' 2 3',
    '2:* NOT UID 3': ' 2',
    'EMAILID nothing': '',
  }
  for (const [key, found] of Object.entries(cases))
    assert.deepEqual(await client.command(`SEARCH ${key}`), [`* SEARCH${found}`, 'OK SEARCH completed'], key)
  assert.match((await client.command('SEARCH CHARSET x-none ALL'))[0] ?? '', /^NO \[BADCHARSET/)
  assert.deepEqual(
    (await client.command('UID SEARCH RETURN (SAVE MIN COUNT) UNSEEN'))[0],
    '* ESEARCH (TAG "a25") UID MIN 2 COUNT 2',
  )
  assert.deepEqual((await client.command('FETCH $ (UID)')).slice(0, 2), ['* 2 FETCH (UID 2)', '* 3 FETCH (UID 3)'])
  assert.deepEqual(
    (await client.command('SEARCH RETURN (PARTIAL -1:-2) ALL'))[0],
    '* ESEARCH (TAG "a27") PARTIAL (-1:-2 2:3)',
  )
})

test('messages are sorted and threaded', async (t) => {
  const { client } = await selected(t, 0)
  const dated = (day: number) => `Date: ${day} Mar 2020 01:00:00 +0000\r\n`
  await append(client, 'INBOX', message('b', dated(3)))
  await append(client, 'INBOX', message('a', dated(4)))
  await append(
    client,
    'INBOX',
    message('r1', `${dated(5)}References: <b@far.test>\r\n`).replace('Subject: r1', 'Subject: Re: b'),
  )
  await append(
    client,
    'INBOX',
    message('r2', `${dated(6)}In-Reply-To: <r1@far.test>\r\n`).replace('Subject: r2', 'Subject: other'),
  )
  await append(client, 'INBOX', message('s', dated(7)).replace('Subject: s', 'Subject: Re: [list] a'))
  await client.command('NOOP')
  assert.equal((await client.command('SORT (SUBJECT REVERSE DATE) UTF-8 ALL'))[0], '* SORT 5 2 3 1 4')
  assert.equal((await client.command('THREAD REFERENCES UTF-8 ALL'))[0], '* THREAD (1 3 4)(2 5)')
  assert.equal((await client.command('THREAD ORDEREDSUBJECT UTF-8 ALL'))[0], '* THREAD (1 3)(2 5)(4)')
})

test('threads stay right when a client asks again, asks for other messages, and the mailbox changes', async (t) => {
  const { client } = await selected(t, 0)
  const threads = async (command: string) => (await client.command(command))[0]
  const answer = (text: string, id: string) => message(text, `References: <${id}@far.test>\r\n`)
  await append(client, 'INBOX', message('a'))
  await append(client, 'INBOX', answer('b', 'a'))
  await append(client, 'INBOX', answer('c', 'b'))
  await client.command('NOOP')
  for (let times = 0; times < 2; times++) {
    assert.equal(await threads('THREAD REFERENCES UTF-8 ALL'), '* THREAD (1 2 3)')
    assert.equal(await threads('THREAD ORDEREDSUBJECT UTF-8 ALL'), '* THREAD (1)(2)(3)')
  }
  assert.equal(await threads('THREAD REFERENCES UTF-8 2:3'), '* THREAD (2 3)')
  assert.equal(await threads('THREAD REFERENCES UTF-8 1,3'), '* THREAD (1)(3)')
  assert.equal(await threads('UID THREAD REFERENCES UTF-8 ALL'), '* THREAD (1 2 3)')
  await append(client, 'INBOX', answer('d', 'c'))
  await client.command('NOOP')
  assert.equal(await threads('THREAD REFERENCES UTF-8 ALL'), '* THREAD (1 2 3 4)')
  await client.command('STORE 1 +FLAGS.SILENT (\\Deleted)')
  await client.command('EXPUNGE')
  assert.equal(await threads('THREAD REFERENCES UTF-8 ALL'), '* THREAD (1 2 3)')
  assert.equal(await threads('UID THREAD REFERENCES UTF-8 ALL'), '* THREAD (2 3 4)')
})

test('a mailbox is shared with another account, as far as the rights go', async (t) => {
  const { client, talk } = await selected(t, 0)
  await append(client, 'Archive', message('shared'))
  const bob = await talk('bob')
  assert.deepEqual(await bob.command('SELECT Users/ann/Archive'), ['NO [NONEXISTENT] No such mailbox'])
  await client.command('SETACL Archive bob lrs')
  assert.deepEqual(
    (await bob.command('LIST "" "Users/*"'))[1],
    '* LIST (\\Archive \\HasNoChildren) "/" Users/ann/Archive',
  )
  assert.match((await bob.command('SELECT Users/ann/Archive')).at(-1) ?? '', /^OK \[READ-WRITE\]/)
  assert.match((await bob.command('FETCH 1 BODY[]'))[0] ?? '', /Subject: shared[\s\S]*FLAGS \(\\Seen\)/)
  assert.deepEqual(await bob.command('STORE 1 +FLAGS (\\Deleted)'), ['NO [NOPERM] Permission denied'])
  assert.deepEqual(await bob.command('EXPUNGE'), ['NO [NOPERM] Mailbox is read-only'])
  assert.deepEqual(await bob.command('DELETE Users/ann/Archive'), ['NO [NOPERM] Permission denied'])
  assert.match((await bob.command('COPY 1 INBOX')).at(-1) ?? '', /^OK \[COPYUID/)
  assert.deepEqual(await bob.command('GETACL Users/ann/Archive'), ['NO [NOPERM] Permission denied'])
  await client.command('SETACL Archive bob ""')
  assert.deepEqual(await bob.command('SELECT Users/ann/Archive'), [
    '* OK [CLOSED] Previous mailbox is now closed',
    'NO [NONEXISTENT] No such mailbox',
  ])
})

test('names are modified UTF-7, or UTF-8 for who asks', async (t) => {
  const { client, talk } = await selected(t, 0)
  assert.match((await client.command('CREATE "Entw&APw-rfe/&Jjo-"')).at(-1) ?? '', /^OK/)
  const modern = await talk('ann')
  await modern.command('ENABLE IMAP4rev2')
  const lines = await modern.command('LIST "" Entw*')
  assert.equal(Buffer.from(lines[1] ?? '', 'latin1').toString(), '* LIST (\\HasNoChildren) "/" "Entwürfe/☺"')
  assert.match((await modern.command(Buffer.from('RENAME "Entwürfe" "Ä & Ö"').toString('latin1'))).at(-1) ?? '', /^OK/)
  assert.equal((await client.command('LIST "" "&AMQ- &-*"'))[0], '* LIST (\\HasChildren) "/" "&AMQ- &- &ANY-"')
})

test('annotations are for everybody or for one alone', async (t) => {
  const { client, talk } = await selected(t, 0)
  await client.command('SETACL Archive bob lrsw')
  const set = 'SETMETADATA Archive (/shared/comment "for all" /private/comment {4+}\r\nmine)'
  assert.deepEqual(await client.command(set), ['OK SETMETADATA completed'])
  const asked = 'GETMETADATA Users/ann/Archive (/shared/comment /private/comment)'
  const bob = await talk('bob')
  assert.deepEqual(await bob.command(asked), [
    '* METADATA Users/ann/Archive (/shared/comment "for all" /private/comment NIL)',
    'OK GETMETADATA completed',
  ])
  assert.deepEqual(await client.command('GETMETADATA (DEPTH INFINITY MAXSIZE 5) Archive (/shared /private)'), [
    '* METADATA Archive (/private/comment "mine")',
    'OK [METADATA LONGENTRIES 7] GETMETADATA completed',
  ])
  await client.command('SETMETADATA Archive (/private/comment NIL)')
  assert.equal(
    (await client.command('GETMETADATA Archive /private/comment'))[0],
    '* METADATA Archive (/private/comment NIL)',
  )
  await client.command('SETMETADATA "" (/private/vendor/x "1")')
  assert.equal((await client.command('GETMETADATA "" /private/vendor/x'))[0], '* METADATA "" (/private/vendor/x "1")')
  assert.match((await client.command('SETMETADATA Archive (/wrong "x")'))[0] ?? '', /^BAD/)
})

test('a client that asked hears of other mailboxes at once', async (t) => {
  const { client, submit, deliver } = await selected(t, 0)
  await client.command('SELECT Drafts')
  const begun = await client.command(
    'NOTIFY SET STATUS (inboxes (MessageNew MessageExpunge)) (selected (MessageNew (UID) MessageExpunge))',
  )
  assert.match(begun[0] ?? '', /^\* STATUS INBOX \(MESSAGES 0 UIDNEXT 1 /)
  await submit({ from: 'me@far.test', to: ['ann@here.test'] })
  await deliver()
  assert.match(await client.line(), /^\* STATUS INBOX \(MESSAGES 1 UIDNEXT 2 /)
  assert.match((await client.command('NOTIFY SET (personal (MailboxName))')).at(-1) ?? '', /^NO \[BADEVENT/)
  assert.deepEqual(await client.command('NOTIFY NONE'), ['OK NOTIFY completed'])
})

test('a message is put together from parts of others', async (t) => {
  const { client, entries, content, mailbox } = await selected(t, 1)
  const { uidValidity } = await mailbox('ann')
  const url = `/INBOX;UIDVALIDITY=${uidValidity}/;UID=1/;SECTION=TEXT`
  const text = 'Subject: new\r\n\r\n'
  const done = await client.command(
    `APPEND Drafts (\\Seen) CATENATE (TEXT {${text.length}+}\r\n${text} URL "${url}" TEXT {5+}\r\nend\r\n)`,
  )
  assert.match(done.at(-1) ?? '', /^OK \[APPENDUID/)
  const [entry] = await entries('ann', 'Drafts')
  assert.equal(await content(entry?.email ?? ''), `${text}Text of m1\r\nend\r\n`)
  const bad = await client.command(`APPEND Drafts CATENATE (URL "/INBOX/;UID=9")`)
  assert.match(bad.at(-1) ?? '', /^NO \[BADURL/)
})

test('a message is replaced by another', async (t) => {
  const { client, entries } = await selected(t, 2)
  const lines = await client.command(`REPLACE 1 INBOX {${message('new').length}+}\r\n${message('new')}`)
  assert.deepEqual(lines.slice(1), ['* 1 EXPUNGE', '* 2 EXISTS', 'OK REPLACE completed'])
  assert.deepEqual(
    (await entries('ann')).map(({ uid }) => uid),
    [2, 3],
  )
})

test('a compressed session says the same', async (t) => {
  const { client } = await selected(t, 1)
  const { createDeflateRaw, createInflateRaw, constants } = await import('node:zlib')
  assert.deepEqual(await client.command('COMPRESS DEFLATE'), ['OK DEFLATE active'])
  const [deflate, inflate] = [createDeflateRaw({ flush: constants.Z_SYNC_FLUSH }), createInflateRaw()]
  client.socket.removeAllListeners('data')
  deflate.pipe(client.socket)
  client.socket.pipe(inflate)
  let text = ''
  const done = new Promise<void>((resolve) => {
    inflate.on('data', (chunk) => {
      text += chunk
      if (text.includes('z OK')) resolve()
    })
  })
  deflate.write('z FETCH 1 (UID)\r\n')
  await done
  assert.match(text, /^\* 1 FETCH \(UID 1\)\r\nz OK/)
})

test('nonsense is BAD, a line without an end is BYE, and the next client is served', async (t) => {
  const { talk } = await createImapKernel(t)
  const client = await talk('ann')
  for (const [line, answer] of [
    ['', 'BAD Unknown command'],
    ['NOOP x', 'BAD the end of the command expected at " x"'],
    ['UID LOGOUT', 'BAD Unknown command'],
    ['FETCH 1 FLAGS', 'BAD No mailbox selected'],
    ['LIST "" (', 'BAD '],
    ['STATUS INBOX (NOTHING)', 'BAD a known item expected'],
    ['SELECT "unfinished', 'BAD a quoted string expected'],
    [`LIST "" ${'('.repeat(200)}`, 'BAD '],
  ] as const)
    assert.ok((await client.command(line)).at(-1)?.startsWith(answer), line)
  await client.command('SELECT INBOX')
  assert.ok(
    (await client.command(`SEARCH ${'NOT '.repeat(100)}ALL`)).at(-1)?.startsWith('BAD parentheses nested too deeply'),
  )
  assert.deepEqual(await client.command('UID FETCH 1:4294967295,4294967295:1 FLAGS'), ['OK FETCH completed'])
  assert.ok((await client.command('FETCH 4294967296 FLAGS')).at(-1)?.startsWith('BAD a smaller number'))
  client.send('x'.repeat(70_000))
  assert.match(await client.line(), /^\* BYE Line too long/)
  assert.match((await (await talk('ann')).command('NOOP')).at(-1) ?? '', /^OK/)
})

test('plugins see commands and refuse them, and hear what clients do to messages', async (t) => {
  const commands: ImapCommand[] = []
  const changes: ImapChange[] = []
  const watch = definePlugin({
    name: 'watch',
    config: z.undefined(),
    setup: () => ({
      hooks: {
        'imap:command': (command) => {
          commands.push(command)
          if (command.name === 'DELETE') return refuse(550, '5.7.1', 'Nothing is deleted here')
          if (command.name === 'APPEND' && command.mailbox) return defer(451, '4.7.1', 'Not now')
          if (command.name === 'UID FETCH') return defer(421, '4.7.0', 'Come back tomorrow')
          if (command.name === 'SORT') throw new Error('broken')
        },
        'imap:changed': (change) => {
          changes.push(change)
          if (change.cause === 'COPY') throw new Error('broken')
        },
      },
    }),
  })
  // Another listener has the same hooks, not once more.
  const second = imap({ listen: '127.0.0.1:0', authWithoutTls: true })
  const { talk } = await createImapKernel(t, { plugins: [watch()], channels: { second }, expectsFaults: true })
  const client = await talk('ann')
  assert.deepEqual(await client.command('DELETE Drafts'), ['NO [NOPERM] Nothing is deleted here'])
  await append(client, 'INBOX', message('one'))
  await client.command('SELECT INBOX')
  // What is refused is read to its end, and is no command.
  assert.deepEqual(await client.command('APPEND INBOX {14+}\r\nx1 DELETE Sent {4+}\r\nab\r\n'), [
    'NO [UNAVAILABLE] Not now',
  ])
  assert.match((await client.command('SORT (DATE) UTF-8 ALL')).at(-1) ?? '', /^NO \[SERVERBUG\]/)
  await client.command('STORE 1 +FLAGS (\\Seen work)')
  assert.match((await client.command('COPY 1 Archive')).at(-1) ?? '', /^OK \[COPYUID/)
  await client.command('MOVE 1 Archive')
  assert.deepEqual(
    changes.map(({ cause, mailbox, uids, flags }) => [cause, mailbox.name, uids, flags]),
    [
      ['APPEND', 'INBOX', [1], undefined],
      ['FLAG', 'INBOX', [1], ['\\Seen', 'work']],
      ['COPY', 'Archive', [1], undefined],
      ['MOVE', 'Archive', [2], undefined],
    ],
  )
  assert.equal(changes[0]?.account, 'ann')
  assert.deepEqual(
    commands.slice(0, 3).map(({ name, user, mailbox }) => [name, user, mailbox?.name]),
    [
      ['LOGIN', undefined, undefined],
      ['DELETE', 'ann', undefined],
      ['APPEND', 'ann', undefined],
    ],
  )
  assert.deepEqual(await client.command('UID FETCH 1 UID'), [
    '* BYE Come back tomorrow',
    'NO [UNAVAILABLE] Come back tomorrow',
  ])
})

test('what stands in the literals of a command that cannot be run is no command', async (t) => {
  const { talk } = await createImapKernel(t)
  const client = await talk()
  assert.deepEqual(await client.command('APPEND INBOX {11+}\r\nx1 LOGOUT\r\n {2+}\r\n\r\n'), ['BAD Not authenticated'])
  assert.deepEqual(await client.command('NOOP'), ['OK NOOP completed'])
})

test('the keywords of a mailbox are told when it is opened, also those that came since', async (t) => {
  const { client, talk } = await selected(t, 50)
  const flags = async (one: ImapTalk) => (await one.command('SELECT INBOX')).find((line) => line.startsWith('* FLAGS'))
  assert.equal(await flags(client), '* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)')
  await client.command('STORE 50 +FLAGS (work)')
  const other = await talk('ann')
  assert.match((await flags(other)) ?? '', / work\)$/)
  for (const keyword of ['a', 'b', 'c', 'd']) await client.command(`STORE 1 +FLAGS (${keyword})`)
  assert.match((await flags(other)) ?? '', / a b c d work\)$/)
  await client.command('STORE 1 FLAGS ()')
  await client.command('STORE 2 +FLAGS ($Label1)')
  assert.match((await flags(other)) ?? '', / \$Label1/)
})

test('sorting and threading are the same however little may be kept of messages', async (t) => {
  const answers: string[][] = []
  for (const cache of ['1 KiB', '20 KiB', '32 MB']) {
    const { talk, mail, mailbox } = await createImapKernel(t, { mailstore: { cache } })
    for (const name of ['INBOX', 'Archive'])
      allowed(
        await mail.append(
          await mailbox('ann', name),
          Array.from({ length: 150 }, (_, number) => ({
            content: contentOf(
              message(`s${number}`, `References: <s${number - (number % 5)}@far.test>\r\n`).replace(
                'Me',
                `P${(number * 7) % 40}`,
              ),
            ),
          })),
        ),
      )
    const client = await talk('ann')
    const told: string[] = []
    for (const name of ['INBOX', 'Archive', 'INBOX']) {
      await client.command(`SELECT ${name}`)
      for (const command of ['SORT (DISPLAYFROM REVERSE SUBJECT) UTF-8 ALL', 'THREAD REFERENCES UTF-8 10:140'])
        told.push(...(await client.command(command)).filter((line) => /^\* (?:SORT|THREAD) /.test(line)))
    }
    answers.push(told)
  }
  assert.equal(answers[0]?.length, 6)
  assert.deepEqual(answers[0], answers[2])
  assert.deepEqual(answers[1], answers[2])
})
