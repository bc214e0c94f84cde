/**
 * The examples of RFC 9051, RFC 3501, RFC 7162 and the extensions' RFCs through the socket: the client's lines as they
 * stand there, the server's as they must be for the mailboxes that a test has made (numbers and names of hosts are ours).
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { hashPassword } from '../../plugins/directory/static/passwords.ts'
import { comparable } from '../support/imap-answers.ts'
import { createImapKernel, type ImapTalk } from '../support/imap-talk.ts'
import { allowed, contentOf } from '../support/mailstore.ts'

type Kernel = Awaited<ReturnType<typeof createImapKernel>>

async function opened(t: TestContext): Promise<Kernel & { readonly client: ImapTalk }> {
  const kernel = await createImapKernel(t)
  return { ...kernel, client: await kernel.talk('ann') }
}

interface Filled {
  readonly flags?: readonly string[]
  readonly text?: string
  readonly received?: string
}

/** Puts messages into a mailbox, which is made if it is not there. */
async function fill({ mail }: Kernel, name: string, messages: readonly Filled[]): Promise<void> {
  const mailbox = (await mail.find('ann', name)) ?? allowed(await mail.create('ann', name))
  const all = messages.map(({ flags, text = 'Subject: x\r\n\r\nx\r\n', received }) => ({
    content: contentOf(text),
    ...(flags ? { flags } : {}),
    ...(received ? { received: Date.parse(received) } : {}),
  }))
  allowed(await mail.append(mailbox, all))
}

const many = (count: number, of: (number: number) => Filled = () => ({})) =>
  Array.from({ length: count }, (_, index) => of(index + 1))

/** Says a line of an example; what is answered must be these lines, whatever their order and texts for people. */
async function says(client: ImapTalk, command: string, ...expected: readonly string[]): Promise<readonly string[]> {
  const lines = await client.command(command)
  assert.deepEqual(comparable(lines, command), comparable(expected, command), command)
  return lines
}

/** The same, where the server may tell more. */
async function tells(client: ImapTalk, command: string, ...expected: readonly string[]): Promise<readonly string[]> {
  const lines = await client.command(command)
  const told = comparable(lines, command)
  for (const line of comparable(expected, command)) assert.ok(told.includes(line), `${command}: no ${line} in ${told}`)
  return lines
}

const numberIn = (lines: readonly string[], name: string) =>
  new RegExp(`${name} \\(?(\\d+)`).exec(lines.join('\n'))?.[1] ?? ''

test('RFC 9051 6.1 to 6.2, RFC 4959, RFC 3501 6.2: before and after somebody logs in', async (t) => {
  const people = await Promise.all(
    [
      ['test', 'test'],
      ['smith', 'SESAME'],
    ].map(async ([name = '', password = '']) => ({
      name,
      addresses: [`${name}@here.test`],
      password: await hashPassword(password),
    })),
  )
  const { talk } = await createImapKernel(t, { people })
  const first = await talk()
  assert.match((await first.command('CAPABILITY'))[0] ?? '', /^\* CAPABILITY IMAP4rev2 .*AUTH=PLAIN/)
  await says(first, 'NOOP', 'OK NOOP completed')
  first.send('A01 AUTHENTICATE PLAIN\r\n')
  assert.match(await first.line(), /^\+ ?$/)
  first.send('dGVzdAB0ZXN0AHRlc3Q=\r\n')
  assert.match(await first.line(), /^A01 OK /)
  await says(first, 'LOGOUT', '* BYE IMAP4rev2 Server logging out', 'OK LOGOUT completed')
  const second = await talk()
  second.send('A01 AUTHENTICATE PLAIN dGVzdAB0ZXN0AHRlc3Q=\r\n')
  assert.match(await second.line(), /^A01 OK /)
  const third = await talk()
  third.send('A01 AUTHENTICATE PLAIN\r\n')
  await third.line()
  third.send('*\r\n')
  assert.match(await third.line(), /^A01 (?:BAD|NO) /)
  assert.match((await third.command('LOGIN smith SESAME')).at(-1) ?? '', /^OK/)
})

test('RFC 5161, RFC 2971, RFC 2342: what both can, who they are, whose names there are', async (t) => {
  const { client } = await opened(t)
  await says(client, 'ENABLE CONDSTORE X-GOOD-IDEA', '* ENABLED CONDSTORE', 'OK foo')
  await says(
    client,
    'ID ("name" "sodr" "version" "19.34" "vendor" "Pink Floyd Music Limited")',
    '* ID NIL',
    'OK ID completed',
  )
  await says(client, 'ID NIL', '* ID ("name" "Cyrus")', 'OK ID completed')
  await says(client, 'NAMESPACE', '* NAMESPACE (("" "/")) (("Users/" "/")) NIL', 'OK NAMESPACE command completed')
})

test('RFC 9051 6.3.2 and 6.3.3: mailboxes are selected', async (t) => {
  const kernel = await opened(t)
  const { client } = kernel
  await fill(kernel, 'INBOX', many(172))
  await fill(kernel, 'blurdybloop', many(17))
  await client.command('ENABLE IMAP4rev2')
  await tells(
    client,
    'SELECT INBOX',
    '* 172 EXISTS',
    '* OK [UIDVALIDITY 3857529045] UIDs valid',
    '* OK [UIDNEXT 173] Predicted next UID',
    '* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)',
    '* LIST () "/" INBOX',
    'OK [READ-WRITE] SELECT completed',
  )
  const lines = await tells(
    client,
    'EXAMINE blurdybloop',
    '* OK [CLOSED] Previous mailbox closed',
    '* 17 EXISTS',
    '* OK [PERMANENTFLAGS ()] No permanent flags permitted',
    '* LIST () "/" blurdybloop',
    'OK [READ-ONLY] EXAMINE completed',
  )
  assert.ok(!lines.some((line) => line.includes('RECENT')))
  await says(client, 'SELECT nothing', '* OK [CLOSED] closed', 'NO [NONEXISTENT] no')
  await says(client, 'FETCH 1 FLAGS', 'BAD none is selected')
})

