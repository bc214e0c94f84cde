/**
 * Group commit: commits that wait at the same time share one batch and its fsync, which dominates the cost.
 *
 * Invariants: commits take effect in order of arrival, each atomically, and each one's checks see all earlier commits;
 * no commit resolves before its batch is on stable storage; a commit that cannot be encoded fails alone.
 */
import { setImmediate as turn } from 'node:timers/promises'
import type { Check, Key, Op, Value } from '../store.ts'
import type { Batch, Database } from './database.ts'
import type { DueList } from './due-list.ts'
import { asBuffer, bodyKey, dueKey, EMPTY, pointerKey, recordKey, timeBytes, wholeMs } from './key-layout.ts'
import { type Move, nameOf, spotOf } from './lane-memory.ts'

/** Maximum size of one batch, so that its first commit does not wait too long. */
const GROUP = { octets: 8 * 1024 * 1024, commits: 250 }
/** Approximate overhead of an op in octets. */
const OP_OCTETS = 96

type Step =
  | { readonly put: Buffer; readonly value: Buffer }
  | { readonly del: Buffer }
  | { readonly lane: string; readonly key: Buffer; readonly in?: number; readonly ifFree?: boolean }

type Condition =
  | { readonly record: Buffer; readonly is: Value | 'absent' | 'present' }
  | { readonly lane: string; readonly key: Buffer; readonly lease: number | 'none' }

interface Waiting {
  readonly steps: readonly Step[]
  readonly conditions: readonly Condition[]
  readonly octets: number
  /** No caller waits for it, so it needs no fsync of its own. */
  readonly idle?: boolean
  resolve(done: boolean): void
  reject(error: unknown): void
}

function inLane(lane: string, key: Key): { readonly lane: string; readonly key: Buffer } {
  if (lane.includes('\0')) throw new RangeError('a lane has no NUL in its name')
  return { lane, key: asBuffer(key) }
}

function stepOf(op: Op): Step {
  if ('put' in op) return { put: recordKey(op.put), value: asBuffer(op.value) }
  if ('del' in op) return { del: recordKey(op.del) }
  if ('body' in op) return { put: bodyKey(op.body), value: asBuffer(op.value) }
  if ('undue' in op) return inLane(op.lane, op.undue)
  if (!Number.isFinite(op.in)) throw new RangeError(`not a time: in ${op.in} ms`)
  return { ...inLane(op.lane, op.due), in: op.in, ifFree: op.ifFree === true }
}

function conditionOf(check: Check): Condition {
  if ('due' in check) return { ...inLane(check.lane, check.due), lease: check.lease }
  if ('free' in check) return { ...inLane(check.lane, check.free), lease: 'none' }
  return { record: recordKey(check.key), is: check.is }
}

/** Assembles a batch: the checks of each commit see the changes of earlier ones in the batch. */
class Group {
  readonly batch: Batch
  readonly moves: Move[] = []
  /** Spots that were moved or had to be free. */
  readonly spots = new Set<string>()
  readonly #records: Database['records']
  readonly #dueList: DueList
  readonly #when: number
  readonly #changed = new Map<string, Buffer | undefined>()
  /** Due time of each moved key after this batch. */
  readonly #times = new Map<string, number | undefined>()

  constructor({ records }: Database, dueList: DueList, when: number) {
    this.batch = records.batch()
    this.#records = records
    this.#dueList = dueList
    this.#when = when
  }

  add({ steps, conditions }: Waiting): boolean {
    if (!conditions.every((condition) => this.#holds(condition))) return false
    for (const step of steps) this.#apply(step)
    return true
  }

  /** A move ends the lease. */
  #isFree(lane: string, key: Buffer): boolean {
    return this.#times.has(spotOf(lane, nameOf(key))) || !this.#dueList.isLeased(lane, key)
  }

  #read(at: Buffer): Buffer | undefined {
    const name = nameOf(at)
    return this.#changed.has(name) ? this.#changed.get(name) : this.#records.getSync(at)
  }

