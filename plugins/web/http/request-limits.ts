/**
 * Limits a client's requests per minute, in total and per route.
 *
 * Invariants: memory is bounded, and freed after the minute.
 */
import { Cache, type Clock } from 'iems'
import { HttpProblem } from './api.ts'

const MINUTE_MS = 60_000
const MAX_KEPT = 200_000

export interface RequestCounts {
  minute: number
  readonly counts: Cache<number>
}
export const createRequestCounts = (): RequestCounts => ({ minute: 0, counts: new Cache({ max: MAX_KEPT }) })

export class RequestLimits {
  readonly #clock: Clock
  readonly #state: RequestCounts
  readonly #perMinute: number

  constructor(clock: Clock, state: RequestCounts, perMinute: number) {
    this.#clock = clock
    this.#state = state
    this.#perMinute = perMinute
  }

  /** Throws a problem when the client has had its requests of this minute. */
  count(client: string, { name, perMinute }: { readonly name: string; readonly perMinute?: number | undefined }): void {
    this.#add(client, this.#perMinute)
    if (perMinute !== undefined) this.#add(`${name} ${client}`, perMinute)
  }

  #add(what: string, most: number): void {
    const now = this.#clock.now()
    const minute = Math.floor(now / MINUTE_MS)
    const { counts } = this.#state
    if (this.#state.minute !== minute) counts.clear()
    this.#state.minute = minute
    const count = (counts.get(what) ?? 0) + 1
    counts.set(what, count)
    if (count <= most) return
    const rest = Math.ceil(((minute + 1) * MINUTE_MS - now) / 1000)
    throw new HttpProblem(429, `Too many requests: at most ${most} in a minute`, {
      headers: { 'retry-after': String(rest) },
    })
  }
}
