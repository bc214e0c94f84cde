/** Notes databases of real installations, read from their octets; and the same with octets changed. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import { folderOf, readAcl, readUnread } from '../../plugins/gateway/notes/nsf/contents.ts'
import { expandCx } from '../../plugins/gateway/notes/nsf/cx.ts'
import { type NsfDatabase, openDatabase } from '../../plugins/gateway/notes/nsf/database.ts'
import { decodeLmbcs } from '../../plugins/gateway/notes/nsf/lmbcs.ts'
import { readMimeItem } from '../../plugins/gateway/notes/nsf/mime-parts.ts'
import { type NsfItem, type NsfNote, textsOf, timesOf } from '../../plugins/gateway/notes/nsf/notes.ts'
import { readFile } from '../../plugins/gateway/notes/nsf/objects.ts'
import { bufferSource, Damaged, Unreadable } from '../../plugins/gateway/notes/nsf/source.ts'
import { readDocLinks, TYPE } from '../../plugins/gateway/notes/nsf/values.ts'
import { readCd } from '../../plugins/gateway/notes/richtext/cd.ts'
import type { Block, Inline, RichText } from '../../plugins/gateway/notes/richtext/model.ts'
import { type ExpectedDatabase, expectedDatabases, nsfFixture } from '../support/notes.ts'
import { fc } from '../support/property.ts'

const CLASSES: Readonly<Record<number, string>> = {
  0: '0',
  1: 'DOC',
  2: 'INFO',
  4: 'FORM',
  8: 'VIEW',
  16: 'ICON',
  32: 'DESIGN',
  64: 'ACL',
  256: 'HELP',
  512: 'FILTER',
  1024: 'FIELD',
  2048: 'REPLF',
}
const hex = (id: number) => id.toString(16).toUpperCase()
const sha256 = (octets: Buffer | string) => createHash('sha256').update(octets).digest('hex')
const iso = (at: number | undefined) => (at === undefined ? null : new Date(at).toISOString())

/** The text of rich text alone, without what stands for links and files. */
function words({ blocks }: RichText): string {
  const inline = (one: Inline): string =>
    one.kind === 'text'
      ? one.text
      : one.kind === 'break'
        ? '\n'
        : one.kind === 'link'
          ? one.inlines.map(inline).join('')
          : ''
  const block = (one: Block): string => (one.kind === 'paragraph' ? one.inlines.map(inline).join('') : '')
  return blocks.map(block).join('\n')
}

const open = (name: string) => openDatabase(bufferSource(nsfFixture(name)))

for (const [name, expected] of Object.entries(expectedDatabases))
  describe(`the database ${name}`, () => {
    test('has its header, buckets and item names', async () => {
      const octets = nsfFixture(name)
      assert.equal(octets.length, expected.size)
      const database = await open(name)
      const { header, names } = database
      const { ods, headerSize, title, replicaId } = header
      assert.deepEqual(
        { ods, headerSize, title, replicaId },
        {
          ods: expected.ods,
          headerSize: expected.headerSize,
          title: expected.title,
          replicaId: expected.replicaId,
        },
      )
      assert.equal(header.info, expected.info)
      assert.equal(names.length, expected.itemNames)
      const counts = await database.countBuckets()
      assert.deepEqual({ summary: counts.summary, nonSummary: counts.other }, expected.buckets)
    })

    test('has its notes, stubs and folders', async () => {
      const database = await open(name)
      const counts: Record<string, number> = {}
      const stubs: ExpectedDatabase['deletionStubs'][number][] = []
      const folders: unknown[] = []
      for await (const note of database.notes()) {
        if (note.isStub) stubs.push({ noteId: hex(note.id), class: note.class, unid: note.unid })
        else {
          const kind = CLASSES[note.class & 0x7fff] ?? hex(note.class)
          counts[kind] = (counts[kind] ?? 0) + 1
          assert.equal(note.items.length, note.itemCount)
        }
        const folder = await folderOf(database, note)
        if (folder)
          folders.push({
            noteId: hex(folder.noteId),
            title: folder.title,
            flags: folder.flags,
            documents: [...(folder.documents ?? [])].map(hex),
          })
      }
      assert.deepEqual(counts, expected.notes)
      assert.deepEqual(stubs, expected.deletionStubs)
      assert.deepEqual(folders, expected.folders)
      assert.deepEqual(database.problems.list, [])
    })

    test('has its unread marks and an access list', async () => {
      const database = await open(name)
      const unread: Record<string, unknown> = {}
      for (const [user, table] of await readUnread(database)) {
        const { length = 0 } = expected.unread[user]?.first ?? []
        unread[user] = { count: table.count, first: [...table].slice(0, length).map(hex) }
      }
      assert.deepEqual(unread, expected.unread)
      assert.deepEqual(database.problems.list, [])
      const acl = await readAcl(database)
      assert.ok(acl.some((entry) => entry.name === '-Default-'))
    })

    test('has its documents', async () => {
      const database = await open(name)
      for (const document of expected.documents) {
        const note = await database.note(Number.parseInt(document.noteId, 16))
        assert.ok(note)
        await compare(database, note, document)
      }
      let count = 0
      for await (const note of database.notes()) if (note.class === 1 && !note.isStub) count++
      assert.equal(count, expected.documentCount)
    })
  })