test('RFC 9051 6.3.4 to 6.3.6: names are made, renamed and removed', async (t) => {
  const { client } = await opened(t)
  for (const name of ['Archive', 'Drafts', 'Junk', 'Sent', 'Trash']) await client.command(`DELETE ${name}`)
  await says(client, 'CREATE owatagusiam/', 'OK CREATE completed')
  await says(client, 'CREATE owatagusiam/blurdybloop', 'OK CREATE completed')
  await client.command('DELETE owatagusiam/blurdybloop')
  await client.command('DELETE owatagusiam')

  await client.command('CREATE blurdybloop')
  await client.command('CREATE foo/bar')
  await says(client, 'DELETE foo', 'OK foo is a level from now on')
  const inbox = '* LIST (\\HasNoChildren) "/" INBOX'
  await says(
    client,
    'LIST "" *',
    inbox,
    '* LIST (\\HasNoChildren) "/" blurdybloop',
    '* LIST (\\Noselect \\HasChildren) "/" foo',
    '* LIST (\\HasNoChildren) "/" foo/bar',
    'OK LIST completed',
  )
  await says(client, 'DELETE blurdybloop', 'OK DELETE completed')
  await says(client, 'DELETE foo', 'NO Name "foo" has inferior hierarchical names')
  await says(client, 'DELETE foo/bar', 'OK DELETE Completed')
  await says(client, 'LIST "" *', inbox, '* LIST (\\Noselect \\HasNoChildren) "/" foo', 'OK LIST completed')
  await says(client, 'DELETE foo', 'OK DELETE Completed')

  await client.command('CREATE blurdybloop')
  await client.command('CREATE foo/bar')
  await client.command('DELETE foo')
  await says(client, 'RENAME blurdybloop sarasoop', 'OK RENAME completed')
  await says(client, 'RENAME foo zowie', 'OK RENAME Completed')
  await says(
    client,
    'LIST "" *',
    inbox,
    '* LIST (\\HasNoChildren) "/" sarasoop',
    '* LIST (\\Noselect \\HasChildren) "/" zowie',
    '* LIST (\\HasNoChildren) "/" zowie/bar',
    'OK LIST completed',
  )
})

test('RFC 9051 6.3.6: renaming INBOX moves its messages and leaves what is below it', async (t) => {
  const kernel = await opened(t)
  const { client } = kernel
  await fill(kernel, 'INBOX', many(3))
  await fill(kernel, 'INBOX/bar', many(1))
  await says(client, 'RENAME INBOX old-mail', 'OK RENAME completed')
  await says(
    client,
    'LIST "" (INBOX* old-mail) RETURN (STATUS (MESSAGES))',
    '* LIST () "/" INBOX',
    '* STATUS INBOX (MESSAGES 0)',
    '* LIST () "/" INBOX/bar',
    '* STATUS INBOX/bar (MESSAGES 1)',
    '* LIST () "/" old-mail',
    '* STATUS old-mail (MESSAGES 3)',
    'OK LIST completed',
  )
})

test('RFC 9051 6.3.9, RFC 5258 5, RFC 5819 3: what LIST tells', async (t) => {
  const kernel = await opened(t)
  const { client } = kernel
  for (const name of ['Archive', 'Drafts', 'Junk', 'Sent', 'Trash']) {
    await client.command(`DELETE ${name}`)
    await client.command(`UNSUBSCRIBE ${name}`)
  }
  await client.command('CREATE Fruit/Peach')
  await client.command('DELETE Fruit/Peach')
  for (const name of [
    'Fruit',
    'Fruit/Apple',
    'Fruit/Banana',
    'Tofu',
    'Vegetable',
    'Vegetable/Broccoli',
    'Vegetable/Corn',
  ])
    await client.command(`CREATE ${name}`)
  for (const name of ['Fruit', 'Fruit/Apple', 'Tofu', 'Vegetable/Corn']) await client.command(`UNSUBSCRIBE ${name}`)
  await says(client, 'LIST "" ""', '* LIST (\\Noselect) "/" ""', 'OK LIST Completed')
  await says(
    client,
    'LIST (SUBSCRIBED) "" "*"',
    '* LIST (\\Subscribed) "/" "inbox"'.replace('inbox', 'INBOX'),
    '* LIST (\\Subscribed) "/" "Fruit/Banana"',
    '* LIST (\\Subscribed \\NonExistent) "/" "Fruit/Peach"',
    '* LIST (\\Subscribed) "/" "Vegetable"',
    '* LIST (\\Subscribed) "/" "Vegetable/Broccoli"',
    'OK done',
  )
  await says(
    client,
    'LIST () "" "%" RETURN (CHILDREN)',
    '* LIST (\\HasNoChildren) "/" "INBOX"',
    '* LIST (\\HasChildren) "/" "Fruit"',
    '* LIST (\\HasNoChildren) "/" "Tofu"',
    '* LIST (\\HasChildren) "/" "Vegetable"',
    'OK done',
  )
  await says(
    client,
    'LIST (SUBSCRIBED RECURSIVEMATCH) "" "%"',
    '* LIST (\\Subscribed) "/" "INBOX"',
    '* LIST () "/" "Fruit" ("CHILDINFO" ("SUBSCRIBED"))',
    '* LIST (\\Subscribed) "/" "Vegetable" ("CHILDINFO" ("SUBSCRIBED"))',
    'OK done',
  )
  await says(client, 'LIST (RECURSIVEMATCH) "" "%"', 'BAD not alone')
  await says(
    client,
    'LIST "" ("INBOX" "Drafts" "Fruit/%")',
    '* LIST () "/" "INBOX"',
    '* LIST () "/" "Fruit/Apple"',
    '* LIST () "/" "Fruit/Banana"',
    'OK done',
  )
  await fill(
    kernel,
    'Tofu',
    many(17, (number) => (number === 1 ? { flags: ['\\Seen'] } : {})),
  )
  await says(
    client,
    'LIST "" T% RETURN (STATUS (MESSAGES UNSEEN))',
    '* LIST () "/" "Tofu"',
    '* STATUS "Tofu" (MESSAGES 17 UNSEEN 16)',
    'OK List completed.',
  )
  await says(client, 'STATUS Tofu (UIDNEXT MESSAGES)', '* STATUS Tofu (MESSAGES 17 UIDNEXT 18)', 'OK STATUS completed')
  // RFC 6154 section 5.
  await says(client, 'CREATE Everything (USE (\\All))', 'OK Created')
  await says(client, 'LIST (SPECIAL-USE) "" "*"', '* LIST (\\All) "/" Everything', 'OK done')
  await says(client, 'CREATE MySpecial (USE (\\MySpecialUse))', 'NO [USEATTR] \\MySpecialUse not supported')
})

