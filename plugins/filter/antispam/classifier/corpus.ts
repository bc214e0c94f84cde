/**
 * A corpus, shared or of one account: for each token, the number of junk and ham messages that contained it.
 *
 * The counts are a table in memory, indexed by the upper bits of the hash. On disk they are a snapshot and a journal of
 * later lessons, so a lesson writes little and a crash loses nothing.
 *
 * Invariants: snapshot and journal together equal the table, whichever kernels wrote them; each snapshot writes a new
 * head, so that a kernel notices that its table is based on an older one; counts are halved before they overflow.
 */
import { randomBytes, randomInt } from 'node:crypto'
import { below, type Key, key, type Store, type Value } from 'iems'

export type Kind = 'junk' | 'ham'

/** A message that is added to a kind, or removed from it. */
export interface Change {
  readonly tokens: Uint32Array
  readonly add?: Kind
  readonly remove?: Kind
}

/** Journal entries after which a snapshot is written. */
const JOURNAL = 200
const MAX_COUNT = 65_535
/** Retries, because other kernels may write snapshots during a read. */
const MAX_LOADS = 20
/** Version, bits, age, junk, ham: 32 bits each. */
const HEAD = 5
const VERSION = 1

const snapshotKey = (name: string) => key('corpus', name)
const headKey = (name: string) => key('corpus-head', name)
const journalOf = (name: string) => below('journal', name)

export interface CorpusSettings {
  readonly store: Store
  /** Empty for the shared corpus. */
  readonly name: string
  /** The table has 2 ** bits slots. */
  readonly bits: number
  readonly window: number
  readonly now: () => number
}

export class Corpus {
  readonly #settings: CorpusSettings
  /** Allocated on first use, because most accounts never teach anything. */
  #tables: { readonly junk: Uint16Array; readonly ham: Uint16Array } | undefined
  /** Keys of the journal entries that the table includes and the snapshot does not, by their octets. */
  readonly #journal = new Map<string, Key>()
  #head: Value | undefined
  /** Number of times that counts have been halved. */
  age = 0
  junk = 0
  ham = 0

  private constructor(settings: CorpusSettings) {
    this.#settings = settings
  }

  static async load(settings: CorpusSettings): Promise<Corpus> {
    const { store, name } = settings
    for (let left = MAX_LOADS; left > 0; left--) {
      const corpus = new Corpus(settings)
      corpus.#head = await store.get(headKey(name))
      const snapshot = await store.get(snapshotKey(name))
      if (snapshot) corpus.#read(snapshot)
      if (await corpus.catchUp()) return corpus
    }
    throw new Error(`the corpus "${name}" is rewritten by other servers all the time`)
  }

