/**
 * IMAP sessions cut into octets, cut off at every octet, and made of nonsense: the same answers, one for each command,
 * and nothing left behind.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { definePlugin } from 'iems'
import * as z from 'zod'
import { untagged } from '../support/imap-answers.ts'
import { createImapKernel } from '../support/imap-talk.ts'
import { fc } from '../support/property.ts'

const NAMES = 1000
const userOf = (number: number) => `u${String(number).padStart(4, '0')}`

/** Accounts u0000, u0001, …, whose passwords nobody computes a hash of. */
async function createOpenKernel(t: TestContext) {
  const anybody = definePlugin({
    name: 'anybody',
    config: z.undefined(),
    setup: () => ({
      hooks: {
        auth: {
          stage: 'first',
          handler: (attempt) => {
            const name = attempt.kind === 'password' ? attempt.username : ''
            return name.startsWith('u') ? { kind: 'identity', user: name, account: name, mayRelay: false } : undefined
          },
        },
      },
    }),
  })
  const people = Array.from({ length: NAMES }, (_, number) => ({
    name: userOf(number),
    addresses: [`${userOf(number)}@here.test`],
  }))
  const imap = { limits: { errors: 100_000, connections: 10_000, connectionsPerAddress: 10_000 } }
  return createImapKernel(t, { people, plugins: [anybody()], imap, mailstore: { undelete: '0 s' } })
}

const MESSAGE =
  'From: a@far.test\r\nSubject: one\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b--\r\n'
const { length } = MESSAGE

/** A client that does a little of everything, without waiting for answers. */
const commandsOf = (user: string): readonly string[] => [
  'a1 CAPABILITY',
  `a2 LOGIN {5+}\r\n${user} "secret"`,
  'a3 ENABLE CONDSTORE',
  'a4 CREATE "Work/&AOQ-"',
  `a5 APPEND INBOX (\\Seen) "01-Feb-2020 10:00:00 +0000" {${length}+}\r\n${MESSAGE} (work) {${length}+}\r\n${MESSAGE}`,
  `a6 APPEND "Work/&AOQ-" {${length}}\r\n${MESSAGE}`,
  'a7 SELECT INBOX',
  'a8 FETCH 1:* (UID FLAGS BODYSTRUCTURE ENVELOPE BODY.PEEK[1]<0.3> BODY[TEXT])',
  'a9 SEARCH CHARSET {5+}\r\nUTF-8 OR SUBJECT {3+}\r\none FROM "a@"',
  'b1 APPEND Drafts CATENATE (TEXT {6+}\r\nA: b\r\n URL "/INBOX/;UID=1/;SECTION=TEXT")',
  'b2 STORE 1 +FLAGS (\\Deleted)',
  'b3 IDLE\r\nDONE',
  'b4 EXPUNGE',
  'b5 UID COPY 2 "Work/&AOQ-"',
  'b6 UID MOVE 2 Archive',
  'b7 nonsense (',
  'b8 LIST "" (% "Work/*") RETURN (STATUS (MESSAGES UNSEEN))',
  'b9 SORT (SUBJECT) UTF-8 ALL',
  'c1 LOGOUT',
]
const streamOf = (user: string) => commandsOf(user).map((one) => `${one}\r\n`)

interface Said {
  /** A tag whose answer is waited for before no more is sent. */
  readonly until?: string | undefined
  readonly hangsUp?: boolean
}

/** Sends pieces one after the other and then no more; answers all that comes back. */
async function converse(
  port: number,
  pieces: Iterable<string | Buffer>,
  { until, hangsUp }: Said = {},
): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  const closed = once(socket, 'close', { signal: AbortSignal.timeout(20_000) })
  let text = ''
  let told: () => void = () => {}
  const answered = new Promise<void>((resolve) => {
    told = resolve
  })
  const wanted = until === undefined ? /^\* / : new RegExp(`^${until} (?:OK|NO|BAD) |^\\* BYE `, 'm')
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    text += chunk
    if (wanted.test(text)) told()
  })
  // Who hangs up first is not the question.
  socket.on('error', () => {})
  await once(socket, 'connect')
  for (const piece of pieces) {
    socket.write(piece, 'latin1')
    await turn()
  }
  if (hangsUp) socket.destroy()
  else {
    await Promise.race([answered, closed])
    socket.end()
  }
  await closed
  return text
}