const MEETING = `Date: Mon, 7 Feb 1994 21:52:25 -0800 (PST)\r
From: Fred Foobar <foobar@Blurdybloop.example>\r
Subject: afternoon meeting\r
To: mooch@owatagu.siam.edu.example\r
Message-Id: <B27397-0100000@Blurdybloop.example>\r
MIME-Version: 1.0\r
Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\r
\r
Hello Joe, do you think we can meet at 3:30 tomorrow?\r
`
const AGREED = `Date: Mon, 7 Feb 1994 22:43:04 -0800 (PST)\r
From: Joe Mooch <mooch@OWaTaGu.siam.EDU.example>\r
Subject: Re: afternoon meeting\r
To: foobar@blurdybloop.example\r
Message-Id: <a0434793874930@OWaTaGu.siam.EDU.example>\r
MIME-Version: 1.0\r
Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\r
\r
3:30 is fine with me.\r
`

test('RFC 9051 6.3.12, RFC 3502 6.3.11, RFC 7888: messages are appended', async (t) => {
  const { client } = await opened(t)
  await client.command('CREATE saved-messages')
  client.send(`A003 APPEND saved-messages (\\Seen) {${MEETING.length}}\r\n`)
  assert.match(await client.line(), /^\+ /)
  client.send(`${MEETING}\r\n`)
  assert.match(await client.line(), /^A003 OK \[APPENDUID \d+ 1\]/)
  client.send(`A004 APPEND saved-messages (\\Seen) {${MEETING.length}+}\r\n${MEETING}\r\n`)
  assert.match(await client.line(), /^A004 OK \[APPENDUID \d+ 2\]/)
  client.send(`A005 APPEND saved-messages (\\Seen) {${MEETING.length}}\r\n`)
  assert.match(await client.line(), /^\+ /)
  client.send(`${MEETING} (\\Seen) " 7-Feb-1994 22:43:04 -0800" {${AGREED.length}}\r\n`)
  assert.match(await client.line(), /^\+ /)
  client.send(`${AGREED}\r\n`)
  assert.match(await client.line(), /^A005 OK \[APPENDUID \d+ 3:4\]/)
  await client.command('SELECT saved-messages')
  await says(
    client,
    'FETCH 4 (FLAGS INTERNALDATE RFC822.SIZE)',
    `* 4 FETCH (FLAGS (\\Seen) INTERNALDATE " 7-Feb-1994 22:43:04 -0800" RFC822.SIZE ${AGREED.length})`,
    'OK FETCH completed',
  )
  // RFC 6855 section 4.
  const utf8 = Buffer.from('Subject: ä\r\n\r\nö\r\n').toString('latin1')
  const both = `UTF8 (~{${utf8.length}+}\r\n${utf8}) (\\Seen) UTF8 (~{${utf8.length}+}\r\n${utf8})`
  await says(client, `APPEND saved-messages ${both}`, '* 6 EXISTS', 'OK [APPENDUID 1 5:6] Done')
  await says(client, `APPEND saved-messages UTF8 (~{${utf8.length}+}\r\n${utf8}`, 'BAD no end')
  // RFC 7888 section 3 has a login in literals that nobody waits for.
  const other = await (await opened(t)).talk()
  other.send('A001 LOGIN {3+}\r\nann {6+}\r\nsecret\r\n')
  assert.match(await other.line(), /^A001 OK /)
})

test('RFC 9051 6.3.13: idling', async (t) => {
  const kernel = await opened(t)
  const { client } = kernel
  await fill(kernel, 'INBOX', many(3))
  await tells(client, 'SELECT INBOX', '* 3 EXISTS', 'OK [READ-WRITE] SELECT completed')
  client.send('A002 IDLE\r\n')
  assert.match(await client.line(), /^\+ /)
  await fill(kernel, 'INBOX', many(1))
  assert.equal(await client.line(), '* 4 EXISTS')
  client.send('DONE\r\n')
  assert.match(await client.line(), /^A002 OK /)
  const inbox = await kernel.mailbox('ann')
  allowed(await kernel.mail.expunge(inbox, [[2, 2]]))
  assert.deepEqual(await client.command('FETCH 4 (FLAGS)'), ['* 4 FETCH (FLAGS ())', 'OK FETCH completed'])
  client.send('A004 IDLE\r\n')
  const lines = [await client.line(), await client.line()]
  assert.deepEqual(lines, ['+ idling', '* 2 EXPUNGE'])
  client.send('DONE\r\n')
  assert.match(await client.line(), /^A004 OK /)
})

test('RFC 9051 6.4.3, RFC 4315 2.1: messages are expunged', async (t) => {
  const kernel = await opened(t)
  const { client } = kernel
  const isDeleted = (number: number) => [3, 4, 7, 11].includes(number)
  await fill(
    kernel,
    'INBOX',
    many(12, (number) => (isDeleted(number) ? { flags: ['\\Deleted'] } : {})),
  )
  await client.command('SELECT INBOX')
  const left = many(12).map((_, index) => index + 1)
  for (const line of await client.command('EXPUNGE')) {
    const number = /^\* (\d+) EXPUNGE$/.exec(line)?.[1]
    if (number !== undefined) left.splice(Number(number) - 1, 1)
  }
  assert.deepEqual(left, [1, 2, 5, 6, 8, 9, 10, 12])
  await client.command('UID STORE 8:10 +FLAGS.SILENT (\\Deleted)')
  await says(client, 'UID EXPUNGE 9:10', '* 7 EXPUNGE', '* 6 EXPUNGE', 'OK UID EXPUNGE completed')
  await says(client, 'CLOSE', 'OK CLOSE completed')
  await says(client, 'STATUS INBOX (MESSAGES)', '* STATUS INBOX (MESSAGES 5)', 'OK')
})

