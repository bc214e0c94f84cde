/** Formats of attachments: read as their samples say, written so that other programs read them, and round trips. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  type DecodedFile,
  decodeWrapped,
  findWrapped,
  gather,
  joinYencParts,
  partBody,
  readApple,
  readBinhex,
  readRtf,
  readStructure,
  readTnef,
  type TnefAttachment,
  writeAppleDouble,
  writeAppleSingle,
  writeBinhex,
  writeUuencode,
  writeYenc,
} from 'iems/mime'
import { missing } from 'iems/testing'
import { fc } from '../support/property.ts'
import { compressedRtf, MESSAGE_ID, storedRtf, writeTnef } from '../support/tnef-writer.ts'

const folder = join(import.meta.dirname, '../fixtures/attachments')
const sample = (name: string) => readFileSync(join(folder, name))
const known = <T>(name: string) => JSON.parse(sample(name).toString()) as T
const digest = (octets: Uint8Array) => createHash('sha256').update(octets).digest('hex')
const MOST = 10_000_000

const sourceOf = (octets: Buffer) => ({
  async *open(range?: { readonly start: number; readonly end: number }) {
    yield octets.subarray(range?.start ?? 0, range?.end ?? octets.length)
  },
})
async function* one(octets: Uint8Array) {
  yield octets
}

async function filesIn(octets: Buffer): Promise<readonly (DecodedFile & { readonly isWhole: boolean })[]> {
  const found = await findWrapped(sourceOf(octets).open())
  const files = await Promise.all(
    found.map(async (file) => {
      const decoded = await decodeWrapped(file, sourceOf(octets), MOST)
      return decoded ? [{ ...decoded, isWhole: file.isWhole }] : []
    }),
  )
  return files.flat()
}

interface Made {
  readonly files?: string | readonly { readonly name: string; readonly size: number; readonly sha256: string }[]
  readonly part?: { readonly number: number; readonly begin: number; readonly end: number; readonly sha256: string }
  readonly size: number
  readonly sha256: string
  readonly name?: string
  readonly type?: string
  readonly creator?: string
  readonly flags?: number
  readonly data?: { readonly size: number; readonly sha256: string }
  readonly resource?: { readonly size: number; readonly sha256: string }
}
const MADE = known<Record<string, Made>>('made.json')

test('uuencoded and yEnc samples decode to what they say', async () => {
  for (const [name, { files, part }] of Object.entries(MADE)) {
    if (!/^(?:uuencode|yenc)\/.*eml$/.test(name)) continue
    const found = await filesIn(sample(name))
    if (typeof files === 'string')
      assert.deepEqual(
        found.map(({ isWhole }) => isWhole),
        [false],
        name,
      )
    else if (files)
      assert.deepEqual(
        found.map((file) => ({
          name: file.name,
          size: file.octets.length,
          sha256: digest(file.octets),
          whole: file.isWhole,
        })),
        files.map((file) => ({ ...file, whole: true })),
        name,
      )
    if (!part) continue
    const [only] = await findWrapped(one(sample(name)))
    assert.ok(only?.isWhole && only.part, name)
    assert.deepEqual([only.part.number, only.part.start + 1, only.part.end], [part.number, part.begin, part.end])
    assert.equal(digest(found[0]?.octets ?? Buffer.alloc(0)), part.sha256)
  }
  const parts = []
  for (const name of ['yenc/part2.eml', 'yenc/part1.eml']) {
    const octets = sample(name)
    const [file] = await findWrapped(one(octets))
    assert.ok(file)
    parts.push({ file, octets: (await decodeWrapped(file, sourceOf(octets), MOST))?.octets ?? Buffer.alloc(0) })
  }
  const [whole] = joinYencParts(parts)
  assert.deepEqual(
    [whole?.octets.length, digest(whole?.octets ?? Buffer.alloc(0))],
    [MADE['yenc/whole']?.size, MADE['yenc/whole']?.sha256],
  )
  assert.deepEqual(joinYencParts(parts.slice(1)), [])
})

test('samples of Macintosh files have both forks and their attributes', async () => {
  const check = (
    name: string,
    file: { readonly name: string; readonly octets?: Buffer | undefined; readonly mac?: DecodedFile['mac'] },
  ) => {
    const made = MADE[name]
    assert.ok(made && file.mac, name)
    const { type, creator, flags, resource } = file.mac
    assert.deepEqual(
      [file.name.normalize('NFC'), type, creator, flags],
      [made.name, made.type, made.creator, made.flags],
      name,
    )
    assert.equal(digest(resource ?? Buffer.alloc(0)), made.resource?.sha256, name)
    if (made.data) assert.equal(digest(file.octets ?? Buffer.alloc(0)), made.data.sha256, name)
  }
  const hqx = readBinhex(sample('binhex/resume.hqx'), MOST)
  assert.ok(hqx)
  check('binhex/resume.hqx', hqx)
  const [found] = await filesIn(sample('binhex/resume.hqx'))
  assert.ok(found)
  check('binhex/resume.hqx', found)
  const single = readApple(sample('apple/resume.as'))
  assert.ok(single)
  check('apple/resume.as', { ...single, octets: single.data })
  const double = readApple(sample('apple/resume.ad'))
  assert.ok(double)
  check('apple/resume.ad', double)
  const eml = sample('apple/appledouble.eml')
  const source = sourceOf(eml)
  const [header, data] = (await readStructure(source.open, eml.length)).parts ?? []
  assert.ok(header && data)
  const read = async (part: typeof header) => gather(partBody(source, part) ?? [], MOST)
  const apple = readApple(await read(header))
  assert.ok(apple)
  check('apple/appledouble.eml', { ...apple, octets: await read(data) })
})

interface KnownTnef {
  readonly attributes: readonly string[]
  readonly attachments: readonly {
    readonly title: string
    readonly size?: number
    readonly sha256?: string
    readonly propertyCount: number
    readonly longName?: string
  }[]
  readonly codepage: number
  readonly messageClass: string
  readonly end: number
  readonly subject?: string
  readonly rtf?: { readonly size: number; readonly sha256: string }
}

test('samples of TNEF have the attributes, attachments and text that they say', async () => {
  for (const [name, wanted] of Object.entries(known<Record<string, KnownTnef>>('tnef.json'))) {
    const octets = name.endsWith('.eml') ? await winmailIn(sample(`tnef/${name}`)) : sample(`tnef/${name}`)
    const tnef = readTnef(octets)
    assert.ok(tnef, name)
    assert.equal(tnef.problem, undefined, name)
    assert.deepEqual(tnef.attributes, wanted.attributes, name)
    assert.deepEqual(
      [tnef.codePage, tnef.end, tnef.subject],
      [wanted.codepage, wanted.end, wanted.subject ?? tnef.subject],
      name,
    )
    assert.equal(tnef.attachments.length, wanted.attachments.length, name)
    for (const [index, { longName, title, size, sha256, propertyCount }] of wanted.attachments.entries()) {
      const attachment: TnefAttachment | undefined = tnef.attachments[index]
      assert.equal(attachment?.properties.list.length, propertyCount, name)
      const [inner]: readonly TnefAttachment[] = attachment?.isMessage
        ? (readTnef(attachment.octets)?.attachments ?? [])
        : []
      if (longName !== undefined) assert.equal((inner ?? attachment)?.name, longName, name)
      else
        assert.ok(
          attachment?.name === title ||
            attachment?.properties.text(0x3704) === attachment?.name ||
            title.startsWith('Untitled'),
        )
      // In the place of an object TNEF has words for programs without MAPI.
      if (sha256 !== undefined && !attachment?.properties.isObject(0x3701))
        assert.deepEqual(
          [attachment?.octets.length, digest(attachment?.octets ?? Buffer.alloc(0))],
          [size, sha256],
          name,
        )
    }
    if (!wanted.rtf) continue
    assert.deepEqual(
      [tnef.rtf?.length, digest(tnef.rtf ?? Buffer.alloc(0))],
      [wanted.rtf.size, wanted.rtf.sha256],
      name,
    )
    const read = readRtf(tnef.rtf ?? Buffer.alloc(0))
    assert.equal(read?.kind, 'html', name)
    assert.doesNotMatch(read?.kind === 'html' ? read.html : '', /\\htmlrtf|\\par\b|\{\\/, name)
  }
})

async function winmailIn(octets: Buffer): Promise<Buffer> {
  const source = sourceOf(octets)
  const stack = [await readStructure(source.open, octets.length)]
  for (let part = stack.pop(); part; part = stack.pop()) {
    if (part.subtype === 'ms-tnef') return gather(partBody(source, part) ?? [], MOST)
    stack.push(...(part.parts ?? []))
  }
  throw new Error('no winmail.dat')
}

// --- round trips ---------------------------------------------------------------------------------------

const octetsArbitrary = fc
  .oneof(
    fc.uint8Array({ maxLength: 3000 }),
    fc
      .tuple(fc.constantFrom(0, 0x90, 61, 46, 255), fc.nat(2000))
      .map(([octet, size]) => new Uint8Array(size).fill(octet)),
  )
  .map((octets) => Buffer.from(octets))
/** Names as file systems have them. */
const nameArbitrary = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 60 })
  .map((name) => name.replace(/[\p{Cc}\u2028\u2029]/gu, '').trim())
  .filter((name) => name !== '' && name.isWellFormed())
