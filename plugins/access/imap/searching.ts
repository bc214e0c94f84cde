/**
 * Which messages a search means, looked at one by one: the cheap questions first, content only where it must be.
 *
 * What must stay true: the answer is that of RFC 9051 whatever index there is; a long search lets others have their
 * turn, and ends when its client has gone.
 */
import type { Email, EmailText, Entry, MailStoreApi, TextQuery, Uids } from '../../mailbox/store/api.ts'
import { fold } from './comparing.ts'
import type { SearchKey } from './grammar/search.ts'
import { holds, within } from './grammar/sets.ts'
import type { Digests } from './sort-keys.ts'
import type { View } from './view.ts'

/** Questions by what an answer costs: the record, the header's structure, the text. */
function costOf(key: SearchKey): number {
  switch (key.kind) {
    case 'and':
    case 'or':
      return Math.max(...key.keys.map(costOf))
    case 'not':
    case 'fuzzy':
      return costOf(key.key)
    case 'date':
      return key.of === 'sent' ? 1 : 0
    case 'header':
    case 'text':
      return 2
    default:
      return 0
  }
}

export interface SearchContext {
  readonly view: View
  readonly mail: MailStoreApi
  readonly digests: Digests
  readonly key: SearchKey
  now(): number
  readonly signal: AbortSignal
  /** Told now and then how many have been looked at. */
  looked(count: number): Promise<void>
  /** Lets others have their turn; undefined while there is time. */
  pause(): Promise<void> | undefined
}

/** Messages looked at before `looked` is told. */
const TURN = 200

/** The entries that a search finds, in order of UID. */
export async function* search(searched: SearchContext): AsyncGenerator<Entry> {
  const { view, mail, key, now, signal } = searched
  const question = { sets: setsOf(key, view), time: now(), texts: new Map<SearchKey, ReadonlySet<string>>() }
  let possible: Entry[] = []
  const scope = scopeOf(key, view) ?? (await candidatesOf(key, searched)) ?? view.all
  for await (const entry of mail.entries(view.mailbox, scope)) {
    await searched.pause()
    if (view.numberOf(entry.uid) === undefined) continue
    // What the record alone rules out is not asked of the index.
    if (couldBe(key, { ...question, entry })) possible.push(entry)
  }
  for (const text of textKeys(key)) question.texts.set(text, await emailsWith(text, possible, searched))
  let count = 0
  for (const entry of possible) {
    await searched.pause()
    if (++count % TURN === 0) {
      await searched.looked(count)
      if (signal.aborted) return
    }
    if (await isMeant(key, { ...question, entry, looked: new MessageLookup(entry, searched) })) yield entry
  }
  possible = []
}

// --- text, by the index ---------------------------------------------------------------------------

type TextKey = Extract<SearchKey, { kind: 'header' | 'text' }>

/** Keys that the index may answer: all but headers of other names, whose values stand beside others'. */
function textKeys(key: SearchKey): TextKey[] {
  if (key.kind === 'and' || key.kind === 'or') return key.keys.flatMap(textKeys)
  if (key.kind === 'not' || key.kind === 'fuzzy') return textKeys(key.key)
  return (key.kind === 'text' || (key.kind === 'header' && isNamed(key.name))) && key.text !== '' ? [key] : []
}

const NAMED = ['from', 'to', 'cc', 'bcc', 'subject'] as const
const isNamed = (name: string): name is (typeof NAMED)[number] => NAMED.some((known) => known === name)
const EVERYWHERE = [...NAMED, 'headers', 'body'] as const

async function emailsWith(
  key: TextKey,
  entries: readonly Entry[],
  { mail, view, signal, looked }: SearchContext,
): Promise<ReadonlySet<string>> {
  const found = new Set<string>()
  const emails = [...new Set(entries.map(({ email }) => email))]
  for await (const email of mail.search({
    account: view.mailbox.account,
    emails,
    ...queryOf(key),
  })) {
    found.add(email)
    await looked(found.size)
    if (signal.aborted) break
  }
  return found
}

