/**
 * The history of changes: what was changed, by whom, from where. Changes through the command line are in it as well.
 *
 * Invariants: a record holds names and ids, never a secret or a message's content; records are removed after
 * `historyKeep`.
 */
import {
  below,
  type Clock,
  decodeRecord,
  encodeRecord,
  type KernelEvent,
  key,
  type Log,
  type Op,
  type Store,
} from 'iems'

export interface AuditRecord {
  readonly v: 1
  /** Ms since 1970. */
  readonly at: number
  readonly by: string
  /** Such as `account.set` or `queue.hold`. */
  readonly what: string
  /** Name of the changed thing. */
  readonly about?: string
  readonly fields?: Readonly<Record<string, unknown>>
}

const SWEEP_BATCH = 500
/** Fields of an event that are no detail of the change. */
const USUAL = new Set(['name', 'at', 'by', 'what', 'level', 'message'])

export class Audit {
  readonly #store: Store
  readonly #clock: Clock
  readonly #log: Log
  #count = 0

  constructor({ store, clock, log }: { readonly store: Store; readonly clock: Clock; readonly log: Log }) {
    this.#store = store
    this.#clock = clock
    this.#log = log
  }

  async add(record: Omit<AuditRecord, 'v' | 'at'>): Promise<void> {
    const at = this.#clock.now()
    // Several kernels write in the same millisecond.
    const place = key('audit', at, `${process.pid}-${this.#count++}`)
    await this.#store.commit([{ put: place, value: encodeRecord({ v: 1, at, ...record }) }])
  }

  /** Takes the kernel's changes of `administration.changed`. */
  take(event: KernelEvent): void {
    if (event.name !== 'administration.changed') return
    const fields = Object.fromEntries(Object.entries(event).filter(([name]) => !USUAL.has(name)))
    this.add({ by: String(event.by), what: String(event.what), fields }).catch((cause: unknown) =>
      this.#log.error('a change is missing in the history', { what: event.what, cause }),
    )
  }

  /** Newest first. `before`: ms since 1970. */
  async *list({ before, by = '' }: { readonly before?: number; readonly by?: string }): AsyncGenerator<AuditRecord> {
    const all = below('audit')
    const range = before === undefined ? all : { ...all, to: key('audit', before) }
    for await (const [, value] of this.#store.scan({ ...range, reverse: true })) {
      const record = decodeRecord<AuditRecord>(value)
      if (record.by.includes(by)) yield record
    }
  }

  async sweep(keepMs: number, signal: AbortSignal): Promise<void> {
    const range = { from: below('audit').from, to: key('audit', Math.max(0, this.#clock.now() - keepMs)) }
    for (;;) {
      const ops: Op[] = []
      for await (const [at] of this.#store.scan({ ...range, limit: SWEEP_BATCH })) ops.push({ del: at })
      if (ops.length === 0 || signal.aborted) return
      await this.#store.commit(ops)
    }
  }
}