test('RFC 9051 6.4.4, RFC 4731 3, RFC 5182 2.3: searching', async (t) => {
  const kernel = await opened(t)
  const { client } = kernel
  const word = Buffer.from('отпуск').toString('latin1')
  const from = (name: string, text = 'x') => `From: ${name} <x@far.test>\r\nSubject: s\r\n\r\n${text}\r\n`
  await fill(
    kernel,
    'INBOX',
    many(12, (number) => ({
      text: from(number === 3 ? 'Smith' : 'Jones', number === 5 ? word : 'x'),
      flags: [2, 3, 10, 11].includes(number) ? ['\\Flagged'] : number === 12 ? ['$Junk'] : [],
      received: number === 1 ? '1993-01-01' : '2005-01-01',
    })),
  )
  await client.command('SELECT INBOX')
  const search = 'FLAGGED SINCE 1-Feb-1994 NOT FROM "Smith"'
  await says(client, `SEARCH ${search}`, '* SEARCH 2 10 11', 'OK SEARCH completed')
  await says(client, `SEARCH RETURN (MIN COUNT) ${search}`, '* ESEARCH (TAG "A282") MIN 2 COUNT 3', 'OK')
  await says(client, `SEARCH RETURN () ${search}`, '* ESEARCH (TAG "A283") ALL 2,10:11', 'OK')
  await says(client, `UID SEARCH RETURN (MIN MAX) ${search}`, '* ESEARCH (TAG "A284") UID MIN 2 MAX 11', 'OK')
  await says(client, 'SEARCH TEXT "string not in mailbox"', '* SEARCH', 'OK SEARCH completed')
  await client.command('ENABLE IMAP4rev2')
  await says(client, 'SEARCH TEXT "string not in mailbox"', '* ESEARCH (TAG "A284")', 'OK SEARCH completed')
  await says(client, `SEARCH CHARSET UTF-8 TEXT {${word.length}+}\r\n${word}`, '* ESEARCH (TAG "A285") ALL 5', 'OK')
  await says(client, 'SEARCH CHARSET X-NOTHING TEXT x', 'NO [BADCHARSET ({5} UTF-8)] The specified charset')

  await says(client, 'SEARCH RETURN (SAVE) SINCE 1-Jan-2004 NOT FROM "Smith"', 'OK SEARCH completed, result saved')
  await says(client, 'UID SEARCH RETURN (COUNT) UID $ SMALLER 4096', '* ESEARCH (TAG "A301") UID COUNT 10', 'OK')
  await says(client, `SEARCH RETURN (SAVE) ${search}`, 'OK SEARCH completed, result saved')
  await says(
    client,
    'FETCH $ (UID INTERNALDATE)',
    ...[2, 10, 11].map((number) => `* ${number} FETCH (UID ${number} INTERNALDATE " 1-Jan-2005 00:00:00 +0000")`),
    'OK FETCH completed',
  )
  await says(client, 'SEARCH RETURN (SAVE) KEYWORD $Junk', 'OK SEARCH completed, result saved')
  await says(client, 'SEARCH RETURN (COUNT) $', '* ESEARCH (TAG "B282") COUNT 1', 'OK')
  // Example 7: what fails leaves an empty set.
  await says(client, 'SEARCH RETURN (SAVE) CHARSET KOI8-X (OR $ 1,3000:3021) TEXT x', 'NO [BADCHARSET (KOI8-R)] no')
  await says(client, 'FETCH $ (FLAGS)', 'OK nothing is in the set')
})

/** The sample connection's message: 92 lines of 3028 octets. */
const MINUTES = `Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r
From: Terry Gray <gray@cac.washington.edu>\r
Subject: IMAP4rev2 WG mtg summary and minutes\r
To: imap@cac.washington.edu\r
Cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\r
Message-Id: <B27397-0100000@cac.washington.edu.example>\r
MIME-Version: 1.0\r
Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\r
\r
${`${'x'.repeat(30)}\r\n`.repeat(91)}${'x'.repeat(114)}\r
`
const DIFF = `${'x'.repeat(58)}\r\n`.repeat(4) + `${'y'.repeat(61)}\r\n`.repeat(69)
const PARTS = `Subject: parts\r
Content-Type: multipart/mixed; boundary=b\r
\r
--b\r
Content-Type: text/plain; charset=US-ASCII\r
\r
${`${'x'.repeat(48)}\r\n`.repeat(22)}${'x'.repeat(50)}\r
\r
--b\r
Content-Type: text/plain; charset=US-ASCII; name="cc.diff"\r
Content-ID: <960723163407.20117h@cac.washington.edu.example>\r
Content-Description: Compiler diff\r
Content-Transfer-Encoding: base64\r
\r
${DIFF}\r
--b--\r
`

test('RFC 9051 8, 6.4.5, 7.5.2: messages are fetched', async (t) => {
  const kernel = await opened(t)
  const { client } = kernel
  await fill(kernel, 'INBOX', [
    { text: MINUTES, flags: ['\\Seen'], received: '1996-07-17T02:44:25-07:00' },
    { text: MEETING },
    { text: AGREED },
    { text: PARTS },
  ])
  await client.command('SELECT INBOX')
  await says(
    client,
    'FETCH 1 FULL',
    `* 1 FETCH (FLAGS (\\Seen) INTERNALDATE "17-Jul-1996 02:44:25 -0700" RFC822.SIZE ${MINUTES.length} ENVELOPE ("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)" "IMAP4rev2 WG mtg summary and minutes" (("Terry Gray" NIL "gray" "cac.washington.edu")) (("Terry Gray" NIL "gray" "cac.washington.edu")) (("Terry Gray" NIL "gray" "cac.washington.edu")) ((NIL NIL "imap" "cac.washington.edu")) ((NIL NIL "minutes" "CNRI.Reston.VA.US") ("John Klensin" NIL "KLENSIN" "MIT.EDU")) NIL NIL "<B27397-0100000@cac.washington.edu.example>") BODY ("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 3028 92))`,
    'OK FETCH completed',
  )
  const [header] = await client.command('FETCH 1 BODY[HEADER]')
  assert.equal(header, `* 1 FETCH (BODY[HEADER] {${MINUTES.length - 3028}}\r\n${MINUTES.slice(0, -3028)})`)
  const chosen = (text: string) => {
    const lines = text.split('\r\n').filter((line) => /^(?:Date|From):/.test(line))
    const all = `${lines.join('\r\n')}\r\n\r\n`
    return `{${all.length}}\r\n${all}`
  }
  await says(
    client,
    'FETCH 2:3 (FLAGS BODY[HEADER.FIELDS (DATE FROM)])',
    `* 2 FETCH (FLAGS (\\Seen) BODY[HEADER.FIELDS (DATE FROM)] ${chosen(MEETING)})`,
    `* 3 FETCH (FLAGS (\\Seen) BODY[HEADER.FIELDS (DATE FROM)] ${chosen(AGREED)})`,
    'OK FETCH completed',
  )
  await says(
    client,
    'FETCH 4 BODY',
    `* 4 FETCH (BODY (("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 1152 23)("TEXT" "PLAIN" ("CHARSET" "US-ASCII" "NAME" "cc.diff") "<960723163407.20117h@cac.washington.edu.example>" "Compiler diff" "BASE64" ${DIFF.length} 73) "MIXED"))`,
    'OK',
  )
})