/** Whole seconds, as the formats have them. */
const dateArbitrary = fc
  .integer({ min: 0, max: 4_000_000_000 - 2_200_000_000 })
  .map((seconds) => new Date(seconds * 1000))
const macRoman = (minLength: number, maxLength: number) =>
  fc.array(fc.constantFrom(...'abcXYZ 019._-(é)üß∞™'), { minLength, maxLength }).map((chars) => chars.join(''))
const macArbitrary = fc.record(
  {
    type: macRoman(4, 4),
    creator: macRoman(4, 4),
    flags: fc.nat(0xffff),
    resource: fc.uint8Array({ minLength: 1, maxLength: 500 }).map((octets) => Buffer.from(octets)),
  },
  { noNullPrototype: true },
)
const runs = { numRuns: 150 }
const before = Buffer.from('Hello,\r\nbegin the day with a smile\r\n')
const after = Buffer.from('\r\nend of it\r\n')

test('uuencode and yEnc: names, modes and octets survive a round trip, with text around and between', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ name: nameArbitrary, mode: fc.nat(0o777), octets: octetsArbitrary, isYenc: fc.boolean() }), {
        minLength: 1,
        maxLength: 3,
      }),
      async (files) => {
        const texts = await Promise.all(
          files.map(({ name, mode, octets, isYenc }) =>
            gather(isYenc ? writeYenc(name, () => one(octets)) : writeUuencode({ name, mode }, one(octets)), MOST),
          ),
        )
        const found = await filesIn(Buffer.concat(texts.flatMap((text) => [before, text, after])))
        assert.deepEqual(
          found.map(({ name, octets, mode, isWhole }) => ({ name, octets, mode, isWhole })),
          files.map(({ name, octets, mode, isYenc }) => ({
            name,
            octets,
            mode: isYenc ? undefined : mode,
            isWhole: true,
          })),
        )
      },
    ),
    runs,
  )
})

