/**
 * One change: validated against existing entries, and drafted with its indexes and history record.
 *
 * Invariants: an entry, its name, addresses and indexes are in one draft; two entries never share an address or, within
 * a kind, a name; every change of an entry's own fields is in the history and the change feed.
 */
import { randomUUID } from 'node:crypto'
import { below, unkey } from 'iems'
import type { Change, EntryKind, Member, NewEntry, Recorded } from './api.ts'
import { nameOfEntry } from './entry-view.ts'
import { type Indexed, indexesOf } from './indexes.ts'
import { withNumbers } from './numbers.ts'
import {
  type AccountRecord,
  decode,
  type EntryRecord,
  encode,
  entryKey,
  feedKey,
  historyKey,
  historyOfKey,
  memberKey,
  memberOfKey,
} from './records.ts'
import { keepRemoved, removedIn, restoreMembers } from './removed.ts'
import { readMembers, readNew, readPatch } from './schemas.ts'
import { memberKeys, Refusal, Standing } from './standing.ts'
import type { Draft } from './transaction.ts'

type Fields = Readonly<Record<string, unknown>>
/** A change whose password, if any, is a hash. */
export type Prepared =
  | Change
  | { readonly set: string; readonly record: (account: AccountRecord) => AccountRecord }
  /** The password is too weak. */
  | { readonly weak: string }

export interface WorkFacts {
  readonly by: string
  /** ms since 1970. */
  readonly at: number
  /** First number of its history records; each change has `RECORDS` of them. */
  readonly number: number
  /** First number for POSIX accounts and groups. */
  readonly numbersFrom: number
  /** Removed entries can be brought back. */
  readonly keepsRemoved: boolean
}

/** Maximum history records of one change: its fields, and its members. */
export const RECORDS = 2

export class Work {
  readonly #draft: Draft
  readonly #standing: Standing
  readonly #facts: WorkFacts
  #records = 0

  constructor(draft: Draft, facts: WorkFacts) {
    this.#draft = draft
    this.#standing = new Standing(draft, {
      entry: (id) => this.#entry(id),
      index: (one, other) => this.#index(one, other),
    })
    this.#facts = facts
  }

  async make(change: Prepared): Promise<EntryRecord> {
    if ('weak' in change) throw new Refusal('INVALID', change.weak)
    if ('add' in change) return this.#add(change)
    if ('remove' in change) return this.#remove(await this.#entry(change.remove))
    if ('restore' in change) return this.#restore(change.restore)
    const before = await this.#entry(change.set)
    if ('record' in change) return this.#rewrite(before, change.record)
    if ('members' in change) return this.#setMembers(before, change.members)
    if (change.version !== undefined && change.version !== before.version)
      throw new Refusal('CHANGED', 'it has been changed meanwhile')
    return 'as' in change ? this.#become(before, change.as) : this.#set(before, change.to)
  }

  async #add({ add, id = randomUUID() }: Extract<Change, { add: unknown }>): Promise<EntryRecord> {
    const { kind } = add
    const read = readNew(add)
    if ('why' in read) throw new Refusal('INVALID', read.why)
    if (await this.#draft.get(entryKey(id))) throw new Refusal('ALREADYEXISTS', 'there is an entry with this id')
    const { members, ...fields } = { ...DEFAULTS[kind], ...read.fields } as Fields & { members?: readonly Member[] }
    const at = this.#facts.at
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

  async #restore(id: string): Promise<EntryRecord> {
    const { entry, groups } = await removedIn(this.#draft, id)
    const members = await restoreMembers(this.#draft, id)
    const whole = { ...entry, ...(entry.kind === 'group' ? { members } : {}), ...this.#touched(entry) } as EntryRecord
    const after = await this.#write(undefined, whole)
    for (const group of groups) {
      const value = await this.#draft.get(entryKey(group))
      const above = value && decode<EntryRecord>(value)
      if (above?.kind !== 'group' || (await this.#standing.isWithin(group, id))) continue
      this.#draft.put(memberKey(group, `i${id}`), encode({ id }))
      this.#draft.put(memberOfKey(`i${id}`, group), encode(1))
      this.#draft.put(entryKey(group), encode({ ...above, members: above.members + 1, ...this.#touched(above) }))
    }
    this.#record('add', after, {})
    return after
  }

  async #remove(entry: EntryRecord): Promise<EntryRecord> {
    const { kind, id } = entry
    await this.#standing.mayGo(entry)
    if (this.#facts.keepsRemoved) await keepRemoved(this.#draft, entry, this.#facts)
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

  /** Replaces the entry and its indexes; descendants move with it. */
  async #write(before: EntryRecord | undefined, given: EntryRecord): Promise<EntryRecord> {
    const numbered = await withNumbers(this.#draft, given, this.#facts.numbersFrom)
    const after = await this.#standing.placed(before, numbered)
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
    return { modified: this.#facts.at, version: version + 1 }
  }

  #record(what: Recorded['what'], { id, kind, ...entry }: EntryRecord, fields: Fields): void {
    const { at, by } = this.#facts
    const number = this.#facts.number + this.#records++
    const { password, ...rest } = fields
    const shownFields = password === undefined ? rest : { ...rest, password: password === null ? 'removed' : 'set' }
    const name = nameOfEntry({ id, kind, ...entry } as EntryRecord)
    const recorded: Recorded = { at, by, what, id, kind, name, fields: shownFields }
    this.#draft.put(historyKey(at, number), encode(recorded))
    this.#draft.put(historyOfKey(id, at, number), encode(1))
    this.#draft.put(feedKey(number), encode(at))
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