/** What a key asks of the text. */
function queryOf(key: TextKey): Pick<TextQuery, 'fields' | 'text' | 'how'> {
  const fields =
    key.kind === 'text' ? (key.in === 'body' ? (['body'] as const) : EVERYWHERE) : isNamed(key.name) ? [key.name] : []
  return { fields, text: key.text, how: 'substring' }
}

/** The UIDs that the search can only be about, as far as the index says: a rare word spares a walk through the mailbox. */
async function candidatesOf(key: SearchKey, { mail, view }: SearchContext): Promise<Uids | undefined> {
  const keys = key.kind === 'and' ? key.keys : [key]
  for (const one of keys) {
    const [text] = textKeys(one)
    const uids = text === one ? await mail.candidates(view.mailbox, queryOf(text)) : undefined
    if (uids) return uids
  }
  return undefined
}

/** Whether the sets say it all. */
export function isOfSets(key: SearchKey): boolean {
  return key.kind === 'and' ? key.keys.every(isOfSets) : ['all', 'uid', 'sequence'].includes(key.kind)
}

/** The UIDs that the search can only be about, as far as its sets say. */
export function scopeOf(key: SearchKey, view: View): Uids | undefined {
  if (key.kind === 'uid') return view.uidsWithin(key.set, true)
  if (key.kind === 'sequence') return view.uidsWithin(key.set, false)
  if (key.kind !== 'and') return undefined
  return key.keys.reduce<Uids | undefined>((scope, one) => {
    const next = scopeOf(one, view)
    return scope && next ? within(scope, next, view.mailbox.uidNext) : (scope ?? next)
  }, undefined)
}

/** A message of which no more is read than has been asked. */
class MessageLookup {
  readonly entry: Entry
  readonly #searched: SearchContext
  #email: Promise<Email | undefined> | undefined
  #text: Promise<EmailText | undefined> | undefined

  constructor(entry: Entry, searched: SearchContext) {
    this.entry = entry
    this.#searched = searched
  }

  async day(): Promise<number | undefined> {
    const { mail, digests, view, signal } = this.#searched
    const [digest] = await digests.of({ mail, mailbox: view.mailbox, uids: [this.entry.uid], signal })
    return digest?.day
  }

  email(): Promise<Email | undefined> {
    this.#email ??= this.#searched.mail.email(this.entry.email)
    return this.#email
  }

  text(): Promise<EmailText | undefined> {
    this.#text ??= this.email().then((email) => email?.text())
    return this.#text
  }
}

/** The UIDs that each set means, found out once. */
type Sets = ReadonlyMap<SearchKey, Uids>

function setsOf(key: SearchKey, view: View, sets = new Map<SearchKey, Uids>()): Map<SearchKey, Uids> {
  if (key.kind === 'and' || key.kind === 'or') for (const one of key.keys) setsOf(one, view, sets)
  else if (key.kind === 'not' || key.kind === 'fuzzy') setsOf(key.key, view, sets)
  else if (key.kind === 'uid' || key.kind === 'sequence') sets.set(key, view.uidsWithin(key.set, key.kind === 'uid'))
  return sets
}

interface Question {
  readonly entry: Entry
  readonly sets: Sets
  readonly time: number
}

interface WholeQuestion extends Question {
  readonly looked: MessageLookup
  /** The emails in which each text stands, where the index has been asked. */
  readonly texts: ReadonlyMap<SearchKey, ReadonlySet<string>>
}

async function isMeant(key: SearchKey, question: WholeQuestion): Promise<boolean> {
  switch (key.kind) {
    case 'and':
      for (const one of byCost(key.keys)) if (!(await isMeant(one, question))) return false
      return true
    case 'or':
      for (const one of byCost(key.keys)) if (await isMeant(one, question)) return true
      return false
    case 'not':
      return !(await isMeant(key.key, question))
    case 'fuzzy':
      return isMeant(key.key, question)
    case 'date':
      return isDated(key, await dayOf(key.of, question.looked))
    case 'header':
    case 'text': {
      const known = question.texts.get(key)
      if (known) return known.has(question.entry.email)
      const text = await question.looked.text()
      return key.kind === 'text' ? hasText(key, text) : hasHeader(key, text)
    }
    default:
      return byRecord(key, question) === true
  }
}

