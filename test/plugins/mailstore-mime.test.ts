/** MIME as the message store reads it: the same however it comes, bounded whatever it is, and as Dovecot reads it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gather } from '../../core/mime/gather.ts'
import type { MimePart } from '../../core/mime/parts.ts'
import { readStructure } from '../../core/mime/structure.ts'
import { fromHtml, preview, readText } from '../../core/mime/text.ts'
import { partBody } from '../../core/mime/transfer.ts'
import { MIME, MISSED } from '../fixtures/mime.ts'
import { startDovecot, whyNoDovecot } from '../support/dovecot.ts'
import { createImapKernel, type ImapTalk, talkTo } from '../support/imap-talk.ts'
import { fc } from '../support/property.ts'

/** Content that comes in pieces of so many octets. */
function emailOf(content: string | Buffer, piece = 65_536) {
  const octets = Buffer.isBuffer(content) ? content : Buffer.from(content, 'latin1')
  return {
    size: octets.length,
    async *open({ start, end } = { start: 0, end: octets.length }) {
      for (let at = start; at < end; at += piece) yield octets.subarray(at, Math.min(end, at + piece))
    },
  }
}

const structureOf = (content: string | Buffer, piece?: number): Promise<MimePart> => {
  const { open, size } = emailOf(content, piece)
  return readStructure(open, size)
}

test('the structure is the same in whatever pieces the content comes', async () => {
  for (const [name, content] of Object.entries({ ...MIME, ...MISSED })) {
    const whole = await structureOf(content)
    for (const piece of [1, 2, 3, 7, 64])
      assert.deepEqual(await structureOf(content, piece), whole, `${name} by ${piece}`)
  }
})

test('offsets are those of the octets', async () => {
  const content = MIME.nested as string
  const { parts: [related, message] = [] } = await structureOf(content)
  const picture = related?.parts?.[1] as MimePart
  assert.equal(content.slice(picture.body, picture.end), 'iVBORw0KGgo=')
  const inner = message?.parts?.[0] as MimePart
  assert.match(content.slice(inner.header, inner.end), /^From: "Inner, Person"[\s\S]*epilogue of in$/)
  const text = inner.parts?.[0] as MimePart
  assert.equal(content.slice(text.body, text.end), 'inner text\r\ntwo lines\r\n')
})

test('whatever it is, it has some structure within the content', async () => {
  const pieces = fc.constantFrom(
    '--a',
    '--b',
    '--',
    '\r\n',
    '\n',
    '\r',
    'Content-Type: multipart/mixed; boundary=a',
    'Content-Type: message/rfc822',
    'Content-Type: multipart/digest; boundary="b"',
    ':',
    ' ',
    'x',
    '\0',
    '\xff',
    ';',
    '=',
    '"',
  )
  await fc.assert(
    fc.asyncProperty(fc.array(pieces, { maxLength: 60 }), fc.integer({ min: 1, max: 50 }), async (some, piece) => {
      const content = some.join('')
      const whole = await structureOf(content)
      assert.deepEqual(await structureOf(content, piece), whole)
      const look = (part: MimePart) => {
        assert.ok(part.header <= part.body && part.body <= part.end && part.end <= content.length)
        for (const inner of part.parts ?? []) {
          assert.ok(inner.header >= part.body && inner.end <= part.end)
          look(inner)
        }
      }
      look(whole)
      await readText(emailOf(content), whole)
    }),
    { numRuns: 300 },
  )
})

test('depth, parts and headers without end are cut, in linear time', async () => {
  let deep = ''
  for (let depth = 0; depth < 500; depth++)
    deep += `Content-Type: multipart/mixed; boundary=b${depth}\r\n\r\n--b${depth}\r\n`
  let depth = 0
  for (let part: MimePart | undefined = await structureOf(deep); part; part = part.parts?.[0]) depth++
  assert.ok(depth <= 101, `${depth}`)
  const many = await structureOf(
    `Content-Type: multipart/mixed; boundary=b\r\n\r\n${'--b\r\n\r\nx\r\n'.repeat(20_000)}--b--\r\n`,
  )
  assert.ok((many.parts?.length ?? 0) <= 10_000)
  const header = await structureOf(`Subject: ${'x'.repeat(2_000_000)}\r\n${' folded\r\n'.repeat(100_000)}\r\nbody`)
  assert.equal(header.end - header.body, 4)
  await structureOf(`To: ${'(('.repeat(50_000)}\r\n\r\n`)
  await structureOf(`To: ${'a@b, '.repeat(50_000)}\r\n\r\n`)
  await structureOf(`Content-Type: text/plain; ${'a="\\'.repeat(50_000)}\r\n\r\n`)
  fromHtml('<script>'.repeat(50_000))
  fromHtml('<'.repeat(100_000))
})

