/** Attachments in every format: read into MIME, written for the far side, judged by rules, listed and saved. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import {
  gather,
  type MimePart,
  partBody,
  readApple,
  readStructure,
  writeAppleSingle,
  writeBinhex,
  writeUuencode,
  writeYenc,
} from 'iems/mime'
import { attachments } from 'iems/plugins/attachments'
import { disclaimer } from 'iems/plugins/disclaimer'
import { http } from 'iems/plugins/http'
import { createTestKernel } from 'iems/testing'
import { simpleParser } from 'mailparser'
import { signed, tar, zip } from '../support/antivirus-forms.ts'
import { fc } from '../support/property.ts'
import { MESSAGE_ID, storedRtf, writeTnef } from '../support/tnef-writer.ts'

type Options = NonNullable<Parameters<typeof attachments>[0]>
type KernelOptions = NonNullable<Parameters<typeof createTestKernel>[1]>

const start = (t: TestContext, options: Options = {}, more: KernelOptions = {}) =>
  createTestKernel(t, { ...more, plugins: [attachments(options), ...(more.plugins ?? [])] })
const deliveredTo: NonNullable<KernelOptions['deliver']> = ({ recipients }) =>
  recipients.map((recipient) => ({
    recipient,
    status: 'delivered',
    reply: { code: 250, enhanced: '2.0.0', text: 'OK' },
  }))
type Here = Awaited<ReturnType<typeof start>>

async function sent(here: Here, content: string | Buffer, to = ['b@far.test']): Promise<Buffer[]> {
  const before = here.delivered.length
  const { reply } = await here.submit({ from: 'a@own.test', to, content })
  assert.equal(reply.code, 250, reply.text)
  await here.deliver()
  return here.delivered.slice(before).map((one) => Buffer.from(one.content, 'latin1'))
}

async function findingsOf(here: Here): Promise<readonly string[]> {
  const trace = await here.queue.trace(here.delivered.at(-1)?.message ?? '')
  return (trace?.findings ?? []).filter(({ plugin }) => plugin === 'attachments').map(({ value }) => String(value))
}

interface Leaf {
  readonly type: string
  readonly name: string
  readonly octets: Buffer
  readonly part: MimePart
  readonly within: readonly string[]
}

const sourceOf = (octets: Buffer) => ({
  size: octets.length,
  async *open(range?: { readonly start: number; readonly end: number }) {
    yield octets.subarray(range?.start ?? 0, range?.end ?? octets.length)
  },
})

async function leavesOf(octets: Buffer): Promise<readonly Leaf[]> {
  const source = sourceOf(octets)
  const leaves: Leaf[] = []
  async function walk(part: MimePart, within: readonly string[]): Promise<void> {
    const type = `${part.type}/${part.subtype}`
    for (const one of part.parts ?? []) await walk(one, [...within, type])
    if (part.parts) return
    const { attachmentName } = await import('iems/mime')
    const body = await gather(partBody(source, part) ?? [], 50_000_000)
    leaves.push({ type, name: attachmentName(part) ?? '', octets: body, part, within })
  }
  await walk(await readStructure(source.open, octets.length), [])
  return leaves
}

/** Python's parser and mailparser find the same files, and nothing wrong. */
async function agreed(octets: Buffer, leaves: readonly Leaf[]): Promise<void> {
  const { stdout, stderr } = spawnSync('python3', [join(import.meta.dirname, '../support/mail-leaves.py')], {
    input: JSON.stringify([octets.toString('base64')]),
    encoding: 'utf8',
  })
  assert.ok(stdout !== '', stderr)
  const [read] = JSON.parse(stdout) as [{ leaves: { type: string; hash: string }[]; defects: string[] }]
  const digest = (one: Uint8Array) => createHash('sha256').update(one).digest('hex')
  assert.deepEqual(
    read.leaves.map(({ type, hash }) => [type, hash]),
    leaves.map((one) => [one.type, digest(one.octets)]),
  )
  assert.deepEqual(read.defects, [])
  const { attachments: files } = await simpleParser(octets)
  const known = new Set(leaves.map((one) => digest(one.octets)))
  for (const one of files)
    if (!one.contentType.startsWith('message/')) assert.ok(known.has(digest(one.content)), one.filename)
}

async function* one(octets: Uint8Array) {
  yield octets
}
const gathered = (source: AsyncIterable<Uint8Array>) => gather(source, 50_000_000)
const HEADER = 'From: a@own.test\r\nTo: b@far.test\r\nSubject: x\r\nMIME-Version: 1.0\r\n'
const letter = (body: string | Buffer, header = '') =>
  Buffer.concat([Buffer.from(`${HEADER}${header}\r\n`), Buffer.from(body as string, 'latin1')])