  /** Applies lessons of other kernels. False: there is a new snapshot, and the corpus must be loaded again. */
  async catchUp(): Promise<boolean> {
    const { store, name } = this.#settings
    const unknown: Change[] = []
    for await (const [at, value] of store.scan(journalOf(name))) {
      if (this.#journal.has(nameOf(at))) continue
      unknown.push(readEntry(value))
      this.#journal.set(nameOf(at), at)
    }
    if (!isSame(await store.get(headKey(name)), this.#head)) return false
    // Entries of the same time are unordered: a message must be added before it is removed.
    for (const { add, tokens } of unknown) this.#apply({ tokens, ...(add ? { add } : {}) })
    for (const { remove, tokens } of unknown) this.#apply({ tokens, ...(remove ? { remove } : {}) })
    return true
  }

  /** Number of messages of each kind that contained a token. */
  counts(token: number): readonly [junk: number, ham: number] {
    const place = token >>> (32 - this.#settings.bits)
    return this.#tables ? [this.#tables.junk[place] as number, this.#tables.ham[place] as number] : [0, 0]
  }

  #made() {
    const places = 2 ** this.#settings.bits
    this.#tables ??= { junk: new Uint16Array(places), ham: new Uint16Array(places) }
    return this.#tables
  }

  /** The write that must be part of the commit that learns a change. */
  entry(change: Change): { readonly put: Key; readonly value: Value } {
    const { name, now } = this.#settings
    // Random, so that two kernels never use the same key.
    return { put: key('journal', name, now(), randomInt(2 ** 32)), value: writeEntry(change) }
  }

  /** Called after the entry has been committed. */
  learnt(at: Key, change: Change): void {
    this.#journal.set(nameOf(at), at)
    this.#apply(change)
  }

  #apply({ tokens, add, remove }: Change): void {
    if (remove) this.#count(remove, tokens, -1)
    if (add) this.#count(add, tokens, 1)
  }

  #count(kind: Kind, tokens: Uint32Array, by: 1 | -1): void {
    const table = this.#made()[kind]
    const shift = 32 - this.#settings.bits
    for (const token of tokens) {
      const place = token >>> shift
      table[place] = Math.min(MAX_COUNT, Math.max(0, (table[place] as number) + by))
    }
    this[kind] = Math.max(0, this[kind] + by)
  }

  get isDue(): boolean {
    return this.#journal.size >= JOURNAL || this.junk + this.ham > this.#settings.window
  }

  /** Replaces the journal by a snapshot. False: another kernel has done so, and this corpus must be loaded again. */
  async compact(): Promise<boolean> {
    const { store, name, window } = this.#settings
    if (this.junk + this.ham > window) this.#halve()
    const head = randomBytes(16)
    const ops = [
      { put: snapshotKey(name), value: this.#write() },
      { put: headKey(name), value: head },
      ...[...this.#journal.values()].map((del) => ({ del })),
    ]
    const done = await store.commit(ops, [{ key: headKey(name), is: this.#head ?? 'absent' }])
    this.#head = head
    this.#journal.clear()
    return done
  }

  #halve(): void {
    for (const table of Object.values(this.#made()))
      for (let at = 0; at < table.length; at++) table[at] = (table[at] as number) >> 1
    this.junk >>= 1
    this.ham >>= 1
    this.age++
  }

  #write(): Uint8Array {
    const head = Uint32Array.of(VERSION, this.#settings.bits, this.age, this.junk, this.ham)
    const { junk, ham } = this.#made()
    return Buffer.concat([head, junk, ham].map(({ buffer }) => Buffer.from(buffer)))
  }

  #read(value: Uint8Array): void {
    // Copies, because a typed array needs an aligned buffer.
    const octets = Uint8Array.from(value).buffer
    const [version, bits, age = 0, junk = 0, ham = 0] = new Uint32Array(octets, 0, HEAD)
    if (version !== VERSION || bits !== this.#settings.bits) return
    const [start, places] = [HEAD * 4, 2 ** bits]
    const tables = this.#made()
    tables.junk.set(new Uint16Array(octets, start, places))
    tables.ham.set(new Uint16Array(octets, start + places * 2, places))
    Object.assign(this, { age, junk, ham })
  }
}

const nameOf = (at: Key) => Buffer.from(at).toString('latin1')

function isSame(one: Value | undefined, other: Value | undefined): boolean {
  return one === undefined || other === undefined ? one === other : Buffer.compare(one, other) === 0
}

const KINDS: readonly (Kind | undefined)[] = [undefined, 'junk', 'ham']

function writeEntry({ tokens, add, remove }: Change): Uint8Array {
  const octets = Buffer.alloc(2 + tokens.byteLength)
  octets[0] = KINDS.indexOf(add)
  octets[1] = KINDS.indexOf(remove)
  writeTokens(tokens).copy(octets, 2)
  return octets
}

function readEntry(value: Uint8Array): Change {
  const [add, remove] = [KINDS[value[0] as number], KINDS[value[1] as number]]
  return { tokens: readTokens(value.subarray(2)), ...(add ? { add } : {}), ...(remove ? { remove } : {}) }
}

/** Tokens as little-endian octets. */
export function writeTokens(tokens: Uint32Array): Buffer {
  const octets = Buffer.alloc(tokens.length * 4)
  for (const [index, token] of tokens.entries()) octets.writeUInt32LE(token, index * 4)
  return octets
}

export function readTokens(octets: Uint8Array): Uint32Array {
  const source = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength)
  return Uint32Array.from({ length: Math.floor(source.length / 4) }, (_, index) => source.readUInt32LE(index * 4))
}
