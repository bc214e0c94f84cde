/**
 * SEARCH, SORT and THREAD, with the extensions of RFC 4731, 5182, 5256, 5957, 7162 and 9394.
 */
import type { Entry, MailQueryApi, Uids } from '../../../mailbox/store/api.ts'
import type { Call, CommandDefinition } from '../command.ts'
import type { CommandContext } from '../context.ts'
import { type Cursor, textOf } from '../grammar/cursor.ts'
import { readSearch, type SearchKey } from '../grammar/search.ts'
import { compact, formatSet } from '../grammar/sets.ts'
import { no, ok, type TaggedResponse } from '../responses.ts'
import { conditionOf, isOfSets, scopeOf } from '../search-conditions.ts'
import { formatTrees } from '../thread-trees.ts'
import type { View } from '../view.ts'
import { readPartialRange, within } from './fetch.ts'
import { UIDS_ONLY } from './messages.ts'

// --- arguments ---------------------------------------------------------------------------------

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

/** The decoder of a charset; undefined for an unknown one. */
function decoderOf(charset: string): ((octets: Buffer) => string) | undefined {
  if (/^(?:us-ascii|utf-8)$/i.test(charset)) return textOf
  try {
    const decoder = new TextDecoder(charset)
    return (octets) => decoder.decode(octets)
  } catch {
    // RFC 9051: the caller responds NO [BADCHARSET].
    return undefined
  }
}

const BAD_CHARSET = no('Unsupported charset', 'BADCHARSET (US-ASCII UTF-8)')

/** Ms between progress reports of a long search. */
const PROGRESS_MS = 5000

/** RFC 9585: reports progress, so that the client does not time out. */
function progressOf({ parts, output, view }: CommandContext, tag: string): (count: number) => Promise<void> {
  let sent = parts.now()
  return async (count) => {
    if (parts.now() - sent < PROGRESS_MS) return
    sent = parts.now()
    output.line(`* OK [INPROGRESS ("${tag}" ${count} ${view?.count ?? 0})] Searching`)
    await output.flush()
  }
}

interface Found {
  readonly found: readonly Pick<Entry, 'uid' | 'modseq'>[]
  /** Set when not all messages were searched. */
  readonly code?: string
}

/** Finds entries; returns a response instead when the search cannot run. */
async function findAll(
  session: CommandContext,
  { isUid, tag }: Call,
  asked: SearchKey,
): Promise<Found | TaggedResponse> {
  const view = session.view as View
  if (!isUid && session.enabled.has('UIDONLY')) return UIDS_ONLY
  if (asksModseq(asked)) session.enableCondstore()
  const { uids, code } = session.limited(scopeOf(asked, view) ?? view.all)
  const key: SearchKey = code ? { kind: 'and', keys: [{ kind: 'uid', set: uids }, asked] } : asked
  if (isOfSets(key)) return { found: uidsIn(scopeOf(key, view) ?? view.all), ...(code ? { code } : {}) }
  const found: Entry[] = []
  const condition = conditionOf(key, { view, now: session.parts.now() })
  for await (const entry of session.parts.query.search({ ...watched(session, tag), scope: view.all, condition }))
    found.push(entry)
  return { found, ...(code ? { code } : {}) }
}

function uidsIn(uids: Uids): Pick<Entry, 'uid' | 'modseq'>[] {
  const found: Pick<Entry, 'uid' | 'modseq'>[] = []
  for (const [first, last] of uids) for (let uid = first; uid <= last; uid++) found.push({ uid, modseq: 0 })
  return found
}

function asksModseq(key: SearchKey): boolean {
  if (key.kind === 'and' || key.kind === 'or') return key.keys.some(asksModseq)
  return key.kind === 'not' || key.kind === 'fuzzy' ? asksModseq(key.key) : key.kind === 'modseq'
}

/** RFC 7162 section 3.1.10: with only MIN and MAX, just these entries count. */
function toldOf(
  found: readonly Pick<Entry, 'uid' | 'modseq'>[],
  { options }: Returning,
): readonly Pick<Entry, 'uid' | 'modseq'>[] {
  if ([...options].some((option) => option !== 'MIN' && option !== 'MAX')) return found
  return [...(options.has('MIN') ? found.slice(0, 1) : []), ...(options.has('MAX') ? found.slice(-1) : [])]
}

/** RFC 7162 section 3.1.5: sent when the search used MODSEQ. */
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
    // RFC 9051 section 6.4.4.1: a failed search saves an empty result.
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
    } else session.output.line(listLine('SEARCH', numbers, modseq))
    return ok('SEARCH completed', code)
  },
}

/** RFC 5182 section 2.4: with only MIN and MAX, just these are saved. */
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

/** The charset and the search keys with which SORT and THREAD end; undefined for an unknown charset. */
function readCriteria(cursor: Cursor): SearchKey | undefined {
  cursor.space()
  const decode = decoderOf(cursor.astring())
  if (!decode) return undefined
  cursor.space()
  const key = readSearch(cursor, decode)
  cursor.end()
  return key
}

function listLine(name: 'SEARCH' | 'SORT', numbers: readonly number[], modseq: number | undefined): string {
  return `* ${[name, ...numbers].join(' ')}${modseq ? ` (MODSEQ ${modseq})` : ''}`
}

/** Options of every query of this session. */
function watched(session: CommandContext, tag: string) {
  const { parts, view } = session
  return { mailbox: (view as View).mailbox, signal: parts.signal, progress: progressOf(session, tag) }
}

// --- SORT ----------------------------------------------------------------------------------------------

type SortOrder = Parameters<MailQueryApi['sort']>[0]['order'][number]

const CRITERIA: Readonly<Record<string, SortOrder['by']>> = {
  ARRIVAL: 'received',
  CC: 'cc',
  DATE: 'sent',
  DISPLAYFROM: 'displayFrom',
  DISPLAYTO: 'displayTo',
  FROM: 'from',
  SIZE: 'size',
  SUBJECT: 'subject',
  TO: 'to',
}

function readOrder(cursor: Cursor): SortOrder {
  const isReverse = cursor.takes('REVERSE ')
  const word = cursor.atom().toUpperCase()
  const by = Object.hasOwn(CRITERIA, word) ? CRITERIA[word] : undefined
  return by ? { by, isReverse } : cursor.fail('a known order')
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
    const key = readCriteria(cursor)
    if (!key) return BAD_CHARSET
    const result = await findAll(session, call, key)
    if ('status' in result) return result
    const { found, code } = result
    const uids = found.map(({ uid }) => uid)
    const sorted = await session.parts.query.sort({ ...watched(session, call.tag), uids, order })
    const numbers = sorted.map((uid) => (isUid ? uid : (view.numberOf(uid) as number)))
    session.output.line(listLine('SORT', numbers, highestOf(found, key)))
    return ok('SORT completed', code)
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
    const key = readCriteria(cursor)
    if (!key) return BAD_CHARSET
    const result = await findAll(session, call, key)
    if ('status' in result) return result
    const { found, code } = result
    const uids = found.map(({ uid }) => uid)
    const trees = await session.parts.query.threads({
      ...watched(session, call.tag),
      uids,
      algorithm: algorithm === 'REFERENCES' ? 'references' : 'orderedSubject',
    })
    const numberOf = (uid: number) => (isUid ? uid : (view.numberOf(uid) as number))
    session.output.line(trees.length > 0 ? `* THREAD ${formatTrees(trees, numberOf)}` : '* THREAD')
    return ok('THREAD completed', code)
  },
}
