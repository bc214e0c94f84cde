/**
 * How entries are changed: each change is read, looked at beside what is there, and drafted with all its indexes.
 *
 * What must stay true: an entry, its name, its addresses and its indexes are one commit; two entries never share a name
 * of their kind or an address; changes are made one after the other, by other processes too, so that what was looked at
 * still holds when it is written; every change leaves its record.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import { below, type Clock, type Store, unkey } from 'iems'
import { hashPassword, isPasswordHash, type ScramMechanism } from '../static/api.ts'
import {
  type Change,
  type Changed,
  type EntryKind,
  isRefused,
  type Member,
  type NewEntry,
  type Recorded,
  type Refused,
} from './api.ts'
import { nameOfEntry, shown } from './entry-view.ts'
import { type Indexed, indexesOf } from './indexes.ts'
import {
  type AccountRecord,
  decode,
  type EntryRecord,
  encode,
  entryKey,
  foldName,
  historyKey,
  historyOfKey,
  memberKey,
  memberOfKey,
  type RevisionRecord,
  revisionKey,
} from './records.ts'
import { readMembers, readNew, readPatch } from './schemas.ts'
import { memberKeys, Refusal, Standing } from './standing.ts'
import { Draft } from './transaction.ts'

/** Changes in one commit when each is for itself. */
const CHUNK = 250
/** How often a commit is tried while other processes change the directory too. */
const TRIES = 50
const MAX_PAUSE_MS = 100
/** Passwords that are hashed at a time. */
const HASHING = 4

type Fields = Readonly<Record<string, unknown>>
type Prepared =
  | Change
  | { readonly set: string; readonly record: (account: AccountRecord) => AccountRecord }
  /** Its password is too weak. */
  | { readonly weak: string }
type Mode = 'all' | 'each' | 'check'

/** What a new password in the clear must be. */
export interface PasswordPolicy {
  readonly minLength: number
  readonly notTheName: boolean
}

export interface ChangesDeps {
  readonly store: Store
  readonly clock: Clock
  /** The mechanisms of which verifiers of new passwords are kept. */
  readonly scram: readonly ScramMechanism[]
  readonly policy: PasswordPolicy
  /** After every commit. */
  changed(): void
}

export type Changes = ReturnType<typeof createChanges>

