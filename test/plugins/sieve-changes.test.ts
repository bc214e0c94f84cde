// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of Sieve

/** Messages that scripts change: header fields (RFC 5293), parts and the whole message (RFC 5703), lists, annotations. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gather } from '../../core/mime/index.ts'
import type { Action, Environment, MessageSource } from '../../plugins/mailbox/mailsort/sieve/index.ts'
import { run, summary } from '../support/sieve/engine.ts'
import { MESSAGES } from '../support/sieve/messages.ts'

const COYOTE = MESSAGES.coyote
const textOf = async (content: MessageSource | undefined) =>
  content ? Buffer.from(await gather(content.open(), content.size + 1)).toString() : undefined

/** What a script files, or what redirect sends. */
async function changed(script: string, message: string, which: 'kept' | 'redirect' | 'fileinto' = 'kept') {
  const { actions, content, error } = await run(script, message)
  assert.equal(error, undefined)
  if (which === 'kept') return textOf(content)
  const action = actions.find(({ kind }) => kind === which) as Extract<Action, { kind: 'redirect' }>
  return textOf(action.content)
}

const edit = (commands: string) => `require ["editheader", "fileinto", "variables", "copy", "index"];\n${commands}`
const body = COYOTE.slice(COYOTE.indexOf('\r\n\r\n'))

test('fields are added and deleted, and the rest stays byte for byte', async () => {
  const head = COYOTE.slice(0, COYOTE.indexOf('\r\n\r\n'))
  const cases: readonly [string, string | undefined][] = [
    ['addheader "X-A" "b";', `X-A: b\r\n${COYOTE}`],
    ['addheader :last "X-A" "b";', `${head}\r\nX-A: b${body}`],
    ['deleteheader "Subject";', `${head.replace(/\r\nSubject:[^\r]*/, '')}${body}`],
    ['addheader "X-Hello" "World"; deleteheader :index 1 "X-Hello";', COYOTE],
    ['addheader "Subject" "é"; ', `Subject: =?utf-8?B?w6k=?=\r\n${COYOTE}`],
    ['addheader "X-A" "b\r\nBcc: c@d.test";', `X-A: b Bcc: c@d.test\r\n${COYOTE}`],
    [
      'if true { deleteheader "To"; addheader "To" "x@y.test"; }',
      `To: x@y.test\r\n${COYOTE.replace(/To:[^\r]*\r\n/, '')}`,
    ],
    ['keep; addheader "X-A" "b"; discard;', undefined],
  ]
  for (const [commands, wanted] of cases) assert.equal(await changed(edit(commands), COYOTE), wanted, commands)
})

test('each action has the message as it is at its time', async () => {
  const script = edit(
    'fileinto "a"; addheader "X-A" "1"; fileinto "b"; redirect "r@x.test"; addheader "X-A" "2"; fileinto "c"; fileinto "d";',
  )
  const { actions } = await run(script, COYOTE)
  const heads = await Promise.all(
    actions.map(async (action) =>
      'content' in action ? (await textOf(action.content))?.match(/^X-A: \d/gm)?.join() : undefined,
    ),
  )
  assert.deepEqual(heads, [undefined, 'X-A: 1', 'X-A: 1', 'X-A: 2,X-A: 1', 'X-A: 2,X-A: 1'])
  const [, , , c, d] = actions as Extract<Action, { kind: 'fileinto' }>[]
  assert.equal(c?.content, d?.content, 'one message in two mailboxes')
})

test('fields that this server needs are left alone, and a script that fails changes nothing', async () => {
  const received = `Received: from a.test by b.test; Wed, 25 Nov 2026 09:29:58 +0000\r\nDelivered-To: a@b.test\r\n${COYOTE}`
  const commands =
    'deleteheader "Received"; deleteheader "Auto-Submitted"; deleteheader "Delivered-To"; addheader "Received" "x";'
  assert.equal(await changed(edit(commands), received), undefined)
  const { content, error } = await run(edit('addheader "X-A" "b"; addheader "${unknown} x" "b";'), COYOTE)
  assert.equal(content, undefined)
  assert.match(error?.message ?? '', /is not the name of a header field/)
  const many = await run(edit(`set "a" "${'x'.repeat(2000)}";\n${'addheader "X" "${a}";'.repeat(40)}`), COYOTE)
  assert.match(many.error?.message ?? '', /more than 65536 octets of header fields/)
})

