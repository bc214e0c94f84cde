/**
 * Long work that outlives its connection: progress and lines are records, which any page, worker and server reads.
 *
 * Invariants: a task belongs to the login that began it; work whose server died is shown as failed; a cancelled task
 * stops at its next line; records of ended tasks are removed after a day, or when their owner forgets them.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { below, type Clock, decodeRecord, encodeRecord, key, type Log, type Op, type Store } from 'iems'
import { HttpProblem } from '../http/api.ts'
import type { Line } from './lines.ts'

export interface Task {
  readonly v: 1
  readonly id: string
  /** The login's user. */
  readonly by: string
  readonly title: string
  /** Ms since 1970, as all times here. */
  readonly since: number
  /** When its server last wrote it. */
  readonly seen: number
  readonly state: 'running' | 'done' | 'failed' | 'cancelled'
  readonly why?: string
  readonly progress?: string
  readonly done?: number
  readonly total?: number
  /** Stored lines; further ones are dropped, and faults are counted on. */
  readonly lines: number
  readonly faults: number
}
type KeptLine = Extract<Line, { text: string } | { fault: string }>

/** A task writes at most this often, and looks for its cancellation. */
const WRITE_MS = 250
const READ_MS = 250
/** A running task that was not written for this long has lost its server. */
const SILENT_MS = 30_000
const BEAT_MS = 5000
const MAX_LINES = 20_000
const MAX_RUNNING = 50
const PAGE = 500
const KEPT_MS = 86_400_000

const taskAt = (id: string) => key('task', id)
const lineAt = (id: string, number: number) => key('task-line', id, number)
const cancelAt = (id: string) => key('task-cancel', id)

interface Running {
  readonly gone: AbortController
  readonly ended: Promise<void>
}

export class Tasks {
  readonly #deps: { readonly store: Store; readonly clock: Clock; readonly log: Log }
  readonly #running = new Map<string, Running>()

  constructor(deps: { readonly store: Store; readonly clock: Clock; readonly log: Log }) {
    this.#deps = deps
  }