test('AppleSingle, AppleDouble and BinHex: names, dates, attributes and forks survive a round trip', () => {
  fc.assert(
    fc.property(
      nameArbitrary,
      macRoman(1, 31),
      dateArbitrary,
      dateArbitrary,
      macArbitrary,
      octetsArbitrary,
      (name, roman, created, modified, mac, octets) => {
        const file = { name, created, modified, mac: { ...mac, comment: 'a note' } }
        const single = readApple(writeAppleSingle(file, octets))
        assert.deepEqual(
          { ...single, name: single?.name.normalize('NFC') },
          { ...file, name: name.normalize('NFC'), isSingle: true, data: octets },
        )
        const { data: _, ...double } = readApple(writeAppleDouble(file)) ?? assert.fail()
        assert.deepEqual(
          { ...double, name: double.name.normalize('NFC') },
          { ...file, name: name.normalize('NFC'), isSingle: false },
        )
        const hqx = readBinhex(writeBinhex({ name: roman, mac }, octets), MOST)
        assert.deepEqual(hqx, { name: roman, octets, mac })
      },
    ),
    // A name with U+FFFD itself is UTF-8 too.
    {
      ...runs,
      examples: [
        [
          '\ufffd',
          'a',
          new Date(0),
          new Date(0),
          { type: 'aaaa', creator: 'aaaa', flags: 0, resource: Buffer.from([0]) },
          Buffer.alloc(0),
        ],
      ],
    },
  )
})