const PARTS = MESSAGES.multipart
const mime = (commands: string) =>
  `require ["foreverypart", "mime", "replace", "enclose", "fileinto", "copy", "editheader"];\n${commands}`

test('replace puts a text in the place of a part', async () => {
  const script = mime(
    'foreverypart { if header :mime :param "filename" :matches ["content-type", "content-disposition"] "*.pdf" { replace "Removed.\r\n"; } }',
  )
  const found = (await changed(script, PARTS)) ?? ''
  const [before, after] = PARTS.split('Content-Type: application/pdf')
  const rest = after?.slice(after.indexOf('\r\n--outer')) ?? ''
  assert.ok(found.startsWith(before ?? '?') && found.endsWith(rest))
  const made = found.slice(before?.length, -rest.length)
  assert.equal(
    made,
    'Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nUmVtb3ZlZC4NCg==',
  )
  // A part within one that is replaced goes with it; the message is read again with what has taken its place.
  const both = mime(
    'foreverypart { if header :mime :type "content-type" ["multipart", "text"] { if header :mime :subtype "content-type" ["alternative", "plain"] { replace :mime "Content-Type: text/x-new\r\n\r\nnew"; } } }\nforeverypart { if header :mime :contenttype "content-type" "text/x-new" { fileinto :copy "seen"; } }',
  )
  const { actions } = await run(both, PARTS)
  assert.equal(actions.filter(({ kind }) => kind === 'fileinto').length, 2)
})

test('replace of the whole message keeps its other fields', async () => {
  const wanted = COYOTE.slice(0, COYOTE.indexOf('\r\n\r\n')).replace('Subject: I have a present for you', '')
  const found =
    (await changed(mime('replace :subject "Gone" :mime "Content-Type: text/html\r\n\r\n<p>x";'), COYOTE)) ?? ''
  assert.match(found, /^Subject: Gone\r\nOriginal-Subject: I have a present for you\r\n/)
  for (const line of wanted.split('\r\n').filter((one) => one !== '')) assert.ok(found.includes(line), line)
  assert.match(found, /\r\nMIME-Version: 1\.0\r\nContent-Type: text\/html\r\n\r\n<p>x$/)
  const inLoop = (await changed(mime('foreverypart { replace "Only this."; }'), COYOTE)) ?? ''
  assert.match(inLoop, /Content-Transfer-Encoding: base64\r\n\r\nT25seSB0aGlzLg==\r\n$/)
})

test('enclose puts the message into a new one; redirect sends the one before', async () => {
  const script = mime(
    'addheader "X-A" "b"; enclose :subject "Warning" :headers ["From", "Message-ID"] "Careful:"; redirect :copy "r@x.test";',
  )
  const found = (await changed(script, COYOTE)) ?? ''
  assert.match(
    found,
    /^From: coyote@desert\.example\.org\r\nDate: Sat, 28 Nov 2026 12:00:00 \+0000\r\nSubject: Warning\r\nMIME-Version: 1\.0\r\nContent-Type: multipart\/mixed; boundary="enclosed-/,
  )
  assert.ok(found.includes(`Content-Type: message/rfc822\r\n\r\nX-A: b\r\n${COYOTE}\r\n--enclosed-`))
  assert.equal(await changed(script, COYOTE, 'redirect'), `X-A: b\r\n${COYOTE}`)
  // Tests see the new message (RFC 5703 section 6).
  const after = 'enclose "x"; if header :mime :contenttype "content-type" "multipart/mixed" { fileinto :copy "yes"; }'
  assert.match(summary(await run(mime(after), COYOTE)), /into yes/)
})

