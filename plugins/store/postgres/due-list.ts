/**
 * The due-list in PostgreSQL: a row for each key of a lane. A lease is part of the row, so it outlives the server that
 * holds it until its time is over; its number comes from a sequence.
 */
import type { Key, Lease, Scheduled } from 'iems'
import type { Connections } from './connections.ts'
import type { Reader } from './reading.ts'

/** Lanes that are listed with one statement. */
const LANES = 500

/** The next lane is sought by its name, so that a lane costs one look, however many keys it has. */
const LIST_LANES = `
with recursive l as (
  select lane, at from (
    select lane, at from due where lane >= $1 and lane > $2 order by lane, at limit 1
  ) first where starts_with(lane, $1)
  union all
  select n.lane, n.at from l
    cross join lateral (select lane, at from due where lane > l.lane order by lane, at limit 1) n
    where starts_with(n.lane, $1)
) select lane, at from l limit ${LANES}`

export class DueList {
  readonly #connections: Connections
  readonly #reader: Reader
  readonly #seen: (at: number) => void

  /** `seen` hears the database's time. */
  constructor(connections: Connections, reader: Reader, seen: (at: number) => void) {
    this.#connections = connections
    this.#reader = reader
    this.#seen = seen
  }

  async take(lane: string, limit: number, leaseMs: number): Promise<readonly Lease[]> {
    const rows = await this.#connections.query<{ key: Buffer; until: number; generation: number; at_ms: number }>({
      name: 'take_1',
      text: 'select key, until, generation, at_ms from take_1($1, $2, $3)',
      values: [lane, limit, Math.round(leaseMs)],
    })
    if (rows[0]) this.#seen(rows[0].at_ms)
    return rows.map(({ key, until, generation }) => ({ key, until, generation }))
  }

  async renew(lane: string, { key, generation }: Lease, leaseMs: number): Promise<Lease | undefined> {
    const [row] = await this.#connections.query<{ at: number }>({
      name: 'renew',
      text: 'update due set at = now_ms() + $4 where lane = $1 and key = $2 and lease = $3 returning at',
      values: [lane, key, generation, Math.round(leaseMs)],
    })
    return row && { key, until: row.at, generation }
  }

  async *lanes(prefix: string): AsyncGenerator<{ readonly lane: string; readonly at: number }> {
    for (let after = ''; ; ) {
      const rows = await this.#connections.query<{ lane: string; at: number }>({
        name: 'lanes',
        text: LIST_LANES,
        values: [prefix, after],
      })
      yield* rows
      if (rows.length < LANES) return
      after = rows.at(-1)?.lane ?? ''
    }
  }

  async dueAt(lane: string, key: Key): Promise<number | undefined> {
    return (await this.#at(lane, key))?.at
  }

  async isLeased(lane: string, key: Key): Promise<boolean> {
    return (await this.#at(lane, key))?.leased ?? false
  }

  async *due(lane: string, limit: number): AsyncGenerator<Scheduled> {
    const pages = this.#reader.read<Scheduled & { readonly key: Buffer }>({
      name: 'due',
      text: `select key, at, coalesce(lease is not null and at > now_ms(), false) as leased
        from due where lane = $1 order by at, key`,
      values: [lane],
      limit,
    })
    for await (const page of pages) yield* page
  }

  async #at(lane: string, key: Key): Promise<{ readonly at: number; readonly leased: boolean } | undefined> {
    const [row] = await this.#connections.query<{ at: number; leased: boolean }>({
      name: 'at',
      text: 'select at, lease is not null and at > now_ms() as leased from due where lane = $1 and key = $2',
      values: [lane, key],
    })
    return row
  }
}
