/**
 * Contents of a database: folders with their documents, unread marks of each user, and the access list.
 */
import { readPage } from './buckets.ts'
import type { NsfDatabase } from './database.ts'
import { longAt, UNIT, wordAt } from './header.ts'
import { decodeLmbcs } from './lmbcs.ts'
import { CLASS, type NsfNote, textsOf } from './notes.ts'
import { FILE_KIND, IdTable, objectKind } from './objects.ts'
import { Damaged } from './source.ts'
import { TYPE } from './values.ts'

/** Places of special notes. */
const SPECIAL = { aclNote: 6, acl: 16, named: 28 }
/** Pages of named objects, and users with unread marks. */
const MAX_PAGES = 4096
const MAX_USERS = 65_536

export interface NsfFolder {
  readonly noteId: number
  /** As `$TITLE` has it: levels divided by backslashes, synonyms behind bars. */
  readonly title: string
  /** Its levels from the top, without synonyms. */
  readonly path: readonly string[]
  readonly flags: string
  /** For one person only: a private folder's owner. */
  readonly owner?: string
  /** Note ids; empty for an empty folder. */
  readonly documents: IdTable | undefined
}

const first = (note: NsfNote, name: string): string => {
  const item = note.items.find((item) => item.name.toLowerCase() === name)
  return item ? (textsOf(item)[0] ?? '') : ''
}

/** The folder that a note is; undefined for views and everything else. */
export async function folderOf(database: NsfDatabase, note: NsfNote): Promise<NsfFolder | undefined> {
  if ((note.class & CLASS.view) === 0 || note.isStub) return undefined
  const flags = first(note, '$flags')
  const title = first(note, '$title')
  if (!flags.includes('F') || title === '') return undefined
  const isPrivate = /[VPp]/.test(flags)
  const owner = first(note, '$updatedby') || first(note, '$readers')
  const table = note.items.find(({ name, type }) => name.toLowerCase() === '$folderidtable' && type === TYPE.object)
  return {
    noteId: note.id,
    title,
    path: folderPath(title),
    flags,
    ...(isPrivate && owner !== '' ? { owner } : {}),
    documents: await idTable(database, table?.value),
  }
}

export function folderPath(title: string): string[] {
  const [name = ''] = title.split('|')
  return name
    .split('\\')
    .map((level) => level.trim())
    .filter((level) => level !== '')
}

async function idTable(database: NsfDatabase, value: Buffer | undefined): Promise<IdTable | undefined> {
  if (!value) return undefined
  const { kind, objectId } = objectKind(value)
  return kind === FILE_KIND.idTable ? idTableOf(database, objectId) : undefined
}

async function idTableOf(database: NsfDatabase, objectId: number): Promise<IdTable> {
  return new IdTable(await database.object(objectId))
}

// --- unread marks ---------------------------------------------------------------------------------------

/** Ids of unread notes by the user's canonical name; a user without an entry has read nothing. */
export async function readUnread(database: NsfDatabase): Promise<ReadonlyMap<string, IdTable>> {
  const found = new Map<string, IdTable>()
  const id = database.header.special[SPECIAL.named] ?? 0
  if (id === 0) return found
  const list = await database.object(id).catch((error: unknown) => listed(database, error, 'the list of unread marks'))
  for (const position of list ? await pagesOf(database, list) : []) {
    const page = await readPage(database.source, position).catch((error: unknown) =>
      listed(database, error, 'a page of unread marks'),
    )
    for (const { name, objectId } of page ? namedIn(page) : []) {
      if (found.size >= MAX_USERS) return found
      // Entries of users that are gone have no table any more.
      if (!(await database.has(objectId).catch(() => true))) continue
      const table = await idTableOf(database, objectId).catch((error: unknown) =>
        listed(database, error, `the unread marks of ${name}`),
      )
      if (table) found.set(name, table)
    }
  }
  return found
}

function listed(database: NsfDatabase, error: unknown, where: string): undefined {
  if (!(error instanceof Damaged)) throw error
  database.problems.add(`${where}: ${error.message}`)
}

/** Positions of the pages that a container lists; each has FFFF behind it. */
async function pagesOf({ source }: NsfDatabase, list: Buffer): Promise<readonly number[]> {
  const positions = new Set<number>()
  for (let at = 0; at + 12 <= list.length && positions.size < MAX_PAGES; at += 2) {
    const position = longAt(list, at) * UNIT
    if (wordAt(list, at + 4) !== 0xffff || position === 0 || position >= source.size) continue
    const head = await source.read(position, 6).catch(() => undefined)
    if (head?.[3] === 0xff && head.readUInt16LE(4) === 0x1000) positions.add(position)
  }
  return [...positions]
}

function* namedIn(page: Buffer): Generator<{ readonly name: string; readonly objectId: number }> {
  for (let at = 0; at + 16 <= page.length; at++) {
    const length = wordAt(page, at + 6)
    if (length === 0 || length > 512 || wordAt(page, at) !== length + 4 || wordAt(page, at + 2) !== length + 16)
      continue
    if (wordAt(page, at + 4) !== 0 || at + 12 + length > page.length) continue
    yield { name: decodeLmbcs(page.subarray(at + 8, at + 8 + length)), objectId: longAt(page, at + 8 + length) }
  }
}

// --- access list ------------------------------------------------------------------------------------------

export const LEVELS = ['none', 'depositor', 'reader', 'author', 'editor', 'designer', 'manager'] as const
export interface AclEntry {
  readonly name: string
  readonly level: (typeof LEVELS)[number]
}

/** The access list; entries that were deleted may appear behind those that count. */
export async function readAcl(database: NsfDatabase): Promise<readonly AclEntry[]> {
  const id = database.header.special[SPECIAL.acl] ?? 0
  if (id === 0) return []
  const octets = await database.object(id).catch((error: unknown) => listed(database, error, 'the access list'))
  if (octets?.toString('latin1', 0, 2) !== 'CA') return []
  const entries: AclEntry[] = []
  for (let at = octets.indexOf('EA', 2); at >= 0; at = octets.indexOf('EA', at)) {
    const length = at + 18 <= octets.length ? wordAt(octets, at + 16) : 0
    const level = at + 4 <= octets.length ? LEVELS[wordAt(octets, at + 2)] : undefined
    at += 2
    if (level === undefined || length === 0 || at + 16 + length > octets.length) continue
    entries.push({ name: decodeLmbcs(octets.subarray(at + 16, at + 16 + length)), level })
    at += 16 + length
  }
  return entries
}
