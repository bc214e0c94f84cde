/**
 * FETCH: reads the requested items of messages from the store.
 *
 * Invariants: content streams, whatever its size; a message's response starts only when its records are available;
 * \Seen is set unless the client used PEEK, and is part of the same response.
 */

import type { Email, Entry, Uids } from '../../../mailbox/store/api.ts'
import type { CommandDefinition } from '../command.ts'
import type { CommandContext } from '../context.ts'
import { contentValue, entryValue, UNKNOWN_ENCODING, type Value, writeValue } from '../fetch-values.ts'
import type { Cursor } from '../grammar/cursor.ts'
import { type FetchItem, readFetchItems } from '../grammar/fetch.ts'
import { within as asked, formatSet, readSet, type SequenceSet } from '../grammar/sets.ts'
import { bad, no, ok, type TaggedResponse } from '../responses.ts'
import { flagList } from '../text.ts'
import type { View } from '../view.ts'

interface Modifiers {
  readonly changedSince?: number
  readonly vanished: boolean
  /** RFC 9394: the first or, if negative, the last of the requested messages. */
  readonly partial?: readonly [number, number]
}

function readModifiers(session: CommandContext, cursor: Cursor, isUid: boolean): Modifiers {
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
  return first !== 0 && last !== 0 && first > 0 === last > 0
    ? [first, last]
    : cursor.fail('a range with both ends of one sign')
}

/** The elements at a range of positions. */
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
    if (!isUid && session.enabled.has('UIDONLY')) return bad('UIDONLY is enabled; use UIDs', 'UIDREQUIRED')
    cursor.space()
    const set = readSet(cursor)
    cursor.space()
    const wanted = readFetchItems(cursor)
    const modifiers = readModifiers(session, cursor, isUid)
    cursor.end()
    if (wanted.some(({ kind }) => kind === 'MODSEQ')) session.enableCondstore()
    const uids = view.uidsOf(set, isUid)
    if (!uids) return bad('No such message')
    if (modifiers.vanished) await sendVanished(session, set, modifiers.changedSince ?? 0)
    return fetchAll(session, { uids, items: itemsFor(session, wanted, isUid, modifiers), modifiers })
  },
}

function itemsFor(
  session: CommandContext,
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

const FROM_CONTENT: ReadonlySet<FetchItem['kind']> = new Set([
  'structure',
  'body',
  'binary',
  'binarySize',
  'ENVELOPE',
  'PREVIEW',
])

interface Fetch {
  readonly uids: Uids
  readonly items: readonly FetchItem[]
  readonly modifiers: Modifiers
}

async function fetchAll(session: CommandContext, { uids, items, modifiers }: Fetch): Promise<TaggedResponse> {
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
    const sent = await fetchOne(session, { number, entry, items, setsSeen })
    if (sent === 'gone') isMissing = true
    else if (sent === UNKNOWN_ENCODING) isUnknown = true
    if (output.isFull) await output.flush()
    // Short commands of other clients must not wait for a long one of this client.
    if (++count % 100 === 0) await new Promise(setImmediate)
  }
  // RFC 3516 section 4.3.
  if (isUnknown) return no('Unknown transfer encoding', 'UNKNOWN-CTE')
  if (code) return ok('Command limit reached, ask for the rest', code)
  // RFC 5530: other sessions have expunged some, and this client has not been notified.
  if (known < chosen.reduce((sum, [first, last]) => sum + last - first + 1, 0))
    return ok('Some messages no longer exist', 'EXPUNGEISSUED')
  return isMissing ? no('Some messages no longer exist', 'EXPUNGEISSUED') : ok('FETCH completed')
}

async function inPlaces(session: CommandContext, uids: Uids, range: readonly [number, number]): Promise<Uids> {
  const view = session.view as View
  const all: number[] = []
  for (const [first, last] of uids)
    for (let uid = first; uid <= last; uid++) if (view.numberOf(uid) !== undefined) all.push(uid)
  return within(all, range).map((uid) => [uid, uid])
}

async function sendVanished(session: CommandContext, set: SequenceSet, since: number): Promise<void> {
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

async function fetchOne(
  session: CommandContext,
  { number, entry, items, setsSeen }: One,
): Promise<'sent' | 'gone' | typeof UNKNOWN_ENCODING> {
  const { mail, output } = session
  const needsContent = items.some(({ kind }) => FROM_CONTENT.has(kind))
  const email = needsContent ? await mail.email(entry.email) : undefined
  if (needsContent && !email) return 'gone'
  let now = entry
  if (setsSeen && !entry.flags.includes('\\Seen')) now = await markSeen(session, entry)
  const values: Value[] = []
  for (const item of items) {
    const value = entryValue(now, item) ?? (await contentValue(session, email as Email, item))
    if (value === UNKNOWN_ENCODING) return value
    values.push(value)
  }
  const asksFlags = items.some(({ kind }) => kind === 'FLAGS')
  if (now !== entry && !asksFlags) values.push(`FLAGS ${flagList(now.flags)}`)
  if (now !== entry || asksFlags) session.learn(now.flags)
  output.write(session.enabled.has('UIDONLY') ? `* ${entry.uid} UIDFETCH (` : `* ${number} FETCH (`)
  let isFirst = true
  for (const value of values) {
    if (!isFirst) output.write(' ')
    isFirst = false
    const written = writeValue(session, value)
    if (written) await written
  }
  output.write(')\r\n')
  return 'sent'
}

/** RFC 5465 section 5.2: the items that the client requested for new messages; this does not count as reading them. */
export async function sendNew(
  session: CommandContext,
  entries: readonly Entry[],
  items: readonly FetchItem[],
): Promise<void> {
  for (const entry of entries) {
    const number = session.view?.numberOf(entry.uid)
    if (number !== undefined) await fetchOne(session, { number, entry, items, setsSeen: false })
    if (session.output.isFull) await session.output.flush()
  }
}

async function markSeen(session: CommandContext, entry: Entry): Promise<Entry> {
  const view = session.view as View
  const done = await session.mail.setFlags(view.mailbox, [[entry.uid, entry.uid]], { how: 'add', flags: ['\\Seen'] })
  const [changed] = 'refused' in done ? [] : done.entries
  if (!changed) return entry
  view.wasTold(changed)
  return changed
}