const base64 = (octets: string | Buffer) =>
  `${(
    Buffer.from(octets as string, 'latin1')
      .toString('base64')
      .match(/.{1,76}/g) ?? []
  ).join('\r\n')}\r\n`
const partText = (type: string, octets: string | Buffer, more = '') =>
  `Content-Type: ${type}\r\nContent-Transfer-Encoding: base64\r\n${more}\r\n${base64(octets)}`
const mixed = (...parts: readonly string[]) =>
  letter(
    `${parts.map((text) => `--b\r\n${text}\r\n`).join('')}--b--\r\n`,
    'Content-Type: multipart/mixed; boundary="b"\r\n',
  )
const HELLO = 'Content-Type: text/plain; charset=utf-8\r\n\r\nHello'
const DATA = Buffer.from(Array.from({ length: 3000 }, (_, index) => (index * index) % 251))
const MAC = { type: 'TEXT', creator: 'ttxt', flags: 256, resource: Buffer.from('a resource fork') }
const mail = (winmail: Buffer, ...before: readonly string[]) =>
  mixed(...before, partText('application/ms-tnef; name="winmail.dat"', winmail))

// --- read in ----------------------------------------------------------------------------------------

test('files in a text become parts, with the text around them', async (t) => {
  const here = await start(t)
  const uu = await gathered(writeUuencode({ name: 'Grüße 1.bin', mode: 0o640 }, one(DATA)))
  const yenc = await gathered(writeYenc('two.bin', () => one(DATA)))
  const hqx = writeBinhex({ name: 'three.txt', mac: MAC }, DATA)
  const content = letter(
    Buffer.concat([
      Buffer.from('One:\r\n'),
      uu,
      Buffer.from('Two:\r\n'),
      yenc,
      Buffer.from('Three:\r\n'),
      hqx,
      Buffer.from('Bye\r\n'),
    ]),
  )
  const [out] = await sent(here, content)
  const leaves = await leavesOf(out as Buffer)
  assert.deepEqual(
    leaves.map(({ type, name }) => `${type} ${name}`),
    [
      'text/plain ',
      'application/octet-stream Grüße 1.bin',
      'application/octet-stream two.bin',
      'application/applefile three.txt',
      'application/octet-stream three.txt',
    ],
  )
  await agreed(out as Buffer, leaves)
  assert.equal(leaves[0]?.octets.toString().trim(), 'One:\r\nTwo:\r\nThree:\r\nBye')
  for (const index of [1, 2, 4]) assert.deepEqual(leaves[index]?.octets, DATA)
  assert.equal(leaves[1]?.part.parameters['x-unix-mode'], '0640')
  assert.deepEqual(readApple(leaves[3]?.octets ?? DATA)?.mac, MAC)
  assert.match(
    (await findingsOf(here)).join('\n'),
    /message: - text\/plain .*; \+ text\/plain; \+ application\/octet-stream "Grüße 1\.bin"/,
  )
})

test('a file in a text of a multipart/alternative stands behind the alternatives', async (t) => {
  const here = await start(t)
  const uu = (await gathered(writeUuencode({ name: 'a.bin' }, one(DATA)))).toString('latin1')
  const alternative = `Content-Type: multipart/alternative; boundary=c\r\n\r\n--c\r\nContent-Type: text/plain\r\n\r\nHi\r\n${uu}\r\n--c\r\nContent-Type: text/html\r\n\r\n<p>Hi</p>\r\n--c--`
  const leaves = await leavesOf((await sent(here, mixed(alternative)))[0] as Buffer)
  assert.deepEqual(
    leaves.map(({ type, within }) => [type, ...within].join(' ')),
    [
      'text/plain multipart/mixed multipart/alternative',
      'text/html multipart/mixed multipart/alternative',
      'application/octet-stream multipart/mixed',
    ],
  )
})

