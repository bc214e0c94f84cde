/**
 * Deliveries of each day: how many, and how long they took, for reports; written once a minute.
 *
 * Invariants: memory does not grow with the mail; several servers add to the same record; a server that dies loses the
 * counts of one minute at most.
 */
import { idTime, type KernelEvent, type Store } from 'iems'
import { dateOf } from './daily.ts'
import { decode, encode, type FlowRecord, flowKey } from './records.ts'

/** Upper bounds of latencies in ms; longer ones count in one more place. */
const LATENCIES = [100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 3_600_000, 86_400_000]

const STATUS = {
  'delivery.delivered': 'delivered',
  'delivery.deferred': 'deferred',
  'delivery.failed': 'failed',
} as const

const NONE: FlowRecord = { delivered: 0, deferred: 0, failed: 0, latencies: [] }

export const sumOf = (a: FlowRecord, b: FlowRecord): FlowRecord => ({
  delivered: a.delivered + b.delivered,
  deferred: a.deferred + b.deferred,
  failed: a.failed + b.failed,
  latencies: Array.from({ length: LATENCIES.length + 1 }, (_, at) => (a.latencies[at] ?? 0) + (b.latencies[at] ?? 0)),
})

/** The bound below which this share of deliveries took; undefined without deliveries, infinite beyond the last bound. */
export function latencyAt({ latencies }: FlowRecord, share: number): number | undefined {
  const total = latencies.reduce((sum, count) => sum + count, 0)
  let seen = 0
  for (const [at, count] of latencies.entries()) {
    seen += count
    if (count > 0 && seen >= total * share) return LATENCIES[at] ?? Number.POSITIVE_INFINITY
  }
  return undefined
}

export class Flow {
  readonly #store: Store
  readonly #days = new Map<string, FlowRecord>()

  constructor(store: Store) {
    this.#store = store
  }

  note({ name, at, message }: KernelEvent): void {
    if (!Object.hasOwn(STATUS, name)) return
    const status = STATUS[name as keyof typeof STATUS]
    const since = message === undefined ? undefined : idTime(message)
    const took = status === 'delivered' && since !== undefined ? Math.max(0, at - since) : undefined
    const found = took === undefined ? -1 : LATENCIES.findIndex((bound) => took <= bound)
    const place = took === undefined ? undefined : found < 0 ? LATENCIES.length : found
    const one = {
      ...NONE,
      [status]: 1,
      latencies: place === undefined ? [] : Array.from({ length: place + 1 }, (_, index) => (index === place ? 1 : 0)),
    }
    const date = dateOf(at)
    this.#days.set(date, sumOf(this.#days.get(date) ?? NONE, one))
  }

  async flush(): Promise<void> {
    const now = [...this.#days]
    this.#days.clear()
    for (const [date, counts] of now) {
      for (;;) {
        const before = await this.#store.get(flowKey(date))
        const value = encode(sumOf(before ? decode<FlowRecord>(before) : NONE, counts))
        if (await this.#store.commit([{ put: flowKey(date), value }], [{ key: flowKey(date), is: before ?? 'absent' }]))
          break
      }
    }
  }
}
