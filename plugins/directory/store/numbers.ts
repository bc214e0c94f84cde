/**
 * Numbers of accounts and groups for POSIX systems (RFC 2307): `uidNumber` and `gidNumber`.
 *
 * An entry of the class posixAccount or posixGroup that is written without its number gets the next one, in the same
 * commit. Numbers that are written are kept as they are, duplicates too: trees of other servers have them on purpose.
 *
 * Invariants: a number that was allocated once is never allocated again; no number is allocated that an entry has; the
 * work does not grow with the number of entries.
 */
import { below } from 'iems'
import { decode, type EntryRecord, encode, numberKey } from './records.ts'
import { Refusal } from './standing.ts'
import type { Draft } from './transaction.ts'

/** RFC 2307 has INTEGER; systems have 32 bits, and some of them a sign. */
const LAST = 2 ** 31 - 1
/** Numbers in use that are passed over for one entry. The counter remembers how far it came. */
const MAX_TRIES = 1000

type Numbered = 'uidnumber' | 'gidnumber'

/** The entry with the numbers that its classes require. Throws Refusal when none is free. */
export async function withNumbers(draft: Draft, entry: EntryRecord, first: number): Promise<EntryRecord> {
  if (entry.kind !== 'account' && entry.kind !== 'group' && entry.kind !== 'object') return entry
  const { attributes } = entry
  const classes = (attributes.objectclass ?? []).map((name) => name.toLowerCase())
  const isMissing = (name: Numbered) => (attributes[name]?.length ?? 0) === 0
  const numbers: Partial<Record<Numbered, readonly string[]>> = {}
  if (classes.includes('posixaccount')) {
    if (isMissing('uidnumber')) numbers.uidnumber = [await next(draft, 'uidnumber', first)]
    // A group of its own, as Debian's adduser makes one.
    if (isMissing('gidnumber')) numbers.gidnumber = numbers.uidnumber ?? attributes.uidnumber ?? []
  }
  if (classes.includes('posixgroup') && isMissing('gidnumber') && !numbers.gidnumber)
    numbers.gidnumber = [await next(draft, 'gidnumber', first)]
  return Object.keys(numbers).length > 0 ? { ...entry, attributes: { ...attributes, ...numbers } } : entry
}

/** Accounts and groups share one counter, so that the group of an account never meets another one. */
async function next(draft: Draft, name: Numbered, first: number): Promise<string> {
  const kept = await draft.get(numberKey)
  let number = Math.max(first, kept ? decode<number>(kept) : 0)
  for (let tries = 0; tries < MAX_TRIES && number <= LAST; tries++, number++) {
    if ((await isTaken(draft, 'uidnumber', number)) || (await isTaken(draft, 'gidnumber', number))) continue
    draft.put(numberKey, encode(number + 1))
    return String(number)
  }
  throw new Refusal('INVALID', `no free ${name}: set posixNumbersFrom to the first of a range that is free`)
}

async function isTaken(draft: Draft, attribute: Numbered, number: number): Promise<boolean> {
  for await (const _ of draft.scan(below('x', attribute, String(number)))) return true
  return false
}