test('a winmail.dat becomes its HTML with its images, its files and its messages', async (t) => {
  const here = await start(t)
  const png = Buffer.from(
    'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
    'base64',
  )
  const created = new Date('2001-02-03T04:05:06Z')
  const inner = writeTnef({
    properties: [
      { id: 0x37, text: 'Übersicht', wide: true },
      { id: 0x1000, text: 'inner text' },
      { id: 0x0c1a, text: 'Ann' },
      { id: 0x5d01, text: 'ann@own.test' },
      { id: 0x39, date: created },
    ],
    files: [
      {
        properties: [
          { id: 0x3707, text: 'deep.bin' },
          { id: 0x3701, binary: DATA },
        ],
      },
    ],
  })
  const winmail = writeTnef({
    properties: [
      { id: 0x1013, binary: Buffer.from('<html><body><img src="cid:pic@x">G\xfcte</body></html>', 'latin1') },
    ],
    files: [
      {
        properties: [
          { id: 0x3707, text: 'report.bin' },
          { id: 0x3701, binary: DATA },
          { id: 0x3007, date: created },
        ],
      },
      {
        properties: [
          { id: 0x3707, text: 'pic.png' },
          { id: 0x3712, text: 'pic@x' },
          { id: 0x3701, binary: png },
        ],
      },
      {
        properties: [
          { id: 0x3001, text: 'a message' },
          { id: 0x3701, object: Buffer.concat([MESSAGE_ID, inner]) },
        ],
      },
    ],
  })
  const [out] = await sent(here, mail(winmail, HELLO))
  const leaves = await leavesOf(out as Buffer)
  assert.deepEqual(
    leaves.map(({ type, name, within }) => [type, name, ...within].join(' ')),
    [
      'text/plain  multipart/mixed multipart/alternative',
      'text/html  multipart/mixed multipart/alternative multipart/related',
      'image/png pic.png multipart/mixed multipart/alternative multipart/related',
      'application/octet-stream report.bin multipart/mixed',
      'text/plain  multipart/mixed message/rfc822 multipart/mixed',
      'application/octet-stream deep.bin multipart/mixed message/rfc822 multipart/mixed',
    ],
  )
  assert.equal(leaves[1]?.octets.toString(), '<html><body><img src="cid:pic@x">Güte</body></html>')
  await agreed(out as Buffer, leaves)
  assert.equal(leaves[2]?.part.id, '<pic@x>')
  assert.deepEqual([leaves[3]?.octets, leaves[5]?.octets], [DATA, DATA])
  assert.equal(leaves[3]?.part.disposition?.parameters['creation-date'], 'Sat, 03 Feb 2001 04:05:06 +0000')
  assert.match(String(out), /From: "Ann" <ann@own\.test>\r\n[\s\S]*Subject: =\?utf-8\?B\?[\s\S]*Date: Sat, 03 Feb 2001/)
  assert.match(
    (await findingsOf(here)).join('\n'),
    /part 2: - application\/ms-tnef "winmail\.dat" [\d.]+ kB; \+ application\/octet-stream "report\.bin" 3 kB/,
  )
})

test('a winmail.dat alone has its text as HTML from RTF, and real ones are read', async (t) => {
  const here = await start(t)
  const winmail = writeTnef({ properties: [{ id: 0x1009, binary: storedRtf('{\\rtf1\\ansi{\\b Hello} you}') }] })
  const alone = letter(
    base64(winmail),
    'Content-Type: application/ms-tnef; name=winmail.dat\r\nContent-Transfer-Encoding: base64\r\n',
  )
  const leaves = await leavesOf((await sent(here, alone))[0] as Buffer)
  assert.deepEqual(
    leaves.map(({ type, octets }) => [type, /<b>Hello<\/b> you/.test(octets.toString())]),
    [['text/html', true]],
  )
  const folder = join(import.meta.dirname, '../fixtures/attachments/tnef')
  const real = await leavesOf(
    (await sent(here, mail(readFileSync(join(folder, 'christmas.tnef')), HELLO)))[0] as Buffer,
  )
  assert.ok(
    real.some(
      ({ name, octets, type }) =>
        name === 'kitten-playing-with-a-christmas-tree.jpg' && octets.length === 375081 && type === 'image/jpeg',
    ),
  )
  assert.ok(real.some(({ type, within }) => type === 'text/html' && !within.includes('message/rfc822')))
  assert.ok(!real.some(({ type }) => type === 'application/ms-tnef'))
  const ukr = readFileSync(join(folder, 'ukr.eml'))
  assert.ok(!(await leavesOf((await sent(here, ukr))[0] as Buffer)).some(({ type }) => type === 'application/ms-tnef'))
})

