/**
 * Group commit: commits that wait at the same time share one batch and one fsync, which is what a commit costs.
 *
 * What must stay true: commits take effect in the order in which they came, each whole or not at all, and each one's
 * checks see all that came before it; nobody hears of a commit before its batch is on stable storage; one that cannot
 * be written down at all hurts nobody else.
 */
import { setImmediate as turn } from 'node:timers/promises'
import type { Check, Key, Op, Value } from '../store.ts'
import type { Batch, Database } from './database.ts'
import { type DueList, type Move, nameOf, spotOf } from './due-list.ts'
import { asBuffer, bodyKey, dueKey, EMPTY, pointerKey, recordKey, timeBytes, wholeMs } from './key-layout.ts'

/** One batch takes at most so many, so that the first in it does not wait for ever. */
const GROUP = { octets: 8 * 1024 * 1024, commits: 250 }
/** What an op costs besides its value, roughly. */
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
  /** Nobody relies on it: it needs no fsync of its own. */
  readonly idle?: boolean
  resolve(done: boolean): void
  reject(error: unknown): void
}

export type Committer = ReturnType<typeof createCommitter>

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

/** A batch being put together: the checks of each commit see what those before it in the batch have changed. */
function createGroup({ records }: Database, dueList: DueList, when: number) {
  const batch: Batch = records.batch()
  const changed = new Map<string, Buffer | undefined>()
  /** When each key that was moved in this batch is due after it. */
  const times = new Map<string, number | undefined>()
  const moves: Move[] = []
  /** What was moved, or had to be free. */
  const spots = new Set<string>()

  /** A move ends the lease. */
  const isFree = (lane: string, key: Buffer) => times.has(spotOf(lane, nameOf(key))) || !dueList.isLeased(lane, key)

  function read(at: Buffer): Buffer | undefined {
    const name = nameOf(at)
    return changed.has(name) ? changed.get(name) : records.getSync(at)
  }

  function holds(condition: Condition): boolean {
    if ('lane' in condition) {
      const { lane, key, lease } = condition
      const spot = spotOf(lane, nameOf(key))
      if (lease !== 'none') return !times.has(spot) && dueList.holdsLease(lane, key, lease)
      spots.add(spot)
      return isFree(lane, key)
    }
    const value = read(condition.record)
    if (condition.is === 'absent') return value === undefined
    return value !== undefined && (condition.is === 'present' || value.equals(condition.is))
  }

  function move({ lane, key, in: ms, ifFree }: Extract<Step, { lane: string }>) {
    const spot = spotOf(lane, nameOf(key))
    const before = times.has(spot) ? times.get(spot) : dueList.diskAt(lane, key)
    if (ifFree && (before === undefined || !isFree(lane, key))) return
    const at = ms === undefined ? undefined : wholeMs(when + ms)
    if (before !== undefined) batch.del(dueKey(lane, before, key))
    if (at !== undefined) batch.put(dueKey(lane, at, key), EMPTY).put(pointerKey(lane, key), timeBytes(at))
    else if (before !== undefined) batch.del(pointerKey(lane, key))
    times.set(spot, at)
    spots.add(spot)
    moves.push({ lane, key, before, at })
  }

  function apply(step: Step) {
    if ('lane' in step) move(step)
    else if ('put' in step) {
      batch.put(step.put, step.value)
      changed.set(nameOf(step.put), step.value)
    } else {
      batch.del(step.del)
      changed.set(nameOf(step.del), undefined)
    }
  }

  return {
    batch,
    spots,
    moves,
    add({ steps, conditions }: Waiting): boolean {
      if (!conditions.every(holds)) return false
      steps.forEach(apply)
      return true
    },
  }
}

export function createCommitter(database: Database, dueList: DueList, now: () => number) {
  const waiting: Waiting[] = []
  let running: Promise<void> | undefined

  /** As many of those who wait as fit into one batch. */
  function nextOnes(): Waiting[] {
    let octets = 0
    const end = waiting.findIndex((one, index) => {
      octets += one.octets
      return index > 0 && (octets > GROUP.octets || index >= GROUP.commits)
    })
    return waiting.splice(0, end < 0 ? waiting.length : end)
  }

  async function write(ones: readonly Waiting[]): Promise<void> {
    database.check()
    const group = createGroup(database, dueList, now())
    const done = ones.map((one) => group.add(one))
    const finish = dueList.begin(group.spots)
    let written: readonly Move[] = []
    try {
      if (group.batch.length > 0) await group.batch.write({ sync: ones.some(({ idle }) => !idle) })
      else await group.batch.close()
      written = group.moves
    } finally {
      finish(written)
    }
    // Also a refusal waits until here: what it lost against was not certain before.
    for (const [index, { resolve }] of ones.entries()) resolve(done[index] === true)
  }

  async function run(): Promise<void> {
    while (waiting.length > 0) {
      // One turn of the loop for those who were answered just now or whose data lie in a socket.
      await turn()
      const ones = nextOnes()
      try {
        await write(ones)
      } catch (cause) {
        const error = database.fail(cause, dueList.reload)
        for (const { reject } of ones) reject(error)
      }
    }
    running = undefined
  }

  async function enqueue(commit: Omit<Waiting, 'resolve' | 'reject'>): Promise<boolean> {
    database.check()
    return new Promise((resolve, reject) => {
      waiting.push({ ...commit, resolve, reject })
      running ??= run()
    })
  }

  return {
    async commit(ops: readonly Op[], checks: readonly Check[]): Promise<boolean> {
      // What is left of a full disk is for those who free space.
      if (!ops.some((op) => 'del' in op || 'undue' in op)) database.reserve.requireRoom()
      let octets = 0
      for (const op of ops) octets += OP_OCTETS + ('value' in op ? op.value.byteLength : 0)
      return enqueue({ steps: ops.map(stepOf), conditions: checks.map(conditionOf), octets })
    },
    /** Removes a small blob, in company. */
    async removeBody(id: string): Promise<void> {
      await enqueue({ steps: [{ del: bodyKey(id) }], conditions: [], octets: OP_OCTETS, idle: true })
    },
    /** Resolves when all who wait have been answered. */
    async finish(): Promise<void> {
      await running
    },
  }
}
