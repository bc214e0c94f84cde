/**
 * The record of imported messages: an import that is repeated, or was killed, comes to the same result.
 *
 * Invariants: the intention to file messages is on stable storage before they are filed; a run that finds an intention
 * checks which of its messages are in the mailbox.
 */
import { below, decodeRecord, encodeRecord, key, type Store, unkey } from 'iems'
import type { Email, MailboxRef, MailStoreApi } from '../../mailbox/store/api.ts'
import { isRefusedByStore } from './mailboxes.ts'

/** Records removed in one commit. */
const FORGET = 1000

export interface Filed {
  readonly mailbox: string
  readonly uid: number
}

/** A document in one mailbox. */
export interface Target {
  /** Of the document, in its source. */
  readonly id: string
  readonly place: string
}

interface Intention {
  readonly mailbox: string
  readonly uidNext: number
  readonly place: string
  readonly ids: readonly string[]
  readonly marks?: readonly string[]
}

/** Documents that are filed together. */
export interface Batch {
  readonly place: string
  readonly ids: readonly string[]
  /** Answer of `idOf` for each, when that is not the document's id. */
  readonly marks?: readonly string[]
}

export class Ledger {
  private readonly store: Store
  private readonly mail: MailStoreApi
  private readonly account: string
  private readonly source: string
  /** The id of the document that a message is, or its mark. */
  private readonly idOf: (email: Email) => Promise<string | undefined>

  constructor(
    deps: { readonly store: Store; readonly mail: MailStoreApi; readonly account: string; readonly source: string },
    idOf: (email: Email) => Promise<string | undefined>,
  ) {
    this.idOf = idOf
    this.store = deps.store
    this.mail = deps.mail
    this.account = deps.account
    this.source = deps.source
  }

  private filedKey(target: Target) {
    return key('filed', this.account, this.source, target.id, target.place)
  }
  private get intentionKey() {
    return key('intention', this.account, this.source)
  }

  async filed(target: Target): Promise<Filed | undefined> {
    const value = await this.store.get(this.filedKey(target))
    return value && decodeRecord<Filed>(value)
  }

  /** All filed documents by place, then by id. */
  async all(): Promise<ReadonlyMap<string, ReadonlyMap<string, Filed>>> {
    const places = new Map<string, Map<string, Filed>>()
    for await (const [at, value] of this.store.scan(below('filed', this.account, this.source))) {
      const [id, place] = unkey(at).slice(3) as [string, string]
      const filed = places.get(place) ?? new Map<string, Filed>()
      places.set(place, filed.set(id, decodeRecord<Filed>(value)))
    }
    return places
  }

  /** Forgets documents that the source no longer has. */
  async forget(targets: readonly Target[]): Promise<void> {
    for (let at = 0; at < targets.length; at += FORGET)
      await this.store.commit(targets.slice(at, at + FORGET).map((target) => ({ del: this.filedKey(target) })))
  }

  /** How many documents have been filed in each mailbox. */
  async counts(): Promise<ReadonlyMap<string, number>> {
    const counts = new Map<string, number>()
    for await (const [, value] of this.store.scan(below('filed', this.account, this.source))) {
      const { mailbox } = decodeRecord<Filed>(value)
      counts.set(mailbox, (counts.get(mailbox) ?? 0) + 1)
    }
    return counts
  }

  /** Files documents in a mailbox by `file`, which answers their UIDs in the same order. */
  async run<R>(
    ref: MailboxRef,
    { place, ids, marks }: Batch,
    file: () => Promise<{ readonly uids: readonly number[] } | R>,
  ): Promise<{ readonly uids: readonly number[] } | R> {
    const before = await this.mail.mailbox(ref)
    const intention: Intention = {
      mailbox: ref.id,
      uidNext: before?.uidNext ?? 1,
      place,
      ids,
      ...(marks ? { marks } : {}),
    }
    await this.store.commit([{ put: this.intentionKey, value: encodeRecord(intention) }])
    const done = await file()
    if (isRefusedByStore(done)) {
      await this.store.commit([{ del: this.intentionKey }])
      return done
    }
    const { uids } = done as { readonly uids: readonly number[] }
    await this.store.commit([
      { del: this.intentionKey },
      ...ids.map((id, n) => ({
        put: this.filedKey({ id, place }),
        value: encodeRecord({ mailbox: ref.id, uid: uids[n] ?? 0 } satisfies Filed),
      })),
    ])
    return done
  }

  /** Settles what a run that was killed has left: answers how many messages it had filed. */
  async recover(): Promise<number> {
    const value = await this.store.get(this.intentionKey)
    if (!value) return 0
    const { mailbox, uidNext, place, ids, marks = ids } = decodeRecord<Intention>(value)
    const ref = { account: this.account, id: mailbox }
    // Documents may be alike.
    const wanted = Map.groupBy(ids, (_, n) => marks[n] ?? '')
    const found = new Map<string, number>()
    if (await this.mail.mailbox(ref))
      for await (const { uid, email } of this.mail.entries(ref, [[uidNext, 4_294_967_295]])) {
        const kept = await this.mail.email(email)
        const mark = kept && (await this.idOf(kept))
        const id = mark === undefined ? undefined : wanted.get(mark)?.shift()
        if (id !== undefined) found.set(id, uid)
      }
    await this.store.commit([
      { del: this.intentionKey },
      ...[...found].map(([id, uid]) => ({
        put: this.filedKey({ id, place }),
        value: encodeRecord({ mailbox, uid } satisfies Filed),
      })),
    ])
    return found.size
  }
}
