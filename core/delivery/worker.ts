/**
 * The way out: one loop for each channel. Take due deliveries ▸ dispatch ▸ the channel delivers ▸ settle.
 *
 * Invariants: each delivery is settled once, by the kernel that holds its lease; the message is delivered, waits or is
 * reported whatever a channel or plugin does. `attempt.ts`, `retry.ts` and `report.ts` hold the details.
 */
import { Flushed } from '../queue/admin.ts'
import type { Job } from '../queue/state.ts'
import { attempt } from './attempt.ts'
import { forgetRest } from './backoff.ts'
import type { DelivererDeps } from './deps.ts'
import { type Lane, Lanes } from './lane-scheduler.ts'
import { keepLease } from './lease.ts'
import { settleAttempt, waitOn } from './settling.ts'

export interface Deliverer {
  start(): void
  /** Takes nothing more and waits for active deliveries; aborts them when the signal does. */
  stop(signal: AbortSignal): Promise<void>
}

/** Ms between polls of the store, because hints may be missed. */
const POLL_MS = 30_000
/** Ms until a lane is tried again that was due but returned nothing. */
const SKEW_MS = 100
/** Ms until the loop continues after a fault. */
const FAULT_PAUSE_MS = 1000
/** Ms that channels have to end after an abort. */
const CUT_MS = 1000

export function createDeliverer(deps: DelivererDeps): Deliverer {
  return new Worker(deps)
}

class Worker implements Deliverer {
  readonly #deps: DelivererDeps
  readonly #lanes: Lanes
  /** Lanes that returned all their due deliveries. */
  readonly #drained = new Set<Lane>()
  readonly #abort = new AbortController()
  #isStopping = false
  #isPumping = false
  #again = false
  #delivering = 0
  #settling = 0
  #idle: () => void = () => {}
  #wakeAt = Number.POSITIVE_INFINITY
  #cancelWake: () => void = () => {}
  #cancelPoll: () => void = () => {}
  #unwatch: () => void = () => {}