const STRUCTURE = new Set('noteId unid items parent responses bodyLength bodyStart bodySha256 files mime'.split(' '))

async function compare(database: NsfDatabase, note: NsfNote, expected: ExpectedDatabase['documents'][number]) {
  assert.equal(note.unid, expected.unid)
  assert.equal(note.items.length, expected.items)
  assert.equal(note.parent === 0 ? undefined : hex(note.parent), expected.parent)
  assert.equal(note.responses, expected.responses ?? 0)
  for (const [field, value] of Object.entries(expected)) {
    if (STRUCTURE.has(field)) continue
    const item = note.items.find((one) => one.name.toLowerCase() === field.toLowerCase())
    assert.ok(item, field)
    // There, text is Latin-1: what is not ASCII is compared by its octets.
    const isLatin = /[^\n\x20-\x7e]/.test(String(value))
    const actual = isLatin ? item.value.toString('latin1') : single(valuesOf(item))
    assert.deepEqual(actual, value, `${expected.noteId} ${field}`)
  }
  if (expected.bodySha256 !== undefined) {
    const values = note.items.filter(({ name, type }) => name === 'Body' && type === TYPE.richText)
    const links = note.items.filter((one) => one.name === '$Links').flatMap((one) => readDocLinks(one.value))
    const text = words(
      readCd(
        values.map((one) => one.value),
        links,
      ),
    )
    // The expected text may end with the line end of its last paragraph.
    assert.ok([text, `${text}\n`, text.trimEnd()].some((one) => sha256(one) === expected.bodySha256))
    assert.ok(text.startsWith(expected.bodyStart ?? ''))
    assert.ok(Math.abs(text.length - (expected.bodyLength ?? 0)) <= 1)
  }
  const parts = note.items.filter(({ type }) => type === TYPE.mime).map(mimeOf)
  assert.deepEqual(
    parts.map(({ headers, ...rest }, n) => ({ ...rest, headers: shared(headers, expected.mime?.[n]?.headers) })),
    expected.mime ?? [],
  )
  assert.deepEqual(await filesOf(database, note), expected.files ?? [])
}

const valuesOf = (item: NsfItem) => [
  ...textsOf(item),
  ...timesOf(item).map(({ at, isDay }) => (isDay ? iso(at)?.slice(0, 10) : iso(at))),
]
const single = (values: readonly unknown[]) => (values.length === 1 ? values[0] : values)

/** Of a part in an object, the expected fields are the first one alone. */
const shared = (headers: string, expected = '') => (headers.startsWith(expected) ? expected : headers)