export function createChanges({ store, clock, scram, policy, changed }: ChangesDeps) {
  let last: Promise<unknown> = Promise.resolve()

  /** One after the other within this process; `attempt` sees to the others. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = last.then(work)
    last = done.catch(() => {})
    return done
  }

  async function commit(changes: readonly Prepared[], by: string, mode: Mode): Promise<Changed[]> {
    for (let tries = 0; tries < TRIES; tries++) {
      const before = await store.get(revisionKey)
      const draft = new Draft(store)
      const results = await drafted(draft, changes, { by, isAll: mode !== 'each', revision: revisionIn(before) })
      if (draft.isEmpty || mode === 'check') return results
      draft.put(revisionKey, encode({ revision: revisionIn(before) + 1 } satisfies RevisionRecord))
      if (await store.commit(draft.ops(), [{ key: revisionKey, is: before ?? 'absent' }])) {
        changed()
        return results
      }
      // Servers that try in step would overtake each other again and again.
      await wait(Math.random() * Math.min(MAX_PAUSE_MS, 2 ** tries))
    }
    throw new Error('others changed the directory again and again')
  }

  async function drafted(
    draft: Draft,
    changes: readonly Prepared[],
    { by, isAll, revision }: { by: string; isAll: boolean; revision: number },
  ): Promise<Changed[]> {
    const results: Changed[] = []
    const all = new Draft(draft)
    for (const [number, change] of changes.entries()) {
      const one = new Draft(all)
      try {
        const work = new Work(one, { by, at: clock.now(), number: revision * CHUNK_NUMBERS + number })
        results.push({ entry: shown(await work.make(change)) })
        one.keep(all)
      } catch (cause) {
        if (!(cause instanceof Refusal)) throw cause
        results.push(cause.refused)
      }
    }
    if (isAll && results.some(isRefused)) return results.map((result) => (isRefused(result) ? result : NOT_ALONE))
    all.keep(draft)
    return results
  }

  /** What an account is called, now and by the change. */
  async function namesIn(change: Exclude<Change, { remove: string }>): Promise<readonly string[]> {
    const value = 'set' in change ? await store.get(entryKey(change.set)) : undefined
    const before = value ? decode<AccountRecord>(value) : undefined
    const fields = (fieldsIn(change) ?? {}) as unknown as Partial<AccountRecord>
    const addresses = [before?.addresses, fields.addresses].flatMap((list) => (Array.isArray(list) ? list : []))
    const names = [before?.name, fields.name, ...addresses, ...addresses.map((one) => String(one).split('@')[0])]
    return names.filter((name) => typeof name === 'string')
  }

  async function checked(change: Change): Promise<Prepared> {
    const password = clearPassword(fieldsIn(change))
    if (password === undefined || 'remove' in change) return change
    if ([...password].length < policy.minLength)
      return { weak: `the password must have at least ${policy.minLength} characters` }
    const isName = policy.notTheName && (await namesIn(change)).some((name) => foldName(name) === foldName(password))
    return isName ? { weak: 'the password must not be the name or an address of the account' } : change
  }

  return {
    async change(changes: readonly Change[], by: string, mode: Mode = 'all'): Promise<readonly Changed[]> {
      const sound = await Promise.all(changes.map(checked))
      const prepared = mode === 'check' ? sound : await withHashes(sound, scram)
      return inTurn(async () => {
        if (mode !== 'each') return commit(prepared, by, mode)
        const results: Changed[] = []
        for (let start = 0; start < prepared.length; start += CHUNK)
          results.push(...(await commit(prepared.slice(start, start + CHUNK), by, 'each')))
        return results
      })
    },
    /** What is no change of an entry's own fields: passwords of programs, a code that was used. */
    async rewrite(id: string, record: (account: AccountRecord) => AccountRecord, by: string): Promise<Changed> {
      return inTurn(async () => (await commit([{ set: id, record }], by, 'all'))[0] as Changed)
    },
  }
}

const revisionIn = (value: Uint8Array | undefined) => (value ? decode<RevisionRecord>(value).revision : 0)
/** More than any call has changes, so that numbers of history do not meet. */
const CHUNK_NUMBERS = 1_000_000
/** Of changes that would have been made without another of the same call. */
export const NOT_ALONE: Refused = { refused: 'CHANGED', why: 'another change of the same call was refused' }

