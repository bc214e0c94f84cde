/**
 * A database file as an archive. The contents of its notes are decoded on demand.
 */
import { toBase64 } from 'iems/mime'
import { folderOf, readAcl, readUnread } from '../nsf/contents.ts'
import { expandCx } from '../nsf/cx.ts'
import { type NsfDatabase, openDatabase } from '../nsf/database.ts'
import { decodeLmbcs } from '../nsf/lmbcs.ts'
import { type MimeItem, readMimeItem } from '../nsf/mime-parts.ts'
import { CLASS, type NsfItem, type NsfNote, textsOf, timesOf } from '../nsf/notes.ts'
import { type NsfFile, objectPieces, readFile } from '../nsf/objects.ts'
import { Damaged, openSource, type Source } from '../nsf/source.ts'
import { readDocLinks, readReferences, TYPE } from '../nsf/values.ts'
import { readCd } from '../richtext/cd.ts'
import type { NotesArchive, NotesDocument, NotesFile, NotesFolder } from './model.ts'

const hex = (id: number) => id.toString(16).toUpperCase()
const SEALS = new Set(['$seal', '$seal2', 'sealdata', '$sealdata'])
/** An item that holds a key or what was encrypted. An item's own flag says only that it would be encrypted. */
const isSeal = ({ name, type }: NsfItem) =>
  type === TYPE.seal || type === TYPE.sealData || SEALS.has(name.toLowerCase())
/** Octets of a file whose compression is tried in memory. */
const MAX_TRIED = 16 * 1024 * 1024

/** Throws `Unreadable` for a file that is no database that can be read. */
export async function openNsf(path: string): Promise<NotesArchive> {
  return nsfArchive(await openSource(path))
}

export async function nsfArchive(source: Source): Promise<NotesArchive> {
  const database = await openDatabase(source)
  const { header, problems } = database
  const seen = { stubs: 0 }
  return {
    form: 'nsf',
    title: header.title,
    replicaId: header.replicaId,
    ...(header.inherits === undefined ? {} : { template: header.inherits }),
    problems,
    documents: () => documents(database, seen),
    folders: () => folders(database),
    unread: async () => {
      const tables = [...(await readUnread(database))]
      return new Map(tables.map(([user, ids]) => [user, ({ id }) => ids.has(Number.parseInt(id, 16))] as const))
    },
    stubs: () => seen.stubs,
    acl: () => readAcl(database),
    close: () => database.close(),
  }
}

async function* documents(database: NsfDatabase, seen: { stubs: number }): AsyncGenerator<NotesDocument> {
  seen.stubs = 0
  for await (const note of database.notes()) {
    if (note.isStub) seen.stubs++
    else if (note.class === CLASS.document && !note.isGhost) yield await documentOf(database, note)
  }
}

async function folders(database: NsfDatabase): Promise<readonly NotesFolder[]> {
  const found: NotesFolder[] = []
  for await (const note of database.notes()) {
    const folder = await folderOf(database, note).catch((error: unknown) => {
      if (!(error instanceof Damaged)) throw error
      database.problems.add(`folder ${hex(note.id)}: ${error.message}`)
    })
    if (!folder) continue
    const { path, owner, documents } = folder
    found.push({
      path,
      ...(owner === undefined ? {} : { owner }),
      count: documents?.count ?? 0,
      has: ({ id }) => documents?.has(Number.parseInt(id, 16)) ?? false,
    })
  }
  return found
}

// --- documents ----------------------------------------------------------------------------------------