  /** `work` ends early when `gone` aborts. Throws 429 when too many tasks run. */
  async begin(given: Pick<Task, 'by' | 'title'>, work: AsyncIterable<Line>, gone: AbortController): Promise<Task> {
    if (this.#running.size >= MAX_RUNNING) throw new HttpProblem(429, 'Too many tasks run; wait for one to end')
    const now = this.#deps.clock.now()
    const task: Task = {
      v: 1,
      id: randomUUID(),
      ...given,
      since: now,
      seen: now,
      state: 'running',
      lines: 0,
      faults: 0,
    }
    await this.#deps.store.commit([{ put: taskAt(task.id), value: encodeRecord(task) }])
    const writer = new TaskWriter(task, this.#deps, gone)
    const ended = writer
      .follow(work)
      .catch((cause: unknown) => this.#deps.log.error('a task could not be recorded', { task: task.id, cause }))
      .finally(() => this.#running.delete(task.id))
    this.#running.set(task.id, { gone, ended })
    return task
  }

  /** Of one login, newest first. */
  async list(by: string): Promise<readonly Task[]> {
    const found: Task[] = []
    for await (const task of this.#all()) if (task.by === by) found.push(this.#shown(task))
    return found.sort((a, b) => b.since - a.since)
  }

  /** Throws 404 for a task of another login. */
  async get(id: string, by: string): Promise<Task> {
    const value = await this.#deps.store.get(taskAt(id))
    const task = value && decodeRecord<Task>(value)
    if (task?.by !== by) throw new HttpProblem(404, 'There is no such task')
    return this.#shown(task)
  }

  /** Its lines after the first `after`, then each new one with the progress, until it has ended. */
  async *lines(task: Task, after: number, signal: AbortSignal): AsyncGenerator<Line> {
    let [now, number, said] = [task, after, '']
    for (;;) {
      while (number < now.lines) {
        const range = { from: lineAt(task.id, number), to: lineAt(task.id, Math.min(now.lines, number + PAGE)) }
        for await (const [, value] of this.#deps.store.scan(range)) {
          number++
          yield decodeRecord<KeptLine>(value)
        }
      }
      const { progress, done, total, state, why } = now
      if (progress !== undefined && progress !== said) {
        said = progress
        yield { progress, ...(total === undefined ? {} : { done: done ?? 0, total }) }
      }
      if (state !== 'running') return yield { end: state, ...(why === undefined ? {} : { why }) }
      if (signal.aborted) return
      await pause(READ_MS, undefined, { signal }).catch(() => undefined)
      now = await this.get(task.id, task.by)
    }
  }

  /** Cancels a running task; forgets one that has ended. */
  async end({ id, state }: Task): Promise<void> {
    if (state !== 'running') return this.#forget(id)
    await this.#deps.store.commit([{ put: cancelAt(id), value: encodeRecord({ at: this.#deps.clock.now() }) }])
    this.#running.get(id)?.gone.abort()
  }

  async sweep(signal: AbortSignal): Promise<void> {
    for await (const { id, seen } of this.#all())
      if (!signal.aborted && this.#deps.clock.now() - seen > KEPT_MS) await this.#forget(id)
  }

  /** Cancels what runs here. */
  async close(): Promise<void> {
    const running = [...this.#running.values()]
    for (const { gone } of running) gone.abort()
    await Promise.all(running.map(({ ended }) => ended))
  }

  async *#all(): AsyncGenerator<Task> {
    for await (const [, value] of this.#deps.store.scan(below('task'))) yield decodeRecord<Task>(value)
  }

  #shown(task: Task): Task {
    const isLost = task.state === 'running' && this.#deps.clock.now() - task.seen > SILENT_MS
    return isLost ? { ...task, state: 'failed', why: 'The server that did this has ended' } : task
  }

  async #forget(id: string): Promise<void> {
    for (;;) {
      const ops: Op[] = []
      for await (const [at] of this.#deps.store.scan({ ...below('task-line', id), limit: PAGE })) ops.push({ del: at })
      if (ops.length === 0) break
      await this.#deps.store.commit(ops)
    }
    await this.#deps.store.commit([{ del: taskAt(id) }, { del: cancelAt(id) }])
  }
}

/** Writes what a task says, and looks whether it is to end. */
class TaskWriter {
  readonly #deps: { readonly store: Store; readonly clock: Clock }
  readonly #gone: AbortController
  #task: Task
  #pending: Op[] = []
  #written = 0

  constructor(task: Task, deps: { readonly store: Store; readonly clock: Clock }, gone: AbortController) {
    this.#task = task
    this.#deps = deps
    this.#gone = gone
  }

  async follow(work: AsyncIterable<Line>): Promise<void> {
    let writing = Promise.resolve()
    // A task without output is still alive, and can be cancelled.
    const beat = setInterval(() => {
      writing = writing.then(() => this.#write()).catch(() => this.#gone.abort())
    }, BEAT_MS)
    const end = await this.#run(work, async () => {
      await writing
      await this.#write()
    })
    clearInterval(beat)
    await writing
    this.#task = { ...this.#task, ...end }
    await this.#write()
  }

  async #run(work: AsyncIterable<Line>, write: () => Promise<void>): Promise<Pick<Task, 'state' | 'why'>> {
    try {
      for await (const line of work) {
        this.#take(line)
        if (performance.now() - this.#written >= WRITE_MS) await write()
        if (this.#gone.signal.aborted) break
      }
    } catch (cause) {
      if (!this.#gone.signal.aborted)
        return { state: 'failed', why: cause instanceof Error ? cause.message : String(cause) }
    }
    return { state: this.#gone.signal.aborted ? 'cancelled' : 'done' }
  }

  #take(line: Line): void {
    const { id, lines, faults } = this.#task
    if ('progress' in line) this.#task = { ...this.#task, ...line }
    if ('fault' in line) this.#task = { ...this.#task, faults: faults + 1 }
    if (!('text' in line || 'fault' in line) || lines >= MAX_LINES) return
    this.#pending.push({ put: lineAt(id, lines), value: encodeRecord(line) })
    this.#task = { ...this.#task, lines: lines + 1 }
  }

  async #write(): Promise<void> {
    const { store, clock } = this.#deps
    this.#task = { ...this.#task, seen: clock.now() }
    const ops = [...this.#pending, { put: taskAt(this.#task.id), value: encodeRecord(this.#task) }]
    this.#pending = []
    await store.commit(ops)
    this.#written = performance.now()
    if (await store.get(cancelAt(this.#task.id))) this.#gone.abort()
  }
}