const GUID = '0820060000000000c000000000000046'

test('TNEF: names, dates, types and octets of attachments are read as they were written', () => {
  fc.assert(
    fc.property(
      nameArbitrary,
      dateArbitrary,
      dateArbitrary,
      octetsArbitrary,
      fc.boolean(),
      (name, created, modified, octets, asProperty) => {
        const tnef = readTnef(
          writeTnef({
            properties: [
              { id: 0x37, text: name, wide: true },
              { id: 0x8001, date: modified, named: { guid: GUID, id: 0x820d } },
              { id: 0x8002, date: created, named: { guid: GUID, id: 'Start' } },
            ],
            files: [
              {
                title: 'SHORT~1.BIN',
                ...(asProperty ? {} : { octets, created, modified }),
                properties: [
                  { id: 0x3707, text: name, wide: true },
                  { id: 0x370e, text: 'Application/PDF' },
                  { id: 0x3712, text: 'cid-1@example' },
                  ...(asProperty
                    ? [
                        { id: 0x3701, binary: octets },
                        { id: 0x3007, date: created },
                        { id: 0x3008, date: modified },
                      ]
                    : []),
                ],
              },
            ],
          }),
        )
        assert.equal(tnef?.problem, undefined)
        assert.equal(tnef?.subject, name)
        assert.deepEqual(tnef?.properties.namedDate(GUID, 0x820d), modified)
        assert.deepEqual(tnef?.properties.namedDate(GUID, 'Start'), created)
        const [file] = tnef?.attachments ?? []
        assert.deepEqual(
          [file?.name, file?.created, file?.modified, file?.type, file?.id, file?.octets.toString('hex')],
          [name, created, modified, 'application/pdf', 'cid-1@example', octets.toString('hex')],
        )
      },
    ),
    runs,
  )
})

test('an attachment that is a message is one, and its title in the code page is read', () => {
  const inner = writeTnef({ properties: [{ id: 0x37, text: 'inner' }] })
  const tnef = readTnef(
    writeTnef({
      codePage: 1251,
      subject: Buffer.from([0xcf, 0xf0, 0xe8]),
      files: [{ title: 'x', properties: [{ id: 0x3701, object: Buffer.concat([MESSAGE_ID, inner]) }] }],
    }),
  )
  assert.equal(tnef?.subject, 'При')
  assert.equal(tnef?.attachments[0]?.isMessage, true)
  assert.equal(readTnef(tnef?.attachments[0]?.octets ?? Buffer.alloc(0))?.subject, 'inner')
})

test('RTF becomes the HTML or text it was made from, or its own words and marks', () => {
  const html = (rtf: string) => {
    const read = readRtf(
      readTnef(
        writeTnef({ properties: [{ id: 0x1009, binary: rtf.length % 2 ? storedRtf(rtf) : compressedRtf(rtf) }] }),
      )?.rtf ?? Buffer.alloc(0),
    )
    return read?.kind === 'html' ? read.html : read?.text
  }
  const head = '{\\rtf1\\ansi\\ansicpg1252\\fromhtml1 \\deff0{\\fonttbl{\\f0\\fswiss Arial;}{\\f1\\fcharset204 Arial;}}'
  assert.equal(
    html(
      `${head}{\\*\\htmltag64 <p class="a">}\\htmlrtf {\\b hidden}\\htmlrtf0 Gr\\'fc\\'dfe \\u8364?{\\*\\htmltag84 &nbsp;}{\\*\\mhtmltag3 no}{\\f1 \\'cf}{\\*\\htmltag72 </p>}}`,
    ),
    '<p class="a">Grüße €&nbsp;П</p>',
  )
  assert.equal(html('{\\rtf1\\ansi\\fromtext {\\fonttbl{\\f0 A;}}a < b\\par c}'), 'a < b\r\nc')
  assert.match(
    html("{\\rtf1\\ansi{\\info{\\title secret}}{\\b bold}{\\i\\ul both} \\'80 <x>\\par{\\*\\unknown gone}end}") ?? '',
    /<b>bold<\/b><i><u>both<\/u><\/i> € &lt;x&gt;<br>\r\nend/,
  )
})