  #holds(condition: Condition): boolean {
    if ('lane' in condition) {
      const { lane, key, lease } = condition
      const spot = spotOf(lane, nameOf(key))
      if (lease !== 'none') return !this.#times.has(spot) && this.#dueList.holdsLease(lane, key, lease)
      this.spots.add(spot)
      return this.#isFree(lane, key)
    }
    const value = this.#read(condition.record)
    if (condition.is === 'absent') return value === undefined
    return value !== undefined && (condition.is === 'present' || value.equals(condition.is))
  }

  #move({ lane, key, in: ms, ifFree }: Extract<Step, { lane: string }>): void {
    const spot = spotOf(lane, nameOf(key))
    const before = this.#times.has(spot) ? this.#times.get(spot) : this.#dueList.diskAt(lane, key)
    if (ifFree && (before === undefined || !this.#isFree(lane, key))) return
    const at = ms === undefined ? undefined : wholeMs(this.#when + ms)
    if (before !== undefined) this.batch.del(dueKey(lane, before, key))
    if (at !== undefined) this.batch.put(dueKey(lane, at, key), EMPTY).put(pointerKey(lane, key), timeBytes(at))
    else if (before !== undefined) this.batch.del(pointerKey(lane, key))
    this.#times.set(spot, at)
    this.spots.add(spot)
    this.moves.push({ lane, key, before, at })
  }

  #apply(step: Step): void {
    if ('lane' in step) this.#move(step)
    else if ('put' in step) {
      this.batch.put(step.put, step.value)
      this.#changed.set(nameOf(step.put), step.value)
    } else {
      this.batch.del(step.del)
      this.#changed.set(nameOf(step.del), undefined)
    }
  }
}

export class Committer {
  readonly #database: Database
  readonly #dueList: DueList
  readonly #now: () => number
  readonly #waiting: Waiting[] = []
  #running: Promise<void> | undefined

  constructor(database: Database, dueList: DueList, now: () => number) {
    this.#database = database
    this.#dueList = dueList
    this.#now = now
  }

  /** The waiting commits that fit into one batch. */
  #nextOnes(): Waiting[] {
    let octets = 0
    const end = this.#waiting.findIndex((one, index) => {
      octets += one.octets
      return index > 0 && (octets > GROUP.octets || index >= GROUP.commits)
    })
    return this.#waiting.splice(0, end < 0 ? this.#waiting.length : end)
  }

  async #write(ones: readonly Waiting[]): Promise<void> {
    this.#database.check()
    const group = new Group(this.#database, this.#dueList, this.#now())
    const done = ones.map((one) => group.add(one))
    const finish = this.#dueList.begin(group.spots)
    let written: readonly Move[] = []
    try {
      if (group.batch.length > 0) await group.batch.write({ sync: ones.some(({ idle }) => !idle) })
      else await group.batch.close()
      written = group.moves
    } finally {
      finish(written)
    }
    // Failed checks wait too: the commit that they lost against was not certain before.
    for (const [index, { resolve }] of ones.entries()) resolve(done[index] === true)
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      // One turn of the event loop, so that callers just answered, and data waiting in sockets, can join the next
      // batch.
      await turn()
      const ones = this.#nextOnes()
      try {
        await this.#write(ones)
      } catch (cause) {
        const error = this.#database.fail(cause, () => this.#dueList.reload())
        for (const { reject } of ones) reject(error)
      }
    }
    this.#running = undefined
  }

  async #enqueue(commit: Omit<Waiting, 'resolve' | 'reject'>): Promise<boolean> {
    this.#database.check()
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...commit, resolve, reject })
      this.#running ??= this.#run()
    })
  }

  async commit(ops: readonly Op[], checks: readonly Check[]): Promise<boolean> {
    // The last space of a full disk is reserved for commits that free space.
    if (!ops.some((op) => 'del' in op || 'undue' in op)) this.#database.reserve.requireRoom()
    let octets = 0
    for (const op of ops) octets += OP_OCTETS + ('value' in op ? op.value.byteLength : 0)
    return this.#enqueue({ steps: ops.map(stepOf), conditions: checks.map(conditionOf), octets })
  }

  /** Writes a small blob of another store. */
  async addBody(id: string, bytes: Buffer): Promise<void> {
    await this.#enqueue({ steps: [{ put: bodyKey(id), value: bytes }], conditions: [], octets: bytes.length })
  }

  /** Removes a small blob in the next batch. */
  async removeBody(id: string): Promise<void> {
    await this.#enqueue({ steps: [{ del: bodyKey(id) }], conditions: [], octets: OP_OCTETS, idle: true })
  }

  /** Resolves when all waiting commits have been answered. */
  async finish(): Promise<void> {
    await this.#running
  }
}