async function documentOf(database: NsfDatabase, note: NsfNote): Promise<NotesDocument> {
  const problems = [...note.problems]
  const tolerant = <T>(item: NsfItem, read: (item: NsfItem) => T, none: T): T => {
    try {
      return read(item)
    } catch (error) {
      if (!(error instanceof Damaged)) throw error
      problems.push(`its item ${item.name}: ${error.message}`)
      return none
    }
  }
  const named = (name: string) => note.items.filter((item) => item.name.toLowerCase() === name.toLowerCase())
  const links = named('$Links').flatMap((item) => tolerant(item, ({ value }) => readDocLinks(value), []))
  const files = note.items
    .filter(({ type }) => type === TYPE.object)
    .map((item) => tolerant(item, ({ value }) => readFile(value), undefined))
    .filter((file) => file !== undefined)
  const parts = note.items
    .filter(({ type }) => type === TYPE.mime)
    .map((item) => tolerant(item, ({ value }) => readMimeItem(value), undefined))
    .filter((part) => part !== undefined)
  const inParts = new Set(parts.filter((part) => part.isInObject).map(({ content }) => decodeLmbcs(content)))
  const parent = await parentOf(database, note, named('$REF')[0]).catch((error: unknown) => {
    if (!(error instanceof Damaged)) throw error
    problems.push(`its parent: ${error.message}`)
    return {}
  })
  return {
    id: hex(note.id),
    unid: note.unid,
    ...parent,
    ...(note.added === undefined ? {} : { created: note.added.at }),
    ...(note.modified === undefined ? {} : { modified: note.modified.at }),
    names: [...new Set(note.items.map(({ name }) => name))],
    isSealed: note.items.some(isSeal),
    files: files.filter(({ name }) => !inParts.has(name)).map((file) => fileOf(database, file)),
    texts: (name) => named(name).flatMap((item) => tolerant(item, textsOf, [])),
    times: (name) => named(name).flatMap((item) => tolerant(item, timesOf, [])),
    richText(name) {
      const values = named(name).filter(({ type }) => type === TYPE.richText)
      return values.length === 0
        ? undefined
        : readCd(
            values.map(({ value }) => value),
            links,
          )
    },
    ...(parts.length === 0 ? {} : { mime: { isWhole: false, open: () => mimeOctets(database, parts, files) } }),
    problems,
  }
}

/** The document that a note answers, by its reference or by the note id. */
async function parentOf(
  database: NsfDatabase,
  note: NsfNote,
  reference: NsfItem | undefined,
): Promise<Pick<NotesDocument, 'parent' | 'parentMessageId'>> {
  const found = note.parent === 0 ? undefined : await database.note(note.parent).catch(() => undefined)
  const [unid] = reference?.type === TYPE.references ? readReferences(reference.value) : []
  const id = found?.items.find(({ name }) => name.toLowerCase() === '$messageid')
  const parent = unid ?? found?.unid
  const messageId = id && (unid === undefined || unid === found?.unid) ? textsOf(id)[0]?.trim() : undefined
  return {
    ...(parent === undefined ? {} : { parent }),
    ...(messageId ? { parentMessageId: messageId } : {}),
  }
}

function fileOf(database: NsfDatabase, file: NsfFile): NotesFile {
  const isUnknown = file.compression === 'lz1' || file.compression === 'unknown'
  return {
    name: file.name,
    size: file.size,
    isEmbedded: file.isEmbedded,
    ...(file.modified === undefined ? {} : { modified: file.modified.at }),
    ...(isUnknown ? { unknown: file.compression } : {}),
    open: () => (isUnknown ? storedOctets(database, file) : database.file(file)),
  }
}

/** The octets as they are stored. */
async function* storedOctets(database: NsfDatabase, file: NsfFile): AsyncGenerator<Buffer> {
  yield* objectPieces(database.source, await database.stored(file.objectId))
}

/** A file of unknown compression as CX, if exactly its size comes out. */
export async function tryCx(file: NotesFile): Promise<Buffer | undefined> {
  if (file.size > MAX_TRIED) return undefined
  const stored = Buffer.concat(await Array.fromAsync(file.open()))
  try {
    return expandCx(stored, file.size)
  } catch {
    return undefined
  }
}

// --- native MIME ------------------------------------------------------------------------------------------

async function* mimeOctets(
  database: NsfDatabase,
  parts: readonly MimeItem[],
  files: readonly NsfFile[],
): AsyncGenerator<Buffer> {
  for (const part of parts) {
    yield part.boundary
    if (!part.isInObject) {
      yield part.headers
      yield part.content
      continue
    }
    const name = decodeLmbcs(part.content)
    const file = files.find((one) => one.name === name)
    if (!file) throw new Damaged(`the part ${name} is not in the note`)
    // The object is decoded, whatever the field says.
    yield encodedAs64(part.headers)
    yield* toBase64(database.file(file))
  }
}

function encodedAs64(headers: Buffer): Buffer {
  const fields = headers
    .toString('latin1')
    .replace(/\r?\n(?![ \t])/g, '\r\n')
    .split(/\r\n(?![ \t])/)
    .filter((field) => field !== '' && !/^content-transfer-encoding:/i.test(field))
  return Buffer.from(`${[...fields, 'Content-Transfer-Encoding: base64'].join('\r\n')}\r\n\r\n`, 'latin1')
}
