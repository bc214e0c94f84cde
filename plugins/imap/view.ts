/**
 * A selected mailbox as one client sees it: the sequence numbers it has been told.
 *
 * What must stay true: a number means the same message to us and to the client until an EXPUNGE or VANISHED has told
 * otherwise, which is only at moments that RFC 9051 section 7.5.1 allows; every change is told once.
 */
import type { Entry, Mailbox, MailStoreApi, Snapshot, UidRange, Uids } from '../mailstore/api.ts'
import { compact, rangesOf, type SequenceSet } from './grammar/sets.ts'

/** What a client is to be told of the changes since it was last told. */
export interface Told {
  readonly vanished: Uids
  /** The sequence numbers of what vanished, to be told from the highest down. */
  readonly expunged: readonly number[]
  readonly changed: readonly { readonly number: number; readonly entry: Entry }[]
  readonly exists: boolean
}

const LAST_UID = 4_294_967_295

export class View {
  mailbox: Mailbox
  readonly isReadOnly: boolean
  /** What the last SEARCH with SAVE found (RFC 5182). */
  saved: Uids = []
  #uids: number[]
  /** Up to which changes have been read. */
  #modseq: number
  /** Changes of our own that the client has been told as a reply. */
  readonly #own = new Map<number, number>()
  /** What has vanished and could not be told yet. */
  #pending: number[] = []

  constructor({ mailbox, uids }: Snapshot, isReadOnly: boolean) {
    this.mailbox = mailbox
    this.isReadOnly = isReadOnly
    this.#modseq = mailbox.modseq
    this.#uids = []
    for (const [first, last] of uids) for (let uid = first; uid <= last; uid++) this.#uids.push(uid)
  }

  get count(): number {
    return this.#uids.length
  }

  uidOf(number: number): number | undefined {
    return this.#uids[number - 1]
  }

  /** The sequence number of a UID; undefined if the client does not know it. */
  numberOf(uid: number): number | undefined {
    const index = this.#indexOf(uid)
    return this.#uids[index] === uid ? index + 1 : undefined
  }

  /** Where it is or would be. */
  #indexOf(uid: number): number {
    let [low, high] = [0, this.#uids.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#uids[middle] as number) < uid) low = middle + 1
      else high = middle
    }
    return low
  }

  /** The UIDs a set means, of those the client knows. Undefined: it names a number that is not there. */
  uidsOf(set: SequenceSet, areUids: boolean): Uids | undefined {
    if (set === '$') return this.saved
    return areUids ? this.#ofUids(set) : this.#ofNumbers(set)
  }

  #ofNumbers(set: Exclude<SequenceSet, '$'>): Uids | undefined {
    const uids: UidRange[] = []
    for (const [first, last] of rangesOf(set, this.count)) {
      if (first < 1 || last > this.count) return undefined
      uids.push(...compact(this.#uids.slice(first - 1, last)))
    }
    return merge(uids)
  }

  #ofUids(set: Exclude<SequenceSet, '$'>): Uids {
    const uids: UidRange[] = []
    // RFC 9051: `*` is the highest UID in use, so that 559:* is never empty.
    const highest = this.#uids.at(-1) ?? 0
    for (const [first, last] of rangesOf(set, highest)) {
      const from = this.#indexOf(first)
      const to = this.#indexOf(Math.min(last, LAST_UID) + 1)
      if (to > from) uids.push(...compact(this.#uids.slice(from, to)))
    }
    return merge(uids)
  }

  get all(): Uids {
    return compact(this.#uids)
  }

  /** The client has been told this entry as it is now. */
  wasTold({ uid, modseq }: Pick<Entry, 'uid' | 'modseq'>): void {
    this.#own.set(uid, modseq)
  }

  /** Reads what has changed; who may not be told of expunges keeps them for later. */
  async sync(mail: MailStoreApi, mayExpunge: boolean): Promise<Told | 'gone'> {
    const changes = await mail.changes(this.mailbox, this.#modseq)
    if ('refused' in changes) return 'gone'
    this.mailbox = changes.mailbox
    this.#modseq = changes.mailbox.modseq
    for (const [first, last] of changes.vanished) for (let uid = first; uid <= last; uid++) this.#pending.push(uid)
    const expunged = mayExpunge ? this.#expunge() : { numbers: [], uids: [] }
    const before = this.count
    const highest = this.#uids.at(-1) ?? 0
    const known: Entry[] = []
    for (const entry of changes.changed) {
      if (entry.uid > highest) this.#uids.push(entry.uid)
      else known.push(entry)
    }
    const changed = known.flatMap((entry) => {
      const number = this.numberOf(entry.uid)
      const isOwn = this.#own.get(entry.uid) === entry.modseq
      return number === undefined || isOwn ? [] : [{ number, entry }]
    })
    this.#own.clear()
    return {
      vanished: merge(expunged.uids.map((uid) => [uid, uid])),
      expunged: expunged.numbers,
      changed,
      exists: this.count > before,
    }
  }

  /** Takes what is pending out of the view. */
  #expunge(): { numbers: number[]; uids: number[] } {
    const gone = this.#pending.flatMap((uid) => this.numberOf(uid) ?? []).sort((a, b) => b - a)
    const uids = gone.map((number) => this.#uids[number - 1] as number)
    if (gone.length > 0) {
      const set = new Set(uids)
      this.#uids = this.#uids.filter((uid) => !set.has(uid))
    }
    this.#pending = []
    return { numbers: gone, uids }
  }
}

function merge(ranges: readonly UidRange[]): Uids {
  const merged: [number, number][] = []
  for (const [first, last] of [...ranges].sort(([a], [b]) => a - b)) {
    const before = merged.at(-1)
    if (before && first <= before[1] + 1) before[1] = Math.max(before[1], last)
    else merged.push([first, last])
  }
  return merged
}
