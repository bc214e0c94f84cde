/** What IMAP sends, whatever is stored and whatever fails: every line is one that RFC 9051 has. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { IemsError } from '../../core/api/errors.ts'
import { memoryStore } from '../../core/store/memory.ts'
import { checkResponse } from '../support/imap-grammar.ts'
import { GrammarFault } from '../support/imap-grammar-reader.ts'
import { createImapKernel, type ImapTalk } from '../support/imap-talk.ts'
import { allowed } from '../support/mailstore.ts'
import { fc } from '../support/property.ts'

async function* once(octets: Uint8Array) {
  yield octets
}

/** The mailbox of ann with these messages in it, and a client that has selected it. */
async function selected(t: Parameters<typeof createImapKernel>[0], messages: readonly (string | Buffer)[], more = {}) {
  const kernel = await createImapKernel(t, more)
  const content = messages.map((text) => ({ content: once(Buffer.from(text as string, 'latin1')) }))
  if (content.length > 0) allowed(await kernel.mail.append(await kernel.mailbox('ann'), content))
  const client = await kernel.talk('ann')
  await client.command('SELECT INBOX')
  return { ...kernel, client }
}

test('the checker knows what is wrong', () => {
  for (const line of [
    '* 1 FETCH (BODY[] {3}\r\na\0b)',
    '* 1 FETCH (BODYSTRUCTURE ("MESSAGE" "RFC822" NIL NIL NIL "BASE64" 28 NIL NIL NIL NIL))',
    '* 1 FETCH (BODY ("TEXT" "PLAIN" NIL NIL NIL "7BIT" 28))',
    '* 1 FETCH (FLAGS (\\Seen)  UID 1)',
    '* 1 FETCH (FLAGS (a b]))',
    '* 0 EXPUNGE',
    '* QUOTA ann ()',
    '* LIST () "/" "\xc3\xa4"',
    '* OK [UNKNOWNCODE] text',
    '* OK ',
    'a1 OK',
    '* STATUS a (MESSAGES -1)',
    '* SEARCH 1  2',
    '* THREAD (1 2',
    '* ESEARCH (TAG "a") ALL 1:',
    '* 1 FETCH (ENVELOPE (NIL NIL () NIL NIL NIL NIL NIL NIL NIL))',
    '* 1 FETCH (BODY[1.HEADER.FIELDS ()] NIL)',
    '* VANISHED 0',
  ])
    assert.throws(() => checkResponse(line, { isUtf8: false }), GrammarFault, line)
  for (const line of ['* THREAD (1 (2)(3 4))((5)(6))', '* 1 FETCH (BINARY[1] ~{2}\r\na\0)', '+ ', '* LIST () NIL a'])
    checkResponse(line, { isUtf8: false })
})

const EVERYTHING = [
  'FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY BODYSTRUCTURE PREVIEW MODSEQ EMAILID THREADID SAVEDATE)',
  'FETCH 1:* (BODY.PEEK[] BODY.PEEK[HEADER] BODY.PEEK[TEXT] BODY.PEEK[1] BODY.PEEK[1.MIME] BODY.PEEK[2.HEADER])',
  'FETCH 1:* (BODY.PEEK[HEADER.FIELDS (Subject "a b" {3+}\r\nTo\r)] BODY.PEEK[HEADER.FIELDS.NOT (From)]<1.9> RFC822.HEADER)',
  'FETCH 1:* (BINARY.PEEK[1] BINARY.SIZE[1] BINARY.PEEK[1]<2.5>)',
  'SORT (SUBJECT FROM DATE) UTF-8 ALL',
  'THREAD REFERENCES UTF-8 ALL',
  'SEARCH RETURN (ALL COUNT MIN) TEXT a',
]

const octet = fc.integer({ min: 0, max: 255 })
const junk = fc
  .array(
    fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom(...'\0\r\n "\\()<>@;:=,?[]{}%*ab\xc3\xa4\x7f') },
      octet.map((code) => String.fromCharCode(code)),
    ),
    { maxLength: 40 },
  )
  .map((all) => all.join(''))
