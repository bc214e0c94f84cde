/**
 * Snoozed conversations: they wait in the mailbox Snoozed until their time, and come back to the Inbox, unread and on
 * top.
 *
 * Invariants: a snooze is a record and a key in order of time, so that one kernel of several brings it back, whether or
 * not a client is there; each step can be repeated. A message that has left Snoozed by then stays where it is.
 */
import { type Clock, encodeRecord, key, type Log, type Store, unkey } from 'iems'
import type { AccountEmail, Mailbox, MailStoreApi } from '../../../mailbox/store/api.ts'
import type { KeptObjects } from '../kept.ts'
import { done } from '../mail/deps.ts'

export interface Snooze {
  /** ms since 1970. */
  readonly until: number
  /** The mailbox that the conversation was in, for an undo. */
  readonly mailboxId: string
}

export interface SnoozesDeps {
  readonly mail: MailStoreApi
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  readonly kept: KeptObjects<Snooze>
}

const NAME = 'Snoozed'
const DUE = 'snooze-due'

export class Snoozes {
  readonly #deps: SnoozesDeps

  constructor(deps: SnoozesDeps) {
    this.#deps = deps
  }

  /** Moves a conversation's messages of a mailbox to Snoozed; for one that is there, changes the time. */
  async set(account: string, thread: string, { until, mailboxId }: Snooze): Promise<void> {
    const { mail, store, kept } = this.#deps
    const snoozed = await this.#mailbox(account)
    // First the key: without a record it does nothing.
    await store.commit([{ put: key(DUE, until, account, thread), value: encodeRecord(1) }], [])
    await kept.put(account, thread, (before) => ({
      until,
      mailboxId: mailboxId === snoozed.id ? (before?.mailboxId ?? mailboxId) : mailboxId,
    }))
    if (mailboxId === snoozed.id) return
    for (const { uid } of placesIn(await mail.thread(account, thread), mailboxId))
      done(await mail.move({ account, id: mailboxId }, [[uid, uid]], snoozed))
  }

  /** Moves a conversation back to where it was, as it was. */
  async cancel(account: string, thread: string): Promise<void> {
    const { mail, kept } = this.#deps
    const snooze = await kept.get(account, thread)
    const snoozed = await this.#mailbox(account)
    const known = snooze && (await mail.mailbox({ account, id: snooze.mailboxId }))
    const to = known && known.id !== snoozed.id ? known : await mail.find(account, 'INBOX')
    for (const { uid } of placesIn(await mail.thread(account, thread), snoozed.id))
      if (to) done(await mail.move(snoozed, [[uid, uid]], to))
    await kept.put(account, thread, () => undefined)
  }

  /** Brings back all whose time has come. A failure keeps one for the next run. */
  async wake(signal: AbortSignal): Promise<void> {
    const { store, clock, log } = this.#deps
    for await (const [at] of store.scan({ from: key(DUE, 0), to: key(DUE, clock.now() + 1) })) {
      if (signal.aborted) return
      const [, , account = '', thread = ''] = unkey(at)
      try {
        await this.#wakeOne(String(account), String(thread))
        await store.commit([{ del: at }], [])
      } catch (cause) {
        log.warn('a snoozed conversation could not be brought back', { account, thread, cause })
      }
    }
  }

  async #wakeOne(account: string, thread: string): Promise<void> {
    const { clock, kept, log } = this.#deps
    const snooze = await kept.get(account, thread)
    if (!snooze || snooze.until > clock.now()) return
    const emails = await this.#bringBack(account, thread)
    await kept.put(account, thread, () => undefined)
    if (emails.length > 0)
      log.info('a snoozed conversation came back', { account, emails, until: new Date(snooze.until).toISOString() })
  }

  async #bringBack(account: string, thread: string): Promise<readonly string[]> {
    const { mail, clock } = this.#deps
    const [snoozed, inbox] = [await this.#mailbox(account), await mail.find(account, 'INBOX')]
    if (!inbox) return []
    const emails = (await mail.thread(account, thread)).filter((email) => placesIn([email], snoozed.id).length > 0)
    const last = emails.at(-1)
    for (const email of emails)
      for (const { uid } of placesIn([email], snoozed.id)) {
        // The newest message stands for the conversation: unread, and at the time of its return.
        const isLast = email === last
        if (isLast) done(await mail.setFlags(snoozed, [[uid, uid]], { how: 'remove', flags: ['\\Seen'] }))
        done(await mail.move(snoozed, [[uid, uid]], inbox, isLast ? { received: clock.now() } : {}))
      }
    return emails.map(({ id }) => id)
  }

  async #mailbox(account: string): Promise<Mailbox> {
    const { mail } = this.#deps
    const found = (await mail.mailboxes(account)).find(isSnoozed)
    return found ?? done(await mail.create(account, NAME, { specialUse: '\\Snoozed' }))
  }
}

/** A mailbox of that name that a user made before serves too. */
export const isSnoozed = ({ name, specialUse }: Mailbox): boolean =>
  specialUse === '\\Snoozed' || (specialUse === undefined && name === NAME)

const placesIn = (emails: readonly AccountEmail[], mailbox: string) =>
  emails.flatMap(({ places }) => places.filter((place) => place.mailbox === mailbox))
