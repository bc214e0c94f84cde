/**
 * The time of each account's last login, by any protocol, to the minute.
 *
 * Invariants: names are written once a minute at most, by whichever worker saw the login; a loss of the newest minute
 * is possible when a server is killed.
 */
import { type Clock, decodeRecord, encodeRecord, type KernelEvent, key, type Store } from 'iems'

interface LoginRecord {
  readonly v: 1
  /** Ms since 1970. */
  readonly at: number
}

/** Names kept between two writes; further ones are written at the next login. */
const MAX_NAMES = 100_000
const BATCH = 1000
const loginAt = (user: string) => key('last-login', user)

export class LastLogins {
  readonly #store: Store
  readonly #clock: Clock
  #seen = new Map<string, number>()

  constructor({ store, clock }: { readonly store: Store; readonly clock: Clock }) {
    this.#store = store
    this.#clock = clock
  }

  take(event: KernelEvent): void {
    if (event.name !== 'session.authenticated' || this.#seen.size >= MAX_NAMES) return
    this.#seen.set(String(event.user), this.#clock.now())
  }

  async write(): Promise<void> {
    const seen = [...this.#seen]
    this.#seen = new Map()
    for (let at = 0; at < seen.length; at += BATCH)
      await this.#store.commit(
        seen.slice(at, at + BATCH).map(([user, time]) => ({
          put: loginAt(user),
          value: encodeRecord({ v: 1, at: time } satisfies LoginRecord),
        })),
      )
  }

  /** Ms since 1970; undefined for an account that has not logged in. */
  async of(user: string): Promise<number | undefined> {
    const value = await this.#store.get(loginAt(user))
    return this.#seen.get(user) ?? (value && decodeRecord<LoginRecord>(value).at)
  }
}
