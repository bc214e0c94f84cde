/**
 * SEARCH, SORT and THREAD, with what RFC 4731, 5182, 5256, 5957, 7162 and 9394 add.
 */
import type { Entry, Uids } from '../../../mailbox/store/api.ts'
import type { Call, CommandDefinition } from '../command.ts'
import { type Cursor, textOf } from '../grammar/cursor.ts'
import { readSearch, type SearchKey } from '../grammar/search.ts'
import { compact, formatSet } from '../grammar/sets.ts'
import { no, ok, type TaggedResponse } from '../responses.ts'
import { search as find, isOfSets, scopeOf } from '../searching.ts'
import type { Session } from '../session.ts'
import type { MessageSummary } from '../sort-keys.ts'
import { byReferences, formatTrees, orderedSubject, type Threaded } from '../threading.ts'
import type { View } from '../view.ts'
import { readPartialRange, within } from './fetch.ts'
import { UIDS_ONLY } from './messages.ts'

// --- what is asked ------------------------------------------------------------------------------

interface Returning {
  readonly options: ReadonlySet<string>
  readonly partial?: readonly [number, number]
}

function readReturn(cursor: Cursor): Returning | undefined {
  if (!cursor.takes('RETURN ')) return undefined
  let partial: [number, number] | undefined
  const options = cursor.list(
    () => {
      const word = cursor.atom().toUpperCase()
      if (!['MIN', 'MAX', 'ALL', 'COUNT', 'SAVE', 'PARTIAL'].includes(word)) cursor.fail('a known option')
      if (word === 'PARTIAL') {
        cursor.space()
        partial = readPartialRange(cursor)
      }
      return word
    },
    { least: 0 },
  )
  cursor.space()
  return { options: new Set(options.length > 0 ? options : ['ALL']), ...(partial ? { partial } : {}) }
}

/** The decoder of a charset; undefined for one that nobody knows. */
function decoderOf(charset: string): ((octets: Buffer) => string) | undefined {
  if (/^(?:us-ascii|utf-8)$/i.test(charset)) return textOf
  try {
    const decoder = new TextDecoder(charset)
    return (octets) => decoder.decode(octets)
  } catch {
    // RFC 9051: NO [BADCHARSET], which the caller says.
    return undefined
  }
}

const BAD_CHARSET = no('That charset is not known', 'BADCHARSET (US-ASCII UTF-8)')

/** How often a long search says how far it is. */
const PROGRESS_MS = 5000

/** RFC 9585: tells how far it is, so that a client which counts the seconds does not give up. */
function progressOf({ parts, output, view }: Session, tag: string): (count: number) => Promise<void> {
  let told = parts.now()
  return async (count) => {
    if (parts.now() - told < PROGRESS_MS) return
    told = parts.now()
    output.line(`* OK [INPROGRESS ("${tag}" ${count} ${view?.count ?? 0})] Still looking`)
    await output.flush()
  }
}

interface Found {
  readonly found: readonly Pick<Entry, 'uid' | 'modseq'>[]
  /** Not all were looked at. */
  readonly code?: string
}

/** Entries that are found; an answer instead when the search cannot be done. */
async function findAll(session: Session, { isUid, tag }: Call, asked: SearchKey): Promise<Found | TaggedResponse> {
  const view = session.view as View
  if (!isUid && session.enabled.has('UIDONLY')) return UIDS_ONLY
  if (asksModseq(asked)) session.enableCondstore()
  const { uids, code } = session.limited(scopeOf(asked, view) ?? view.all)
  const key: SearchKey = code ? { kind: 'and', keys: [{ kind: 'uid', set: uids }, asked] } : asked
  if (isOfSets(key)) return { found: uidsIn(scopeOf(key, view) ?? view.all), ...(code ? { code } : {}) }
  const { mail, parts } = session
  const found: Entry[] = []
  for await (const entry of find({
    view,
    mail,
    digests: parts.digests,
    key,
    now: parts.now,
    signal: parts.signal,
    looked: progressOf(session, tag),
    pause: () => session.pause(),
  }))
    found.push(entry)
  return { found, ...(code ? { code } : {}) }
}

function uidsIn(uids: Uids): Pick<Entry, 'uid' | 'modseq'>[] {
  return uids.flatMap(([first, last]) =>
    Array.from({ length: last - first + 1 }, (_, index) => ({ uid: first + index, modseq: 0 })),
  )
}