function mimeOf({ value }: NsfItem) {
  const { kind, flags, boundary, headers, content, isInObject } = readMimeItem(value)
  return {
    type: kind,
    flags,
    boundary: boundary.toString('latin1').trim(),
    headers: headers.toString('latin1').trim(),
    content: content.length,
    ...(isInObject ? { object: decodeLmbcs(content) } : { sha256: sha256(content) }),
  }
}

async function filesOf(database: NsfDatabase, note: NsfNote) {
  const files: unknown[] = []
  for (const item of note.items) {
    const file = item.type === TYPE.object ? readFile(item.value) : undefined
    if (!file) continue
    const { name, size, compression, host, flags, created, modified, objectId } = file
    files.push({
      ...{ name, size, stored: (await database.stored(objectId)).size, compression, host, flags },
      created: iso(created?.at),
      modified: iso(modified?.at),
      sha256: sha256(Buffer.concat(await Array.fromAsync(database.file(file)))),
    })
  }
  return files
}

// --- what is no database, and what is damaged -------------------------------------------------------

test('what is no database, is encrypted or too old is refused with its reason', async () => {
  const octets = nsfFixture('conflict')
  const changed = (at: number, value: number) => {
    const copy = Buffer.from(octets)
    copy[at] = value
    return openDatabase(bufferSource(copy))
  }
  await assert.rejects(openDatabase(bufferSource(Buffer.from('not a database'))), Unreadable)
  await assert.rejects(changed(0, 0), /not a Notes database/)
  await assert.rejects(changed(6, 20), /Notes 4 or earlier/)
  await assert.rejects(changed(646, 1), /encrypted with a Notes ID/)
})

test('notes are found without the superblock, and without the table that leads to them', async () => {
  const octets = nsfFixture('ftsearch')
  const ids = async (database: NsfDatabase) => (await Array.fromAsync(database.notes())).map(({ unid }) => unid).sort()
  const all = await ids(await open('ftsearch'))
  const blind = Buffer.from(octets)
  for (const at of [560, 568, 576, 584]) blind.writeUInt32LE(0, at)
  assert.deepEqual(await ids(await openDatabase(bufferSource(blind))), all)
  // The marks of the RRV buckets.
  const lost = Buffer.from(octets)
  for (let at = 0; at + 4096 <= lost.length; at += 4096) if (lost.readUInt16LE(at) === 0x2006) lost[at] = 0xff
  const database = await openDatabase(bufferSource(lost))
  const found = await ids(database)
  assert.ok(found.length >= all.length - 2, `${found.length} of ${all.length}`)
  assert.ok(database.problems.count > 0)
})

test('a file of more than 4 GB is scanned to its end', async () => {
  const octets = nsfFixture('MIMEMsg')
  for (const at of [560, 568, 576, 584]) octets.writeUInt32LE(0, at)
  const zeros = Buffer.alloc(1024 * 1024)
  const front = bufferSource(octets)
  const size = 2 ** 32 + 4096
  const database = await openDatabase({
    size,
    read: async (position, length) =>
      position + length <= octets.length
        ? front.read(position, length)
        : Buffer.concat([octets.subarray(position), zeros.subarray(0, length - Math.max(0, octets.length - position))]),
    close: async () => {},
  })
  assert.deepEqual(await database.countBuckets(), { summary: 1, other: 1 })
})

test('a wrong checksum, a wrong digest and an unknown compression are damage of one file', async () => {
  const database = await open('hfinn')
  const note = await database.note(0x20fa)
  const file = readFile(note?.items.find(({ name }) => name === '$FILE')?.value ?? Buffer.alloc(0))
  assert.ok(file)
  const read = (one: typeof file, from = database) => Array.fromAsync(from.file(one))
  await assert.rejects(read({ ...file, compression: 'lz1' }), /DXL/)
  const { position } = await database.stored(file.objectId)
  const octets = nsfFixture('hfinn')
  octets[position] = (octets[position] ?? 0) ^ 1
  await assert.rejects(read(file, await openDatabase(bufferSource(octets))), Damaged)
})

