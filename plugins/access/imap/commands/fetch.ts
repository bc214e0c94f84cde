/**
 * FETCH: what a client asks of messages, as it is read from the store.
 *
 * What must stay true: content streams, whatever its size; one message's reply is not begun before its records are
 * there; \Seen is set where the client did not say PEEK, and told in the same reply.
 */

import { gather } from 'iems/mime'
import type { Email, Entry, PartRange, Uids } from '../../../mailbox/store/api.ts'
import type { CommandDefinition } from '../command.ts'
import type { Cursor } from '../grammar/cursor.ts'
import { type FetchItem, formatSection, type Partial, readFetchItems, type Section } from '../grammar/fetch.ts'
import { within as asked, formatSet, readSet, type SequenceSet } from '../grammar/sets.ts'
import { bad, no, ok, type TaggedResponse } from '../responses.ts'
import { chooseFields, findPart, rangeOf } from '../sections.ts'
import type { Session } from '../session.ts'
import { formatEnvelope, formatStructure } from '../structure.ts'
import { dateTime, flagList, string } from '../text.ts'
import type { View } from '../view.ts'

interface Modifiers {
  readonly changedSince?: number
  readonly vanished: boolean
  /** RFC 9394: the first or, below zero, the last of those asked for. */
  readonly partial?: readonly [number, number]
}

function readModifiers(session: Session, cursor: Cursor, isUid: boolean): Modifiers {
  let modifiers: Modifiers = { vanished: false }
  if (!cursor.takes(' ')) return modifiers
  cursor.list(() => {
    const word = cursor.atom().toUpperCase()
    if (word === 'VANISHED' && isUid && session.enabled.has('QRESYNC')) {
      modifiers = { ...modifiers, vanished: true }
      return
    }
    cursor.space()
    if (word === 'CHANGEDSINCE') {
      session.enableCondstore()
      modifiers = { ...modifiers, changedSince: cursor.number64() }
    } else if (word === 'PARTIAL' && isUid) modifiers = { ...modifiers, partial: readPartialRange(cursor) }
    else cursor.fail('a known modifier')
  })
  if (modifiers.vanished && modifiers.changedSince === undefined) cursor.fail('CHANGEDSINCE beside VANISHED')
  return modifiers
}

/** RFC 9394: `1:100`, or `-1:-100` counted from the end. */
export function readPartialRange(cursor: Cursor): [number, number] {
  const end = () => (cursor.takes('-') ? -cursor.number() : cursor.number())
  const first = end()
  cursor.expect(':')
  const last = end()
  return first !== 0 && last !== 0 && first > 0 === last > 0 ? [first, last] : cursor.fail('two ends on one side')
}

/** Those of the numbers that a range of places means. */
export function within<T>(all: readonly T[], [a, b]: readonly [number, number]): readonly T[] {
  const [from, to] = [Math.min(Math.abs(a), Math.abs(b)), Math.max(Math.abs(a), Math.abs(b))]
  return a > 0 ? all.slice(from - 1, to) : all.slice(Math.max(0, all.length - to), all.length - from + 1)
}

export const fetch: CommandDefinition = {
  state: 'selected',
  uid: true,
  keepsNumbers: true,
  async run(session, { cursor, isUid }) {
    const view = session.view as View
    if (!isUid && session.enabled.has('UIDONLY')) return bad('Only UIDs, as you asked', 'UIDREQUIRED')
    cursor.space()
    const set = readSet(cursor)
    cursor.space()
    const wanted = readFetchItems(cursor)
    const modifiers = readModifiers(session, cursor, isUid)
    cursor.end()
    if (wanted.some(({ kind }) => kind === 'MODSEQ')) session.enableCondstore()
    const uids = view.uidsOf(set, isUid)
    if (!uids) return bad('There is no such message number')
    if (modifiers.vanished) await tellVanished(session, set, modifiers.changedSince ?? 0)
    return fetchAll(session, { uids, items: itemsFor(session, wanted, isUid, modifiers), modifiers })
  },
}

