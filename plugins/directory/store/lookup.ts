/**
 * Looks up entries.
 *
 * Invariants: addresses, names and indexed values are found without scanning other entries; only patterns are compared
 * one by one, and those are cached until a change.
 */
import { below, foldDomain, type Range, type Store, unkey } from 'iems'
import type { Alias, EntryKind, EntryOf, Member, RoutingEntry } from './api.ts'
import type { Kept } from './record-cache.ts'
import {
  type AccountRecord,
  addressKey,
  decode,
  type EntryRecord,
  foldAddress,
  foldMatch,
  foldName,
  foldPath,
  memberName,
  nameKey,
} from './records.ts'
import { captured, exactness } from './wildcard.ts'

export const FOLDS: Readonly<Record<EntryKind, (name: string) => string | undefined>> = {
  unit: foldPath,
  object: foldPath,
  domain: foldDomain,
  account: foldName,
  group: foldName,
  alias: foldMatch,
  route: foldMatch,
}

/** A matching pattern, and the text that its wildcards matched. */
export interface Fitting<E> {
  readonly entry: E
  readonly captures: readonly string[]
}

export class Lookup {
  readonly #store: Store
  readonly #kept: Kept
  /** The patterns at a revision of the directory. */
  #known:
    | { readonly revision: number; readonly patterns: ReadonlyMap<string, readonly (Alias | RoutingEntry)[]> }
    | undefined

  constructor(store: Store, kept: Kept) {
    this.#store = store
    this.#kept = kept
  }

  byId(id: string) {
    return this.#kept.entry<EntryRecord>(id)
  }

  async entryAt(at: Uint8Array): Promise<EntryRecord | undefined> {
    const id = await this.#kept.get<string>(at)
    return id === undefined ? undefined : this.byId(id)
  }

  async account(id: string): Promise<AccountRecord | undefined> {
    const entry = await this.byId(id)
    return entry?.kind === 'account' ? entry : undefined
  }

  async *members(group: string): AsyncGenerator<Member> {
    for await (const [, value] of this.#store.scan(below('m', group))) yield decode<Member>(value)
  }

  async *memberOf(member: string | Member): AsyncGenerator<string> {
    const name = memberName(typeof member === 'string' ? { id: member } : member)
    yield* this.#idsIn(below('o', name), lastPart)
  }

  /** By folded name. */
  async named<K extends EntryKind>(kind: K, folded: string): Promise<RecordOf<K> | undefined> {
    return (await this.entryAt(nameKey(kind, folded))) as RecordOf<K> | undefined
  }

  /** The owner of a folded address. */
  ownerOf(address: string) {
    return this.entryAt(addressKey(address))
  }

  async byName<K extends EntryKind>(kind: K, name: string): Promise<RecordOf<K> | undefined> {
    const folded = FOLDS[kind](name)
    const found = folded === undefined || folded === '' ? undefined : await this.named(kind, folded)
    if (found || (kind !== 'account' && kind !== 'group')) return found
    const address = foldAddress(name)
    const owner = address === undefined ? undefined : await this.ownerOf(address)
    return owner?.kind === kind ? (owner as RecordOf<K>) : undefined
  }

  async *#idsIn(range: Range, idOf: IdOf): AsyncGenerator<string> {
    const known = await this.#kept.ids(range)
    if (known) yield* known
    else for await (const [id] of this.#kept.read(range, idOf)) yield id
  }

  /** `read`: what the store has read is the entry. */
  async *entriesIn(range: Range, idOf: IdOf, read?: (value: Uint8Array) => EntryRecord): AsyncGenerator<EntryRecord> {
    const known = await this.#kept.ids(range)
    for (const id of known ?? []) {
      const entry = this.#kept.known<EntryRecord>(id) ?? (await this.byId(id))
      if (entry) yield entry
    }
    if (known) return
    for await (const [id, value] of this.#kept.read(range, idOf)) {
      const entry = read ? read(value) : await this.byId(id)
      if (entry) yield entry
    }
  }

  /** All entries, unordered; those that are not cached by `read`. */
  all(read: (value: Uint8Array) => EntryRecord): AsyncGenerator<EntryRecord> {
    return this.entriesIn(below('e'), lastPart, read)
  }

  /** Aliases and routing entries with wildcards by domain, most specific first. */
  async #patterns() {
    const revision = await this.#kept.revision()
    if (this.#known?.revision === revision) return this.#known.patterns
    const found = new Map<string, (Alias | RoutingEntry)[]>()
    for await (const entry of this.entriesIn(below('p'), (_, value) => decode<string>(value))) {
      if (entry.kind !== 'alias' && entry.kind !== 'route') continue
      const of = `${entry.kind} ${foldMatch(entry.match)?.split('@').at(-1)}`
      found.set(of, [...(found.get(of) ?? []), entry])
    }
    for (const list of found.values()) list.sort((a, b) => exactness(b.match) - exactness(a.match))
    this.#known = { revision, patterns: found }
    return found
  }

  /** The most specific alias or routing entry with a wildcard that matches an address. */
  async fitting<K extends 'alias' | 'route'>(
    kind: K,
    { local, domain }: { readonly local: string; readonly domain: string },
  ): Promise<Fitting<EntryOf<K>> | undefined> {
    for (const entry of (await this.#patterns()).get(`${kind} ${domain}`) ?? []) {
      const match = foldMatch(entry.match) as string
      const captures = captured(match.slice(0, match.lastIndexOf('@')), local)
      if (captures) return { entry: entry as EntryOf<K>, captures }
    }
    const entry = (await this.named(kind, `*@${domain}`)) as EntryOf<K> | undefined
    return entry && { entry, captures: [local] }
  }
}

type IdOf = (at: Uint8Array, value: Uint8Array) => string
export const lastPart = (at: Uint8Array) => unkey(at).at(-1) as string

type RecordOf<K extends EntryKind> = Extract<EntryRecord, { kind: K }>
