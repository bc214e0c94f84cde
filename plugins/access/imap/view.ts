/**
 * A selected mailbox as one client sees it: the sequence numbers it has been told.
 *
 * What must stay true: a number means the same message to us and to the client until an EXPUNGE or VANISHED has told
 * otherwise, which is only at moments that RFC 9051 section 7.5.1 allows; every change is told once.
 */
import type { Changes, Entry, Mailbox, MailStoreApi, Snapshot, UidRange, Uids } from '../../mailbox/store/api.ts'
import { compact, merge, rangesOf, type SequenceSet } from './grammar/sets.ts'
import { UidList } from './uid-list.ts'

/** What a client is to be told of the changes since it was last told. */
export interface ChangeNotice {
  readonly vanished: Uids
  /** The sequence numbers of what vanished, to be told from the highest down. */
  readonly expunged: readonly number[]
  readonly changed: readonly { readonly number: number; readonly entry: Entry }[]
  readonly added: readonly Entry[]
  readonly exists: boolean
}

/** Keywords that FLAGS names. */
const MAX_KEYWORDS = 500

export class View {
  mailbox: Mailbox
  readonly isReadOnly: boolean
  /** What the last SEARCH with SAVE found (RFC 5182). */
  saved: Uids = []
  /** The keywords that the client knows of, in lower case and as they are written. */
  readonly keywords = new Map<string, string>()
  readonly #uids: UidList
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
    this.#uids = new UidList(uids)
  }

  get count(): number {
    return this.#uids.count
  }

  uidOf(number: number): number | undefined {
    return this.#uids.uidOf(number)
  }

  /** The sequence number of a UID; undefined if the client does not know it. */
  numberOf(uid: number): number | undefined {
    return this.#uids.numberOf(uid)
  }

  /** Notes the keywords of a message that the client is about to receive; true when some of them are new to it. */
  learn(flags: readonly string[]): boolean {
    const before = this.keywords.size
    for (const flag of flags)
      if (!flag.startsWith('\\') && !this.keywords.has(flag.toLowerCase()) && this.keywords.size < MAX_KEYWORDS)
        this.keywords.set(flag.toLowerCase(), flag)
    return this.keywords.size > before
  }

  /** The UIDs a set means, of those the client knows. Undefined: it names a number that is not there. */
  uidsOf(set: SequenceSet, areUids: boolean): Uids | undefined {
    // RFC 5182 section 2.1: what is expunged leaves it.
    if (set === '$') return merge(this.saved.flatMap(([first, last]) => this.#uids.between(first, last)))
    return areUids ? this.#ofUids(set) : this.#ofNumbers(set)
  }

  /** The same for who asks which messages are in a set: a number that is not there means none of them. */
  uidsWithin(set: SequenceSet, areUids: boolean): Uids {
    if (areUids || set === '$') return this.uidsOf(set, areUids) ?? []
    const last = this.count
    const there = rangesOf(set, last).flatMap(([first, end]) =>
      first > last ? [] : [[first, Math.min(end, last)] as const],
    )
    return this.#ofNumbers(there) ?? []
  }

  #ofNumbers(set: Exclude<SequenceSet, '$'>): Uids | undefined {
    const uids: UidRange[] = []
    for (const [first, last] of rangesOf(set, this.count)) {
      const [from, to] = [this.uidOf(first), this.uidOf(last)]
      if (from === undefined || to === undefined) return undefined
      uids.push(...this.#uids.between(from, to))
    }
    return merge(uids)
  }

  #ofUids(set: Exclude<SequenceSet, '$'>): Uids {
    // RFC 9051: `*` is the highest UID in use, so that 559:* is never empty.
    return merge(rangesOf(set, this.#uids.highest).flatMap(([first, last]) => this.#uids.between(first, last)))
  }

  get all(): Uids {
    return this.#uids.all
  }

  /** What has vanished since a modseq, as the changes say; if that has been forgotten, every UID that is not there. */
  vanished({ forgotten, vanished }: Pick<Changes, 'forgotten' | 'vanished'>): Uids {
    if (!forgotten) return vanished
    const gaps: UidRange[] = []
    let next = 1
    for (const [first, last] of this.all) {
      if (first > next) gaps.push([next, first - 1])
      next = last + 1
    }
    if (next < this.mailbox.uidNext) gaps.push([next, this.mailbox.uidNext - 1])
    return gaps
  }

  /** The client has been told this entry as it is now. */
  wasTold({ uid, modseq }: Pick<Entry, 'uid' | 'modseq'>): void {
    this.#own.set(uid, modseq)
  }

  /** Reads what has changed; who may not be told of expunges keeps them for later. */
  async sync(mail: MailStoreApi, mayExpunge: boolean): Promise<ChangeNotice | 'gone'> {
    const changes = await mail.changes(this.mailbox, this.#modseq)
    if ('refused' in changes) return 'gone'
    this.mailbox = changes.mailbox
    this.#modseq = changes.mailbox.modseq
    for (const [first, last] of changes.vanished) for (let uid = first; uid <= last; uid++) this.#pending.push(uid)
    const expunged = mayExpunge ? this.#expunge() : { numbers: [], uids: [] }
    const before = this.count
    const { highest } = this.#uids
    const known: Entry[] = []
    const added: Entry[] = []
    for (const entry of changes.changed) {
      if (entry.uid > highest) {
        this.#uids.add(entry.uid)
        added.push(entry)
      } else known.push(entry)
    }
    const changed = known.flatMap((entry) => {
      const number = this.numberOf(entry.uid)
      const isOwn = this.#own.get(entry.uid) === entry.modseq
      return number === undefined || isOwn ? [] : [{ number, entry }]
    })
    this.#own.clear()
    return {
      vanished: compact(expunged.uids),
      expunged: expunged.numbers,
      changed,
      added,
      exists: this.count > before,
    }
  }

  /** Takes what is pending out of the view. */
  #expunge(): { numbers: number[]; uids: number[] } {
    const uids = this.#pending.filter((uid) => this.numberOf(uid) !== undefined).sort((a, b) => a - b)
    const numbers = uids.map((uid) => this.numberOf(uid) as number).reverse()
    if (uids.length > 0) this.#uids.remove(uids)
    this.#pending = []
    return { numbers, uids }
  }
}