test('RFC 9051 6.4.6 to 6.4.9: messages are flagged, copied and moved', async (t) => {
  const kernel = await opened(t)
  const { client } = kernel
  await fill(kernel, 'INBOX', [{}, { flags: ['\\Seen'] }, {}, { flags: ['\\Flagged', '\\Seen'] }, {}, {}])
  await client.command('SELECT INBOX')
  await says(
    client,
    'STORE 2:4 +FLAGS (\\Deleted)',
    '* 2 FETCH (FLAGS (\\Deleted \\Seen))',
    '* 3 FETCH (FLAGS (\\Deleted))',
    '* 4 FETCH (FLAGS (\\Deleted \\Flagged \\Seen))',
    'OK STORE completed',
  )
  await says(client, 'COPY 2:4 MEETING', 'NO [TRYCREATE] no such mailbox')
  await client.command('CREATE MEETING')
  await says(client, 'COPY 2:4 MEETING', 'OK [COPYUID 38505 2:4 1:3] Done')
  await says(
    client,
    'UID MOVE 3:5 MEETING',
    '* OK [COPYUID 432432 3:5 4:6]',
    '* 5 EXPUNGE',
    '* 4 EXPUNGE',
    '* 3 EXPUNGE',
    'OK Done',
  )
  await says(client, 'UID FETCH 5:7 FLAGS', '* 3 FETCH (FLAGS () UID 6)', 'OK UID FETCH completed')
})

test('RFC 7162 3.1: changes are counted', async (t) => {
  const kernel = await opened(t)
  const { client, talk } = kernel
  await fill(kernel, 'INBOX', many(9))
  const selected = await tells(
    client,
    'SELECT INBOX',
    '* 9 EXISTS',
    'OK [READ-WRITE] SELECT completed, CONDSTORE is now enabled',
  )
  const start = numberIn(selected, 'HIGHESTMODSEQ')
  assert.ok(Number(start) > 0)
  const other = await talk('ann')
  await other.command('SELECT INBOX')

  // 3.1.3 example 1 and 2: nobody has changed them.
  await tells(
    client,
    `UID STORE 6,4,8 (UNCHANGEDSINCE ${start}) +FLAGS.SILENT (\\Deleted)`,
    '* 4 FETCH (UID 4 MODSEQ (12121231000))',
    '* 6 FETCH (UID 6 MODSEQ (12121231000))',
    '* 8 FETCH (UID 8 MODSEQ (12121231000))',
    'OK Conditional Store completed',
  )
  await tells(
    client,
    `STORE * (UNCHANGEDSINCE ${start}) +FLAGS.SILENT (\\Deleted $Processed)`,
    '* 9 FETCH (MODSEQ (1))',
    'OK done',
  )
  // Example 3: whoever begins to count in a selected mailbox is told where it stands, and two have changed.
  const lines = await other.command(`STORE 7,4,9 (UNCHANGEDSINCE ${start}) +FLAGS.SILENT (\\Answered)`)
  assert.match(lines[0] ?? '', /^\* OK \[HIGHESTMODSEQ \d+\]/)
  assert.match(lines.at(-1) ?? '', /^OK \[MODIFIED 4,9\]/)
  assert.ok(
    lines.some((line) => /^\* 7 FETCH \((?:UID 7 )?MODSEQ \(\d+\)\)$/.test(line)),
    lines.join('\n'),
  )
  // Example 11: 0 means that nobody may ever have set it.
  await says(
    client,
    'UID STORE 1 (UNCHANGEDSINCE 0) +FLAGS.SILENT ($MDNSent)',
    '* 7 FETCH (UID 7 FLAGS (\\Answered) MODSEQ (1))',
    'OK [MODIFIED 1] no',
  )

  // 3.1.4: FETCH CHANGEDSINCE.
  await says(
    client,
    `UID FETCH 1:6 (FLAGS) (CHANGEDSINCE ${start})`,
    '* 4 FETCH (UID 4 MODSEQ (65402) FLAGS (\\Deleted))',
    '* 6 FETCH (UID 6 MODSEQ (75403) FLAGS (\\Deleted))',
    'OK FETCH completed',
  )
  await says(client, 'FETCH 1 (MODSEQ)', '* 1 FETCH (MODSEQ (624140003))', 'OK FETCH completed')

  // 3.1.5 and 3.1.6, 3.1.10: SEARCH, SORT and what is highest among what is told.
  const at = numberIn(await client.command('FETCH 7 (MODSEQ)'), 'MODSEQ')
  const four = numberIn(await client.command('FETCH 4 (MODSEQ)'), 'MODSEQ')
  await says(
    client,
    `SEARCH MODSEQ "/flags/\\\\draft" all ${Number(start) + 1}`,
    '* SEARCH 4 6 7 8 9 (MODSEQ 917162500)',
    'OK',
  )
  await says(client, `SEARCH OR NOT MODSEQ 1 LARGER 50000`, '* SEARCH', 'OK Search complete, nothing found')
  assert.deepEqual(
    (await client.command(`SEARCH RETURN (MIN) MODSEQ ${Number(start) + 1}`))[0]?.replace(/"\w+"/, '""'),
    `* ESEARCH (TAG "") MIN 4 MODSEQ ${four}`,
  )
  assert.deepEqual(
    (await client.command(`SEARCH RETURN (ALL) MODSEQ ${Number(start) + 1}`))[0]?.replace(/"\w+"/, '""'),
    `* ESEARCH (TAG "") ALL 4,6:9 MODSEQ ${at}`,
  )
  await says(client, `SORT (REVERSE ARRIVAL) UTF-8 MODSEQ ${at}`, '* SORT 7 (MODSEQ 1)', 'OK Sort complete')

  // 3.1.2 and 3.1.7.
  await says(
    client,
    'STATUS INBOX (UIDNEXT MESSAGES UIDVALIDITY HIGHESTMODSEQ)',
    '* STATUS INBOX (MESSAGES 9 UIDNEXT 10 UIDVALIDITY 1 HIGHESTMODSEQ 1)',
    'OK STATUS completed',
  )
  await tells(
    client,
    'SELECT INBOX (CONDSTORE)',
    '* OK [HIGHESTMODSEQ 715194045007]',
    'OK [READ-WRITE] SELECT completed, CONDSTORE is now enabled',
  )
})