const name = fc.constantFrom(
  'From',
  'To',
  'Cc',
  'Sender',
  'Reply-To',
  'Subject',
  'Date',
  'Message-ID',
  'In-Reply-To',
  'References',
  'Content-Type',
  'Content-Transfer-Encoding',
  'Content-Disposition',
  'Content-ID',
  'Content-Description',
  'Content-Language',
  'Content-Location',
  'Content-MD5',
)
const values = fc.constantFrom(
  'a@b',
  'A <a@b.test>, "\\"x" <b@c>',
  'group: a@b, c@d;',
  '<>',
  'multipart/mixed; boundary=b',
  'multipart/x; boundary=b',
  'multipart/digest; boundary="b"',
  'message/rfc822',
  'message/global',
  'MESSAGE/partial',
  'text/html; charset="\xe4"',
  'text',
  '/',
  'base64',
  'quoted-printable',
  'binary',
  'x-unknown',
  "attachment; filename*0*=utf-8''%00; filename*1=\"\\",
  'inline',
  'en, de',
  '=?utf-8?q?=00=0d=0a?= =?utf-8?b?AAA=?=',
  '=?x?q?=FF?=',
)
const field = fc.tuple(name, fc.oneof(values, junk)).map(([one, value]) => `${one}: ${value}\r\n`)
const header = fc.array(field, { maxLength: 8 }).map((fields) => fields.join(''))
const part = fc
  .tuple(header, fc.oneof(junk, fc.constant('U3ViamVjdDogaW4NCg0KdGV4dA==')))
  .map(([head, text]) => `${head}\r\n${text}\r\n`)
const mail = fc.oneof(
  junk,
  part,
  fc
    .tuple(header, fc.array(part, { maxLength: 3 }), part)
    .map(
      ([head, parts, last]) =>
        `Content-Type: multipart/mixed; boundary=b\r\n${head}\r\n--b\r\n${parts.join('--b\r\n')}--b--\r\n${last}`,
    ),
  fc.tuple(header, part).map(([head, inner]) => `Content-Type: message/rfc822\r\n${head}\r\n${inner}`),
)

async function asksEverything(client: ImapTalk): Promise<void> {
  for (const command of EVERYTHING) {
    const [answer = ''] = (await client.command(command)).slice(-1)
    assert.match(answer, /^(?:OK|NO \[UNKNOWN-CTE\])/, command)
  }
}

test('every line about random mail is of the grammar, in IMAP4rev1 and in IMAP4rev2', async (t) => {
  const { mail: store, mailbox, talk } = await createImapKernel(t)
  const inbox = await mailbox('ann')
  const clients = [await talk('ann'), await talk('ann')]
  await clients[1]?.command('ENABLE IMAP4rev2')
  for (const client of clients) await client.command('SELECT INBOX')
  await fc.assert(
    fc.asyncProperty(fc.array(mail, { minLength: 1, maxLength: 10 }), async (messages) => {
      const content = messages.map((text) => ({ content: once(Buffer.from(text, 'latin1')) }))
      const { uids } = allowed(await store.append(inbox, content))
      for (const client of clients) {
        await client.command('NOOP')
        await asksEverything(client)
      }
      allowed(await store.expunge(inbox, [[uids[0] as number, uids.at(-1) as number]]))
      for (const client of clients) await client.command('NOOP')
    }),
    { numRuns: Number(process.env.RUNS ?? 40), endOnFailure: true },
  )
})

test('every line that answers random commands is of the grammar', async (t) => {
  const { client } = await selected(t, ['Subject: a\r\n\r\nb\r\n'], { imap: { limits: { errors: 1_000_000 } } })
  const words = fc.constantFrom(
    ...'SELECT,INBOX,LIST,"",*,%,(,),STATUS,(MESSAGES),FETCH,1,1:*,BODY[],FLAGS,SEARCH,STORE,+FLAGS,$x,CREATE,a/b,&,&AOQ-,SORT,UTF-8,GETACL,SETACL,bob,lr,RENAME,NOOP,UID,ENABLE,CONDSTORE,ID,NIL,GETQUOTAROOT,NAMESPACE,"\\"]"'.split(
      ',',
    ),
  )
  const word = fc.oneof(
    words,
    fc.array(octet, { maxLength: 6 }).map((all) =>
      Buffer.from(all)
        .toString('latin1')
        .replace(/[\r\n{]/g, ''),
    ),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(word, { minLength: 1, maxLength: 6 }), async (all) => {
      const text = all.join(' ')
      if (/^(?:IDLE|LOGOUT|UNAUTHENTICATE)/i.test(text)) return
      await client.command(text)
    }),
    { numRuns: 400, endOnFailure: true },
  )
})