test('text is decoded for search and preview', async () => {
  const content = MIME.alternative as string
  const structure = await structureOf(content)
  const { fields, body } = await readText(emailOf(content), structure)
  assert.equal(fields.find(({ name }) => name === 'subject')?.value, 'hö')
  assert.equal(body, 'hö there\nhö')
  assert.equal(await preview(emailOf(content), structure), 'hö there')
  const nested = MIME.nested as string
  assert.deepEqual((await readText(emailOf(nested), await structureOf(nested))).attachments, ['ä.png'])
  assert.equal(fromHtml('<style>p{}</style><p>a &amp; b<br>c&#33;&nbsp;<!-- no --><script>x</script>d'), 'a & b c! d')
  const japanese = Buffer.concat([
    Buffer.from('Content-Type: text/plain; charset=iso-2022-jp\r\nSubject: =?iso-2022-jp?B?GyRCRnxLXBsoQg==?=\r\n\r\n'),
    Buffer.from('1b2442467c4b5c1b2842', 'hex'),
  ])
  const read = await readText(emailOf(japanese), await structureOf(japanese))
  assert.deepEqual([read.body, read.fields[1]?.value], ['日本', '日本'])
})

test('transfer encodings are undone in any pieces, broken ones as far as they go', async () => {
  const decode = async (encoding: string, text: string, piece: number) => {
    const source = partBody(emailOf(text, piece), { encoding, body: 0, end: text.length })
    return source && Buffer.concat(await Array.fromAsync(source)).toString('latin1')
  }
  for (const piece of [1, 2, 5, 1000]) {
    assert.equal(await decode('base64', 'SGVs\r\nbG8s IHd!vcmxk', piece), 'Hello, world')
    assert.equal(await decode('quoted-printable', 'a=\r\nb=3D  \r\n=zz=4', piece), 'ab=\r\n=zz=4')
    assert.equal(await decode('x-uuencode', 'x\r\nbegin 644 f\r\n#0V%T\r\n`\r\nend\r\n', piece), 'Cat')
    assert.equal(await decode('x-unknown', 'x', piece), undefined)
  }
})

test('a decoder gives no empty piece, so no count of pieces exceeds that of chunks', async () => {
  for (const [encoding, line] of [
    ['base64', `${'A='.repeat(38)}\r\n`],
    ['base64', '====\r\n'],
    ['quoted-printable', '=\r\n'],
    ['quoted-printable', '= \t\r\n'],
    ['x-uuencode', '`\r\n'],
    ['x-uuencode', ' \r\n'],
  ] as const) {
    const text = `begin 644 f\r\n${line.repeat(20_000)}`
    const email = emailOf(text)
    const source = partBody(email, { encoding, body: 13, end: text.length })
    const pieces = await Array.fromAsync(source ?? [])
    assert.ok(
      pieces.every(({ byteLength }) => byteLength > 0),
      encoding,
    )
    assert.ok(pieces.length <= Math.ceil(text.length / 65_536), `${pieces.length} pieces of ${encoding}`)
  }
})

test('what is gathered is one buffer of the octets that are wanted, whatever pieces they come in', async () => {
  async function* pieces() {
    for (let number = 0; number < 30_000; number++) yield Buffer.from(number % 3 === 0 ? 'x' : '')
  }
  assert.equal((await gather(pieces(), 5_000)).toString(), 'x'.repeat(5_000))
  assert.equal((await gather(pieces(), 1_000_000)).length, 10_000)
  assert.equal((await gather(emailOf('abc').open(), 2)).toString(), 'ab')
})

test('white space at the end of a line of quoted-printable is no text, with or without `=` before it', async () => {
  const decode = async (text: string) =>
    Buffer.concat(
      await Array.fromAsync(partBody(emailOf(text), { encoding: 'quoted-printable', body: 0, end: text.length }) ?? []),
    ).toString('latin1')
  assert.equal(await decode('a \t\r\nb= \t\r\nc \n=20\r\nd  '), 'a\r\nbc\n \r\nd  ')
  assert.equal((await decode(`${' '.repeat(64_000)}x`)).length, 64_001)
})

/** What a client is told of one message, by items as they are asked for. */
async function told(client: ImapTalk, content: string, items: readonly string[]): Promise<Record<string, string>> {
  await client.command(`APPEND INBOX {${content.length}+}\r\n${content}`)
  await client.command('SELECT INBOX')
  const answers: Record<string, string> = {}
  for (const item of items) {
    const [first = '', ...rest] = await client.command(`FETCH * (${item})`)
    answers[item] = [first, ...rest.slice(0, -1)].join('\r\n').replace(/^\* \d+ FETCH \(\S+ ([\s\S]*)\)$/, '$1')
  }
  return answers
}