test('BinHex and AppleSingle parts become AppleDouble, or the data alone', async (t) => {
  const [keeps, drops] = [await start(t), await start(t, { resourceForks: 'drop' })]
  const single = writeAppleSingle({ name: 'a.txt', mac: MAC }, DATA)
  for (const part of [
    partText('application/applefile', single),
    partText('application/mac-binhex40', writeBinhex({ name: 'a.txt', mac: MAC }, DATA)),
  ]) {
    const kept = await leavesOf((await sent(keeps, mixed(HELLO, part)))[0] as Buffer)
    assert.deepEqual(
      kept.map(({ type }) => type),
      ['text/plain', 'application/applefile', 'application/octet-stream'],
    )
    assert.deepEqual(kept[2]?.octets, DATA)
    const dropped = await leavesOf((await sent(drops, mixed(HELLO, part)))[0] as Buffer)
    assert.deepEqual(
      dropped.map(({ type, name }) => `${type} ${name}`),
      ['text/plain ', 'application/octet-stream a.txt'],
    )
    assert.equal(dropped[1]?.part.parameters['x-mac-creator'], '74747874')
  }
  const double = readFileSync(join(import.meta.dirname, '../fixtures/attachments/apple/appledouble.eml'))
  assert.ok((await sent(keeps, double))[0]?.includes(double.subarray(double.indexOf('\r\n\r\n'))))
  assert.equal((await leavesOf((await sent(drops, double))[0] as Buffer)).length, 1)
})

test('messages that their author signed or encrypted, reports and other mail stay byte for byte', async (t) => {
  const rules: Options['rules'] = [{ name: 'all', action: 'strip' }]
  const here = await start(t, { rules, write: [{ form: 'uuencode' }] })
  const plain = await start(t)
  const uu = (await gathered(writeUuencode({ name: 'a.exe' }, one(DATA)))).toString('latin1')
  const whole = (type: string, ...parts: readonly string[]) =>
    letter(`${parts.map((text) => `--b\r\n${text}\r\n`).join('')}--b--\r\n`, `Content-Type: ${type}; boundary=b\r\n`)
  const kept = [
    whole(
      'multipart/signed; protocol="application/pkcs7-signature"',
      `Content-Type: text/plain\r\n\r\n${uu}`,
      partText('application/pkcs7-signature; name=smime.p7s', 'x'),
    ),
    whole(
      'multipart/signed; protocol="application/pgp-signature"',
      partText('application/ms-tnef; name=winmail.dat', writeTnef({ files: [{ title: 'a', octets: DATA }] })),
      partText('application/pgp-signature', 'x'),
    ),
    whole(
      'multipart/encrypted',
      partText('application/pgp-encrypted', 'Version: 1'),
      partText('application/octet-stream', 'x'),
    ),
    whole(
      'multipart/report; report-type=delivery-status',
      `Content-Type: text/plain\r\n\r\n${uu}`,
      'Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x',
    ),
    letter(
      base64(signed(`Content-Type: text/plain\r\n\r\n${uu}`)),
      'Content-Type: application/pkcs7-mime; smime-type=signed-data; name=smime.p7m\r\nContent-Transfer-Encoding: base64\r\n',
    ),
    mixed(
      HELLO,
      `Content-Type: multipart/signed; boundary=c\r\n\r\n--c\r\n${partText('application/x; name=a.exe', 'x')}\r\n--c\r\n${partText('application/pgp-signature', 'x')}\r\n--c--`,
    ),
  ]
  for (const content of kept) {
    assert.ok((await sent(here, content))[0]?.includes(content))
    assert.match((await findingsOf(here)).join(), /left as it is/)
  }
  const others = [
    letter('begin 644 is how a file begins\r\nend\r\n'),
    letter(uu.replace(/^end/m, 'no end')),
    mail(writeTnef({ files: [{ title: 'a', octets: DATA }] }).subarray(0, -60), HELLO),
    mixed(HELLO, partText('application/mac-binhex40', 'not BinHex')),
    mixed(HELLO, partText('application/pdf; name=a.pdf', '%PDF-1.4')),
  ]
  for (const content of others) assert.ok((await sent(plain, content))[0]?.includes(content), content.toString())
})

// --- written out ----------------------------------------------------------------------------------------