// --- hostile input -----------------------------------------------------------------------------------------

test('damaged and hostile input never throws and makes no more than is allowed', async () => {
  const seeds = [
    sample('tnef/winmail.tnef').subarray(0, 20_000),
    sample('apple/resume.as'),
    sample('binhex/resume.hqx'),
    sample('uuencode/two-files.eml'),
    sample('yenc/single.eml'),
    writeTnef({
      properties: [{ id: 0x1009, binary: compressedRtf('{\\rtf1 hello}') }],
      files: [{ title: 'a', octets: Buffer.from('x') }],
    }),
  ]
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...seeds),
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 20 }),
      fc.nat(),
      async (seed, changes, cut) => {
        const octets = Buffer.from(seed.subarray(0, cut % (seed.length + 1)))
        for (const [at, value] of changes) if (octets.length > 0) octets[at % octets.length] = value
        readTnef(octets)
        readApple(octets)
        readRtf(octets)
        assert.ok((readBinhex(octets, 5000)?.octets.length ?? 0) <= 5000)
        for (const file of await filesIn(octets)) assert.ok(file.octets.length <= octets.length)
      },
    ),
    { numRuns: 400 },
  )
  // Run lengths and references say how much they make.
  const bomb = Buffer.from(`(This file must be converted with BinHex 4.0)\r\n:${'"3d@'.repeat(20_000)}:`)
  assert.equal(readBinhex(bomb, 1000), undefined)
  const rtf = Buffer.concat([
    compressedRtf('x').subarray(0, 4),
    Buffer.from([255, 255, 255, 127]),
    Buffer.from('LZFu'),
    Buffer.alloc(20),
  ])
  assert.equal(readTnef(writeTnef({ properties: [{ id: 0x1009, binary: rtf }] }))?.rtf, undefined)
  assert.ok(readRtf(Buffer.from(`{\\rtf1 ${'{\\b '.repeat(100_000)}`)))
})

// --- other programs -----------------------------------------------------------------------------------------

function temp(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'iems-formats-'))
  t.after(() => rmSync(path, { recursive: true }))
  return path
}

function run(
  program: string,
  given: readonly string[],
  options: { readonly cwd: string; readonly input?: Buffer },
): Buffer {
  const { status, stdout, stderr } = spawnSync(program, given, { ...options, maxBuffer: 2 ** 26 })
  assert.equal(status, 0, `${program}: ${stderr}${stdout}`)
  return stdout
}

const DATA = Buffer.from(Array.from({ length: 5000 }, (_, index) => (index * index) % 251))

test('uudecode and uudeview read what is written', {
  skip: missing('/usr/bin/uudecode', '/usr/bin/uudeview'),
}, async (t) => {
  const cwd = temp(t)
  const uu = await gather(writeUuencode({ name: 'ours.bin', mode: 0o640 }, one(DATA)), MOST)
  writeFileSync(join(cwd, 'a.uu'), uu.toString('latin1').replaceAll('\r\n', '\n'), 'latin1')
  run('uudecode', ['a.uu'], { cwd })
  assert.deepEqual(readFileSync(join(cwd, 'ours.bin')), DATA)
  writeFileSync(join(cwd, 'b.uu'), uu)
  rmSync(join(cwd, 'ours.bin'))
  run('uudeview', ['-i', '-q', 'b.uu'], { cwd })
  assert.deepEqual(readFileSync(join(cwd, 'ours.bin')), DATA)
  const yenc = await gather(
    writeYenc('ours.yenc.bin', () => one(DATA)),
    MOST,
  )
  writeFileSync(join(cwd, 'c.txt'), Buffer.concat([Buffer.from('Subject: yEnc\r\n\r\n'), yenc]))
  run('uudeview', ['-i', '-q', 'c.txt'], { cwd })
  assert.deepEqual(readFileSync(join(cwd, 'ours.yenc.bin')), DATA)
})