function asksModseq(key: SearchKey): boolean {
  if (key.kind === 'and' || key.kind === 'or') return key.keys.some(asksModseq)
  return key.kind === 'not' || key.kind === 'fuzzy' ? asksModseq(key.key) : key.kind === 'modseq'
}

/** RFC 7162 section 3.1.10: with MIN and MAX alone it is only these of which something is told. */
function toldOf(
  found: readonly Pick<Entry, 'uid' | 'modseq'>[],
  { options }: Returning,
): readonly Pick<Entry, 'uid' | 'modseq'>[] {
  if ([...options].some((option) => option !== 'MIN' && option !== 'MAX')) return found
  return [...(options.has('MIN') ? found.slice(0, 1) : []), ...(options.has('MAX') ? found.slice(-1) : [])]
}

/** RFC 7162 section 3.1.5: told to who asked by modseq. */
function highestOf(found: readonly Pick<Entry, 'uid' | 'modseq'>[], key: SearchKey): number | undefined {
  if (!asksModseq(key) || found.length === 0) return undefined
  return found.reduce((highest, { modseq }) => Math.max(highest, modseq), 0)
}

// --- SEARCH ------------------------------------------------------------------------------------------

export const search: CommandDefinition = {
  state: 'selected',
  uid: true,
  keepsNumbers: true,
  async run(session, call) {
    const { cursor, isUid, tag } = call
    const view = session.view as View
    cursor.space()
    const returning = readReturn(cursor)
    let decode: ((octets: Buffer) => string) | undefined = textOf
    if (cursor.takes('CHARSET ')) {
      decode = decoderOf(cursor.astring())
      cursor.space()
    }
    // RFC 9051 section 6.4.4.1: what fails leaves nothing saved.
    if (returning?.options.has('SAVE') && !decode) view.saved = []
    if (!decode) return BAD_CHARSET
    const key = readSearch(cursor, decode)
    cursor.end()
    const result = await findAll(session, call, key)
    if ('status' in result) return result
    const { found, code } = result
    if (returning?.options.has('SAVE')) view.saved = saved(found, returning)
    const numbers = found.map(({ uid }) => (isUid ? uid : (view.numberOf(uid) as number)))
    const modseq = highestOf(returning ? toldOf(found, returning) : found, key)
    if (returning || session.enabled.has('IMAP4REV2')) {
      const given = returning ?? { options: new Set(['ALL']) }
      const results = resultsOf(numbers, given, modseq)
      if (!(given.options.size === 1 && given.options.has('SAVE')))
        session.output.line(`* ESEARCH (TAG "${tag}")${isUid ? ' UID' : ''}${results}`)
    } else
      session.output.line(`* SEARCH${numbers.map((one) => ` ${one}`).join('')}${modseq ? ` (MODSEQ ${modseq})` : ''}`)
    return ok('That is all', code)
  },
}

/** RFC 5182 section 2.4: with MIN and MAX alone only these are saved. */
function saved(found: readonly Pick<Entry, 'uid' | 'modseq'>[], { options }: Returning): [number, number][] {
  const uids = found.map(({ uid }) => uid)
  if (options.has('ALL') || options.has('COUNT') || options.size === 1) return compact(uids)
  const chosen = [...(options.has('MIN') ? uids.slice(0, 1) : []), ...(options.has('MAX') ? uids.slice(-1) : [])]
  return compact([...new Set(chosen)])
}

function resultsOf(numbers: readonly number[], { options, partial }: Returning, modseq: number | undefined): string {
  const words: string[] = []
  const [first, last] = [numbers[0], numbers.at(-1)]
  if (options.has('MIN') && first !== undefined) words.push(`MIN ${first}`)
  if (options.has('MAX') && last !== undefined) words.push(`MAX ${last}`)
  if (options.has('ALL') && first !== undefined) words.push(`ALL ${formatSet(compact(numbers))}`)
  if (options.has('COUNT')) words.push(`COUNT ${numbers.length}`)
  if (partial) {
    const chosen = within(numbers, partial)
    words.push(`PARTIAL (${partial.join(':')} ${chosen.length > 0 ? formatSet(compact(chosen)) : 'NIL'})`)
  }
  if (modseq !== undefined) words.push(`MODSEQ ${modseq}`)
  return words.map((word) => ` ${word}`).join('')
}

/** What sorting and threading need to know of messages. */
function digestsOf(session: Session, { tag }: Call, uids: readonly number[]): Promise<readonly MessageSummary[]> {
  const { mail, parts, view } = session
  return parts.digests.of({
    mail,
    mailbox: (view as View).mailbox,
    uids,
    signal: parts.signal,
    looked: progressOf(session, tag),
  })
}