const FORMS = ['uuencode', 'binhex', 'applesingle', 'appledouble'] as const
const nameArbitrary = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 40 })
  .map((name) => name.replace(/[\p{Cc}\u2028\u2029]/gu, '').trim())
  .filter((name) => name !== '' && !/=\?|%[89a-f]|^'|[\x80-\x9f]/i.test(name))

test('each recipient domain gets its form, and each form comes back as it was', async (t) => {
  const out = await start(t, { write: FORMS.map((form) => ({ form, recipients: [`${form}.test`] })) })
  const back = await start(t)
  await fc.assert(
    fc.asyncProperty(
      nameArbitrary,
      fc.uint8Array({ maxLength: 3000 }),
      fc.constantFrom(...FORMS),
      async (given, given8, form) => {
        const octets = Buffer.from(given8)
        // BinHex has a place for 63 characters of MacRoman.
        const name = form === 'binhex' ? given.replace(/[^ -~]/g, 'x') : given
        const { writePart } = await import('iems/mime')
        const part = (
          await gathered((await writePart({ type: 'application/octet-stream', name, content: octets }))())
        ).toString('latin1')
        const [mime, other] = (await sent(out, mixed(HELLO, part), ['a@mime.test', `b@${form}.test`])).sort(
          (a, b) => a.length - b.length,
        )
        assert.ok(mime && other)
        const result = await sent(back, mime.includes(part) && !other.includes(part) ? other : mime)
        const leaves = await leavesOf(result[0] as Buffer)
        const file = leaves.findLast(({ type }) => type !== 'text/plain')
        assert.deepEqual([file?.name.normalize('NFC'), file?.octets], [name.normalize('NFC'), octets])
        assert.match(leaves[0]?.octets.toString() ?? '', /^Hello/)
      },
    ),
    { numRuns: 60 },
  )
})

test('uuencode is one text that uudeview and Python read', async (t) => {
  const here = await start(t, { write: [{ form: 'uuencode', channels: ['far'] }] })
  const content = mixed(
    HELLO,
    partText('application/x; name=one.bin', DATA),
    partText('application/x; name="two.bin"; x-unix-mode=0755', 'second'),
  )
  const [out] = await sent(here, content)
  assert.ok(out?.includes('Content-Type: multipart/mixed') || out?.includes('begin 755 two.bin'))
  const all = await start(t, { write: [{ form: 'uuencode' }] })
  const [flat] = await sent(all, content)
  assert.match(String(flat), /\r\n\r\nHello\r\n[\s\S]*begin 644 one\.bin\r\n[\s\S]*end\r\n[\s\S]*begin 755 two\.bin/)
  const script =
    'import sys,email,binascii\nm=email.message_from_binary_file(sys.stdin.buffer)\nassert m.get_content_type()=="text/plain" and not m.defects\nprint(m.get_payload().count("begin "))'
  const { stdout, stderr } = spawnSync('python3', ['-c', script], { input: flat })
  assert.equal(String(stdout).trim(), '2', String(stderr))
})

// --- rules ---------------------------------------------------------------------------------------------

const EXE = Buffer.concat([Buffer.from('MZ'), Buffer.alloc(100)])
const file = (name: string, octets: Buffer | string) =>
  mixed(HELLO, partText(`application/octet-stream; name="${name}"`, octets))

test('rules know files by name, extension, type and content, in archives and in every format', async (t) => {
  const here = await start(t, {
    rules: [
      { name: 'programs', extensions: ['exe', 'scr'], content: ['exe'], action: 'refuse' },
      { name: 'closed', encrypted: true, action: 'quarantine' },
      { name: 'broken', unreadable: true, action: 'quarantine' },
      { name: 'invoices', names: ['invoice*.htm?'], action: 'refuse' },
      { name: 'video', types: ['video/*'], action: 'refuse' },
    ],
  })
  const uu = (octets: Buffer, name: string) => gathered(writeUuencode({ name }, one(octets)))
  const refused: Readonly<Record<string, Buffer>> = {
    'an extension': file('a.EXE', 'x'),
    'an extension behind blanks and dots': file('a.exe . ', 'x'),
    'content under another name': file('a.txt', EXE),
    'a name with stars': file('Invoice 1.html', 'x'),
    'a type': mixed(HELLO, partText('video/mp4; name=a', 'x')),
    'a zip': file('a.zip', zip('x', { name: 'b/a.exe' })),
    'content in a zip': file('a.zip', zip(EXE, { name: 'readme' })),
    'a zip in a zip under another name': file('a.docx', zip(zip(EXE, { name: 'b' }), { name: 'c' })),
    'a tar in gzip': file('a.tgz', gzipSync(tar(EXE))),
    'the name in an encrypted zip': file('a.zip', zip('x', { name: 'a.exe', flags: 1 })),
    'uuencoded text': letter(await uu(Buffer.from('x'), 'a.exe')),
    'a winmail.dat': mail(writeTnef({ files: [{ title: 'a.exe', octets: DATA }] })),
    'a message in a winmail.dat': mail(
      writeTnef({
        files: [
          {
            properties: [
              {
                id: 0x3701,
                object: Buffer.concat([MESSAGE_ID, writeTnef({ files: [{ title: 'a.scr', octets: DATA }] })]),
              },
            ],
          },
        ],
      }),
    ),
    BinHex: letter(writeBinhex({ name: 'a.exe', mac: MAC }, DATA).toString('latin1')),
    AppleSingle: mixed(HELLO, partText('application/applefile', writeAppleSingle({ name: 'a.exe' }, DATA))),
    'an attached message': mixed(HELLO, `Content-Type: message/rfc822\r\n\r\n${file('a.exe', 'x').toString('latin1')}`),
    'a signed message': letter(
      `--b\r\n${partText('application/x; name=a.exe', 'x')}\r\n--b--\r\n`,
      'Content-Type: multipart/signed; boundary=b\r\n',
    ),
  }
  for (const [what, content] of Object.entries(refused)) {
    const { reply } = await here.submit({ from: 'a@own.test', to: ['b@far.test'], content })
    assert.deepEqual([reply.code, reply.enhanced], [554, '5.7.1'], what)
  }
  for (const content of [
    file('a.zip', zip('x', { name: 'b.txt', flags: 1 })),
    file('a.rar', Buffer.from('Rar!\x1a\x07\x01\0 more', 'latin1')),
    file('a.zip', zip('x'.repeat(3000), { method: 0 }).subarray(0, 900)),
  ]) {
    assert.equal((await here.submit({ from: 'a@own.test', to: ['b@far.test'], content })).reply.code, 250)
    await here.deliver()
  }
  assert.equal(here.delivered.length, 0)
  const fine = [file('a.exe.txt', 'x'), file('a.zip', zip('x', { name: 'exe' })), letter('an exe is a program\r\n')]
  for (const content of fine) assert.ok((await sent(here, content))[0]?.includes(content))
})

test('a message whose structure cannot be read passes with a finding, or is refused', async (t) => {
  const content = [
    'Content-Type: multipart/mixed; boundary=b',
    '',
    ...Array.from({ length: 12 }, (_, index) => `--b\r\n\r\nPart ${index}\r\n`),
    '--b--',
    '',
  ].join('\r\n')
  const rules: Options['rules'] = [{ name: 'text', action: 'rename', types: ['text/plain'] }]
  const passing = await start(t, { limits: { maxParts: 10 }, rules })
  assert.deepEqual(
    (await sent(passing, content)).map((one) => one.includes(content.slice(content.indexOf('--b')))),
    [true],
  )
  assert.match((await findingsOf(passing)).join(), /left as it is: too-many-parts/)
  const refusing = await start(t, { limits: { maxParts: 10 }, unreadable: 'refuse' })
  const { reply } = await refusing.submit({ from: 'a@own.test', to: ['b@far.test'], content })
  assert.match(
    `${reply.code} ${reply.enhanced} ${reply.text}`,
    /^554 5\.6\.0 The MIME structure of this message cannot be read/,
  )
  await refusing.submit({
    from: 'a@own.test',
    to: ['b@far.test'],
    content: content.replaceAll(/--b\r\n\r\nPart [3-9][^-]*/g, ''),
  })
  await refusing.deliver()
  assert.equal(refusing.delivered.length, 1)
})

test('rename and strip change one part and say so; a signed message is refused or left', async (t) => {
  const here = await start(t, {
    rules: [
      { name: 'programs', extensions: ['exe'], action: 'strip', ifSigned: 'refuse' },
      { name: 'macros', extensions: ['xlsm'], action: 'rename' },
      { name: 'large', minSize: '2 KB', action: 'strip' },
    ],
  })
  const content = mixed(
    HELLO,
    partText('application/x; name=a.exe', EXE),
    partText('application/vnd.ms-excel; name="b.xlsm"', DATA),
    partText('application/x; name=c.bin', DATA),
    partText('application/x; name=d.bin', 'small'),
  )
  const leaves = await leavesOf((await sent(here, content))[0] as Buffer)
  assert.deepEqual(
    leaves.map(({ type, name }) => `${type} ${name}`),
    ['text/plain ', 'text/plain ', 'application/octet-stream b.xlsm.blocked', 'text/plain ', 'application/x d.bin'],
  )
  assert.match(leaves[1]?.octets.toString() ?? '', /"a\.exe" \(102 B\) was removed by the mail server/)
  assert.deepEqual(leaves[2]?.octets, DATA)
  assert.match((await findingsOf(here)).join('\n'), /part 2: - application\/x "a\.exe" .*; \+ text\/plain/)
  const whole = letter(
    `--b\r\n${partText('application/x; name=a.exe', 'x')}\r\n--b--\r\n`,
    'Content-Type: multipart/signed; boundary=b\r\n',
  )
  assert.equal((await here.submit({ from: 'a@own.test', to: ['b@far.test'], content: whole })).reply.code, 554)
})

test('a link leads to the file until it expires, within its quota', async (t) => {
  const here = await start(
    t,
    {
      rules: [{ name: 'large', minSize: '1 KB', action: 'link' }],
      links: { url: 'https://mail.own.test/', keep: '1 day', quota: '7 KB', senderQuota: '7 KB' },
    },
    { deliver: deliveredTo, channels: { web: http({ listen: '127.0.0.1:0' }) } },
  )
  const base = `http://127.0.0.1:${here.listener('web').port}`
  const content = file('Grüße.bin'.replace('ü', '_'), DATA)
  const urls: string[] = []
  for (let n = 0; n < 2; n++) {
    const leaves = await leavesOf((await sent(here, content))[0] as Buffer)
    const [url = ''] = /https:\S+/.exec(leaves[1]?.octets.toString() ?? '') ?? []
    urls.push(url.replace('https://mail.own.test', base))
  }
  const answer = await fetch(urls[0] as string)
  assert.equal(answer.status, 200)
  assert.deepEqual(Buffer.from(await answer.arrayBuffer()), DATA)
  assert.match(answer.headers.get('content-disposition') ?? '', /attachment/)
  assert.match(answer.headers.get('content-security-policy') ?? '', /sandbox/)
  // Beyond the quota the attachment stays.
  assert.ok((await sent(here, content))[0]?.includes(content))
  assert.match((await findingsOf(here)).join(), /stays: the quota of links is used up/)
  assert.equal((await fetch(`${base}/attachments/${'A'.repeat(32)}`)).status, 404)
  const links = await here.command('attachments links', { values: {} })
  assert.equal(links.length, 2)
  await here.clock.advance(86_400_001)
  assert.equal((await fetch(urls[0] as string)).status, 404)
  // The sweep frees the quota.
  await here.advance(3_700_000)
  assert.equal((await here.command('attachments links', { values: {} })).length, 0)
  assert.ok(!(await sent(here, content))[0]?.includes(content))
})

test('a linked file is scanned at each download', async (t) => {
  const { createAntivirusStub } = await import('../support/antivirus-stub.ts')
  const stub = createAntivirusStub()
  const here = await start(
    t,
    { rules: [{ name: 'all', extensions: ['bin'], action: 'link' }], links: { url: 'https://mail.own.test' } },
    { deliver: deliveredTo, channels: { web: http({ listen: '127.0.0.1:0' }) }, plugins: [stub.plugin] },
  )
  const leaves = await leavesOf((await sent(here, file('a.bin', DATA)))[0] as Buffer)
  const [url = ''] = /https:\S+/.exec(leaves[1]?.octets.toString() ?? '') ?? []
  const address = url.replace('https://mail.own.test', `http://127.0.0.1:${here.listener('web').port}`)
  stub.answer = 'down'
  assert.equal((await fetch(address)).status, 503)
  stub.answer = { kind: 'clean', name: '' }
  assert.equal((await fetch(address)).status, 200)
  stub.answer = { kind: 'virus', name: 'Eicar' }
  assert.equal((await fetch(address)).status, 403)
  // It is known from then on.
  stub.answer = { kind: 'clean', name: '' }
  assert.equal((await fetch(address)).status, 403)
})

// --- with others --------------------------------------------------------------------------------------

test('a disclaimer stands in the text of a winmail.dat', async (t) => {
  const here = await start(
    t,
    {},
    { plugins: [disclaimer({ domains: ['own.test'], rules: [{ name: 'legal', text: 'LEGAL' }] })] },
  )
  const winmail = writeTnef({
    properties: [
      { id: 0x1013, binary: Buffer.from('<body>Hi</body>') },
      { id: 0x1000, text: 'Hi' },
    ],
    files: [{ title: 'a.bin', octets: DATA }],
  })
  const leaves = await leavesOf((await sent(here, mail(winmail)))[0] as Buffer)
  assert.deepEqual(
    leaves.map(({ type, octets }) => [type, octets.includes('LEGAL')]),
    [
      ['text/plain', true],
      ['text/html', true],
      ['application/octet-stream', false],
    ],
  )
})

test('the attachments of a message are listed and saved', async (t) => {
  const here = await start(t)
  const winmail = writeTnef({ files: [{ title: 'a.bin', octets: DATA, modified: new Date('2001-02-03T04:05:06Z') }] })
  const content = mail(winmail, HELLO, partText('application/pdf; name="b\x1b.pdf"', '%PDF-1.4'))
  const listed = await here.command('attachments list', { values: {}, input: content })
  assert.deepEqual(
    listed.flatMap((line) => ('text' in line ? [line.text] : [])),
    [
      '2 mime, "b\\u{001b}.pdf", application/pdf, 8 B',
      `3 mime, "winmail.dat", application/ms-tnef, ${winmail.length} B`.replace(
        /\d+ B$/,
        `${(winmail.length / 1000).toFixed(1)} kB`,
      ),
      '3/1 tnef, "a.bin", 3 kB, of 2001-02-03T04:05:06.000Z',
    ],
  )
  for (const attachment of ['3/1', 'a.bin']) {
    const saved = await here.command('attachments save', { values: { attachment }, input: content })
    assert.deepEqual(Buffer.concat(saved.flatMap((line) => ('bytes' in line ? [line.bytes] : []))), DATA)
  }
  await assert.rejects(
    here.command('attachments save', { values: { attachment: '9' }, input: content }),
    /no attachment 9/,
  )
})

// --- fragments ----------------------------------------------------------------------------------------

test('the fragments of a message are put together, whatever their order, and judged as a whole', async (t) => {
  const rules: Options['rules'] = [{ name: 'programs', extensions: ['exe'], action: 'refuse' }]
  const here = await start(t, { partial: { channels: ['in'], keep: '1 day' }, rules })
  const fragment = (id: string, number: number, total: number, body: string) =>
    `From: a@own.test\r\nTo: b@far.test\r\nSubject: piece ${number}\r\nX-Outer: yes\r\nMIME-Version: 1.0\r\nContent-Type: message/partial; id="${id}"; number=${number}; total=${total}\r\n\r\n${body}`
  const pieces = (content: string) => {
    const size = Math.ceil(content.length / 3)
    return [0, 1, 2].map((at) => content.slice(at * size, (at + 1) * size))
  }
  const inner = `Subject: the whole\r\nMessage-ID: <inner@own.test>\r\nX-Inner: no\r\n${mixed(HELLO, partText('application/x; name=a.bin', DATA)).toString('latin1').slice(HEADER.length)}`
  const parts = pieces(inner)
  const send = (content: string) => here.submit({ from: 'a@own.test', to: ['b@far.test'], content })
  for (const at of [2, 0]) assert.equal((await send(fragment('x@y', at + 1, 3, parts[at] as string))).reply.code, 250)
  // The same fragment once more is the same.
  assert.equal((await send(fragment('x@y', 1, 3, parts[0] as string))).reply.code, 250)
  await here.deliver()
  assert.equal(here.delivered.length, 0)
  assert.equal((await send(fragment('x@y', 2, 3, parts[1] as string))).reply.code, 250)
  await here.deliver()
  assert.equal(here.delivered.length, 1)
  const whole = Buffer.from(here.delivered[0]?.content ?? '', 'latin1')
  assert.match(String(whole), /X-Outer: yes\r\n[\s\S]*Subject: the whole\r\n/)
  assert.doesNotMatch(String(whole), /piece|X-Inner|message\/partial/)
  assert.deepEqual((await leavesOf(whole)).find(({ name }) => name === 'a.bin')?.octets, DATA)
  // A whole that is refused is refused to the client of the last fragment.
  const bad = pieces(`Subject: bad\r\n${file('a.exe', 'x').toString('latin1').slice(HEADER.length)}`)
  const replies: number[] = []
  for (const at of [0, 1, 2]) replies.push((await send(fragment('z@y', at + 1, 3, bad[at] as string))).reply.code)
  assert.deepEqual(replies, [250, 250, 554])
  // Without the others it is delivered as it is.
  const lone = fragment('lone@y', 1, 2, 'Subject: lone\r\n\r\nHello')
  assert.equal((await send(lone)).reply.code, 250)
  await here.deliver()
  assert.equal(here.delivered.length, 1)
  await here.advance(86_400_000 + 3_700_000)
  await here.deliver()
  assert.equal(here.delivered.length, 2)
  assert.ok(here.delivered[1]?.content.includes('Subject: piece 1') && here.delivered[1]?.content.endsWith('Hello'))
})

test('fragments within fragments, from other channels and beyond the limits are delivered as they are', async (t) => {
  const fragment = (body: string) =>
    `From: a@own.test\r\nMIME-Version: 1.0\r\nContent-Type: message/partial; id=x; number=1; total=1\r\n\r\n${body}`
  const nested = fragment(fragment('Subject: x\r\n\r\nHello'))
  const lone = fragment('Subject: x\r\n\r\nHello').replace('total=1', 'total=2')
  for (const [options, content] of [
    [{ channels: ['in'] }, nested],
    [{ channels: ['other'] }, lone],
    [{ channels: ['in'], maxSize: '10 B' }, lone],
  ] as const) {
    const here = await start(t, { partial: { ...options, channels: [...options.channels] } })
    assert.ok((await sent(here, content))[0]?.includes(content))
  }
})
