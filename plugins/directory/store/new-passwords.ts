/**
 * Checks passwords in changes against the policy, and hashes them.
 *
 * Invariants: no plain-text password is written; hashing happens before a change waits to be committed.
 */
import type { Store } from 'iems'
import { hashPassword, isPasswordHash, type ScramMechanism } from '../static/api.ts'
import type { Change } from './api.ts'
import type { Prepared } from './change-work.ts'
import { type AccountRecord, decode, entryKey, foldName } from './records.ts'

/** Maximum passwords hashed at a time. */
const HASHING = 4

/** Requirements for a new plain-text password. */
export interface PasswordPolicy {
  readonly minLength: number
  readonly notTheName: boolean
}

/** An account's names before and after the change. */
async function namesIn(
  store: Store,
  change: Exclude<Change, { remove: string } | { restore: string }>,
): Promise<readonly string[]> {
  const value = 'set' in change ? await store.get(entryKey(change.set)) : undefined
  const before = value ? decode<AccountRecord>(value) : undefined
  const fields = (fieldsIn(change) ?? {}) as unknown as Partial<AccountRecord>
  const addresses = [before?.addresses, fields.addresses].flatMap((list) => (Array.isArray(list) ? list : []))
  const names = [before?.name, fields.name, ...addresses, ...addresses.map((one) => String(one).split('@')[0])]
  return names.filter((name) => typeof name === 'string')
}

export async function checked(
  change: Change,
  { store, policy }: { readonly store: Store; readonly policy: PasswordPolicy },
): Promise<Prepared> {
  const password = clearPassword(fieldsIn(change))
  if (password === undefined || 'remove' in change || 'restore' in change) return change
  if ([...password].length < policy.minLength)
    return { weak: `the password must have at least ${policy.minLength} characters` }
  const isName =
    policy.notTheName && (await namesIn(store, change)).some((name) => foldName(name) === foldName(password))
  return isName ? { weak: 'the password must not be the name or an address of the account' } : change
}

/** Replaces plain-text passwords in changes by hashes. */
export async function withHashes(changes: readonly Prepared[], scram: readonly ScramMechanism[]): Promise<Prepared[]> {
  const hashed = [...changes]
  let next = 0
  const work = async () => {
    for (let at = next++; at < hashed.length; at = next++) hashed[at] = await withHash(hashed[at] as Change, scram)
  }
  await Promise.all(Array.from({ length: HASHING }, work))
  return hashed
}

async function withHash(change: Prepared, scram: readonly ScramMechanism[]): Promise<Prepared> {
  if ('add' in change) return { ...change, add: await hashedIn(change.add, scram) }
  if ('as' in change) return { ...change, as: await hashedIn(change.as, scram) }
  return 'to' in change ? { ...change, to: await hashedIn(change.to, scram) } : change
}

/** The fields that a change sets. */
function fieldsIn(change: Change): object | undefined {
  if ('add' in change) return change.add
  if ('as' in change) return change.as
  return 'to' in change ? change.to : undefined
}

/** The plain-text password in an entry's fields. */
function clearPassword(fields: object | undefined): string | undefined {
  const { password } = (fields ?? {}) as { password?: unknown }
  const isClear =
    typeof password === 'string' && password !== '' && password.length <= 1024 && !/^(\$|\{)/.test(password)
  return isClear && !isPasswordHash(password) ? password : undefined
}

async function hashedIn<T extends object>(fields: T, scram: readonly ScramMechanism[]): Promise<T> {
  const password = clearPassword(fields)
  return password === undefined ? fields : { ...fields, password: await hashPassword(password, { scram }) }
}
