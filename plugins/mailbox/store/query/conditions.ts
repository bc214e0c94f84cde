/**
 * Whether a message meets a condition: by its record where that says enough, by more of it only where it must.
 *
 * Invariants: the answer is the same in whatever order the parts of a condition are looked at; nothing is read of a
 * message that its record already rules out.
 */
import { decodeWords, readFields } from 'iems/mime'
import type { Condition, Email, Entry } from '../api.ts'
import { intersectUids } from '../uids.ts'
import { fold } from './collation.ts'

/** A message in a mailbox, or an email of an account. */
export interface Candidate extends Omit<Entry, 'uid'> {
  /** Absent for an email of an account. */
  readonly uid?: number
  readonly mailboxes: readonly string[]
}

/** Reads from a candidate what its record does not contain. */
export interface Lookup {
  readonly texts: TextResults
  sent(): Promise<{ readonly sent?: number; readonly day?: number }>
  email(): Promise<Email | undefined>
}

export type TextCondition = Extract<Condition, { readonly kind: 'text' }>
/** The emails that each text condition finds. */
export type TextResults = ReadonlyMap<Condition, ReadonlySet<string>>

const DAY_MS = 86_400_000

/** 0: the record; 1: the header; 2: the text. */
function costOf(condition: Condition): number {
  switch (condition.kind) {
    case 'and':
    case 'or':
      return Math.max(0, ...condition.of.map(costOf))
    case 'not':
      return costOf(condition.of)
    case 'day':
    case 'time':
      return condition.of === 'sent' ? 1 : 0
    case 'text':
      return condition.text === '' ? 0 : 2
    case 'field':
    case 'attachments':
      return 2
    default:
      return 0
  }
}

/** Reorders a condition so that cheap tests come first. */
export function cheapestFirst(condition: Condition): Condition {
  if (condition.kind === 'not') return { kind: 'not', of: cheapestFirst(condition.of) }
  if (condition.kind !== 'and' && condition.kind !== 'or') return condition
  const of = condition.of.map(cheapestFirst)
  return { kind: condition.kind, of: of.sort((a, b) => costOf(a) - costOf(b)) }
}

/** The text conditions in it. */
export function textsOf(condition: Condition): readonly TextCondition[] {
  if (condition.kind === 'and' || condition.kind === 'or') return condition.of.flatMap(textsOf)
  if (condition.kind === 'not') return textsOf(condition.of)
  return condition.kind === 'text' && condition.text !== '' ? [condition] : []
}

/** Evaluates by the record alone; undefined when that is not sufficient. */
export function recordMeets(condition: Condition, candidate: Candidate): boolean | undefined {
  switch (condition.kind) {
    case 'all':
      return true
    case 'and':
      return unless(false, condition.of, candidate)
    case 'or':
      return unless(true, condition.of, candidate)
    case 'not': {
      const answer = recordMeets(condition.of, candidate)
      return answer === undefined ? undefined : !answer
    }
    case 'day':
      return condition.of === 'sent'
        ? undefined
        : isOnDay(condition, Math.floor(candidate[condition.of] / DAY_MS) * DAY_MS)
    case 'time':
      return condition.of === 'sent' ? undefined : isAtTime(condition, candidate[condition.of])
    case 'text':
      return condition.text === '' ? true : undefined
    case 'field':
    case 'attachments':
      return undefined
    default:
      return factMeets(condition, candidate)
  }
}

type Fact = Extract<
  Condition,
  { readonly kind: 'uids' | 'mailbox' | 'flag' | 'size' | 'modseq' | 'email' | 'thread' | 'threads' }
>

function factMeets(condition: Fact, candidate: Candidate): boolean {
  switch (condition.kind) {
    case 'uids':
      return candidate.uid !== undefined && intersects(condition.uids, candidate.uid)
    case 'mailbox':
      return candidate.mailboxes.includes(condition.id)
    case 'flag':
      return candidate.flags.some((flag) => flag.toLowerCase() === condition.flag.toLowerCase()) === condition.isSet
    case 'size':
      return condition.is === 'larger' ? candidate.size > condition.than : candidate.size < condition.than
    case 'modseq':
      return candidate.modseq >= condition.atLeast
    case 'email':
      return candidate.email === condition.id
    case 'thread':
      return candidate.thread === condition.id
    case 'threads':
      return condition.ids.has(candidate.thread)
  }
}

/** Whether ranges in order and without overlap hold a number. */
function intersects(uids: readonly (readonly [number, number])[], uid: number): boolean {
  let [low, high] = [0, uids.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((uids[middle]?.[1] as number) < uid) low = middle + 1
    else high = middle
  }
  return (uids[low]?.[0] ?? Number.POSITIVE_INFINITY) <= uid
}

/** The answer that one part alone decides, else that of all the others. */
function unless(decisive: boolean, parts: readonly Condition[], candidate: Candidate): boolean | undefined {
  let answer: boolean | undefined = !decisive
  for (const part of parts) {
    const one = recordMeets(part, candidate)
    if (one === decisive) return decisive
    if (one === undefined) answer = undefined
  }
  return answer
}

/** The whole answer. */
export async function meets(condition: Condition, candidate: Candidate, lookup: Lookup): Promise<boolean> {
  switch (condition.kind) {
    case 'and':
      for (const part of condition.of) if (!(await meets(part, candidate, lookup))) return false
      return true
    case 'or':
      for (const part of condition.of) if (await meets(part, candidate, lookup)) return true
      return false
    case 'not':
      return !(await meets(condition.of, candidate, lookup))
    case 'day':
      if (condition.of === 'sent') return isOnDay(condition, (await lookup.sent()).day)
      break
    case 'time':
      if (condition.of === 'sent') return isAtTime(condition, (await lookup.sent()).sent)
      break
    case 'text':
      if (condition.text !== '') return lookup.texts.get(condition)?.has(candidate.email) === true
      break
    case 'field':
      return hasField(condition, await lookup.email())
    case 'attachments':
      return (await (await lookup.email())?.digest())?.hasAttachments === condition.has
  }
  return recordMeets(condition, candidate) === true
}

/** RFC 9051 section 6.4.4 disregards times and zones. */
function isOnDay({ is, day }: Extract<Condition, { readonly kind: 'day' }>, actual: number | undefined): boolean {
  if (actual === undefined) return false
  if (is === 'on') return actual === day
  return is === 'before' ? actual < day : actual >= day
}

function isAtTime({ is, at }: Extract<Condition, { readonly kind: 'time' }>, actual: number | undefined): boolean {
  if (actual === undefined) return false
  return is === 'before' ? actual < at : actual >= at
}

async function hasField(
  { name, text }: Extract<Condition, { readonly kind: 'field' }>,
  email: Email | undefined,
): Promise<boolean> {
  const header = await email?.header()
  const values = header
    ? readFields(header).all(name)
    : ((await email?.text())?.fields ?? []).filter((field) => field.name === name).map(({ value }) => value)
  const wanted = fold(text)
  return values.some((value) => fold(decodeWords(value)).includes(wanted))
}

// --- where it can only be -----------------------------------------------------------------------------

/** The UIDs that a condition can only be about, as far as it names them; undefined for any. */
export function scopeOf(condition: Condition): readonly (readonly [number, number])[] | undefined {
  if (condition.kind === 'uids') return condition.uids
  if (condition.kind !== 'and') return undefined
  return condition.of
    .map(scopeOf)
    .reduce((scope, next) => (scope && next ? intersectUids(scope, next) : (scope ?? next)), undefined)
}
