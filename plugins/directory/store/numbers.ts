/**
 * POSIX numbers of accounts and groups (RFC 2307): `uidNumber` and `gidNumber`.
 *
 * An entry of class posixAccount or posixGroup without a number gets the next one, in the same commit. Explicit numbers
 * are stored unchanged, even duplicates, which other servers' trees contain on purpose.
 *
 * Invariants: an allocated number is never allocated again; a number in use is never allocated; the work does not grow
 * with the number of entries.
 */
import { below } from 'iems'
import { decode, type EntryRecord, encode, numberKey } from './records.ts'
import { Refusal } from './standing.ts'
import type { Draft } from './transaction.ts'

/** RFC 2307 has INTEGER; systems use 32 bits, some of them signed. */
const LAST = 2 ** 31 - 1
/** Maximum used numbers skipped for one entry. The counter records the progress. */
const MAX_TRIES = 1000

type Numbered = 'uidnumber' | 'gidnumber'

/** Adds the numbers that the entry's classes require. Throws Refusal when none is free. */
export async function withNumbers(draft: Draft, entry: EntryRecord, first: number): Promise<EntryRecord> {
  if (entry.kind !== 'account' && entry.kind !== 'group' && entry.kind !== 'object') return entry
  const { attributes } = entry
  const classes = (attributes.objectclass ?? []).map((name) => name.toLowerCase())
  const isMissing = (name: Numbered) => (attributes[name]?.length ?? 0) === 0
  const numbers: Partial<Record<Numbered, readonly string[]>> = {}
  if (classes.includes('posixaccount')) {
    if (isMissing('uidnumber')) numbers.uidnumber = [await next(draft, 'uidnumber', first)]
    // A group of its own, as with Debian's adduser.
    if (isMissing('gidnumber')) numbers.gidnumber = numbers.uidnumber ?? attributes.uidnumber ?? []
  }
  if (classes.includes('posixgroup') && isMissing('gidnumber') && !numbers.gidnumber)
    numbers.gidnumber = [await next(draft, 'gidnumber', first)]
  return Object.keys(numbers).length > 0 ? { ...entry, attributes: { ...attributes, ...numbers } } : entry
}

/** Accounts and groups share one counter, so that the number of an account's group is always free. */
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