test('NUL never stands in an ordinary literal, and comes only in a literal8', async (t) => {
  const octets = Buffer.from(
    'Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n \0-\x80\r\n\r\n',
    'latin1',
  )
  const { client } = await selected(t, [])
  const refused = await client.command(`APPEND INBOX {${octets.length}+}\r\n${octets.toString('latin1')}`)
  assert.deepEqual(refused, ['NO [CANNOT] NUL needs a literal8'])
  const taken = await client.command(`APPEND INBOX ~{${octets.length}+}\r\n${octets.toString('latin1')}`)
  assert.match(taken.at(-1) ?? '', /^OK \[APPENDUID/)
  const part = async (what: string) => (await client.command(`FETCH 1 (${what})`))[0]
  assert.equal(await part('BODY.PEEK[1]'), '* 1 FETCH (BODY[1] {8}\r\n \x80-\x80\r\n\r\n)')
  assert.equal(await part('BINARY.PEEK[1]'), '* 1 FETCH (BINARY[1] ~{8}\r\n \0-\x80\r\n\r\n)')
  const catenated = await client.command('APPEND INBOX CATENATE (TEXT {3+}\r\na\0b)')
  assert.match(catenated.at(-1) ?? '', /^NO \[CANNOT\]/)
  assert.deepEqual((await client.command('NOOP')).at(-1), 'OK NOOP completed')
})

test('parts of URLs are cut as in FETCH', async (t) => {
  const { client, content, entries } = await selected(t, ['Subject: a\r\n\r\nText\r\n'])
  for (const [partial, expected] of [
    ['100000.1', ''],
    ['20.1', ''],
    ['9.3', 'a\r\n'],
    ['14', 'Text\r\n'],
    ['0.10', 'Subject: a'],
  ]) {
    const done = await client.command(
      `APPEND INBOX CATENATE (URL "/INBOX/;UID=1/;PARTIAL=${partial}" TEXT {2+}\r\n.\n)`,
    )
    assert.match(done.at(-1) ?? '', /^OK \[APPENDUID/)
    assert.equal(await content((await entries('ann')).at(-1)?.email ?? ''), `${expected}.\n`)
  }
})

test('IMAP4rev1 learns of the first unseen message, and of no quota where there is no limit', async (t) => {
  const { client, talk } = await selected(t, ['A: 1\r\n\r\n', 'A: 2\r\n\r\n', 'A: 3\r\n\r\n'])
  const unseen = async (one = client) => (await one.command('EXAMINE INBOX')).find((line) => line.includes('[UNSEEN'))
  assert.match((await unseen()) ?? '', /^\* OK \[UNSEEN 1\] /)
  await client.command('SELECT INBOX')
  await client.command('STORE 1:2 +FLAGS (\\Seen)')
  assert.match((await unseen()) ?? '', /^\* OK \[UNSEEN 3\] /)
  await client.command('SELECT INBOX')
  await client.command('STORE 1:* +FLAGS (\\Seen)')
  assert.equal(await unseen(), undefined)
  const rev2 = await talk('ann')
  await rev2.command('ENABLE IMAP4rev2')
  await client.command('SELECT INBOX')
  await client.command('STORE 1 -FLAGS (\\Seen)')
  assert.equal(await unseen(rev2), undefined)
  assert.deepEqual((await client.command('GETQUOTAROOT INBOX')).slice(0, -1), ['* QUOTAROOT INBOX'])
  assert.match((await client.command('GETQUOTA ann')).at(-1) ?? '', /^NO \[NONEXISTENT\]/)
})

test('whoever loses the right to read a mailbox hears nothing more of it', async (t) => {
  const { client: ann, talk } = await selected(t, [])
  await ann.command('CREATE Sh')
  await ann.command('SETACL Sh bob lr')
  const bobs = await Promise.all(['fetching', 'idling', 'notified'].map(() => talk('bob')))
  const [fetching, idling, notified] = bobs as [ImapTalk, ImapTalk, ImapTalk]
  for (const bob of [fetching, idling]) await bob.command('SELECT Users/ann/Sh')
  await notified.command('NOTIFY SET (mailboxes Users/ann/Sh (MessageNew MessageExpunge))')
  idling.send('i IDLE\r\n')
  assert.equal(await idling.line(), '+ idling')
  await ann.command('SETACL Sh bob l')
  const add = () => ann.command('APPEND Sh {12+}\r\nA: secret\r\n\r')
  await add()
  assert.match(await idling.line(), /^\* BYE Mailbox access revoked$/)
  const lost = await fetching.command('FETCH 1:* BODY[TEXT]')
  assert.deepEqual(lost, ['* BYE Mailbox access revoked', 'NO [NOPERM] Mailbox access revoked'])
  assert.deepEqual(await notified.command('NOOP'), ['OK NOOP completed'])
  assert.match(
    (await notified.command('NOTIFY SET STATUS (mailboxes Users/ann/Sh (MessageNew MessageExpunge))')).join('\n'),
    /^OK/,
  )
  await ann.command('SETACL Sh bob lr')
  await add()
  assert.match((await notified.command('NOOP')).join('\n'), /^\* STATUS Users\/ann\/Sh \(MESSAGES 2 /m)
})

test('content that fails behind its announcement ends the connection, and what the store says is told by a code', async (t) => {
  const below = memoryStore()
  let fault: Error | undefined
  const store = {
    ...below,
    commit: (...args: Parameters<typeof below.commit>) => (fault ? Promise.reject(fault) : below.commit(...args)),
    blobs: {
      ...below.blobs,
      async *open(...args: Parameters<typeof below.blobs.open>) {
        for await (const chunk of below.blobs.open(...args)) {
          yield fault ? chunk.subarray(0, 10) : chunk
          if (fault) throw fault
        }
      },
    },
  }
  const { client, talk } = await selected(t, [`Subject: a\r\n\r\n${'text\r\n'.repeat(50_000)}`], { store })
  fault = new IemsError('IEMS_STORE_FULL', { path: 'memory' })
  assert.deepEqual(await client.command('STORE 1 +FLAGS ($x)'), [
    'NO [UNAVAILABLE] No space left on the server; try again later',
  ])
  client.send('f FETCH 1 BODY.PEEK[]\r\n')
  await assert.rejects(client.line(), /hung up/)
  fault = undefined
  assert.match((await (await talk('ann')).command('NOOP')).join(''), /^OK/)
})

test('a keyword that is new is told of first, to every session, and a message has only so many', async (t) => {
  const { client, talk } = await selected(t, ['A: 1\r\n\r\n', 'A: 2\r\n\r\n'])
  const other = await talk('ann')
  await other.command('SELECT INBOX')
  const news = (flags: string) => [
    `* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft ${flags})`,
    `* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft ${flags} \\*)] Flags permitted`,
  ]
  const stored = ['* 1 FETCH (FLAGS ($hello))', 'OK STORE completed']
  assert.deepEqual(await client.command('STORE 1 FLAGS ($hello)'), [...news('$hello'), ...stored])
  assert.deepEqual(await client.command('STORE 1 FLAGS ($HELLO)'), stored)
  assert.deepEqual((await other.command('NOOP')).slice(0, 3), [...news('$hello'), stored[0]])
  assert.deepEqual(await client.command('STORE 1 +FLAGS.SILENT (b)'), [...news('$hello b'), 'OK STORE completed'])
  assert.deepEqual((await other.command('FETCH 1 FLAGS')).slice(0, 3), [
    ...news('$hello b'),
    '* 1 FETCH (FLAGS ($hello b))',
  ])
  const many = (count: number) => Array.from({ length: count }, (_, at) => `k${at}`).join(' ')
  assert.deepEqual(await client.command(`STORE 2 FLAGS (${many(9000)})`), [
    'NO [LIMIT] Too many keywords on one message',
  ])
  assert.equal((await client.command(`STORE 2 FLAGS.SILENT (${many(100)})`)).at(-1), 'OK STORE completed')
  const more = 'l1 l2 l3 l4 l5 l6'
  assert.equal((await client.command(`STORE 2 +FLAGS (${more})`)).at(-1), 'NO [LIMIT] Too many keywords on one message')
  const appended = await client.command(`APPEND INBOX (${many(200)}) {2+}\r\n\r\n`)
  assert.equal(appended.at(-1), 'NO [LIMIT] Too many keywords on one message')
})

test('a mailbox has only so many different keywords, an account only so many mailboxes, and both make room again', async (t) => {
  const kernel = await createImapKernel(t, { mailstore: { limits: { keywords: 3, mailboxes: 10 } } })
  const client = await kernel.talk('ann')
  const last = async (command: string) => (await client.command(command)).at(-1) ?? ''
  const text = 'A: 1\r\n\r\n'
  for (const flags of ['', 'a', ''])
    assert.match(await last(`APPEND INBOX (${flags}) {${text.length}+}\r\n${text}`), /^OK/)
  assert.match(await last('SELECT INBOX'), /^OK/)
  const tooMany = 'NO [LIMIT] Too many different keywords in one mailbox'
  assert.equal(await last('STORE 1 +FLAGS (b c d)'), tooMany)
  assert.equal((await client.command('FETCH 1 FLAGS'))[0], '* 1 FETCH (FLAGS ())')
  assert.match(await last('STORE 1 +FLAGS (b c)'), /^OK/)
  assert.equal(await last('STORE 2 +FLAGS (d)'), tooMany)
  assert.equal(await last(`APPEND INBOX (d) {${text.length}+}\r\n${text}`), tooMany)
  assert.match(await last('STORE 1:3 +FLAGS (A B C \\Seen)'), /^OK/)
  // A keyword that no message has any more makes room, whichever way it went.
  assert.match(await last('STORE 1:3 -FLAGS (b)'), /^OK/)
  assert.match(await last('STORE 3 FLAGS (d \\Deleted)'), /^OK/)
  assert.equal(await last('STORE 1 +FLAGS (e)'), tooMany)
  assert.match(await last('EXPUNGE'), /^OK/)
  assert.match(await last('STORE 1 +FLAGS (e)'), /^OK/)
  // What is copied comes without what is too many.
  assert.match(await last('CREATE Other'), /^OK/)
  assert.match(await last(`APPEND Other (x y) {${text.length}+}\r\n${text}`), /^OK/)
  assert.match(await last('COPY 1 Other'), /^OK/)
  assert.match(await last('SELECT Other'), /^OK/)
  const copied = (await client.command('FETCH 2 FLAGS'))[0] ?? ''
  assert.equal(copied.match(/\b[ace]\b/g)?.length, 1, copied)
  const call = { arguments: ['ann'], options: {}, input: (async function* () {})(), signal: AbortSignal.timeout(9000) }
  const checked = await Array.fromAsync(kernel.kernel.commands.get('mailbox check')?.run(call) ?? [])
  assert.match(JSON.stringify(checked), /checked, 0 problems found/)

  let made = 0
  while (made < 20 && (await last(`CREATE box${made}`)).startsWith('OK')) made++
  assert.equal((await kernel.mail.mailboxes('ann')).length, 10)
  assert.equal(await last('CREATE more'), 'NO [LIMIT] There are too many mailboxes')
  assert.match(await last('DELETE box0'), /^OK/)
  assert.equal(await last('CREATE a/b'), 'NO [LIMIT] There are too many mailboxes')
  assert.match(await last('CREATE more'), /^OK/)
})

test('RFC 9698: clients are told where JMAP is, when the administrator says so', async (t) => {
  const { talk } = await createImapKernel(t, { imap: { jmapSession: 'https://here.test/jmap/session' } })
  const client = await talk('ann')
  assert.match((await client.command('CAPABILITY'))[0] ?? '', / JMAPACCESS( |$)/)
  assert.equal((await client.command('GETJMAPACCESS'))[0], '* JMAPACCESS "https://here.test/jmap/session"')
  const without = await (await createImapKernel(t)).talk('ann')
  assert.doesNotMatch((await without.command('CAPABILITY'))[0] ?? '', /JMAPACCESS/)
  assert.match((await without.command('GETJMAPACCESS')).at(-1) ?? '', /^BAD/)
})