// --- SORT ----------------------------------------------------------------------------------------------

const CRITERIA = ['ARRIVAL', 'CC', 'DATE', 'DISPLAYFROM', 'DISPLAYTO', 'FROM', 'SIZE', 'SUBJECT', 'TO'] as const
type Criterion = (typeof CRITERIA)[number]

interface Order {
  readonly by: Criterion
  readonly isReverse: boolean
}

function readOrder(cursor: Cursor): Order {
  const isReverse = cursor.takes('REVERSE ')
  const word = cursor.atom().toUpperCase()
  const by = CRITERIA.find((known) => known === word)
  return by ? { by, isReverse } : cursor.fail('a known order')
}

type Sortable = string | number

const VALUES: Readonly<Record<Criterion, (digest: MessageSummary) => Sortable>> = {
  ARRIVAL: ({ received }) => received,
  CC: ({ cc }) => cc,
  DATE: ({ sent, received }) => sent ?? received,
  DISPLAYFROM: ({ displayFrom }) => displayFrom,
  DISPLAYTO: ({ displayTo }) => displayTo,
  FROM: ({ from }) => from,
  SIZE: ({ size }) => size,
  SUBJECT: ({ subject }) => subject,
  TO: ({ to }) => to,
}

function compare(a: readonly Sortable[], b: readonly Sortable[], order: readonly Order[]): number {
  for (const [index, { isReverse }] of order.entries()) {
    const [left, right] = [a[index] as Sortable, b[index] as Sortable]
    if (left !== right) return (left < right ? -1 : 1) * (isReverse ? -1 : 1)
  }
  return 0
}

export const sort: CommandDefinition = {
  state: 'selected',
  uid: true,
  keepsNumbers: true,
  async run(session, call) {
    const { cursor, isUid } = call
    const view = session.view as View
    cursor.space()
    const order = cursor.list(() => readOrder(cursor))
    cursor.space()
    const decode = decoderOf(cursor.astring())
    if (!decode) return BAD_CHARSET
    cursor.space()
    const key = readSearch(cursor, decode)
    cursor.end()
    const result = await findAll(session, call, key)
    if ('status' in result) return result
    const { found, code } = result
    const uids = found.map(({ uid }) => uid)
    const digests = await digestsOf(session, call, uids)
    const rows = digests.map((digest, index) => ({
      uid: uids[index] as number,
      values: order.map(({ by }) => VALUES[by](digest)),
    }))
    // The last resort is the order in which they stand (RFC 5256 section 3).
    rows.sort((a, b) => compare(a.values, b.values, order) || a.uid - b.uid)
    const numbers = rows.map(({ uid }) => (isUid ? uid : (view.numberOf(uid) as number)))
    const modseq = highestOf(found, key)
    session.output.line(`* SORT${numbers.map((one) => ` ${one}`).join('')}${modseq ? ` (MODSEQ ${modseq})` : ''}`)
    return ok('That is all', code)
  },
}

// --- THREAD ------------------------------------------------------------------------------------------------

export const thread: CommandDefinition = {
  state: 'selected',
  uid: true,
  keepsNumbers: true,
  async run(session, call) {
    const { cursor, isUid } = call
    const view = session.view as View
    cursor.space()
    const algorithm = cursor.atom().toUpperCase()
    if (algorithm !== 'REFERENCES' && algorithm !== 'ORDEREDSUBJECT') cursor.fail('a known algorithm')
    cursor.space()
    const decode = decoderOf(cursor.astring())
    if (!decode) return BAD_CHARSET
    cursor.space()
    const key = readSearch(cursor, decode)
    cursor.end()
    const result = await findAll(session, call, key)
    if ('status' in result) return result
    const { found, code } = result
    const uids = found.map(({ uid }) => uid)
    const digests = await digestsOf(session, call, uids)
    const messages = digests.map((digest, index): Threaded => {
      const uid = uids[index] as number
      return { ...digest, number: isUid ? uid : (view.numberOf(uid) as number), sent: digest.sent ?? digest.received }
    })
    const trees =
      algorithm === 'REFERENCES' ? await byReferences(messages, () => session.pause()) : orderedSubject(messages)
    session.output.line(trees.length > 0 ? `* THREAD ${formatTrees(trees)}` : '* THREAD')
    return ok('That is all', code)
  },
}
