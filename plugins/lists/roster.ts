/**
 * Lists and their members in the store.
 *
 * Invariants: a member is always indexed by list, address and token; concurrent changes of a record are both applied.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import { type Check, CONFLICT, type Op, type Store, transact, type Value } from 'iems'
import type { ListSettings, MailingList, Member, MemberOptions } from './api.ts'
import {
  countKey,
  decode,
  encode,
  everyList,
  everythingOf,
  foldAddress,
  listKey,
  memberKey,
  membershipKey,
  membershipsOf,
  membersOf,
  memberTokenKey,
  secretKey,
} from './records.ts'
import { DEFAULTS, merged } from './settings.ts'

/** Records that one commit removes. */
const BATCH = 500

const LETTERS = 'abcdefghijklmnopqrstuvwxyz234567'
/** Five bits a letter; lower case, so that it survives every mail system. */
export const randomToken = (letters: number): string =>
  Array.from(randomBytes(letters), (octet) => LETTERS[octet & 31]).join('')

const MEMBER_TOKEN_LETTERS = 16

/** The member that a token identifies. */
interface Named {
  readonly list: string
  readonly address: string
}

export class Roster {
  readonly #store: Store
  readonly #now: () => number

  constructor(store: Store, now: () => number) {
    this.#store = store
    this.#now = now
  }

