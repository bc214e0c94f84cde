/**
 * A DXL file as an archive. DXL says neither which documents are in a folder nor what is unread: both come from a list
 * beside it.
 */

import type { NotesArchive, NotesDocument, NotesFile, NotesFolder } from '../archive/model.ts'
import { folderPath } from '../nsf/contents.ts'
import { expandHuffman } from '../nsf/huffman.ts'
import { textsOf, timesOf } from '../nsf/notes.ts'
import { Problems } from '../nsf/problems.ts'
import { Damaged, Unreadable } from '../nsf/source.ts'
import { readReferences, TYPE } from '../nsf/values.ts'
import { type Beside, readBeside } from './beside.ts'
import { fileData, leftText, readElements } from './reader.ts'
import { readDxlRichText } from './richtext.ts'
import { child, childrenOf, type Element } from './tree.ts'
import { dxlRaw, dxlTexts, dxlTimes, noteTime } from './values.ts'

const PROFILE = 'profiledocument'
const SEALS = new Set(['$seal', '$seal2', 'sealdata', '$sealdata'])

/** `list`: the path of the list; default: the file's own with `.list` behind it, if there is one. */
export async function openDxl(path: string, list?: string): Promise<NotesArchive> {
  const problems = new Problems()
  const problem = (why: string) => problems.add(why)
  const root = await rootOf(path)
  const beside = await readBeside(list ?? `${path}.list`, list !== undefined, problem)
  const { title = '', replicaid = '', fromtemplate } = root.attributes
  return {
    form: 'dxl',
    title,
    replicaId: replicaid,
    ...(fromtemplate === undefined ? {} : { template: fromtemplate }),
    problems,
    documents: () => documents(path, problem),
    folders: () => folders(path, beside),
    unread: async () =>
      new Map([...beside.unread].map(([user, unids]) => [user, ({ unid }) => unids.has(unid)] as const)),
    stubs: () => 0,
    acl: () => acl(path),
    async close() {},
  }
}

async function rootOf(path: string): Promise<Element> {
  for await (const element of readElements(path, () => {})) {
    if (element.name === 'database' || element.name === 'document') return element
    break
  }
  throw new Unreadable('the file is not DXL')
}

async function* documents(path: string, problem: (why: string) => void): AsyncGenerator<NotesDocument> {
  let isRoot = true
  for await (const element of readElements(path, problem)) {
    const isEmpty = isRoot && element.children.length === 0
    isRoot = false
    if (element.name === 'document' && !isEmpty && element.attributes.form !== PROFILE) yield documentOf(path, element)
  }
}

async function folders(path: string, beside: Beside): Promise<readonly NotesFolder[]> {
  const found = new Map<string, NotesFolder>()
  const add = (levels: readonly string[]) => {
    const name = levels.join('\\')
    const unids = beside.folders.get(name)
    if (levels.length > 0 && !found.has(name))
      found.set(name, { path: levels, count: unids?.size, has: ({ unid }) => unids?.has(unid) ?? false })
  }
  for await (const element of readElements(path, () => {}))
    if (element.name === 'folder') add(folderPath(element.attributes.name ?? ''))
  for (const name of beside.folders.keys()) add(folderPath(name))
  return [...found.values()]
}

async function acl(path: string) {
  for await (const element of readElements(path, () => {}))
    if (element.name === 'acl')
      return childrenOf(element, 'aclentry').map(({ attributes: { name = '', level = '' } }) => ({ name, level }))
  return []
}

// --- documents -------------------------------------------------------------------------------------------

function documentOf(path: string, document: Element): NotesDocument {
  const items = childrenOf(document, 'item')
  const problems = document.attributes.truncated === 'true' ? ['it was truncated when it was exported'] : []
  const named = (name: string) =>
    items.filter(({ attributes }) => attributes.name?.toLowerCase() === name.toLowerCase())
  const info = child(document, 'noteinfo')?.attributes ?? {}
  const parent = document.attributes.parent ?? referenceOf(named('$REF')[0])
  const [created, modified] = [noteTime(document, 'created'), noteTime(document, 'modified')]
  const mime = child(document, 'mime')?.range
  return {
    id: (info.noteid ?? '').toUpperCase(),
    unid: (info.unid ?? '').toUpperCase(),
    ...(parent === undefined ? {} : { parent: parent.toUpperCase() }),
    ...(created === undefined ? {} : { created }),
    ...(modified === undefined ? {} : { modified }),
    names: [...new Set(items.map(({ attributes }) => attributes.name ?? ''))],
    isSealed: items.some(
      ({ attributes }) => attributes.sealed === 'true' || SEALS.has((attributes.name ?? '').toLowerCase()),
    ),
    files: items.flatMap((item) => fileOf(path, item)),
    texts: (name) => named(name).flatMap(textsIn),
    times: (name) => named(name).flatMap(timesIn),
    richText(name) {
      const blocks = named(name).flatMap((item) => childrenOf(item, 'richtext').map(readDxlRichText))
      if (blocks.length === 0) return undefined
      return {
        blocks: blocks.flatMap((one) => one.blocks),
        lost: new Map(blocks.flatMap((one) => [...one.lost])),
      }
    },
    ...(mime ? { mime: { isWhole: true, open: () => leftText(path, mime) } } : {}),
    problems,
  }
}

/** A raw value is read as in a database. */
function rawItem(item: Element) {
  const raw = dxlRaw(item)
  return raw && { name: item.attributes.name ?? '', flags: 0, ...raw }
}

function tolerant<T>(read: () => readonly T[]): readonly T[] {
  try {
    return read()
  } catch (error) {
    if (error instanceof Damaged) return []
    throw error
  }
}

function textsIn(item: Element): readonly string[] {
  const raw = rawItem(item)
  return raw ? tolerant(() => textsOf(raw)) : dxlTexts(item)
}

function timesIn(item: Element) {
  const raw = rawItem(item)
  return raw ? tolerant(() => timesOf(raw)) : dxlTimes(item)
}

function referenceOf(item: Element | undefined): string | undefined {
  const raw = item && rawItem(item)
  return raw?.type === TYPE.references ? tolerant(() => readReferences(raw.value))[0] : undefined
}

function fileOf(path: string, item: Element): NotesFile[] {
  const file = child(child(item, 'object'), 'file')
  const range = child(file, 'filedata')?.range
  if (!file || !range) return []
  const { name = '', size = '', compression = 'none', hosttype = '' } = file.attributes
  const modified = noteTimeOf(file)
  return [
    {
      name,
      size: Number(size),
      isEmbedded: /ole|stream|cdstorage/i.test(hosttype),
      ...(modified === undefined ? {} : { modified }),
      ...(compression === 'none' || compression === 'huffman' ? {} : { unknown: compression }),
      open: () =>
        compression === 'huffman' ? expandHuffman(fileData(path, range), Number(size)) : fileData(path, range),
    },
  ]
}

function noteTimeOf(file: Element) {
  const [time] = dxlTimes({
    name: 'item',
    attributes: {},
    children: childrenOf(child(file, 'modified') ?? file, 'datetime'),
  })
  return time?.at
}
