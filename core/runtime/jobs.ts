/**
 * Jobs: periodic work, such as sweeps and daily reports, that one kernel does for all that share the store.
 *
 * A job is a key in its own lane, due at its next run, and a record of its last run. So reloads and restarts do not
 * postpone it, it runs once among several kernels, and when its kernel dies another takes over after the lease.
 * Invariants: a run holds a lease until it ends; a failed run is logged and retried; a run that the end of its kernel
 * interrupts is due at once.
 */

import type { Clock } from '../api/clock.ts'
import { reasonOf } from '../api/errors.ts'
import { decode, encode } from '../queue/records.ts'
import { type KeyPart, key } from '../store/keys.ts'
import type { Check, Key, Lease, Op, Store } from '../store/store.ts'
import type { ComponentWork } from './component.ts'
import type { Log } from './log.ts'

export interface Job {
  /** Unique among the plugin's jobs and stable across versions. */
  readonly name: string
  /** Interval between runs in ms. */
  readonly every: number
  /** Ms from the job's registration in the store to its first run. Default: `every`. */
  readonly first?: number
  /** `signal` aborts when the kernel ends or loses the lease to another. */
  run(signal: AbortSignal): Promise<unknown>
}

export interface JobsDeps {
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  /** Aborts when the kernel ends. */
  readonly signal: AbortSignal
  /** Current runs, which the kernel awaits at its end. */
  readonly underWay: Set<Promise<unknown>>
}

interface JobRecord {
  readonly v: 1
  readonly every: number
  /** End of the last run, ms since 1970 by the store's clock, and its result. */
  readonly last?: number
  readonly failed?: string
}

/** A kernel that has just started has more urgent work. */
const START_MS = 10_000
const LEASE_MS = 120_000
/** Maximum ms until a failed run is retried, and until a job is checked again after a store failure. */
const LOOK_MS = 300_000

/** Schedules the jobs of one owner: a plugin or the kernel. */
export function createJobs(parts: JobsDeps, owner: string): (job: Job) => ComponentWork {
  return (job) => {
    const looks = new JobLooks(parts, new JobRunner(parts, owner, job))
    const start = () => looks.start(Math.min(START_MS, job.every))
    start()
    parts.signal.addEventListener('abort', () => void looks.stop(), { once: true })
    return { start, stop: () => looks.stop() }
  }
}

/** Checks one job repeatedly between `start` and `stop`. */
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

  /** A current run ends first. */
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

  /** Runs the job if it is due and no other kernel runs it. Returns the ms until the next check. */
  async look(): Promise<number> {
    const { store, log } = this.#parts
    try {
      if (!this.#isKnown) await this.#announce()
      this.#isKnown = true
      const [lease] = await store.take(this.#lane, 1, LEASE_MS)
      if (lease) await this.#run(lease)
      const due = await store.dueAt(this.#lane, this.#key)
      // Clearing the lane does not end the job.
      if (due === undefined) await store.commit([{ due: this.#key, lane: this.#lane, in: this.#job.every }])
      if (due === undefined) return LOOK_MS
      // If another kernel runs it, the job is due at the end of that lease.
      return Math.min(Math.max(LOOK_MS, this.#job.every), Math.max(1000, due - store.now()))
    } catch (cause) {
      if (!this.#parts.signal.aborted) log.warn('a job could not be looked at', { job: this.#job.name, cause })
      return LOOK_MS
    }
  }

  /** Registers the job in the store, or reschedules it after its interval has changed. */
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
    // An interrupted run does not count.
    if (!signal.aborted) ops.push({ put: this.#key, value: encode(record) })
    const isOurs: Check = { due: this.#key, lane: this.#lane, lease: lease.generation }
    await store.commit(ops, [isOurs])
  }

  /** Renews the lease while the job runs. When it is lost, another kernel runs the job, and this run must end. */
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