/** Passwords in the clear become hashes before anybody's turn is taken by that. */
async function withHashes(changes: readonly Prepared[], scram: readonly ScramMechanism[]): Promise<Prepared[]> {
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

/** The fields that a change gives an entry. */
function fieldsIn(change: Change): object | undefined {
  if ('add' in change) return change.add
  if ('as' in change) return change.as
  return 'to' in change ? change.to : undefined
}

/** Of the fields of an entry: a password that has yet to be hashed. */
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

// --- one change -------------------------------------------------------------------------------

class Work {
  readonly #draft: Draft
  readonly #standing: Standing
  readonly #told: { readonly by: string; readonly at: number; readonly number: number }

  constructor(draft: Draft, told: { by: string; at: number; number: number }) {
    this.#draft = draft
    this.#standing = new Standing(draft, {
      entry: (id) => this.#entry(id),
      index: (one, other) => this.#index(one, other),
    })
    this.#told = told
  }

  async make(change: Prepared): Promise<EntryRecord> {
    if ('weak' in change) throw new Refusal('INVALID', change.weak)
    if ('add' in change) return this.#add(change)
    if ('remove' in change) return this.#remove(await this.#entry(change.remove))
    const before = await this.#entry(change.set)
    if ('record' in change) return this.#rewrite(before, change.record)
    if ('members' in change) return this.#setMembers(before, change.members)
    if (change.version !== undefined && change.version !== before.version)
      throw new Refusal('CHANGED', 'somebody else has changed it meanwhile')
    return 'as' in change ? this.#become(before, change.as) : this.#set(before, change.to)
  }

  async #add({ add, id = randomUUID() }: Extract<Change, { add: unknown }>): Promise<EntryRecord> {
    const { kind } = add
    const read = readNew(add)
    if ('why' in read) throw new Refusal('INVALID', read.why)
    if (await this.#draft.get(entryKey(id))) throw new Refusal('ALREADYEXISTS', 'there is an entry with this id')
    const { members, ...fields } = { ...DEFAULTS[kind], ...read.fields } as Fields & { members?: readonly Member[] }
    const at = this.#told.at
    const entry = { ...fields, kind, id, created: at, modified: at, version: 1 } as unknown as EntryRecord
    const kept = await this.#write(undefined, entry.kind === 'group' ? { ...entry, members: 0 } : entry)
    this.#record('add', kept, read.fields)
    return members ? this.#setMembers(kept, { add: members }) : kept
  }

  async #set(before: EntryRecord, to: object): Promise<EntryRecord> {
    const read = readPatch(before.kind, to)
    if ('why' in read) throw new Refusal('INVALID', read.why)
    const given = Object.entries(read.fields).filter(([, value]) => value !== undefined)
    const kept = Object.fromEntries(
      Object.entries({ ...before, ...Object.fromEntries(given) }).filter(([, value]) => value !== null),
    )
    const renewed = read.fields.password === undefined ? {} : { passwordVersion: before.version + 1 }
    const after = await this.#write(before, { ...kept, ...renewed, ...this.#touched(before) } as unknown as EntryRecord)
    this.#record('set', after, Object.fromEntries(given))
    return after
  }

  async #become(before: EntryRecord, as: NewEntry): Promise<EntryRecord> {
    if (before.kind !== 'object' || (as.kind !== 'account' && as.kind !== 'group'))
      throw new Refusal('INVALID', `a ${before.kind} does not become a ${as.kind}`)
    const read = readNew(as)
    if ('why' in read) throw new Refusal('INVALID', read.why)
    const { members, ...fields } = { ...DEFAULTS[as.kind], ...read.fields } as Fields & { members?: readonly Member[] }
    const { id, created } = before
    const count = as.kind === 'group' ? { members: 0 } : {}
    const entry = { ...fields, ...count, kind: as.kind, id, created, ...this.#touched(before) }
    const after = await this.#write(before, entry as unknown as EntryRecord)
    this.#record('set', after, read.fields)
    return members ? this.#setMembers(after, { add: members }) : after
  }

  async #rewrite(before: EntryRecord, record: (account: AccountRecord) => AccountRecord): Promise<EntryRecord> {
    if (before.kind !== 'account') throw new Refusal('INVALID', 'it is no account')
    const after = { ...record(before), ...this.#touched(before) }
    this.#draft.put(entryKey(after.id), encode(after))
    return after
  }

  async #setMembers(
    before: EntryRecord,
    { add = [], remove = [] }: { readonly add?: readonly Member[]; readonly remove?: readonly Member[] },
  ): Promise<EntryRecord> {
    if (before.kind !== 'group') throw new Refusal('INVALID', 'only groups have members')
    const read = readMembers([...add, ...remove])
    if ('why' in read) throw new Refusal('INVALID', read.why)
    let count = before.members
    for (const named of add) {
      const member = await this.#standing.member(named, before.id)
      if ('id' in member) await this.#mayBeMember(before.id, member.id)
      const [at, back] = memberKeys(before.id, member)
      if (!(await this.#draft.get(at))) count++
      this.#draft.put(at, encode(member))
      this.#draft.put(back, encode(1))
    }
    for (const named of remove) {
      const member = await this.#standing.member(named, before.id)
      const [at, back] = memberKeys(before.id, member)
      if (await this.#draft.get(at)) count--
      this.#draft.del(at)
      this.#draft.del(back)
    }
    const after = { ...before, members: count, ...this.#touched(before) }
    this.#draft.put(entryKey(after.id), encode(after))
    this.#record('members', after, { added: add.length, removed: remove.length })
    return after
  }

  async #mayBeMember(group: string, id: string): Promise<void> {
    const { kind } = await this.#entry(id)
    if (kind === 'domain' || kind === 'alias' || kind === 'route')
      throw new Refusal('INVALID', `a ${kind} cannot be a member`)
    if (kind === 'group' && (id === group || (await this.#standing.isWithin(group, id))))
      throw new Refusal('INVALID', 'a group cannot be in itself')
  }

  async #remove(entry: EntryRecord): Promise<EntryRecord> {
    const { kind, id } = entry
    await this.#standing.mayGo(entry)
    if (kind === 'group') {
      for await (const [at] of this.#draft.scan(below('m', id))) {
        this.#draft.del(at)
        this.#draft.del(memberOfKey(unkey(at)[2] as string, id))
      }
    }
    for await (const [at] of this.#draft.scan(below('o', `i${id}`))) {
      const group = unkey(at)[2] as string
      this.#draft.del(at)
      this.#draft.del(memberKey(group, `i${id}`))
      const above = await this.#entry(group)
      if (above.kind === 'group')
        this.#draft.put(entryKey(group), encode({ ...above, members: above.members - 1, ...this.#touched(above) }))
    }
    for (const at of indexesOf(entry).keys()) this.#draft.del(Buffer.from(at, 'latin1'))
    this.#draft.del(entryKey(id))
    this.#record('remove', entry, {})
    return entry
  }

  async #entry(id: string): Promise<EntryRecord> {
    const value = await this.#draft.get(entryKey(id))
    if (!value) throw new Refusal('NONEXISTENT', `there is no entry ${id}`)
    return decode<EntryRecord>(value)
  }

  /** The entry and its indexes in the place of what was there; what stands below it goes with it. */
  async #write(before: EntryRecord | undefined, given: EntryRecord): Promise<EntryRecord> {
    const after = await this.#standing.placed(before, given)
    await this.#index(before, after)
    this.#draft.put(entryKey(after.id), encode(after))
    await this.#standing.settle(before, after)
    return after
  }

  async #index(before: EntryRecord | undefined, after: EntryRecord): Promise<void> {
    const old = before ? indexesOf(before) : new Map<string, Indexed>()
    const now = indexesOf(after)
    for (const name of old.keys()) if (!now.has(name)) this.#draft.del(Buffer.from(name, 'latin1'))
    for (const [name, { value, isUnique, what }] of now) {
      const at = Buffer.from(name, 'latin1')
      const taken = isUnique ? await this.#draft.get(at) : undefined
      if (taken && decode<string>(taken) !== after.id) throw new Refusal('ALREADYEXISTS', `${what} is taken`)
      this.#draft.put(at, encode(value))
    }
  }

  #touched({ version }: EntryRecord) {
    return { modified: this.#told.at, version: version + 1 }
  }

  #record(what: Recorded['what'], { id, kind, ...entry }: EntryRecord, fields: Fields): void {
    const { at, by, number } = this.#told
    const { password, ...rest } = fields
    const shownFields = password === undefined ? rest : { ...rest, password: password === null ? 'removed' : 'set' }
    const name = nameOfEntry({ id, kind, ...entry } as EntryRecord)
    const recorded: Recorded = { at, by, what, id, kind, name, fields: shownFields }
    this.#draft.put(historyKey(at, number), encode(recorded))
    this.#draft.put(historyOfKey(id, at, number), encode(1))
  }
}

const DEFAULTS: Readonly<Record<EntryKind, Fields>> = {
  unit: { attributes: {} },
  domain: {},
  account: {
    unit: '',
    addresses: [],
    status: 'active',
    roles: [],
    mayRelay: true,
    sendAs: [],
    attributes: {},
  },
  group: { unit: '', addresses: [], senders: 'anyone', attributes: {} },
  object: { unit: '', attributes: {} },
  alias: {},
  route: {},
}
