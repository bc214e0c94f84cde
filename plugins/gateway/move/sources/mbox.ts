/**
 * mbox files: Google Takeout's, whose messages name their labels, and one for each folder, as readpst writes them.
 *
 * Invariants: a file is read twice, never held; a message with several labels is in several folders; a message's id is
 * that of its source, or the digest of its folder and beginning.
 */
import { createHash } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import { decodeWords, readDate, readFields } from 'iems/mime'
import type { SpecialUse } from '../../../mailbox/store/api.ts'
import { withCrlf } from './maildir.ts'
import type { SourceAccount, SourceFolder, SourceMessage } from './source.ts'

export interface MboxFile {
  readonly path: string
  /** The folder of its messages; absent when they name their labels. */
  readonly folder?: string
}

interface Indexed {
  readonly message: SourceMessage
  readonly file: string
  readonly start: number
  readonly end: number
}

interface Place {
  readonly name: string
  readonly specialUse?: SpecialUse
}

/** Labels of Gmail that are folders or flags; others are folders of their name. */
const LABELS: Readonly<Record<string, Place>> = {
  inbox: { name: 'INBOX' },
  sent: { name: 'Sent', specialUse: '\\Sent' },
  drafts: { name: 'Drafts', specialUse: '\\Drafts' },
  draft: { name: 'Drafts', specialUse: '\\Drafts' },
  spam: { name: 'Junk', specialUse: '\\Junk' },
  trash: { name: 'Trash', specialUse: '\\Trash' },
}
const ARCHIVE: Place = { name: 'Archive', specialUse: '\\Archive' }
const MARKS = /^(?:unread|opened|starred|important|archived|chat|category .*)$/i

const MAX_HEADER = 1_048_576
const BLOCK = 1_048_576

/** Folders and flags by the labels of a message. */
export function placesOf(labels: readonly string[]): { readonly places: readonly Place[]; readonly flags: string[] } {
  const has = (name: string) => labels.some((label) => label.toLowerCase() === name)
  const places = labels
    .filter((label) => !MARKS.test(label))
    .map((label) => LABELS[label.toLowerCase()] ?? { name: label })
  return {
    places: places.length > 0 ? places : [ARCHIVE],
    flags: [
      ...(has('unread') ? [] : ['\\Seen']),
      ...(has('starred') ? ['\\Flagged'] : []),
      ...(has('drafts') || has('draft') ? ['\\Draft'] : []),
      ...(has('important') ? ['$Important'] : []),
    ],
  }
}

export async function openMbox(id: string, files: readonly MboxFile[], signal: AbortSignal): Promise<SourceAccount> {
  const folders = new Map<string, { readonly folder: SourceFolder; readonly messages: Indexed[] }>()
  for (const file of files)
    for await (const { places, ...one } of indexOf(file)) {
      signal.throwIfAborted()
      for (const { name, specialUse } of places) {
        const known = folders.get(name) ?? {
          folder: { path: name, name, ...(specialUse ? { specialUse } : {}) },
          messages: [],
        }
        known.messages.push(one)
        folders.set(name, known)
      }
    }
  return {
    id,
    folders: async () => [...folders.values()].map(({ folder }) => folder),
    async *list({ path }) {
      for (const { message } of folders.get(path)?.messages ?? []) yield message
    },
    async *read({ path }, messages) {
      const wanted = new Set(messages.map((message) => message.id))
      const found = (folders.get(path)?.messages ?? []).filter(({ message }) => wanted.has(message.id))
      for (const one of found) yield { message: one.message, content: await contentOf(one) }
    },
    async close() {},
  }
}

async function contentOf({ file, start, end }: Indexed): Promise<Buffer> {
  const handle = await open(file)
  try {
    const octets = Buffer.alloc(end - start)
    await handle.read(octets, 0, octets.length, start)
    const text = octets.toString('latin1').replace(/^>(>*From )/gm, '$1')
    return withCrlf(Buffer.from(text, 'latin1'))
  } finally {
    await handle.close()
  }
}