const lines = (...all: string[]) => all.map((line) => `${line}\r\n`).join('')

test('a multipart whose parts are not found is shown as one text', async (t) => {
  const { talk } = await createImapKernel(t)
  const ann = await talk('ann')
  for (const type of ['multipart/mixed', 'multipart/mixed; boundary=never', 'multipart/alternative; boundary=""']) {
    const content = lines('Subject: x', `Content-Type: ${type}`, '', 'the text', '--x', 'of the mail')
    const answers = await told(ann, content, ['BODY.PEEK[1]', 'BINARY.PEEK[1]', 'BINARY.SIZE[1]', 'BODY', 'PREVIEW'])
    const text = '{28}\r\nthe text\r\n--x\r\nof the mail\r\n'
    assert.equal(answers['BODY.PEEK[1]'], text, type)
    assert.equal(answers['BINARY.PEEK[1]'], text)
    assert.equal(answers['BINARY.SIZE[1]'], '28')
    assert.match(answers.BODY ?? '', /^\(\("TEXT" "PLAIN" \("CHARSET" "us-ascii"\) NIL NIL "7BIT" 28 3\) "/)
    assert.equal(answers.PREVIEW, '"the text --x of the mail"')
  }
  const encoded = lines('Content-Type: multipart/mixed', 'Content-Transfer-Encoding: base64', '', 'SGVsbG8=')
  assert.equal((await told(ann, encoded, ['PREVIEW'])).PREVIEW, '"Hello"')
})

test('parameters are found behind empty ones, and boundaries in all forms of RFC 2231', async () => {
  for (const parameters of [
    ';; boundary=b',
    '; ; boundary=b',
    '; ; ;;boundary=b;',
    '; x; boundary=b',
    "; boundary*=us-ascii''b",
    '; boundary*0=b',
    "; boundary*0*=us-ascii''%62",
    '; boundary="b "',
    ' ; BOUNDARY = "b" (comment)',
  ]) {
    const content = lines(`Content-Type: multipart/mixed${parameters}`, '', '--b', '', 'one', '--b--')
    const { parts } = await structureOf(content)
    assert.equal(parts?.length, 1, parameters)
    assert.equal(content.slice(parts?.[0]?.body, parts?.[0]?.end), 'one', parameters)
  }
  const part = await structureOf(
    lines('Content-Type: text/plain;; charset=utf-8', 'Content-Disposition: attachment;; filename=x', '', ''),
  )
  assert.equal(part.parameters.charset, 'utf-8')
  assert.equal(part.disposition?.parameters.filename, 'x')
})

test('an encoded message within a message is taken apart like any other', async (t) => {
  const { talk } = await createImapKernel(t)
  const ann = await talk('ann')
  const inner = lines('Subject: in', 'Content-Type: multipart/mixed; boundary=i', '', '--i', '', 'text', '--i--')
  const twice = lines('Subject: out', 'Content-Type: message/rfc822', 'Content-Transfer-Encoding: base64', '')
  for (const [type, encoding, octets] of [
    ['message/rfc822', 'base64', Buffer.from(inner).toString('base64')],
    ['message/global', 'quoted-printable', inner.replaceAll('=', '=3D')],
    ['message/rfc822', 'base64', Buffer.from(twice + Buffer.from(inner).toString('base64')).toString('base64')],
  ] as const) {
    const isTwice = octets.length > 150
    const at = isTwice ? '2.1' : '2'
    const content = lines(
      'Content-Type: multipart/mixed; boundary=b',
      ...['', '--b', '', 'one', '--b'],
      ...[`Content-Type: ${type}`, `Content-Transfer-Encoding: ${encoding}`, '', octets, '--b--'],
    )
    const items = ['BODYSTRUCTURE', 'BODY.PEEK[2]', `BODY.PEEK[${at}.HEADER]`, `BODY.PEEK[${at}.TEXT]`]
    const answers = await told(ann, content, [...items, `BODY.PEEK[${at}.1]`, `BODY.PEEK[${at}.1]<1.2>`])
    const structure = `("MESSAGE" "${type.slice(8).toUpperCase()}" NIL NIL NIL "${encoding.toUpperCase()}" ${octets.length} (NIL "${isTwice ? 'out' : 'in'}" `
    assert.ok(answers.BODYSTRUCTURE?.includes(structure), answers.BODYSTRUCTURE)
    assert.match(answers.BODYSTRUCTURE ?? '', /\(\("TEXT" "PLAIN" \("CHARSET" "us-ascii"\) NIL NIL "7BIT" 4 0 /)
    assert.ok(answers['BODY.PEEK[2]']?.endsWith(octets))
    assert.match(answers[`BODY.PEEK[${at}.HEADER]`] ?? '', /^\{\d+\}\r\nSubject: in\r\n/)
    assert.match(answers[`BODY.PEEK[${at}.TEXT]`] ?? '', /^\{\d+\}\r\n--i\r\n\r\ntext\r\n--i--/)
    assert.equal(answers[`BODY.PEEK[${at}.1]`], '{4}\r\ntext')
    assert.equal(answers[`BODY.PEEK[${at}.1]<1.2>`], '{2}\r\nex')
    const email = emailOf(content)
    assert.match((await readText(email, await structureOf(content))).body, /one\n[\s\S]*subject: in[\s\S]*\ntext$/)
  }
  const unknown = lines('Content-Type: message/rfc822', 'Content-Transfer-Encoding: x-none', '', 'x')
  assert.match(
    (await told(ann, unknown, ['BODY'])).BODY ?? '',
    /^\("APPLICATION" "OCTET-STREAM" NIL NIL NIL "X-NONE" 3\)$/,
  )
})

test('lines like boundaries cost no more than others, however many boundaries are open', async () => {
  let content = ''
  for (let depth = 0; depth < 99; depth++)
    content += `Content-Type: multipart/mixed; boundary=b${depth}\r\n\r\n--b${depth}\r\n`
  const nested = await structureOf(`${content}\r\n--b3\r\n\r\nx\r\n--b98\r\n--b1--\r\n${'--c0x\r\n'.repeat(100)}`)
  const of = (depth: number) => {
    let part: MimePart | undefined = nested
    for (let level = 0; level < depth; level++) part = part?.parts?.[0]
    return part?.parts?.length
  }
  assert.deepEqual([of(0), of(1), of(3), of(4), of(98)], [1, 1, 2, 1, 1])
})

// --- Dovecot -----------------------------------------------------------------------------------------

/** What may differ: the case of names, how strings are written, and whether a section that is not there is empty or NIL (RFC 9051 section 7.5.2). */
const normal = (line: string) =>
  line
    .replace(/^\* \d+ FETCH /, '')
    .replace(/ \{0\}\r\n\)$/, ' NIL)')
    .replace(/\{9\}\r\nsend "er"/i, '"send \\"er\\""')
    .replace(/\{19\}\r\nfolded subject here/, '"folded subject here"')
    .toLowerCase()

const ALL = { ...MIME, ...MISSED }

async function fetchAll(client: ImapTalk): Promise<string[]> {
  for (const content of Object.values(ALL)) await client.command(`APPEND INBOX {${content.length}+}\r\n${content}`)
  await client.command('SELECT INBOX')
  const told: string[] = []
  for (let number = 1; number <= Object.keys(ALL).length; number++)
    for (const item of [
      'BODYSTRUCTURE',
      'BODY',
      'ENVELOPE',
      'BODY.PEEK[1]',
      'BODY.PEEK[1.MIME]',
      'BODY.PEEK[2]',
      'BODY.PEEK[2.1]',
      'BODY.PEEK[2.HEADER]',
      'BODY.PEEK[2.TEXT]',
      'BODY.PEEK[TEXT]',
      'BODY.PEEK[HEADER]',
      'RFC822.SIZE',
      'BODY.PEEK[2.1.1]',
      'BODY.PEEK[1.1]',
      'BODY.PEEK[1.1.1]',
      'BODY.PEEK[1.1.HEADER]',
      'BODY.PEEK[HEADER.FIELDS.NOT (From To)]',
    ])
      told.push(
        normal((await client.command(`FETCH ${number} (${item})`)).filter((line) => line.startsWith('*')).join('\n')),
      )
  return told
}

test('structures, envelopes and sections are those that Dovecot tells', { skip: whyNoDovecot() }, async (t) => {
  const dovecot = await startDovecot(t, { users: ['ann'] })
  const theirs = await talkTo(t, dovecot.imap, { isChecked: false })
  await theirs.line()
  await theirs.command('LOGIN ann secret')
  const { talk } = await createImapKernel(t)
  const expected = await fetchAll(theirs)
  const told = await fetchAll(await talk('ann'))
  for (const [index, line] of told.entries()) {
    const name = Object.keys(ALL)[Math.floor(index / 17)]
    assert.equal(line, expected[index], `${name}, item ${index % 17}`)
  }
})

test('others have their turns while a message of very many parts is read, however large its pieces', async () => {
  const content = Buffer.from(`Content-Type: multipart/mixed; boundary=b\r\n\r\n${'--b\r\n\r\n'.repeat(1_000_000)}`)
  let turns = 0
  let isOver = false
  const count = () => {
    turns++
    if (!isOver) setImmediate(count)
  }
  setImmediate(count)
  await readStructure(async function* ({ start, end } = { start: 0, end: content.length }) {
    yield content.subarray(start, end)
  }, content.length)
  isOver = true
  assert.ok(turns > 3, `${turns} turns`)
})
