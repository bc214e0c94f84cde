/**
 * The reading half of the Directory service.
 *
 * Invariants: an entry leaves the plugin only through `shown`, without hashes and secrets.
 */
import { below, type Store, unkey } from 'iems'
import type { Asked, Entry, EntryKind, EntryOf, Member, Placed, Recorded } from './api.ts'
import { shown } from './entry-view.ts'
import { FOLDS, type Lookup, lastPart } from './lookup.ts'
import {
  beginning,
  decode,
  deeper,
  type EntryRecord,
  foldPath,
  foldValue,
  historyKey,
  nameKey,
  placeKey,
} from './records.ts'
import { removedEntries } from './removed.ts'

export class EntryReader {
  readonly #store: Store
  readonly #lookup: Lookup

  /** By record, so that a cached record is always the same entry. */
  readonly #entries = new WeakMap<EntryRecord, Entry>()

  constructor(store: Store, lookup: Lookup) {
    this.#store = store
    this.#lookup = lookup
  }

  #shown(record: EntryRecord): Entry {
    const known = this.#entries.get(record)
    if (known) return known
    const entry = shown(record)
    this.#entries.set(record, entry)
    return entry
  }

  async byId(id: string): Promise<Entry | undefined> {
    const entry = await this.#lookup.byId(id)
    return entry && this.#shown(entry)
  }

  async byName<K extends EntryKind>(kind: K, name: string): Promise<EntryOf<K> | undefined> {
    const entry = await this.#lookup.byName(kind, name)
    return entry && (this.#shown(entry as EntryRecord) as EntryOf<K>)
  }

  async *list<K extends EntryKind>(kind: K, { after }: { readonly after?: string } = {}): AsyncGenerator<EntryOf<K>> {
    const { from, to } = below('n', kind)
    const behind = after === undefined ? undefined : FOLDS[kind](after)
    const start = behind === undefined ? from : Buffer.concat([nameKey(kind, behind), Buffer.from([0])])
    for await (const entry of this.#lookup.entriesIn({ from: start, to }, (_, value) => decode<string>(value)))
      yield this.#shown(entry) as EntryOf<K>
  }

  async *all<K extends EntryKind>(kinds: readonly K[]): AsyncGenerator<EntryOf<K>> {
    // An entry that the scan itself has read is seen once.
    let read: EntryRecord | undefined
    const reading = (value: Uint8Array) => {
      read = decode<EntryRecord>(value)
      return read
    }
    for await (const entry of this.#lookup.all(reading))
      if ((kinds as readonly EntryKind[]).includes(entry.kind))
        yield (entry === read ? shown(entry) : this.#shown(entry)) as EntryOf<K>
  }

  async *inUnit(path: string): AsyncGenerator<Placed> {
    for await (const entry of this.#lookup.entriesIn(below('u', foldPath(path)), lastPart))
      yield this.#shown(entry) as Placed
  }

  async at(path: string): Promise<Placed | undefined> {
    const entry = await this.#lookup.entryAt(placeKey(foldPath(path)))
    return entry && (this.#shown(entry) as Placed)
  }

  async *below(path: string): AsyncGenerator<Placed> {
    const folded = foldPath(path)
    for (const range of folded === '' ? [deeper('')] : [below('u', folded), deeper(folded)])
      for await (const entry of this.#lookup.entriesIn(range, lastPart)) yield this.#shown(entry) as Placed
  }

  async *find({ attribute, value, how }: Asked): AsyncGenerator<Placed> {
    const folded = foldValue(value)
    const seen = new Set<string>()
    const range = how === 'equal' ? below('x', attribute, folded) : beginning(attribute, folded)
    for await (const entry of this.#lookup.entriesIn(range, lastPart)) {
      if (seen.has(entry.id)) continue
      seen.add(entry.id)
      yield this.#shown(entry) as Placed
    }
  }

  members(group: string): AsyncGenerator<Member> {
    return this.#lookup.members(group)
  }

  memberOf(member: string | Member): AsyncGenerator<string> {
    return this.#lookup.memberOf(member)
  }

  removed() {
    return removedEntries(this.#store)
  }

  async *history({
    id,
    limit = 1000,
  }: {
    readonly id?: string
    readonly limit?: number
  } = {}): AsyncGenerator<Recorded> {
    const range = id === undefined ? below('h') : below('y', id)
    for await (const [at, value] of this.#store.scan({ ...range, limit, reverse: true })) {
      const [when, number] = unkey(at).slice(-2) as [number, number]
      const recorded = id === undefined ? value : await this.#store.get(historyKey(when, number))
      if (recorded) yield decode<Recorded>(recorded)
    }
  }
}
