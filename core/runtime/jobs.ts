/**
 * Jobs: periodic work that one kernel does for all that share the store, such as sweeps and daily reports.
 *
 * A job is a key in a lane of its own, due when it is to run next, and a record that says when it last ran. So reloads
 * and restarts do not postpone it, several kernels run it once, and when the kernel that runs it dies another one takes
 * it over after the lease. Invariants: a run is leased for as long as it takes; a run that fails is logged and tried
 * again; a run that is cut off by the end of its kernel is due at once for the next.
 */

import type { Clock } from '../api/clock.ts'
import { reasonOf } from '../api/errors.ts'
import { decode, encode } from '../queue/records.ts'
import { type KeyPart, key } from '../store/keys.ts'
import type { Check, Key, Lease, Op, Store } from '../store/store.ts'
import type { ComponentWork } from './component.ts'
import type { Log } from './log.ts'

export interface Job {
  /** Its own among the plugin's jobs; keeps its meaning from version to version. */
  readonly name: string
  /** Ms from one run to the next. */
  readonly every: number
  /** Ms from when the store first hears of it to its first run. Default: `every`. */
  readonly first?: number
  /** The signal is aborted when the kernel ends or has lost the job to another. */
  run(signal: AbortSignal): Promise<unknown>
}

export interface JobsDeps {
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  /** Aborted when the kernel ends. */
  readonly signal: AbortSignal
  /** What runs now, for the kernel to wait for at its end. */
  readonly underWay: Set<Promise<unknown>>
}

interface JobRecord {
  readonly v: 1
  readonly every: number
  /** When the last run ended, ms since 1970 by the store's clock, and how. */
  readonly last?: number
  readonly failed?: string
}

/** A kernel that has just started has more urgent things to do. */
const START_MS = 10_000
const LEASE_MS = 120_000
/** Ms until a failed run is tried again, at most; and until a job is looked at again when the store failed. */
const LOOK_MS = 300_000

/** Schedules jobs of one owner, a plugin or the kernel. */
export function createJobs(parts: JobsDeps, owner: string): (job: Job) => ComponentWork {
  return (job) => {
    const looks = new JobLooks(parts, new JobRunner(parts, owner, job))
    const start = () => looks.start(Math.min(START_MS, job.every))
    start()
    parts.signal.addEventListener('abort', () => void looks.stop(), { once: true })
    return { start, stop: () => looks.stop() }
  }
}

/** Looks at one job again and again, between `start` and `stop`. */
class JobLooks {
  readonly #parts: JobsDeps
  readonly #runner: JobRunner
  #isOn = false
  #cancel: () => void = () => {}
  #looking: Promise<void> | undefined

  constructor(parts: JobsDeps, runner: JobRunner) {
    this.#parts = parts
    this.#runner = runner
  }

  start(ms: number): void {
    if (this.#isOn || this.#parts.signal.aborted) return
    this.#isOn = true
    this.#after(ms)
  }

  /** A run that is under way ends first. */
  async stop(): Promise<void> {
    this.#isOn = false
    this.#cancel()
    await this.#looking
  }

  #after(ms: number): void {
    this.#cancel = this.#parts.clock.after(ms, () => {
      const looking = this.#runner.look().then((next) => {
        this.#parts.underWay.delete(looking)
        this.#looking = undefined
        if (this.#isOn) this.#after(next)
      })
      this.#looking = looking
      this.#parts.underWay.add(looking)
    })
  }
}

class JobRunner {
  readonly #parts: JobsDeps
  readonly #job: Job
  readonly #key: Key
  readonly #lane: string
  #isKnown = false

  constructor(parts: JobsDeps, owner: string, job: Job) {
    this.#parts = parts
    this.#job = job
    const at: readonly KeyPart[] = ['j', owner, job.name]
    this.#key = key(...at)
    this.#lane = `jobs/${owner}:${job.name}`
  }

  /** Runs the job if it is due and nobody else runs it; answers after how many ms to look again. */
  async look(): Promise<number> {
    const { store, log } = this.#parts
    try {
      if (!this.#isKnown) await this.#announce()
      this.#isKnown = true
      const [lease] = await store.take(this.#lane, 1, LEASE_MS)
      if (lease) await this.#run(lease)
      const due = await store.dueAt(this.#lane, this.#key)
      // Whoever cleared the lane did not mean the job to end.
      if (due === undefined) await store.commit([{ due: this.#key, lane: this.#lane, in: this.#job.every }])
      if (due === undefined) return LOOK_MS
      // Also when another kernel runs it: then the lease's end is what it is due at.
      return Math.min(Math.max(LOOK_MS, this.#job.every), Math.max(1000, due - store.now()))
    } catch (cause) {
      if (!this.#parts.signal.aborted) log.warn('a job could not be looked at', { job: this.#job.name, cause })
      return LOOK_MS
    }
  }

  /** Makes the job known to the store, or gives it the time that another interval asks for. */
  async #announce(): Promise<void> {
    const { store } = this.#parts
    const { every, first = every } = this.#job
    const value = await store.get(this.#key)
    const known = value && decode<JobRecord>(value)
    if (known?.every === every) return
    const since = known?.last === undefined ? 0 : store.now() - known.last
    const ops: Op[] = [{ put: this.#key, value: encode({ ...known, v: 1, every } satisfies JobRecord) }]
    const due = { due: this.#key, lane: this.#lane }
    ops.push(
      known
        ? { ...due, in: Math.max(0, every - since), ifFree: true }
        : { ...due, in: Math.max(0, first - Math.min(START_MS, every)) },
    )
    // False: another kernel was faster.
    await store.commit(ops, [{ key: this.#key, is: value ?? 'absent' }])
  }

  async #run(lease: Lease): Promise<void> {
    const { signal, store, log } = this.#parts
    const cut = new AbortController()
    const stop = this.#renew(lease, cut)
    const either = AbortSignal.any([signal, cut.signal])
    let failed: string | undefined
    try {
      await this.#job.run(either)
    } catch (cause) {
      failed = reasonOf(cause)
      if (!either.aborted) log.warn(`the job ${this.#job.name} failed and will be tried again`, { cause })
    }
    stop()
    const { every } = this.#job
    const wait = signal.aborted ? 0 : failed === undefined ? every : Math.min(every, LOOK_MS)
    const record: JobRecord = { v: 1, every, last: store.now(), ...(failed === undefined ? {} : { failed }) }
    const ops: Op[] = [{ due: this.#key, lane: this.#lane, in: wait }]
    // What was cut off has not run.
    if (!signal.aborted) ops.push({ put: this.#key, value: encode(record) })
    const isOurs: Check = { due: this.#key, lane: this.#lane, lease: lease.generation }
    await store.commit(ops, [isOurs])
  }

  /** Keeps the lease while the job runs; when it is lost another kernel runs the job, and this run is to end. */
  #renew(lease: Lease, cut: AbortController): () => void {
    const { store, clock } = this.#parts
    let cancel = () => {}
    let isOver = false
    const again = () => {
      cancel = clock.after(LEASE_MS / 3, async () => {
        const held = await store.renew(this.#lane, lease, LEASE_MS).catch(() => lease)
        if (isOver) return
        if (held) again()
        else cut.abort(new Error('another kernel has taken the job over'))
      })
    }
    again()
    return () => {
      isOver = true
      cancel()
    }
  }
}