/** Lines with their literals, as far as they have come; what the server makes up by itself is left out. */
function linesOf(text: string): string[] {
  const lines = text.match(/(?:[^\r\n]*\{\d+\}\r\n)*[^\r\n]*\r\n/g) ?? []
  return lines.map((line) => {
    const one =
      line.startsWith('* ') && !line.includes('{') ? JSON.stringify(untagged(line.trimEnd(), 'SELECT') ?? 'told') : line
    return one.replace(/\b(APPENDUID|COPYUID) \d+/, '$1').replace(/(MODSEQ \(?|MAILBOXID \()[\w-]+/g, '$1')
  })
}

const FAULTS = /SERVERBUG|error of ours/

test('octets that come one at a time are answered like those that come at once', async (t) => {
  const { port } = await createOpenKernel(t)
  const whole = linesOf(await converse(port, [streamOf(userOf(0)).join('')], { until: 'c1' }))
  assert.match(whole.at(-1) ?? '', /^c1 OK/)
  assert.doesNotMatch(whole.join(''), FAULTS)
  const octets = Buffer.from(streamOf(userOf(1)).join(''), 'latin1')
  const pieces = Array.from(octets, (_, at) => octets.subarray(at, at + 1))
  assert.deepEqual(linesOf(await converse(port, pieces, { until: 'c1' })), whole)
})

test('a session that ends at any octet leaves what was answered, no fault and nothing open', async (t) => {
  const { port, kernel, events, mailbox, store } = await createOpenKernel(t)
  const whole = linesOf(await converse(port, [streamOf(userOf(0)).join('')], { until: 'c1' }))
  const { length: size } = streamOf(userOf(0)).join('')
  assert.ok(size < NAMES)
  const cuts = Array.from({ length: size }, (_, index) => index + 1)
  const cutAt = async (cut: number) => {
    const stream = streamOf(userOf(cut))
    const said = stream.join('').slice(0, cut)
    // Every tenth hangs up without a word and does not hear the answers.
    if (cut % 10 === 0) return void (await converse(port, [said], { hangsUp: true }))
    const last = stream.findLast((_, index) => stream.slice(0, index + 1).join('').length <= cut)
    const until = last?.slice(0, 2)
    const lines = linesOf(await converse(port, [said], { until }))
    assert.doesNotMatch(lines.join(''), FAULTS, `cut at ${cut}`)
    assert.deepEqual(lines, whole.slice(0, lines.length), `cut at ${cut}: ${said.slice(-30)}`)
    if (until)
      assert.ok(
        lines.some((line) => line.startsWith(until)),
        `cut at ${cut}: no answer to ${until}`,
      )
  }
  const one = async () => {
    for (let cut = cuts.pop(); cut !== undefined; cut = cuts.pop()) await cutAt(cut)
  }
  await Promise.all(Array.from({ length: 16 }, one))
  const count = (wanted: string) => events.filter(({ name }) => name === wanted).length
  const end = Date.now() + 60_000
  while (count('session.closed') < count('session.opened') && Date.now() < end) await turn()
  assert.equal(count('session.closed'), count('session.opened'), 'sessions are still open')
  assert.equal((await mailbox(userOf(size), 'Archive')).messages, 1)
  for (const number of [100, 400, 700, size]) {
    const check = kernel.commands.get('mailbox check')?.run({
      arguments: [userOf(number)],
      options: {},
      input: (async function* () {})(),
      signal: new AbortController().signal,
    })
    assert.match(JSON.stringify((await Array.fromAsync(check ?? [])).at(-1)), /0 problems found/)
  }
  const bodies = async () => (await Array.fromAsync(store.blobs.list())).length
  const before = await bodies()
  const unfinished = `a LOGIN ${userOf(0)} x\r\nb APPEND INBOX {100000+}\r\n${'x'.repeat(90_000)}`
  await converse(port, [unfinished], { until: 'a' })
  while ((await bodies()) > before && Date.now() < end) await turn()
  assert.equal(await bodies(), before, 'what was staged is still there')
  t.diagnostic(`${size} cuts`)
})

// --- nonsense ---------------------------------------------------------------------------------

const WORDS = [
  'ALL',
  'INBOX',
  'Archive',
  '"Drafts"',
  '""',
  '"a/b"',
  '"&"',
  '*',
  '%',
  '1',
  '1:*',
  '*:1',
  '4294967295',
  '4294967296',
  '0',
  '$',
  '1:3,2',
  '-1:-5',
  '(\\Seen)',
  '\\Deleted',
  '+FLAGS',
  '-FLAGS.SILENT',
  'FLAGS',
  '(',
  ')',
  '()',
  '((',
  'NIL',
  'UID',
  'NOT',
  'OR',
  'FUZZY',
  'RETURN',
  '(SAVE)',
  '(MIN MAX PARTIAL 1:5)',
  '(COUNT)',
  'TEXT',
  'SUBJECT',
  'x',
  'HEADER',
  'BODY[]',
  'BODY.PEEK[1.2.HEADER.FIELDS (a b)]<0.5>',
  'BODY[',
  'BINARY[1]',
  'BINARY.SIZE[]',
  'ENVELOPE',
  'BODYSTRUCTURE',
  'PREVIEW (LAZY)',
  '(FLAGS MODSEQ)',
  '(CHANGEDSINCE 1)',
  '(CHANGEDSINCE 1 VANISHED)',
  '(UNCHANGEDSINCE 0)',
  '(CONDSTORE)',
  '(QRESYNC (1 1 1:5 (1 1)))',
  'UTF-8',
  'X-NONE',
  '(SUBJECT)',
  '(REVERSE DATE)',
  'REFERENCES',
  'ORDEREDSUBJECT',
  '(MESSAGES UNSEEN SIZE)',
  '(STATUS (MESSAGES))',
  '(SUBSCRIBED RECURSIVEMATCH)',
  'CATENATE',
  '(TEXT',
  '(URL "/INBOX/;UID=1")',
  'IMAP4rev2',
  'CONDSTORE',
  'QRESYNC',
  'UIDONLY',
  'UTF8=ACCEPT',
  '/private/x',
  '(/private/x "1")',
  '(DEPTH 1)',
  'lrs',
  '+x',
  'anyone',
  'SET',
  'NONE',
  'STATUS',
  '(selected (MessageNew))',
  '(USE (\\Sent))',
  '"01-Feb-2020 10:00:00 +0000"',
  '1-Feb-2020',
  'SINCE',
  'LARGER',
  'MODSEQ',
  '{0+}\r\n',
  '{3+}\r\na\nb',
  '~{2+}\r\n\0\0',
  '{4+}\r\nA: b',
  '"\xff\xfe"',
  '\0',
  '"unfinished',
]
// Not those after which other things than commands are said.
const COMMANDS = [
  'APPEND',
  'CAPABILITY',
  'CHECK',
  'CLOSE',
  'COPY',
  'CREATE',
  'DELETE',
  'DELETEACL',
  'ENABLE',
  'EXAMINE',
  'EXPUNGE',
  'FETCH',
  'GETACL',
  'GETMETADATA',
  'GETQUOTA',
  'GETQUOTAROOT',
  'ID',
  'LIST',
  'LISTRIGHTS',
  'LOGIN',
  'LSUB',
  'MOVE',
  'MYRIGHTS',
  'NAMESPACE',
  'NOOP',
  'NOTIFY',
  'RENAME',
  'REPLACE',
  'SEARCH',
  'SELECT',
  'SETACL',
  'SETMETADATA',
  'SETQUOTA',
  'SORT',
  'STARTTLS',
  'STATUS',
  'STORE',
  'SUBSCRIBE',
  'THREAD',
  'UNSELECT',
  'UNSUBSCRIBE',
  'FOO',
]
const command = fc
  .record({
    uid: fc.boolean(),
    name: fc.constantFrom(...COMMANDS, 'SELECT', 'FETCH', 'SEARCH', 'STORE', 'APPEND'),
    words: fc.array(fc.constantFrom(...WORDS), { maxLength: 7 }),
    separator: fc.constantFrom(' ', ' ', ' ', ' ', '', '  '),
  })
  .map(
    ({ uid, name, words, separator }) =>
      `${uid ? 'UID ' : ''}${name}${words.length > 0 ? ' ' : ''}${words.join(separator)}`,
  )

test('whatever a command is made of, it has one answer', async (t) => {
  const { port } = await createOpenKernel(t)
  let user = 0
  await fc.assert(
    fc.asyncProperty(fc.array(command, { minLength: 1, maxLength: 40 }), async (commands) => {
      const setup = [`LOGIN ${userOf(user++ % NAMES)} x`, `APPEND INBOX {${length}+}\r\n${MESSAGE}`, 'SELECT INBOX']
      const all = [...setup, ...commands, 'LOGOUT']
      const said = all.map((one, index) => `t${index} ${one}\r\n`).join('')
      const text = await converse(port, [said], { until: `t${all.length - 1}` })
      assert.doesNotMatch(text, FAULTS)
      const lines = linesOf(text)
      // What is in literals is never taken for commands.
      for (const line of lines) assert.match(line, /^(?:"told"|\[|\* |\+ |t\d+ )/, JSON.stringify(all))
      for (const [index, one] of all.entries()) {
        const answers = lines.filter((line) => new RegExp(`^t${index} (?:OK|NO|BAD) `).test(line))
        assert.equal(answers.length, 1, `${JSON.stringify(one)} after ${JSON.stringify(all.slice(0, index))}: ${text}`)
      }
    }),
    { numRuns: 300 },
  )
})

test('octets without any sense hold up nobody and end no more than their own session', async (t) => {
  const { port } = await createOpenKernel(t)
  const octets = fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes))
  const piece = fc.oneof(
    octets,
    fc
      .constantFrom(
        'a FETCH 1 BODY[',
        'b LOGIN u0001 x\r\n',
        '\r\n',
        'c {5}\r\n',
        'd APPEND INBOX {3}\r\n',
        '\0\r\n',
        '(((((',
      )
      .map((text) => Buffer.from(text)),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 20 }), async (pieces) => {
      const text = await converse(port, pieces)
      assert.match(text, /^\* OK /)
      assert.doesNotMatch(text, FAULTS)
    }),
    { numRuns: 200 },
  )
  assert.match(await converse(port, ['a NOOP\r\nb LOGOUT\r\n'], { until: 'b' }), /a OK [\s\S]*b OK/)
})
