/**
 * Where each account is served during a move: there, here, or neither while it is being switched.
 *
 * Invariants: the record decides, not a cache; a switch that was ended by a crash counts as not begun.
 */
import { below, decodeRecord, encodeRecord, key, type Store, unkey } from 'iems'

export type Place = 'there' | 'switching' | 'here'

interface PlaceRecord {
  readonly place: Place
  /** Ms since 1970. */
  readonly since: number
}

/** A switch that takes longer has ended without a record. */
const MAX_SWITCH_MS = 3_600_000

export class Places {
  readonly #store: Store
  readonly #now: () => number

  constructor(store: Store, now: () => number) {
    this.#store = store
    this.#now = now
  }

  async of(account: string): Promise<Place> {
    const value = await this.#store.get(key('place', account))
    return value ? this.#placeIn(decodeRecord<PlaceRecord>(value)) : 'there'
  }

  #placeIn({ place, since }: PlaceRecord): Place {
    return place === 'switching' && since + MAX_SWITCH_MS < this.#now() ? 'there' : place
  }

  async set(account: string, place: Place): Promise<void> {
    const record: PlaceRecord = { place, since: this.#now() }
    await this.#store.commit([{ put: key('place', account), value: encodeRecord(record) }])
  }

  /** Accounts that were switched since a time. */
  async *switchedSince(time: number): AsyncGenerator<string> {
    for await (const [at, value] of this.#store.scan(below('place'))) {
      const record = decodeRecord<PlaceRecord>(value)
      if (record.place === 'here' && record.since >= time) yield unkey(at)[1] as string
    }
  }
}