test('RFC 7162 3.2: what a client missed while it was away', async (t) => {
  const kernel = await opened(t)
  const { client, talk } = kernel
  await fill(kernel, 'INBOX', many(20))
  const other = await talk('ann')
  await other.command('ENABLE CONDSTORE')
  const selected = await other.command('SELECT INBOX')
  const [validity, start] = [numberIn(selected, 'UIDVALIDITY'), numberIn(selected, 'HIGHESTMODSEQ')]
  await other.command('UID STORE 3:5,11,14 +FLAGS.SILENT (\\Deleted)')
  assert.match((await other.command('EXPUNGE')).at(-1) ?? '', /^OK \[HIGHESTMODSEQ \d+\]/)
  await other.command('UID STORE 7 +FLAGS.SILENT (\\Seen)')
  await other.command('UID STORE 9 +FLAGS.SILENT ($Processed)')

  await says(client, `SELECT INBOX (QRESYNC (${validity} ${start}))`, 'BAD QRESYNC not enabled')
  await says(client, 'ENABLE QRESYNC', '* ENABLED QRESYNC', 'OK enabled')
  const changed = ['* 4 FETCH (UID 7 MODSEQ (1) FLAGS (\\Seen))', '* 6 FETCH (UID 9 MODSEQ (1) FLAGS ($Processed))']
  await tells(
    client,
    `SELECT INBOX (QRESYNC (${validity} ${start} 1:20))`,
    '* 15 EXISTS',
    '* VANISHED (EARLIER) 3:5,11,14',
    ...changed,
    'OK [READ-WRITE] mailbox selected',
  )
  // 3.2.5.1: only what the client knows; what it has seen of numbers may stand beside it.
  await tells(
    client,
    `SELECT INBOX (QRESYNC (${validity} ${start} 1:4,14 (1,3 1,3)))`,
    '* OK [CLOSED]',
    '* VANISHED (EARLIER) 3:4,14',
    'OK [READ-WRITE]',
  )
  const foreign = await client.command(`SELECT INBOX (QRESYNC (67890007 ${start} 1:20))`)
  assert.ok(!foreign.some((line) => line.includes('VANISHED')), 'another UIDVALIDITY: nothing is known')
  // 3.2.6.
  await says(
    client,
    `UID FETCH 1:9 (FLAGS) (CHANGEDSINCE ${start} VANISHED)`,
    '* VANISHED (EARLIER) 3:5',
    ...changed,
    'OK FETCH completed',
  )
  await says(client, 'UID FETCH 1:9 (FLAGS) (VANISHED)', 'BAD without CHANGEDSINCE')
  await says(client, `FETCH 1:9 (FLAGS) (CHANGEDSINCE ${start} VANISHED)`, 'BAD without UID')
  // 3.2.7 and 3.2.10: no EXPUNGE any more.
  await client.command('UID STORE 1,2,20 +FLAGS.SILENT (\\Deleted)')
  const gone = await says(
    client,
    'UID EXPUNGE 2:20',
    '* VANISHED 2,20',
    'OK [HIGHESTMODSEQ 20010715194045319] expunged',
  )
  assert.match(gone.at(-1) ?? '', /^OK \[HIGHESTMODSEQ \d+\]/)
  await says(client, 'EXPUNGE', '* VANISHED 1', 'OK [HIGHESTMODSEQ 1] expunged')
  // 3.2.8: CLOSE tells nothing of what it expunges.
  await client.command('UID STORE 6 +FLAGS.SILENT (\\Deleted)')
  await says(client, 'CLOSE', 'OK CLOSE completed')
})

test('RFC 3516 4.3, RFC 8474, RFC 8514, RFC 8970, RFC 8508, RFC 7889, RFC 8438: what else can be asked', async (t) => {
  const kernel = await opened(t)
  const { client } = kernel
  const odd = 'Subject: odd\r\nContent-Transfer-Encoding: x-odd\r\n\r\nx\r\n'
  await fill(kernel, 'INBOX', [{ text: MEETING }, { text: odd }, { text: MEETING }])
  const [box] = await tells(client, 'CREATE foo', 'OK [MAILBOXID (F2212ea87)] Completed')
  assert.match(box ?? '', /^OK \[MAILBOXID \([A-Za-z0-9_-]+\)\]/)
  await client.command('SELECT INBOX')
  await says(client, 'FETCH 2 BINARY[1]', 'NO [UNKNOWN-CTE] Unknown CTE')
  await says(client, 'FETCH 1 BINARY.SIZE[1]', '* 1 FETCH (BINARY.SIZE[1] 55)', 'OK')
  assert.match((await client.command('FETCH 1 EMAILID'))[0] ?? '', /^\* 1 FETCH \(EMAILID \([\w-]{1,255}\)\)$/)
  assert.match((await client.command('FETCH 1 THREADID'))[0] ?? '', /^\* 1 FETCH \(THREADID \([\w-]{1,255}\)\)$/)
  const [first, third] = await client.command('FETCH 1,3 THREADID')
  assert.equal(first?.replace('* 1', ''), third?.replace('* 3', ''), 'one thread')
  assert.match((await client.command('FETCH 1 SAVEDATE'))[0] ?? '', /SAVEDATE "[ \d]\d-\w{3}-\d{4} [\d:]{8} [+-]\d{4}"/)
  await says(client, 'SEARCH SAVEDATESUPPORTED', '* SEARCH 1 2 3', 'OK')
  await says(
    client,
    'FETCH 1 (PREVIEW)',
    '* 1 FETCH (PREVIEW "Hello Joe, do you think we can meet at 3:30 tomorrow?")',
    'OK FETCH complete.',
  )
  await says(
    client,
    'FETCH 1 (PREVIEW (LAZY))',
    '* 1 FETCH (PREVIEW "Hello Joe, do you think we can meet at 3:30 tomorrow?")',
    'OK FETCH complete.',
  )
  await says(
    client,
    `REPLACE 3 foo (\\Seen \\Draft) {${AGREED.length}+}\r\n${AGREED}`,
    '* OK [APPENDUID 1 1] Replacement Message ready',
    '* 3 EXPUNGE',
    'OK Replace completed',
  )
  await says(
    client,
    'STATUS foo (SIZE MESSAGES APPENDLIMIT DELETED)',
    `* STATUS foo (SIZE ${AGREED.length} MESSAGES 1 APPENDLIMIT NIL DELETED 0)`,
    'OK',
  )
})