  /** Reads, changes and writes one record, again when another has changed it; `undefined` leaves it. */
  async update<T>(at: Uint8Array, change: (before: T | undefined) => T | undefined): Promise<T | undefined> {
    return transact({ what: 'a record of the list' }, async () => {
      const value = await this.#store.get(at)
      const after = change(value && decode<T>(value))
      if (after === undefined) return undefined
      return (await this.#store.commit([{ put: at, value: encode(after) }], [unchanged(at, value)])) ? after : CONFLICT
    })
  }

  /** A secret that all servers on the store share, made at first use. */
  async secret(): Promise<Buffer> {
    const made = await this.update<string>(secretKey(), (before) => before ?? randomBytes(32).toString('base64url'))
    return Buffer.from(made as string)
  }

  async list(address: string): Promise<MailingList | undefined> {
    const folded = foldAddress(address)
    const value = folded === undefined ? undefined : await this.#store.get(listKey(folded))
    return value && withDefaults(decode<MailingList>(value))
  }

  async *lists(): AsyncGenerator<MailingList> {
    for await (const [, value] of this.#store.scan(everyList())) yield withDefaults(decode<MailingList>(value))
  }

  /** Undefined when there is one already. */
  async addList(address: string, given: Readonly<Record<string, unknown>>): Promise<MailingList | undefined> {
    const settings = merged(DEFAULTS, given)
    const list: MailingList = { v: 1, id: randomUUID(), address, created: this.#now(), settings }
    const at = listKey(address)
    return (await this.#store.commit([{ put: at, value: encode(list) }], [{ key: at, is: 'absent' }]))
      ? list
      : undefined
  }

  async setList(
    address: string,
    change: (list: MailingList) => Pick<MailingList, 'settings' | 'entries'>,
  ): Promise<MailingList | undefined> {
    return this.update<MailingList>(
      listKey(address),
      (before) => before && { ...before, ...change(withDefaults(before)) },
    )
  }

  /** Removes its members and all other records. Held content must have been released. */
  async removeList(list: MailingList): Promise<void> {
    for await (const member of this.members(list)) await this.remove(list, member.address)
    await this.#store.commit([{ del: listKey(list.address) }, { del: countKey(list.id) }])
    for (const range of everythingOf(list.id)) {
      for (;;) {
        const keys = (await Array.fromAsync(this.#store.scan({ ...range, limit: BATCH }))).map(([found]) => found)
        if (keys.length === 0) break
        await this.#store.commit(keys.map((del) => ({ del })))
      }
    }
  }

  async *members(list: MailingList, after = ''): AsyncGenerator<Member> {
    const { from, to } = membersOf(list.id)
    const range = { from: after === '' ? from : memberKey(list.id, `${after}\0`), to }
    for await (const [, value] of this.#store.scan(range)) yield decode<Member>(value)
  }

  async member(list: MailingList, address: string): Promise<Member | undefined> {
    const folded = foldAddress(address)
    const value = folded === undefined ? undefined : await this.#store.get(memberKey(list.id, folded))
    return value && decode<Member>(value)
  }

  /** The member whose return path or link carries a token. */
  async byToken(token: string): Promise<{ readonly list: MailingList; readonly member: Member } | undefined> {
    const value = await this.#store.get(memberTokenKey(token.toLowerCase()))
    if (!value) return undefined
    const named = decode<Named>(value)
    const list = await this.list(named.list)
    const member = list && (await this.member(list, named.address))
    return list && member && { list, member }
  }

  /** Undefined when they are a member already. The address is folded. */
  async add(list: MailingList, address: string, options: MemberOptions = {}): Promise<Member | undefined> {
    const { member, ops, checks } = this.#joining(list, address, options)
    return (await this.#store.commit(ops, checks)) ? member : undefined
  }

  /** Adds many in one commit; false, with nothing added, when one is a member already or appears twice. */
  async addAll(
    list: MailingList,
    members: readonly { readonly address: string; readonly options: MemberOptions }[],
  ): Promise<boolean> {
    if (new Set(members.map(({ address }) => address)).size < members.length) return false
    const all = members.map(({ address, options }) => this.#joining(list, address, options))
    return this.#store.commit(
      all.flatMap(({ ops }) => ops),
      all.flatMap(({ checks }) => checks),
    )
  }

  #joining(list: MailingList, address: string, options: MemberOptions) {
    const member: Member = {
      v: 1,
      address,
      token: randomToken(MEMBER_TOKEN_LETTERS),
      since: this.#now(),
      delivery: 'post',
      moderated: false,
      own: true,
      duplicates: false,
      acknowledge: false,
      ...options,
    }
    const at = memberKey(list.id, address)
    const ops: readonly Op[] = [
      { put: at, value: encode(member) },
      { put: memberTokenKey(member.token), value: encode({ list: list.address, address } satisfies Named) },
      { put: membershipKey(address, list.id), value: encode(list.address) },
    ]
    const checks: readonly Check[] = [
      { key: at, is: 'absent' },
      { key: listKey(list.address), is: 'present' },
    ]
    return { member, ops, checks }
  }

  async set(
    list: MailingList,
    address: string,
    change: (member: Member) => Member | undefined,
  ): Promise<Member | undefined> {
    return this.update<Member>(memberKey(list.id, address), (before) => before && change(before))
  }

  async remove(list: MailingList, address: string): Promise<Member | undefined> {
    const at = memberKey(list.id, address)
    return transact({ what: 'the member' }, async () => {
      const value = await this.#store.get(at)
      if (!value) return undefined
      const member = decode<Member>(value)
      const ops = [at, memberTokenKey(member.token), membershipKey(address, list.id)].map((del) => ({ del }))
      return (await this.#store.commit(ops, [{ key: at, is: value }])) ? member : CONFLICT
    })
  }

  /** The lists that an address is a member of. */
  async *listsOf(address: string): AsyncGenerator<MailingList> {
    for await (const [, value] of this.#store.scan(membershipsOf(address))) {
      const list = await this.list(decode<string>(value))
      if (list) yield list
    }
  }

  /** The number of the next post. */
  async nextNumber(list: MailingList): Promise<number> {
    return (await this.update<number>(countKey(list.id), (before) => (before ?? 0) + 1)) as number
  }
}

const unchanged = (at: Uint8Array, value: Value | undefined): Check => ({ key: at, is: value ?? 'absent' })

/** Lists of before a setting was known. */
const withDefaults = (list: MailingList): MailingList => ({
  ...list,
  settings: { ...DEFAULTS, ...list.settings } satisfies ListSettings,
})

/** Whether an address is one of these: itself, or `*@example.org`. Linear. */
export function fits(patterns: readonly string[], address: string): boolean {
  return patterns.some((pattern) => matches(pattern.toLowerCase(), address))
}

/** `*` matches any characters. Time is at most the product of both lengths. */
export function matches(pattern: string, text: string): boolean {
  const [first = '', ...rest] = pattern.split('*')
  const last = rest.pop()
  if (last === undefined) return pattern === text
  if (!text.startsWith(first) || text.length < first.length + last.length || !text.endsWith(last)) return false
  const end = text.length - last.length
  let at = first.length
  for (const literal of rest) {
    const found = text.indexOf(literal, at)
    if (found < 0 || found + literal.length > end) return false
    at = found + literal.length
  }
  return true
}