async function* indexOf({ path, folder }: MboxFile): AsyncGenerator<Indexed & { readonly places: readonly Place[] }> {
  const handle = await open(path)
  try {
    let begun: { readonly from: string; readonly start: number } | undefined
    const seen = new Map<string, number>()
    for await (const { from, at, next } of separators(handle)) {
      if (begun) yield await indexed(handle, { path, folder, ...begun, end: at, seen })
      begun = from === undefined ? undefined : { from, start: next }
    }
  } finally {
    await handle.close()
  }
}

/** From_ lines after blank lines, and the end of the file. */
async function* separators(handle: FileHandle) {
  let offset = 0
  let rest = ''
  let isAfterBlank = true
  const block = Buffer.alloc(BLOCK)
  for (;;) {
    const { bytesRead } = await handle.read(block, 0, BLOCK, offset + rest.length)
    if (bytesRead === 0) break
    const text = rest + block.toString('latin1', 0, bytesRead)
    let at = 0
    for (let end = text.indexOf('\n', at); end >= 0; end = text.indexOf('\n', at)) {
      if (isAfterBlank && text.startsWith('From ', at)) {
        const next = offset + end + 1
        yield { from: text.slice(at, end).trimEnd(), at: offset + at, next }
      }
      isAfterBlank = end === at || (end === at + 1 && text[at] === '\r')
      at = end + 1
    }
    offset += at
    rest = text.slice(at)
    if (rest.length > BLOCK) throw new Error('a line of the mbox is too long')
  }
  yield { from: undefined, at: offset + rest.length, next: offset + rest.length }
}

interface Begun {
  readonly path: string
  readonly folder: string | undefined
  readonly from: string
  readonly start: number
  readonly end: number
  /** How often a digest has come before. */
  readonly seen: Map<string, number>
}

async function indexed(handle: FileHandle, { path, folder, from, start, end, seen }: Begun) {
  const octets = Buffer.alloc(Math.min(end - start, MAX_HEADER))
  await handle.read(octets, 0, octets.length, start)
  const { last } = readFields(octets)
  const field = (name: string) => last(name)?.trim() ?? ''
  const labels = decodeWords(field('x-gmail-labels'))
    .split(',')
    .map((label) => label.trim())
    .filter((label) => label !== '')
  const status = field('status') + field('x-status')
  const { places, flags } =
    folder === undefined
      ? placesOf(labels)
      : { places: [{ name: folder }], flags: status.includes('R') ? ['\\Seen'] : [] }
  // The From_ line holds Gmail's own id.
  const [, gmail] = /^From (\d{10,})@xxx /.exec(from) ?? []
  const digest = createHash('sha256')
    .update(`${folder ?? ''}\n`)
    .update(octets)
    .digest('base64url')
  const count = seen.get(gmail ?? digest) ?? 0
  seen.set(gmail ?? digest, count + 1)
  const id = `${gmail ?? digest}${count === 0 ? '' : `.${count}`}`
  const received = dateIn(from) ?? readDate(field('date'))?.at
  // A blank line separates a message from the next From_ line.
  const size = Math.max(0, end - start - 1)
  return {
    message: { id, size, flags, ...(received === undefined ? {} : { received }) },
    file: path,
    start,
    end: start + size,
    places,
  }
}

/** `Wed Jan 01 00:00:00 +0000 2025`, as Gmail writes it, and asctime's form. */
function dateIn(from: string): number | undefined {
  const [, month, day, time, zone = '+0000', year] =
    /\w{3} (\w{3}) {1,2}(\d{1,2}) (\d\d:\d\d:\d\d)(?: ([+-]\d{4}))? (\d{4})$/.exec(from.slice(-40)) ?? []
  const at = Date.parse(`${day} ${month} ${year} ${time} ${zone}`)
  return Number.isNaN(at) ? undefined : at
}