test('RFC 9394 3, RFC 9586 3: parts of results, and nothing but UIDs', async (t) => {
  const kernel = await opened(t)
  const { client } = kernel
  await fill(
    kernel,
    'INBOX',
    many(20, (number) => (number % 2 === 0 ? { flags: ['\\Flagged'] } : {})),
  )
  await client.command('SELECT INBOX')
  await says(
    client,
    'UID SEARCH RETURN (PARTIAL 1:3) FLAGGED',
    '* ESEARCH (TAG "A01") UID PARTIAL (1:3 2,4,6)',
    'OK Completed.',
  )
  await says(
    client,
    'UID SEARCH RETURN (PARTIAL -1:-2 COUNT) FLAGGED',
    '* ESEARCH (TAG "A02") UID COUNT 10 PARTIAL (-1:-2 18,20)',
    'OK',
  )
  await says(client, 'UID SEARCH RETURN (PARTIAL 24:30) FLAGGED', '* ESEARCH (TAG "A03") UID PARTIAL (24:30 NIL)', 'OK')
  await says(
    client,
    'UID FETCH 1:* (FLAGS) (PARTIAL -1:-2)',
    '* 19 FETCH (UID 19 FLAGS ())',
    '* 20 FETCH (UID 20 FLAGS (\\Flagged))',
    'OK',
  )
  await says(client, 'ENABLE UIDONLY', '* ENABLED UIDONLY', 'OK ENABLE completed')
  await says(client, 'FETCH 1 (FLAGS)', 'BAD [UIDREQUIRED] Message numbers are not allowed once UIDONLY is enabled')
  assert.deepEqual((await client.command('UID FETCH 2 (FLAGS)'))[0], '* 2 UIDFETCH (FLAGS (\\Flagged))')
  await client.command('UID STORE 3 +FLAGS.SILENT (\\Deleted)')
  await says(client, 'UID EXPUNGE 3', '* VANISHED 3', 'OK')
})

test('RFC 4314 3, RFC 9208 5, RFC 5464 4: rights, quotas, annotations', async (t) => {
  const { client } = await opened(t)
  await says(client, 'SETACL INBOX bob lrwis', 'OK Setacl complete')
  await says(client, 'GETACL INBOX', '* ACL INBOX ann lrswipkxteacd bob lrwis', 'OK Getacl complete')
  await says(client, 'SETACL INBOX bob -w', 'OK')
  await says(client, 'SETACL INBOX bob +cda', 'OK')
  await says(client, 'GETACL INBOX', '* ACL INBOX ann lrswipkxteacd bob lriskxteacd', 'OK Getacl complete')
  await says(client, 'SETACL INBOX bob Z', 'BAD no such right')
  await says(client, 'DELETEACL INBOX bob', 'OK Deleteacl complete')
  await says(client, 'MYRIGHTS INBOX', '* MYRIGHTS INBOX lrswipkxteacd', 'OK Myrights complete')
  await says(client, 'LISTRIGHTS INBOX bob', '* LISTRIGHTS INBOX bob "" l r s w i p k x t e a c d', 'OK')
  assert.match((await client.command('GETQUOTAROOT INBOX'))[0] ?? '', /^\* QUOTAROOT INBOX$/)
  await says(
    client,
    'SETMETADATA INBOX (/private/comment {33+}\r\nMy new comment across\r\ntwo lines.)',
    'OK SETMETADATA complete',
  )
  await says(
    client,
    'GETMETADATA "INBOX" /private/comment',
    '* METADATA "INBOX" (/private/comment "My new comment across\r\ntwo lines.")',
    'OK GETMETADATA complete',
  )
  await says(client, 'SETMETADATA INBOX (/private/vendor/x/one "1" /private/vendor/x/two/three "2")', 'OK')
  await says(
    client,
    'GETMETADATA (DEPTH 1) INBOX /private/vendor/x',
    '* METADATA INBOX (/private/vendor/x/one "1")',
    'OK',
  )
  const lines = await client.command('GETMETADATA (MAXSIZE 10) INBOX (/private/comment /private/vendor/x/one)')
  assert.match(lines.at(-1) ?? '', /^OK \[METADATA LONGENTRIES 33\]/)
  await says(client, 'SETMETADATA INBOX (/private/comment NIL)', 'OK SETMETADATA complete')
})

test('RFC 5256 5, RFC 5957, RFC 5032, RFC 8437: sorting, threading, ages, and nobody again', async (t) => {
  const kernel = await opened(t)
  const { client } = kernel
  const dated = (hour: number, rest: string) => ({
    text: `Date: Tue, 3 Mar 2020 ${hour}:00:00 +0000\r\n${rest}\r\nx\r\n`,
    received: `2020-03-03T${hour}:00:00Z`,
  })
  await fill(kernel, 'INBOX', [
    dated(10, 'From: =?utf-8?q?=C3=84rger?= <z@x>\r\nSubject: =?utf-8?q?b=C3=A4ll?=\r\nMessage-ID: <1@x>\r\n'),
    dated(
      12,
      'From: Bert <y@x>\r\nSubject: Re: =?iso-8859-1?q?b=E4ll?= (fwd)\r\nMessage-ID: <2@x>\r\nReferences: <1@x>\r\n',
    ),
    dated(11, 'From: a@x\r\nSubject: apple\r\nMessage-ID: <3@x>\r\n'),
    dated(13, 'From: zz <b@x>\r\nSubject: [list] Fwd: ball\r\nMessage-ID: <4@x>\r\nReferences: <1@x> <2@x>\r\n'),
  ])
  await client.command('SELECT INBOX')
  await says(client, 'SORT (SUBJECT REVERSE DATE) UTF-8 ALL', '* SORT 3 4 2 1', 'OK SORT completed')
  await says(client, 'SORT (DISPLAYFROM) UTF-8 ALL', '* SORT 3 1 2 4', 'OK')
  await says(client, 'SORT (REVERSE ARRIVAL) US-ASCII UNSEEN', '* SORT 4 2 3 1', 'OK')
  await says(client, 'SORT (SUBJECT) US-ASCII TEXT "not in mailbox"', '* SORT', 'OK SORT completed')
  await says(client, 'THREAD ORDEREDSUBJECT UTF-8 ALL', '* THREAD (1 2)(3)(4)', 'OK THREAD completed')
  await says(client, 'THREAD REFERENCES UTF-8 ALL', '* THREAD (1 2 4)(3)', 'OK THREAD completed')
  await says(client, 'THREAD ORDEREDSUBJECT US-ASCII TEXT "gewp"', '* THREAD', 'OK THREAD completed')
  await says(client, 'SEARCH UNSEEN YOUNGER 259200', '* SEARCH', 'OK SEARCH completed')
  await says(client, 'SEARCH OLDER 259200', '* SEARCH 1 2 3 4', 'OK SEARCH completed')
  await says(client, 'UNAUTHENTICATE', 'OK')
  await says(client, 'SELECT INBOX', 'BAD nobody is logged in')
})