function itemsFor(
  session: Session,
  asked: readonly FetchItem[],
  isUid: boolean,
  { changedSince }: Modifiers,
): FetchItem[] {
  const has = (kind: FetchItem['kind']) => asked.some((item) => item.kind === kind)
  const items = [...asked]
  if (isUid && !has('UID') && !session.enabled.has('UIDONLY')) items.unshift({ kind: 'UID' })
  if (changedSince !== undefined && !has('MODSEQ')) items.push({ kind: 'MODSEQ' })
  return items
}

interface Fetch {
  readonly uids: Uids
  readonly items: readonly FetchItem[]
  readonly modifiers: Modifiers
}

async function fetchAll(session: Session, { uids, items, modifiers }: Fetch): Promise<TaggedResponse> {
  const view = session.view as View
  const { mail, output } = session
  const setsSeen =
    !view.isReadOnly && items.some((item) => 'peek' in item && !item.peek) && (await session.may(view.mailbox, 's'))
  let isMissing = false
  let isUnknown = false
  let count = 0
  let known = 0
  const wanted = modifiers.partial ? await inPlaces(session, uids, modifiers.partial) : uids
  const { uids: chosen, code } = session.limited(wanted)
  for await (const entry of mail.entries(view.mailbox, chosen)) {
    if (view.numberOf(entry.uid) !== undefined) known++
    if (modifiers.changedSince !== undefined && entry.modseq <= modifiers.changedSince) continue
    const number = view.numberOf(entry.uid)
    if (number === undefined) continue
    const told = await fetchOne(session, { number, entry, items, setsSeen })
    if (told === 'gone') isMissing = true
    else if (told === UNKNOWN_ENCODING) isUnknown = true
    if (output.isFull) await output.flush()
    // Cheap commands of others must not wait for a long one of this client.
    if (++count % 100 === 0) await new Promise(setImmediate)
  }
  // RFC 3516 section 4.3.
  if (isUnknown) return no('Nobody knows how to decode that', 'UNKNOWN-CTE')
  if (code) return ok('That is all that one command may ask', code)
  // RFC 5530: those that others have expunged, of which the client has not been told yet.
  if (known < chosen.reduce((sum, [first, last]) => sum + last - first + 1, 0))
    return ok('Some of the messages are no longer there', 'EXPUNGEISSUED')
  return isMissing ? no('Some of the messages are no longer there', 'EXPUNGEISSUED') : ok('That is all')
}

async function inPlaces(session: Session, uids: Uids, range: readonly [number, number]): Promise<Uids> {
  const view = session.view as View
  const all: number[] = []
  for (const [first, last] of uids)
    for (let uid = first; uid <= last; uid++) if (view.numberOf(uid) !== undefined) all.push(uid)
  return within(all, range).map((uid) => [uid, uid])
}

async function tellVanished(session: Session, set: SequenceSet, since: number): Promise<void> {
  const view = session.view as View
  const changes = await session.mail.changes(view.mailbox, since)
  if ('refused' in changes) return
  const all = view.vanished(changes)
  const wanted = set === '$' ? [] : asked(all, set, view.mailbox.uidNext - 1)
  if (wanted.length > 0) session.output.line(`* VANISHED (EARLIER) ${formatSet(wanted)}`)
}

interface One {
  readonly number: number
  readonly entry: Entry
  readonly items: readonly FetchItem[]
  readonly setsSeen: boolean
}

/** A value that is written, or content that is streamed behind its name. */
type Value =
  | string
  | { readonly name: string; readonly size: number; open(): AsyncIterable<Uint8Array>; readonly isBinary?: boolean }

const UNKNOWN_ENCODING = Symbol('a transfer encoding that nobody knows')