test('lists: the match type, valid_ext_list, and redirect to all of one', async () => {
  const lists: Readonly<Record<string, readonly string[]>> = {
    'urn:ietf:params:sieve:addrbook:default': ['coyote@desert.example.org', 'ann@example.org'],
    'tag:example.com,2009-05-28:big': Array.from({ length: 9 }, (_, at) => `a${at}@x.test`),
  }
  const more: Partial<Environment> = {
    isInList: async (list, value) => lists[list]?.includes(value),
    membersOf: async (list, most) => lists[list]?.slice(0, most + 1),
  }
  const does = async (commands: string) =>
    summary(await run(`require ["extlists", "fileinto", "envelope", "variables", "copy"];\n${commands}`, COYOTE, more))
  // RFC 6134 section 3, example 1 and 3.
  assert.equal(
    await does('if header :list "from" "urn:ietf:params:sieve:addrbook:default" { fileinto "known"; }'),
    'into known',
  )
  assert.equal(
    await does('if envelope :list "from" "urn:ietf:params:sieve:addrbook:default" { fileinto "known"; }'),
    'into INBOX',
  )
  assert.equal(await does('if header :list "from" "urn:x" { stop; }'), 'failed: unknown list "urn:x"')
  assert.equal(
    await does(
      'if valid_ext_list ["urn:ietf:params:sieve:addrbook:default"] { fileinto "a"; } if valid_ext_list "urn:x" { fileinto "b"; }',
    ),
    'into a',
  )
  assert.equal(
    await does('redirect :list "urn:ietf:params:sieve:addrbook:default";'),
    'redirect ann@example.org; redirect coyote@desert.example.org',
  )
  assert.equal(
    await does('redirect :list "tag:example.com,2009-05-28:big";'),
    'failed: the list has more than 5 addresses',
  )
  assert.equal(await does('redirect :list "urn:x";'), 'failed: unknown list "urn:x"')
  assert.equal(
    await does('if header :list "from" "urn:ietf:params:sieve:addrbook:default" { fileinto "${0}"; }'),
    'into coyote@desert.example.org',
  )
})

test('annotations of mailboxes and of the server', async () => {
  const more: Partial<Environment> = {
    annotations: async ({ mailbox }) =>
      mailbox === undefined
        ? { '/shared/vendor/x': 'on' }
        : mailbox === 'INBOX'
          ? { '/private/vendor/vendor.isode/auto-replies': '1' }
          : undefined,
  }
  const script = `require ["mboxmetadata", "servermetadata", "fileinto", "copy"];
if metadata :is "INBOX" "/private/vendor/VENDOR.isode/auto-replies" "1" { fileinto "y1"; }
if metadataexists "INBOX" "/private/vendor/vendor.isode/auto-replies" { fileinto "y2"; }
if servermetadata :contains "/shared/vendor/x" "O" { fileinto "y3"; }
if servermetadataexists ["/shared/vendor/x"] { fileinto "y4"; }
if not metadata "Nowhere" "/private/a" "" { fileinto "y5"; }
if metadataexists "INBOX" ["/private/a", "/private/vendor/vendor.isode/auto-replies"] { fileinto "n1"; }
if servermetadata "/shared/none" "" { fileinto "n2"; }
if metadata "INBOX" "/private/vendor/vendor.isode/auto-replies" "0" { fileinto "n3"; }`
  const found = summary(await run(script, COYOTE, more))
  assert.equal(found, 'into y1; into y2; into y3; into y4; into y5')
})

test('redirect with what the sender is told (RFC 6009)', async () => {
  const { actions } = await run(
    'require "redirect-dsn"; redirect :notify "success,failure" :ret "hdrs" "elsewhere@example.com"; redirect :notify "NEVER" "b@x.test";',
    COYOTE,
  )
  assert.deepEqual(actions, [
    { kind: 'redirect', address: 'elsewhere@example.com', copy: false, notify: ['SUCCESS', 'FAILURE'], ret: 'HDRS' },
    { kind: 'redirect', address: 'b@x.test', copy: false, notify: ['NEVER'] },
  ])
  for (const tags of [':notify "sometimes"', ':notify "NEVER,FAILURE"', ':ret "SOME"'])
    await assert.rejects(async () => run(`require "redirect-dsn"; redirect ${tags} "a@b.test";`, COYOTE))
})
