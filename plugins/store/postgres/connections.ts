/**
 * The connections to the database: opened when they are needed, kept, and replaced when they are lost.
 *
 * Invariants: a short interruption, such as a restart or a change to a standby, is waited for; in a longer one every
 * call fails at once, and attempts to connect continue with growing delays; only calls that are harmless when repeated
 * are retried.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { IemsError } from 'iems'
import { remedyOf, storeFailure } from './failures.ts'
import { Session, type SessionOptions, type Statement } from './session.ts'

export interface ConnectionsOptions extends SessionOptions {
  readonly describe: string
  /** The most connections for statements. */
  readonly max: number
  /** Ms for which an interruption is waited for. */
  readonly patience: number
}

/** Between two attempts to connect, ms. */
const BACKOFF_MS = { first: 50, most: 2000 }
/** Attempts at what failed for a reason that passes at once, such as a deadlock. */
const MAX_ATTEMPTS = 10

export class Connections {
  readonly #options: ConnectionsOptions
  readonly #idle: Session[] = []
  /** Those for statements. */
  readonly #all = new Set<Session>()
  /** Those that callers have opened for themselves. */
  readonly #apart = new Set<Session>()
  readonly #waiting: ((session: Session | undefined) => void)[] = []
  readonly #underWay = new Set<Promise<unknown>>()
  #opening = 0
  #down: { readonly since: number; readonly why: unknown; waitMs: number; nextAt: number } | undefined
  #isClosed = false

  constructor(options: ConnectionsOptions) {
    this.#options = options
  }

  check(): void {
    if (this.#isClosed) throw new IemsError('IEMS_STORE_CLOSED')
  }

  /** Runs a statement that may be run twice. Throws IEMS_STORE_FAILED, IEMS_STORE_FULL or IEMS_STORE_CLOSED. */
  query<R extends object>(statement: Statement): Promise<R[]> {
    return this.run((session) => session.run<R>(statement))
  }

  /** Runs it with a connection of its own, again after a failure that passes. */
  run<T>(work: (session: Session, attempt: number) => Promise<T>): Promise<T> {
    this.check()
    const running = this.#attempts(work).finally(() => this.#underWay.delete(running))
    this.#underWay.add(running)
    return running
  }

  /** A connection apart from those for statements, which the caller closes. */
  async open(): Promise<Session> {
    this.check()
    const session = await this.#connect()
    this.#apart.add(session)
    void session.ended.then(() => this.#apart.delete(session))
    return session
  }

  /** Waits for what is under way. */
  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.allSettled(this.#underWay)
    for (const wake of this.#waiting.splice(0)) wake(undefined)
    await Promise.all([...this.#all, ...this.#apart].map((session) => session.close()))
  }

  async #attempts<T>(work: (session: Session, attempt: number) => Promise<T>): Promise<T> {
    const end = performance.now() + this.#options.patience
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#attempt(work, attempt)
      } catch (cause) {
        const remedy = remedyOf(cause)
        const isOver = remedy === 'again' ? attempt >= MAX_ATTEMPTS : performance.now() >= end
        if (remedy === 'none' || isOver || this.#hasGivenUp()) throw storeFailure(cause, this.#options.describe)
        // Two that met in a deadlock must not meet again.
        await delay(Math.random() * (remedy === 'again' ? 20 : BACKOFF_MS.first) * Math.min(attempt, 10))
      }
    }
  }

  async #attempt<T>(work: (session: Session, attempt: number) => Promise<T>, attempt: number): Promise<T> {
    const session = await this.#take()
    try {
      return await work(session, attempt)
    } catch (cause) {
      // Other connections lead to the same server; the next ones look for another.
      if (remedyOf(cause) === 'reconnect') this.#drop(session)
      throw cause
    } finally {
      this.#giveBack(session)
    }
  }

  async #take(): Promise<Session> {
    for (;;) {
      const session = this.#idle.pop()
      if (session && !session.isOver) return session
      if (session) continue
      if (this.#all.size + this.#opening < this.#options.max) return this.#add()
      const given = await new Promise<Session | undefined>((resolve) => this.#waiting.push(resolve))
      if (given && !given.isOver) return given
    }
  }

  async #add(): Promise<Session> {
    this.#opening++
    try {
      const session = await this.#connect()
      this.#all.add(session)
      void session.ended.then(() => {
        this.#all.delete(session)
        this.#waiting.shift()?.(undefined)
      })
      return session
    } catch (cause) {
      this.#waiting.shift()?.(undefined)
      throw cause
    } finally {
      this.#opening--
    }
  }

  #giveBack(session: Session): void {
    if (session.isOver) return
    const next = this.#waiting.shift()
    if (next) next(session)
    else this.#idle.push(session)
  }

  #drop(session: Session): void {
    session.destroy()
    for (const one of this.#idle.splice(0)) one.destroy()
  }

  /** The interruption lasts longer than anything waits. */
  #hasGivenUp(): boolean {
    return this.#down !== undefined && performance.now() - this.#down.since > this.#options.patience
  }

  async #connect(): Promise<Session> {
    const down = this.#down
    if (down && performance.now() < down.nextAt) {
      if (this.#hasGivenUp()) throw down.why
      await delay(down.nextAt - performance.now())
    }
    try {
      const session = await Session.open(this.#options)
      this.#down = undefined
      return session
    } catch (why) {
      const { since, waitMs } = this.#down ?? { since: performance.now(), waitMs: BACKOFF_MS.first }
      const next = Math.min(2 * waitMs, BACKOFF_MS.most)
      this.#down = { since, why, waitMs: next, nextAt: performance.now() + waitMs }
      throw why
    }
  }
}