test('RFC 9738 3: a limit of messages for one command', async (t) => {
  const kernel = await createImapKernel(t, { imap: { limits: { messagesPerCommand: 10 } } })
  const client = await kernel.talk('ann')
  await fill(
    { ...kernel, client } as Kernel,
    'INBOX',
    many(30, (number) => (number > 25 ? { flags: ['\\Flagged'] } : {})),
  )
  assert.match((await client.command('CAPABILITY'))[0] ?? '', / MESSAGELIMIT=10 /)
  await client.command('SELECT INBOX')
  const fetched = await client.command('UID FETCH 1:25 (UID)')
  assert.deepEqual(
    [fetched.length, fetched[0], fetched.at(-1)],
    [11, '* 16 FETCH (UID 16)', 'OK [MESSAGELIMIT 10 16] Command limit reached, ask for the rest'],
  )
  await says(client, 'UID FETCH 1:10 (UID) (PARTIAL 1:2)', '* 1 FETCH (UID 1)', '* 2 FETCH (UID 2)', 'OK')
  await says(client, 'UID SEARCH UNFLAGGED', '* SEARCH 21 22 23 24 25', 'OK [MESSAGELIMIT 10 21] Search completed')
  await says(client, 'UID SEARCH UIDBEFORE 21 UIDAFTER 15', '* SEARCH 16 17 18 19 20', 'OK Search completed')
  await says(client, 'UID SEARCH UID 12:20 UIDBEFORE 15', '* SEARCH 12 13 14', 'OK Search completed')
  await says(client, 'UID COPY 1:11 Trash', 'NO [MESSAGELIMIT 10 2] Too many messages to copy, try a smaller subset')
  await tells(
    client,
    'UID MOVE 1:12 Trash',
    '* OK [COPYUID 1397597919 3:12 1:10] Some messages were moved',
    'OK [MESSAGELIMIT 10 3] MOVE completed for the last 10 messages',
  )
  await tells(client, 'UID STORE 13:30 +FLAGS.SILENT (\\Deleted)', 'OK [MESSAGELIMIT 10 21] Store completed')
  await client.command('UID STORE 13:20 +FLAGS.SILENT (\\Deleted)')
  await tells(client, 'UID EXPUNGE 13:30', '* OK [MESSAGELIMIT 10 21] The limit', 'OK')
  await says(client, 'STATUS INBOX (MESSAGES)', '* STATUS INBOX (MESSAGES 10)', 'OK')
  const appended = await client.command(`APPEND INBOX${' {0+}\r\n'.repeat(11)}`)
  assert.match(appended.at(-1) ?? '', /^NO \[MESSAGELIMIT 10\]/)
})

test('RFC 5465 5: who asked is told of what comes, in the mailbox that is selected and in others', async (t) => {
  const kernel = await opened(t)
  const { client } = kernel
  await fill(kernel, 'INBOX', many(2))
  await fill(kernel, 'Lists/Lemonade', many(1))
  await client.command('SELECT INBOX')
  await says(
    client,
    'NOTIFY SET (selected (MessageNew (UID BODY.PEEK[HEADER.FIELDS (FROM SUBJECT)]) MessageExpunge)) (subtree Lists (MessageNew MessageExpunge))',
    'OK NOTIFY completed',
  )
  await fill(kernel, 'INBOX', [{ text: MEETING }])
  const chosen = 'From: Fred Foobar <foobar@Blurdybloop.example>\r\nSubject: afternoon meeting\r\n\r\n'
  assert.deepEqual(
    [await client.line(), await client.line()],
    ['* 3 EXISTS', `* 3 FETCH (UID 3 BODY[HEADER.FIELDS (FROM SUBJECT)] {${chosen.length}}\r\n${chosen})`],
  )
  await fill(kernel, 'Lists/Lemonade', many(1))
  assert.match(await client.line(), /^\* STATUS Lists\/Lemonade \(MESSAGES 2 UIDNEXT 3 /)
  allowed(await kernel.mail.expunge(await kernel.mailbox('ann'), [[1, 1]]))
  assert.equal(await client.line(), '* 1 EXPUNGE')
  await says(client, 'NOTIFY SET (selected (MessageNew (UID NOTHING)))', 'BAD no such item')
  await says(client, 'NOTIFY NONE', 'OK')
  await fill(kernel, 'INBOX', [{ text: MEETING }])
  await says(client, 'NOOP', '* 3 EXISTS', 'OK')
})

test('RFC 9585 4: a long SEARCH, SORT or THREAD says how far it is, and others have their turn meanwhile', async (t) => {
  const kernel = await opened(t)
  const { client, clock, talk } = kernel
  await fill(kernel, 'INBOX', many(1000))
  await client.command('SELECT INBOX')
  const other = await talk('ann')
  for (const command of ['SORT (SUBJECT) UTF-8 ALL', 'SEARCH NOT SENTSINCE 1-Jan-2020', 'SEARCH BODY x']) {
    let isDone = false
    const answer = client.command(command).finally(() => {
      isDone = true
    })
    const quick = other.command('NOOP').then(() => isDone)
    // Time passes for the server as fast as it works.
    while (!isDone) await clock.advance(6000)
    const lines = await answer
    assert.equal(await quick, false, `NOOP had to wait for ${command}`)
    assert.ok(
      lines.some((line) => /^\* OK \[INPROGRESS \("a\d+" \d+ 1000\)\]/.test(line)),
      `${command}: ${lines.map((line) => line.slice(0, 100))}`,
    )
  }
})

test('SEARCH finds the addresses that ENVELOPE shows, whatever stands between their parts', async (t) => {
  const fields = [
    'From: <user-from (comment)@ (comment) domain.org>',
    'From: Ann <x . y @ example . org>',
    'From: "A \\"B\\" C" <q@example.org>',
    'Cc: undisclosed: one@ (x) two.test , "odd local"@three.test;',
  ]
  const kernel = await opened(t)
  const { client } = kernel
  await fill(
    kernel,
    'INBOX',
    fields.map((field) => ({ text: `${field}\r\n\r\nx\r\n` })),
  )
  await client.command('SELECT INBOX')
  const asked: readonly (readonly [string, string])[] = [
    ['FROM user-from@domain.org', '1'],
    ['FROM "user-from (comment)"', '1'],
    ['FROM x.y@example.org', '2'],
    ['FROM "x . y"', '2'],
    ['FROM "A \\"B\\" C"', '3'],
    ['CC one@two.test', '4'],
    ['CC "odd local@three.test"', '4'],
    ['FROM one@two.test', ''],
    ['TEXT user-from@domain.org', '1'],
  ]
  for (const [key, found] of asked)
    assert.equal((await client.command(`SEARCH ${key}`))[0]?.trimEnd(), `* SEARCH ${found}`.trimEnd(), key)
})