test('text of every group is decoded', () => {
  const decode = (...octets: number[]) => decodeLmbcs(Buffer.from(octets))
  assert.equal(decode(0x41, 0x81, 0x42), 'AüB')
  assert.equal(decode(0x14, 0x20, 0xac, 0x14, 0xf6, 0xe9), '€é')
  assert.equal(decode(0x10, 0x93, 0xfa, 0x10, 0x10, 0xb1), '日ｱ')
  assert.equal(decode(0x05, 0xcf, 0x06, 0x9f), 'Пč')
  assert.equal(decode(0x41, 0, 0x42), 'A\nB')
  assert.equal(decode(0x0f, 0x21), '\u0001')
})

/** Reads all that a reader reads; answers how many notes it gave. */
async function readAll(octets: Buffer): Promise<number> {
  let database: NsfDatabase
  try {
    database = await openDatabase(bufferSource(octets))
  } catch (error) {
    assert.ok(error instanceof Unreadable || error instanceof Damaged, String(error))
    return 0
  }
  let count = 0
  for await (const note of database.notes()) {
    count++
    await tolerate(async () => void (await folderOf(database, note)))
    for (const item of note.items)
      await tolerate(async () => {
        valuesOf(item)
        if (item.type === TYPE.richText) readCd([item.value], [])
        if (item.type === TYPE.mime) readMimeItem(item.value)
        if (item.type === TYPE.object) {
          const file = readFile(item.value)
          let size = 0
          if (file) for await (const piece of database.file(file)) size += piece.length
          assert.ok(!file || size === file.size)
        }
      })
  }
  await readUnread(database)
  await readAcl(database)
  return count
}

async function tolerate(read: () => Promise<void>) {
  try {
    await read()
  } catch (error) {
    if (!(error instanceof Damaged)) throw error
  }
}

const RUNS = Number(process.env.IEMS_FUZZ_RUNS ?? 40)
for (const name of ['hfinn', 'MIMEMsg', 'conflict', 'signeddoc'])
  test(`octets of ${name} that are changed neither end the reader nor hold it up`, async () => {
    const octets = nsfFixture(name)
    const change = fc.record({ at: fc.nat(octets.length - 1), value: fc.nat(255), more: fc.nat(7) })
    await fc.assert(
      fc.asyncProperty(
        fc.array(change, { minLength: 1, maxLength: 40 }),
        fc.nat(octets.length),
        async (changes, cut) => {
          const copy = Buffer.from(octets)
          for (const { at, value, more } of changes) copy.fill(value, at, Math.min(copy.length, at + 1 + more))
          await readAll(cut % 5 === 0 ? copy.subarray(0, cut) : copy)
        },
      ),
      { numRuns: RUNS },
    )
  })

test('changed headers of notes, tables and superblocks do no more', async () => {
  const octets = nsfFixture('MIMEMsg')
  // Where the structure is: the header, and the beginnings of all blocks.
  const places: number[] = []
  for (let at = 0; at + 256 <= octets.length; at += 256)
    if ([0x1a, 0x0e, 0x04, 0x01, 0x10, 0x07, 0x02].includes(octets[at] ?? 0)) places.push(at)
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.constantFrom(...places), fc.nat(110), fc.nat(255)), { minLength: 1, maxLength: 12 }),
      async (changes) => {
        const copy = Buffer.from(octets)
        for (const [place, offset, value] of changes) copy[place + offset] = value
        await readAll(copy)
      },
    ),
    { numRuns: RUNS * 2 },
  )
})

test('compressed data of strangers ends', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(5000), (data, size) => {
      try {
        assert.equal(expandCx(Buffer.from(data), size).length, size)
      } catch (error) {
        assert.ok(error instanceof Damaged)
      }
    }),
    { numRuns: 500 },
  )
})
