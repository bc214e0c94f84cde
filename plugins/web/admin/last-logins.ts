/**
 * The time of each account's last login, by any protocol, to the minute.
 *
 * Invariants: times are kept by the account's id, which a new name does not change, and written once a minute at most, by
 * whichever worker saw the login; a loss of the newest minute is possible when a server is killed.
 */
import { type Clock, decodeRecord, encodeRecord, type KernelEvent, key, type Store } from 'iems'

interface LoginRecord {
  readonly v: 1
  /** Ms since 1970. */
  readonly at: number
}

/** Accounts kept between two writes; further ones are written at the next login. */
const MAX_ACCOUNTS = 100_000
const BATCH = 1000
const loginAt = (account: string) => key('last-login', account)

export class LastLogins {
  readonly #store: Store
  readonly #clock: Clock
  #seen = new Map<string, number>()

  constructor({ store, clock }: { readonly store: Store; readonly clock: Clock }) {
    this.#store = store
    this.#clock = clock
  }

  take(event: KernelEvent): void {
    if (event.name !== 'session.authenticated' || this.#seen.size >= MAX_ACCOUNTS) return
    if (typeof event.account === 'string') this.#seen.set(event.account, this.#clock.now())
  }

  async write(): Promise<void> {
    const seen = [...this.#seen]
    this.#seen = new Map()
    for (let at = 0; at < seen.length; at += BATCH)
      await this.#store.commit(
        seen.slice(at, at + BATCH).map(([account, time]) => ({
          put: loginAt(account),
          value: encodeRecord({ v: 1, at: time } satisfies LoginRecord),
        })),
      )
  }

  /** Ms since 1970; undefined for an account that has not logged in. */
  async of(account: string): Promise<number | undefined> {
    const value = await this.#store.get(loginAt(account))
    return this.#seen.get(account) ?? (value && decodeRecord<LoginRecord>(value).at)
  }
}