test('what uuencode and uuenview write is read', {
  skip: missing('/usr/bin/uuencode', '/usr/bin/uuenview'),
}, async (t) => {
  const cwd = temp(t)
  writeFileSync(join(cwd, 'in.bin'), DATA)
  const written = [
    run('uuencode', ['in.bin', 'theirs name.bin'], { cwd }),
    run('uuencode', ['-m', 'in.bin', 'theirs name.bin'], { cwd }),
    run('uuencode', ['-m', '-e', 'in.bin', 'theirs name.bin'], { cwd }),
    run('uuenview', ['-u', '-o', 'in.bin'], { cwd }),
    run('uuenview', ['-y', '-o', 'in.bin'], { cwd }),
  ].map((out, index) =>
    out.length > 0
      ? out
      : readFileSync(join(cwd, readdirSync(cwd).find((name) => /\.00[01]$/.test(name)) ?? String(index))),
  )
  for (const [index, text] of written.entries()) {
    const [file] = await filesIn(text)
    assert.ok(file?.isWhole, `${index}: ${text.toString('latin1', 0, 200)}`)
    assert.deepEqual([file.name, digest(file.octets)], [index < 3 ? 'theirs name.bin' : 'in.bin', digest(DATA)])
  }
})

test('hexbin reads our BinHex, and its binhex is read', {
  skip: missing('/usr/bin/hexbin', '/usr/bin/binhex'),
}, async (t) => {
  const cwd = temp(t)
  const mac = { type: 'TEXT', creator: 'ttxt', flags: 0x100, resource: Buffer.from('resources') }
  const hqx = writeBinhex({ name: 'ours.txt', mac }, DATA)
  writeFileSync(join(cwd, 'a.hqx'), hqx.toString('latin1').replaceAll('\r\n', '\n'), 'latin1')
  run('hexbin', ['-3', 'a.hqx'], { cwd })
  assert.deepEqual(readFileSync(join(cwd, 'ours.txt.data')), DATA)
  assert.deepEqual(readFileSync(join(cwd, 'ours.txt.rsrc')).subarray(0, 9), mac.resource)
  const made = MADE['binhex/resume.hqx']
  const text = run('binhex', [join(folder, 'binhex/resume.bin')], { cwd })
  const [file] = await filesIn(text)
  assert.deepEqual(
    [file?.name, digest(file?.octets ?? DATA), digest(file?.mac?.resource ?? DATA)],
    [made?.name, made?.data?.sha256, made?.resource?.sha256],
  )
})

test('tnef and ytnef read the same files from a winmail.dat', {
  skip: missing('/usr/bin/tnef', '/usr/bin/ytnef'),
}, (t) => {
  const cwd = temp(t)
  const octets = writeTnef({
    properties: [{ id: 0x37, text: 'two files' }],
    files: [
      { title: 'a.bin', octets: DATA, properties: [{ id: 0x3707, text: 'a.bin' }] },
      { title: 'B~1.TXT', octets: Buffer.from('text'), properties: [{ id: 0x3707, text: 'long name.txt' }] },
    ],
  })
  writeFileSync(join(cwd, 'winmail.dat'), octets)
  run('tnef', ['winmail.dat'], { cwd })
  const ours = readTnef(octets)?.attachments ?? []
  assert.deepEqual(
    ours.map(({ name }) => name),
    ['a.bin', 'long name.txt'],
  )
  for (const { name, octets: data } of ours) assert.deepEqual(readFileSync(join(cwd, name)), data)
  const out = temp(t)
  run('ytnef', ['-f', out, join(cwd, 'winmail.dat')], { cwd })
  const digests = new Set(readdirSync(out).map((name) => digest(readFileSync(join(out, name)))))
  for (const { octets: data } of ours) assert.ok(digests.has(digest(data)))
  // tnef ends with an error at a second file of one name, after it has written the first.
  spawnSync('tnef', [join(folder, 'tnef/christmas.tnef')], { cwd })
  const kitten = readTnef(sample('tnef/christmas.tnef'))?.attachments[0]
  assert.deepEqual(readFileSync(join(cwd, kitten?.name ?? '')), kitten?.octets)
})