async function fetchOne(
  session: Session,
  { number, entry, items, setsSeen }: One,
): Promise<'told' | 'gone' | typeof UNKNOWN_ENCODING> {
  const { mail, output } = session
  const needsContent = items.some(({ kind }) =>
    ['structure', 'body', 'binary', 'binarySize', 'ENVELOPE', 'PREVIEW'].includes(kind),
  )
  const email = needsContent ? await mail.email(entry.email) : undefined
  if (needsContent && !email) return 'gone'
  let now = entry
  if (setsSeen && !entry.flags.includes('\\Seen')) now = await markSeen(session, entry)
  const values: Value[] = []
  for (const item of items) {
    const value = await itemValue(session, { entry: now, email: email as Email, item })
    if (value === UNKNOWN_ENCODING) return value
    values.push(value)
  }
  const asksFlags = items.some(({ kind }) => kind === 'FLAGS')
  if (now !== entry && !asksFlags) values.push(`FLAGS ${flagList(now.flags)}`)
  if (now !== entry || asksFlags) session.learn(now.flags)
  output.write(session.enabled.has('UIDONLY') ? `* ${entry.uid} UIDFETCH (` : `* ${number} FETCH (`)
  for (const [index, value] of values.entries()) {
    if (index > 0) output.write(' ')
    await writeValue(session, value)
  }
  output.write(')\r\n')
  return 'told'
}

/** RFC 5465 section 5.2: of messages that have come, what the client asked to be told; reading it by this is no reading. */
export async function tellNew(session: Session, entries: readonly Entry[], items: readonly FetchItem[]): Promise<void> {
  for (const entry of entries) {
    const number = session.view?.numberOf(entry.uid)
    if (number !== undefined) await fetchOne(session, { number, entry, items, setsSeen: false })
    if (session.output.isFull) await session.output.flush()
  }
}

async function markSeen(session: Session, entry: Entry): Promise<Entry> {
  const view = session.view as View
  const done = await session.mail.setFlags(view.mailbox, [[entry.uid, entry.uid]], { how: 'add', flags: ['\\Seen'] })
  const [changed] = 'refused' in done ? [] : done.entries
  if (!changed) return entry
  view.wasTold(changed)
  return changed
}

async function writeValue({ output }: Session, value: Value): Promise<void> {
  if (typeof value === 'string') return output.write(value)
  output.write(`${value.name} ${value.isBinary ? '~' : ''}{${value.size}}\r\n`)
  await output.content(value.isBinary ? value.open() : withoutNul(value.open()), value.size)
}

/** RFC 9051 section 4.3: an ordinary literal holds no NUL. As in Dovecot, another octet stands in its place. */
const IN_PLACE_OF_NUL = 0x80

async function* withoutNul(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of content) {
    if (!chunk.includes(0)) yield chunk
    else yield chunk.map((octet) => (octet === 0 ? IN_PLACE_OF_NUL : octet))
  }
}

interface FetchRequest {
  readonly entry: Entry
  readonly email: Email
  readonly item: FetchItem
}

async function itemValue(
  session: Session,
  { entry, email, item }: FetchRequest,
): Promise<Value | typeof UNKNOWN_ENCODING> {
  const utf8 = session.isUtf8
  switch (item.kind) {
    case 'UID':
      return `UID ${entry.uid}`
    case 'FLAGS':
      return `FLAGS ${flagList(entry.flags)}`
    case 'INTERNALDATE':
      return `INTERNALDATE ${dateTime(entry.received)}`
    case 'RFC822.SIZE':
      return `RFC822.SIZE ${entry.size}`
    case 'MODSEQ':
      return `MODSEQ (${entry.modseq})`
    case 'EMAILID':
      return `EMAILID (${entry.email})`
    case 'THREADID':
      return `THREADID (${entry.thread})`
    case 'SAVEDATE':
      return `SAVEDATE ${dateTime(entry.saved)}`
    case 'ENVELOPE':
      return `ENVELOPE ${formatEnvelope(await email.envelope(), utf8)}`
    case 'structure':
      return `${item.isExtended ? 'BODYSTRUCTURE' : 'BODY'} ${formatStructure(await email.structure(), item.isExtended, utf8)}`
    case 'PREVIEW':
      return `PREVIEW ${string(await email.preview(), utf8)}`
    case 'body':
      return bodyValue(email, item)
    case 'binary':
      return binaryValue(email, item)
    case 'binarySize':
      return binarySize(email, item.section)
  }
}