/** False when the record alone rules it out; undefined where it cannot tell. */
function couldBe(key: SearchKey, question: Question): boolean {
  return byRecord(key, question) !== false
}

/** What the record alone says; undefined where it takes more. */
function byRecord(key: SearchKey, question: Question): boolean | undefined {
  const { entry } = question
  switch (key.kind) {
    case 'all':
    case 'saveDateSupported':
      return true
    case 'and':
      return unless(false, key.keys, question)
    case 'or':
      return unless(true, key.keys, question)
    case 'not': {
      const answer = byRecord(key.key, question)
      return answer === undefined ? undefined : !answer
    }
    case 'fuzzy':
      return byRecord(key.key, question)
    case 'flag':
      return entry.flags.some((flag) => flag.toLowerCase() === key.flag.toLowerCase()) === key.isSet
    case 'uid':
    case 'sequence':
      return holds(question.sets.get(key) ?? [], entry.uid)
    case 'size':
      return key.than === 'larger' ? entry.size > key.octets : entry.size < key.octets
    case 'within':
      return key.is === 'older'
        ? entry.received <= question.time - key.seconds * 1000
        : entry.received >= question.time - key.seconds * 1000
    case 'modseq':
      return entry.modseq >= key.least
    case 'email':
      return entry.email === key.id
    case 'thread':
      return entry.thread === key.id
    case 'date':
      return key.of === 'sent' ? undefined : isDated(key, Math.floor(entry[key.of] / DAY_MS) * DAY_MS)
    case 'header':
    case 'text':
      return undefined
  }
}

/** The answer that one key alone can decide, else that of all the others. */
function unless(decisive: boolean, keys: readonly SearchKey[], question: Question): boolean | undefined {
  let answer: boolean | undefined = !decisive
  for (const key of keys) {
    const one = byRecord(key, question)
    if (one === decisive) return decisive
    if (one === undefined) answer = undefined
  }
  return answer
}

const orders = new WeakMap<readonly SearchKey[], readonly SearchKey[]>()

function byCost(keys: readonly SearchKey[]): readonly SearchKey[] {
  const known = orders.get(keys) ?? [...keys].sort((a, b) => costOf(a) - costOf(b))
  orders.set(keys, known)
  return known
}

const DAY_MS = 86_400_000

/** The day as ms of its beginning, as if all clocks were UTC: RFC 9051 disregards times and zones. */
async function dayOf(of: 'received' | 'sent' | 'saved', looked: MessageLookup): Promise<number | undefined> {
  if (of !== 'sent') return Math.floor(looked.entry[of] / DAY_MS) * DAY_MS
  return looked.day()
}

function isDated({ is, at }: Extract<SearchKey, { kind: 'date' }>, day: number | undefined): boolean {
  if (day === undefined) return false
  if (is === 'on') return day === at
  return is === 'before' ? day < at : day >= at
}

function hasHeader({ name, text }: Extract<SearchKey, { kind: 'header' }>, found: EmailText | undefined): boolean {
  const wanted = fold(text)
  // Text that is empty asks whether there is such a field.
  return (found?.fields ?? []).some((field) => field.name === name && fold(field.value).includes(wanted))
}

function hasText(key: Extract<SearchKey, { kind: 'text' }>, found: EmailText | undefined): boolean {
  if (!found) return false
  const wanted = fold(key.text)
  if (fold(found.body).includes(wanted)) return true
  return key.in === 'text' && found.fields.some(({ name, value }) => fold(`${name}: ${value}`).includes(wanted))
}
