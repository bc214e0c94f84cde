/**
 * How entries are found.
 *
 * What must stay true: an address, a name or an indexed value is found without a look at other entries, however many
 * there are; only patterns are looked at one by one, and those are kept at hand until something changes.
 */
import { below, type Range, type Store, unkey } from 'iems'
import type { Alias, Asked, DirectoryApi, EntryKind, EntryOf, Member, Placed, Recorded, RoutingEntry } from './api.ts'
import { shown } from './entry-view.ts'
import type { Kept } from './record-cache.ts'
import {
  addressKey,
  beginning,
  decode,
  deeper,
  type EntryRecord,
  entryKey,
  foldAddress,
  foldDomain,
  foldMatch,
  foldName,
  foldPath,
  foldValue,
  historyKey,
  memberName,
  nameKey,
  placeKey,
} from './records.ts'
import { captured, exactness } from './wildcard.ts'

export type Lookup = ReturnType<typeof createLookup>

const FOLDS: Readonly<Record<EntryKind, (name: string) => string | undefined>> = {
  unit: foldPath,
  object: foldPath,
  domain: foldDomain,
  account: foldName,
  group: foldName,
  alias: foldMatch,
  route: foldMatch,
}

/** A pattern that fits, and what its wildcards stand for. */
export interface Fitting<E> {
  readonly entry: E
  readonly captures: readonly string[]
}

export function createLookup(store: Store, kept: Kept) {
  const byId = (id: string) => kept.get<EntryRecord>(entryKey(id))

  async function idAt(at: Uint8Array): Promise<EntryRecord | undefined> {
    const id = await kept.get<string>(at)
    return id === undefined ? undefined : byId(id)
  }

  /** By its own name, as it is compared already. */
  async function named<K extends EntryKind>(kind: K, folded: string): Promise<RecordOf<K> | undefined> {
    return (await idAt(nameKey(kind, folded))) as RecordOf<K> | undefined
  }

  /** Who has an address, as it is compared already. */
  const ownerOf = (address: string) => idAt(addressKey(address))

  async function byName<K extends EntryKind>(kind: K, name: string): Promise<RecordOf<K> | undefined> {
    const folded = FOLDS[kind](name)
    const found = folded === undefined || folded === '' ? undefined : await named(kind, folded)
    if (found || (kind !== 'account' && kind !== 'group')) return found
    const address = foldAddress(name)
    const owner = address === undefined ? undefined : await ownerOf(address)
    return owner?.kind === kind ? (owner as RecordOf<K>) : undefined
  }

  async function* entriesIn(range: Range, idOf: (at: Uint8Array, value: Uint8Array) => string) {
    for await (const [at, value] of store.scan(range)) {
      const entry = await byId(idOf(at, value))
      if (entry) yield entry
    }
  }

  const lastPart = (at: Uint8Array) => unkey(at).at(-1) as string

  // --- patterns, at hand ---

  let known: { readonly revision: number; readonly patterns: ReadonlyMap<string, readonly (Alias | RoutingEntry)[]> }

  /** Aliases and routing entries with wildcards, by the domain they are about; the most exact ones first. */
  async function patterns() {
    const revision = await kept.revision()
    if (known?.revision === revision) return known.patterns
    const found = new Map<string, (Alias | RoutingEntry)[]>()
    for await (const entry of entriesIn(below('p'), (_, value) => decode<string>(value))) {
      if (entry.kind !== 'alias' && entry.kind !== 'route') continue
      const of = `${entry.kind} ${foldMatch(entry.match)?.split('@').at(-1)}`
      found.set(of, [...(found.get(of) ?? []), entry])
    }
    for (const list of found.values()) list.sort((a, b) => exactness(b.match) - exactness(a.match))
    known = { revision, patterns: found }
    return found
  }

  /** The most exact alias or routing entry with a wildcard that fits an address. */
  async function fitting<K extends 'alias' | 'route'>(
    kind: K,
    { local, domain }: { readonly local: string; readonly domain: string },
  ): Promise<Fitting<EntryOf<K>> | undefined> {
    for (const entry of (await patterns()).get(`${kind} ${domain}`) ?? []) {
      const match = foldMatch(entry.match) as string
      const captures = captured(match.slice(0, match.lastIndexOf('@')), local)
      if (captures) return { entry: entry as EntryOf<K>, captures }
    }
    const entry = (await named(kind, `*@${domain}`)) as EntryOf<K> | undefined
    return entry && { entry, captures: [local] }
  }

  // --- the reading half of the service ---

  const service = {
    async byId(id) {
      const entry = await byId(id)
      return entry && shown(entry)
    },
    async byName<K extends EntryKind>(kind: K, name: string) {
      const entry = await byName(kind, name)
      return entry && (shown(entry as EntryRecord) as EntryOf<K>)
    },
    async *list<K extends EntryKind>(kind: K, { after }: { readonly after?: string } = {}) {
      const { from, to } = below('n', kind)
      const behind = after === undefined ? undefined : FOLDS[kind](after)
      const start = behind === undefined ? from : Buffer.concat([nameKey(kind, behind), Buffer.from([0])])
      for await (const entry of entriesIn({ from: start, to }, (_, value) => decode<string>(value)))
        yield shown(entry) as EntryOf<K>
    },
    async *all<K extends EntryKind>(kinds: readonly K[]) {
      for await (const [, value] of store.scan(below('e'))) {
        const entry = decode<EntryRecord>(value)
        if ((kinds as readonly EntryKind[]).includes(entry.kind)) yield shown(entry) as EntryOf<K>
      }
    },
    async *inUnit(path: string) {
      for await (const entry of entriesIn(below('u', foldPath(path)), lastPart)) yield shown(entry) as Placed
    },
    async at(path: string) {
      const entry = await idAt(placeKey(foldPath(path)))
      return entry && (shown(entry) as Placed)
    },
    async *below(path: string) {
      const folded = foldPath(path)
      for (const range of folded === '' ? [deeper('')] : [below('u', folded), deeper(folded)])
        for await (const entry of entriesIn(range, lastPart)) yield shown(entry) as Placed
    },
    async *find({ attribute, value, how }: Asked) {
      const folded = foldValue(value)
      const seen = new Set<string>()
      const range = how === 'equal' ? below('x', attribute, folded) : beginning(attribute, folded)
      for await (const entry of entriesIn(range, lastPart)) {
        if (seen.has(entry.id)) continue
        seen.add(entry.id)
        yield shown(entry) as Placed
      }
    },
    async *members(group: string) {
      for await (const [, value] of store.scan(below('m', group))) yield decode<Member>(value)
    },
    async *memberOf(member: string | Member) {
      const name = memberName(typeof member === 'string' ? { id: member } : member)
      for await (const [at] of store.scan(below('o', name))) yield lastPart(at)
    },
    async *history({ id, limit = 1000 }: { readonly id?: string; readonly limit?: number } = {}) {
      const range = id === undefined ? below('h') : below('y', id)
      for await (const [at, value] of store.scan({ ...range, limit, reverse: true })) {
        const [when, number] = unkey(at).slice(-2) as [number, number]
        const recorded = id === undefined ? value : await store.get(historyKey(when, number))
        if (recorded) yield decode<Recorded>(recorded)
      }
    },
  } satisfies Partial<DirectoryApi>

  return { byId, named, byName, ownerOf, fitting, service }
}

type RecordOf<K extends EntryKind> = Extract<EntryRecord, { kind: K }>