async function bodyValue(email: Email, item: Extract<FetchItem, { kind: 'body' }>): Promise<Value> {
  const { section, partial } = item
  const name = item.name.startsWith('BODY[') ? item.name : item.name.toUpperCase()
  const label = partial ? `${name}<${partial.start}>` : name
  // The message and its header need no parsing, however it may look inside.
  const header = section.part.length === 0 && section.what ? await email.header() : undefined
  if (header && section.what !== 'TEXT') return octetsValue(label, chosenOf(header, section), partial)
  const range = header ? { start: header.length, end: email.size } : await rangeIn(email, section)
  if (!range) return `${label} NIL`
  if (section.fields) {
    const header = await gather(email.open(range), Math.min(range.end - range.start, HEADER_LIMIT))
    return octetsValue(label, chosenOf(header, section), partial)
  }
  const cut = cutTo(range, partial)
  return { name: label, size: cut.end - cut.start, open: () => email.open(cut) }
}

async function rangeIn(email: Email, section: Section): Promise<PartRange | undefined> {
  const isWhole = section.part.length === 0 && section.what === undefined
  return isWhole ? { start: 0, end: email.size } : rangeOf(await email.structure(), section)
}

function cutTo(range: PartRange, partial: Partial | undefined): PartRange {
  if (!partial) return range
  const from = Math.min(range.end, range.start + partial.start)
  return { ...range, start: from, end: Math.min(range.end, from + partial.length) }
}

/** Octets of a header of which fields are chosen. */
const HEADER_LIMIT = 1024 * 1024

/** The fields that are asked for, or the header as it is. */
function chosenOf(header: Uint8Array, { fields, what }: Section): Buffer {
  const octets = Buffer.from(header.buffer, header.byteOffset, header.byteLength)
  return fields
    ? Buffer.from(chooseFields(octets.toString('latin1'), fields, what === 'HEADER.FIELDS.NOT'), 'latin1')
    : octets
}

function octetsValue(name: string, all: Buffer, partial: Partial | undefined): Value {
  const { start, end } = cutTo({ start: 0, end: all.length }, partial)
  const octets = all.subarray(start, end)
  return { name, size: octets.length, open: () => once(octets) }
}

async function binaryValue(
  email: Email,
  { section, partial }: Extract<FetchItem, { kind: 'binary' }>,
): Promise<Value | typeof UNKNOWN_ENCODING> {
  const name = `BINARY[${formatSection(section)}]${partial ? `<${partial.start}>` : ''}`
  const decoded = await decode(email, section)
  if (decoded === UNKNOWN_ENCODING) return decoded
  if (!decoded) return `${name} NIL`
  const { start, end } = cutTo({ start: 0, end: decoded.length }, partial)
  const octets = decoded.subarray(start, end)
  return { name, size: octets.length, open: () => once(octets), isBinary: octets.includes(0) }
}

async function binarySize(email: Email, section: Section): Promise<Value | typeof UNKNOWN_ENCODING> {
  const decoded = await decode(email, section)
  return decoded === UNKNOWN_ENCODING ? decoded : `BINARY.SIZE[${formatSection(section)}] ${decoded?.length ?? 0}`
}

/** A literal's size stands before it, so what is decoded is held whole. */
async function decode(email: Email, { part: numbers }: Section): Promise<Buffer | undefined | typeof UNKNOWN_ENCODING> {
  const structure = await email.structure()
  if (numbers.length === 0) return gather(email.open(), email.size)
  const part = findPart(structure, numbers)
  if (!part || part.type === 'multipart') return undefined
  const stream = email.decoded(part)
  // No encoding decodes to more octets than it has.
  return stream ? gather(stream, part.end - part.body) : UNKNOWN_ENCODING
}

async function* once(octets: Uint8Array): AsyncGenerator<Uint8Array> {
  yield octets
}
