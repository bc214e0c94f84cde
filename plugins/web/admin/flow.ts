/**
 * Mail by the hour: received, delivered, refused and failed, for charts. Each kernel adds what it counted.
 *
 * Invariants: the numbers are counted from events, so a busy server writes one record a minute; hours are removed after
 * `flowKeep`.
 */
import { below, type Clock, decodeRecord, encodeRecord, type KernelEvent, key, type Op, type Store, unkey } from 'iems'

const FLOWS = ['received', 'delivered', 'refused', 'failed'] as const
export type Flow = Readonly<Record<(typeof FLOWS)[number], number>>

const OF_EVENT: Readonly<Record<string, keyof Flow>> = {
  'message.accepted': 'received',
  'message.refused': 'refused',
  'recipient.refused': 'refused',
  'sender.refused': 'refused',
  'delivery.delivered': 'delivered',
  'delivery.failed': 'failed',
}
const HOUR_MS = 3_600_000
const SWEEP_BATCH = 500
const NOTHING: Flow = { received: 0, delivered: 0, refused: 0, failed: 0 }

const added = (a: Flow, b: Flow): Flow =>
  Object.fromEntries(FLOWS.map((name) => [name, (a[name] ?? 0) + (b[name] ?? 0)])) as unknown as Flow

export class FlowOfMail {
  readonly #store: Store
  readonly #clock: Clock
  /** A kernel of another process or configuration adds to records of its own. */
  readonly #writer: string
  #counted = new Map<number, Flow>()

  constructor({ store, clock, writer }: { readonly store: Store; readonly clock: Clock; readonly writer: string }) {
    this.#store = store
    this.#clock = clock
    this.#writer = writer
  }

  count({ name, at }: KernelEvent): void {
    const flow = OF_EVENT[name]
    if (!flow) return
    const hour = Math.floor(at / HOUR_MS) * HOUR_MS
    const before = this.#counted.get(hour) ?? NOTHING
    this.#counted.set(hour, { ...before, [flow]: before[flow] + 1 })
  }

  /** Writes what was counted since the last time. */
  async write(): Promise<void> {
    const counted = this.#counted
    if (counted.size === 0) return
    this.#counted = new Map()
    for (const [hour, flow] of counted) {
      const at = key('hour', hour, this.#writer)
      const before = await this.#store.get(at)
      const value = encodeRecord({ v: 1, ...added(before ? decodeRecord<Flow>(before) : NOTHING, flow) })
      await this.#store.commit([{ put: at, value }])
    }
  }

  /** The hours from `since` on, the oldest first, with those that had no mail. */
  async hours(since: number): Promise<readonly (Flow & { readonly at: number })[]> {
    await this.write()
    const first = Math.floor(since / HOUR_MS) * HOUR_MS
    const sums = new Map<number, Flow>()
    const range = { from: key('hour', first), to: below('hour').to }
    for await (const [at, value] of this.#store.scan(range)) {
      const hour = Number(unkey(at)[1])
      sums.set(hour, added(sums.get(hour) ?? NOTHING, decodeRecord<Flow>(value)))
    }
    const hours: (Flow & { readonly at: number })[] = []
    for (let at = first; at <= this.#clock.now(); at += HOUR_MS) hours.push({ at, ...(sums.get(at) ?? NOTHING) })
    return hours
  }

  async sweep(keepMs: number, signal: AbortSignal): Promise<void> {
    const range = { from: below('hour').from, to: key('hour', Math.max(0, this.#clock.now() - keepMs)) }
    for (;;) {
      const ops: Op[] = []
      for await (const [at] of this.#store.scan({ ...range, limit: SWEEP_BATCH })) ops.push({ del: at })
      if (ops.length === 0 || signal.aborted) return
      await this.#store.commit(ops)
    }
  }
}
