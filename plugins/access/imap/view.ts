/**
 * A selected mailbox as one client sees it, with the sequence numbers that it knows.
 *
 * Invariants: a number means the same message to server and client until an EXPUNGE or VANISHED is sent, which happens
 * only when RFC 9051 section 7.5.1 allows; every change is sent once.
 */
import type { Changes, Entry, Mailbox, MailStoreApi, Snapshot, UidRange, Uids } from '../../mailbox/store/api.ts'
import { compact, merge, rangesOf, type SequenceSet } from './grammar/sets.ts'
import { UidList } from './uid-list.ts'

/** The changes to send since the last notification. */
export interface ChangeNotice {
  readonly vanished: Uids
  /** Sequence numbers of expunged messages, to be sent in descending order. */
  readonly expunged: readonly number[]
  readonly changed: readonly { readonly number: number; readonly entry: Entry }[]
  readonly added: readonly Entry[]
  readonly exists: boolean
}

/** Maximum keywords in FLAGS. */
const MAX_KEYWORDS = 500

export class View {
  mailbox: Mailbox
  readonly isReadOnly: boolean
  /** The result of the last SEARCH with SAVE (RFC 5182). */
  saved: Uids = []
  /** The keywords that the client knows, by lower-case name. */
  readonly keywords = new Map<string, string>()
  readonly #uids: UidList
  /** Mod-sequence up to which changes have been read. */
  #modseq: number
  /** This session's own changes, already sent in its responses. */
  readonly #own = new Map<number, number>()
  /** Expunged messages that could not be sent yet. */
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

  /** Records the keywords of a message to be sent; true when some of them are new to the client. */
  learn(flags: readonly string[]): boolean {
    const before = this.keywords.size
    for (const flag of flags)
      if (!flag.startsWith('\\') && !this.keywords.has(flag.toLowerCase()) && this.keywords.size < MAX_KEYWORDS)
        this.keywords.set(flag.toLowerCase(), flag)
    return this.keywords.size > before
  }

  /** The UIDs of a set that the client knows. Undefined: it contains an invalid number. */
  uidsOf(set: SequenceSet, areUids: boolean): Uids | undefined {
    // RFC 5182 section 2.1: expunged messages leave the saved result.
    if (set === '$') return merge(this.saved.flatMap(([first, last]) => this.#uids.between(first, last)))
    return areUids ? this.#ofUids(set) : this.#ofNumbers(set)
  }

  /** For searches by set: an invalid number matches no message. */
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

  /** The UIDs expunged since a mod-sequence or, if that is too old, all UIDs that do not exist. */
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

  /** Records that the client has received the current state of this entry. */
  wasTold({ uid, modseq }: Pick<Entry, 'uid' | 'modseq'>): void {
    this.#own.set(uid, modseq)
  }

  /** Reads changes; expunges that may not be sent yet are kept for later. */
  async sync(mail: MailStoreApi, mayExpunge: boolean): Promise<ChangeNotice | 'gone'> {
    const changes = (await this.#onlyOwn(mail)) ?? (await mail.changes(this.mailbox, this.#modseq))
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

  /**
   * The usual case after STORE, without a look for changes: a change has one mod-sequence, so if this session's own has
   * the one after those that were read and is still the mailbox's last, no other has been made.
   */
  async #onlyOwn(mail: MailStoreApi): Promise<Changes | undefined> {
    const next = this.#modseq + 1
    if (!this.#own.values().some((modseq) => modseq === next)) return undefined
    const mailbox = await mail.mailbox(this.mailbox)
    return mailbox?.modseq === next ? { mailbox, changed: [], vanished: [], forgotten: false } : undefined
  }

  /** Removes pending expunges from the view. */
  #expunge(): { numbers: number[]; uids: number[] } {
    const uids = this.#pending.filter((uid) => this.numberOf(uid) !== undefined).sort((a, b) => a - b)
    const numbers = uids.map((uid) => this.numberOf(uid) as number).reverse()
    if (uids.length > 0) this.#uids.remove(uids)
    this.#pending = []
    return { numbers, uids }
  }
}