  constructor(deps: DelivererDeps) {
    const { store, settings, online } = deps
    this.#deps = deps
    this.#lanes = new Lanes({
      now: store.now,
      perNextHop: settings.perNextHop,
      gapMs: settings.gapMs,
      isOrdered: (nexthop) => online.has(nexthop),
    })
  }

  start(): void {
    const { store, channel, signals, online } = this.#deps
    const unwatch = store.watch(`${channel}/`, (lane, at) => {
      this.#lanes.add(lane, at)
      this.#wake()
    })
    const unsubscribe = signals.subscribe(Flushed, (flushed) => {
      forgetRest(this.#deps, flushed)
      if (flushed?.channel === channel) online.open(flushed.nexthop)
    })
    this.#unwatch = () => {
      unwatch()
      unsubscribe()
    }
    this.#poll()
  }

  async stop(signal: AbortSignal): Promise<void> {
    this.#isStopping = true
    this.#unwatch()
    this.#cancelPoll()
    this.#cancelWake()
    if (this.#underWay === 0 && !this.#isPumping) return
    await new Promise<void>((resolve) => {
      this.#idle = resolve
      const cutAll = () => {
        this.#abort.abort(signal.reason)
        // A delivery that ignores the abort is left to its lease.
        setTimeout(resolve, CUT_MS).unref()
      }
      if (signal.aborted) cutAll()
      signal.addEventListener('abort', cutAll, { once: true })
      this.#wake()
    })
  }

  // --- the loop ---

  get #underWay(): number {
    return this.#delivering + this.#settling
  }

  /** Number of deliveries that may start. Answered but unsettled ones count too, at a higher limit. */
  get #free(): number {
    const { concurrency } = this.#deps.settings
    return Math.min(concurrency - this.#delivering, 2 * concurrency - this.#underWay)
  }

  #wake(): void {
    void this.#pump()
  }

  #next() {
    return this.#free > 0 && !this.#isStopping ? this.#lanes.next(this.#free) : undefined
  }

  async #pump(): Promise<void> {
    if (this.#isPumping) {
      this.#again = true
      return
    }
    this.#isPumping = true
    try {
      do {
        this.#again = false
        for (let turn = this.#next(); turn; turn = this.#next()) await this.#takeTurn(turn.lane, turn.limit)
        if (!this.#again && !this.#isStopping && !this.#lanes.hasReady()) await this.#refresh()
      } while (this.#again)
    } catch (cause) {
      const { emit, channel, clock } = this.#deps
      emit('kernel.fault', { channel, cause })
      clock.after(FAULT_PAUSE_MS, () => this.#wake())
    } finally {
      this.#isPumping = false
    }
    this.#scheduleWake()
    if (this.#isStopping && this.#underWay === 0) this.#idle()
  }

  async #takeTurn(lane: Lane, limit: number): Promise<void> {
    const { queue, settings } = this.#deps
    let jobs: Job[] = []
    try {
      jobs = await queue.take(lane.name, limit, settings.leaseMs)
    } finally {
      if (this.#lanes.taken(lane, limit, jobs.length)) this.#drained.add(lane)
    }
    this.#delivering += jobs.length
    for (const job of jobs) void this.#run(job, lane)
  }

  /** Finds out when the next delivery of each drained lane is due, or that the lane is empty. */
  async #refresh(): Promise<void> {
    const { store } = this.#deps
    const looked = [...this.#drained]
    this.#drained.clear()
    for (const lane of looked) {
      let at: number | undefined
      for await (const next of store.lanes(lane.name)) {
        if (next.lane === lane.name) at = next.at
        break
      }
      if (at === undefined) this.#lanes.drop(lane)
      else this.#lanes.add(lane.name, at)
    }
  }

  async #discover(): Promise<void> {
    const { store, channel } = this.#deps
    for await (const { lane, at } of store.lanes(`${channel}/`)) this.#lanes.add(lane, at)
    await this.#pump()
  }

  #poll(): void {
    const { emit, channel, clock } = this.#deps
    this.#discover().catch((cause: unknown) => emit('kernel.fault', { channel, cause }))
    this.#cancelPoll = clock.after(POLL_MS, () => this.#poll())
  }

  #scheduleWake(): void {
    const { store, clock } = this.#deps
    // A due lane that returned nothing: the store's clock is slightly behind this kernel's estimate.
    const at = this.#lanes.hasReady() && this.#free > 0 ? store.now() + SKEW_MS : this.#lanes.nextAt()
    if (this.#isStopping || at === undefined || at >= this.#wakeAt) return
    this.#cancelWake()
    this.#wakeAt = at
    this.#cancelWake = clock.after(Math.max(0, at - store.now()), () => {
      this.#wakeAt = Number.POSITIVE_INFINITY
      this.#wake()
    })
  }

  // --- one delivery ---

  async #run(job: Job, lane: Lane): Promise<void> {
    const { emit, channel } = this.#deps
    const cut = new AbortController()
    const endNow = () => cut.abort(this.#abort.signal.reason)
    this.#abort.signal.addEventListener('abort', endNow, { once: true })
    const stopRenewing = keepLease(this.#deps, job, cut)
    let freed = false
    const leaveSlot = () => {
      if (freed) return
      freed = true
      this.#delivering--
      this.#settling++
      this.#lanes.done(lane)
      this.#wake()
    }
    try {
      await this.#deliver(job, cut.signal, leaveSlot)
    } catch (cause) {
      // The lease expires and the delivery becomes due again: nothing is lost.
      emit('kernel.fault', { channel, message: job.record.id, cause })
    } finally {
      leaveSlot()
      this.#settling--
      stopRenewing()
      this.#abort.signal.removeEventListener('abort', endNow)
      this.#wake()
    }
  }

  async #deliver(job: Job, signal: AbortSignal, leaveSlot: () => void): Promise<void> {
    const began = this.#deps.clock.now()
    const { notBefore = 0, giveUp } = job.delivery
    if (notBefore > began && giveUp === undefined) return waitOn(this.#deps, job, notBefore)
    const attempted = await attempt(this.#deps, job, signal)
    leaveSlot()
    const ending = { isStopping: () => this.#isStopping, signal: this.#abort.signal }
    await settleAttempt(this.#deps, job, { ...attempted, began }, ending)
  }
}
