/**
 * What was learnt, by everybody or by one account: for each token, in how many junk and ham messages it stood.
 *
 * A table of counts in memory, found by the upper bits of the hash. On disk it is a snapshot and what was learnt since
 * (the journal); so learning one message writes little, and a crash loses nothing.
 *
 * Invariants: snapshot and journal together are the table, whichever kernels wrote them; the head is written anew with
 * each snapshot, so that a kernel notices that its own table rests on an older one; counts are halved before they
 * overflow.
 */
import { randomBytes, randomInt } from 'node:crypto'
import { below, type Key, key, type Store, type Value } from 'iems'

export type Kind = 'junk' | 'ham'

/** A message that begins to count as one kind, or stops to. */
export interface Change {
  readonly tokens: Uint32Array
  readonly add?: Kind
  readonly remove?: Kind
}

/** Entries of the journal after which a snapshot is written. */
const JOURNAL = 200
const MAX_COUNT = 65_535
/** Other kernels may write snapshots while one is read. */
const MAX_LOADS = 20
/** Version, bits, age, junk, ham: 32 bits each. */
const HEAD = 5
const VERSION = 1

const snapshotKey = (name: string) => key('corpus', name)
const headKey = (name: string) => key('corpus-head', name)
const journalOf = (name: string) => below('journal', name)

export interface CorpusSettings {
  readonly store: Store
  /** Empty for the shared one. */
  readonly name: string
  /** The table has 2 ** bits places. */
  readonly bits: number
  readonly window: number
  readonly now: () => number
}

export class Corpus {
  readonly #settings: CorpusSettings
  /** Most accounts never teach anything: they cost no table. */
  #tables: { readonly junk: Uint16Array; readonly ham: Uint16Array } | undefined
  /** Keys of the entries that are in the table and not in the snapshot, by their octets. */
  readonly #journal = new Map<string, Key>()
  #head: Value | undefined
  /** How often counts have been halved. */
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

  /** Adds what other kernels have learnt. False: there is another snapshot, and the corpus is to be loaded again. */
  async catchUp(): Promise<boolean> {
    const { store, name } = this.#settings
    const unknown: Change[] = []
    for await (const [at, value] of store.scan(journalOf(name))) {
      if (this.#journal.has(nameOf(at))) continue
      unknown.push(readEntry(value))
      this.#journal.set(nameOf(at), at)
    }
    if (!isSame(await store.get(headKey(name)), this.#head)) return false
    // Entries of one moment are in no order: what is taken away must be there before.
    for (const { add, tokens } of unknown) this.#apply({ tokens, ...(add ? { add } : {}) })
    for (const { remove, tokens } of unknown) this.#apply({ tokens, ...(remove ? { remove } : {}) })
    return true
  }

  /** How often a token stood in messages of a kind. */
  counts(token: number): readonly [junk: number, ham: number] {
    const place = token >>> (32 - this.#settings.bits)
    return this.#tables ? [this.#tables.junk[place] as number, this.#tables.ham[place] as number] : [0, 0]
  }

  #made() {
    const places = 2 ** this.#settings.bits
    this.#tables ??= { junk: new Uint16Array(places), ham: new Uint16Array(places) }
    return this.#tables
  }

  /** What must be part of the commit that a change is learnt in. */
  entry(change: Change): { readonly put: Key; readonly value: Value } {
    const { name, now } = this.#settings
    // Two kernels must not take the same place.
    return { put: key('journal', name, now(), randomInt(2 ** 32)), value: writeEntry(change) }
  }

  /** The entry has been committed. */
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

  /** Writes a snapshot in place of the journal. False: another kernel has, and this corpus is to be loaded again. */
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
    // A copy begins where numbers of more than one octet may begin.
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

/** Tokens as octets, lowest first whatever the machine. */
export function writeTokens(tokens: Uint32Array): Buffer {
  const octets = Buffer.alloc(tokens.length * 4)
  for (const [index, token] of tokens.entries()) octets.writeUInt32LE(token, index * 4)
  return octets
}

export function readTokens(octets: Uint8Array): Uint32Array {
  const source = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength)
  return Uint32Array.from({ length: Math.floor(source.length / 4) }, (_, index) => source.readUInt32LE(index * 4))
}
