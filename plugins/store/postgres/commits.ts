/**
 * Group commit: commits that wait at the same time, and of which none touches a key that another one writes, share one
 * transaction, one round trip and one flush of the log.
 *
 * Invariants: of two commits that touch the same thing the earlier one takes effect first; a commit whose connection is
 * lost is not tried again before its outcome is known: a batch writes its outcome under its token, and the token is
 * unique, so of two attempts at a batch only one can take effect.
 */
import { randomUUID } from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
import type { Check, Key, Op } from 'iems'
import { byteaArray, plainArray, textArray } from './arrays.ts'
import type { Connections } from './connections.ts'
import type { Session } from './session.ts'

/** One batch takes at most so many, so that the first in it does not wait for ever. */
const BATCH = { octets: 4 * 1024 * 1024, commits: 200 }
/** Batches under way at the same time. */
const PARALLEL = 3
/** Ms; nothing that makes sense is further away, and it fits into the database's numbers. */
const FURTHEST_MS = 1e14
const KINDS = { absent: 0, present: 1, equal: 2 }
/** A B-tree of PostgreSQL holds no larger ones. */
const MAX_KEY = 2600

export interface Move {
  readonly lane: string
  readonly key: Key
  /** Ms from now; undefined: out of the lane. */
  readonly in: number | undefined
  readonly ifFree: boolean
}

/** A commit with one op for each thing that it writes. */
interface Prepared {
  readonly puts: ReadonlyMap<string, { readonly key: Key; readonly value: Uint8Array | undefined }>
  readonly moves: ReadonlyMap<string, Move>
  readonly bodies: readonly Extract<Op, { body: string }>[]
  readonly checks: readonly Check[]
  readonly writes: readonly string[]
  readonly reads: readonly string[]
  readonly octets: number
}

interface Waiting extends Prepared {
  resolve(done: boolean): void
  reject(error: unknown): void
}

interface Outcome {
  readonly failed: readonly number[]
  readonly at: number
}

export interface CommitsDeps {
  readonly connections: Connections
  /** Called after each batch, with its moves and the database's time. */
  readonly done: (moves: readonly Move[], at: number) => void
}

export class Commits {
  readonly #deps: CommitsDeps
  #waiting: Waiting[] = []
  /** Spots that batches under way write. */
  readonly #busy = new Set<string>()
  readonly #underWay = new Set<Promise<void>>()
  #isTurning = false

  constructor(deps: CommitsDeps) {
    this.#deps = deps
  }

  async commit(ops: readonly Op[], checks: readonly Check[]): Promise<boolean> {
    this.#deps.connections.check()
    const prepared = prepare(ops, checks)
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...prepared, resolve, reject })
      void this.#go()
    })
  }

  /** Resolves when all waiting commits have settled. */
  async finish(): Promise<void> {
    while (this.#waiting.length > 0 || this.#underWay.size > 0)
      await (this.#underWay.size > 0 ? Promise.race(this.#underWay) : turn())
  }

  async #go(): Promise<void> {
    if (this.#isTurning) return
    this.#isTurning = true
    // One turn of the loop for those whose data lie in a socket.
    await turn()
    this.#isTurning = false
    while (this.#waiting.length > 0 && this.#underWay.size < PARALLEL) {
      const batch = this.#nextBatch()
      if (batch.length === 0) return
      const running = this.#run(batch).finally(() => {
        this.#underWay.delete(running)
        void this.#go()
      })
      this.#underWay.add(running)
    }
  }

  #nextBatch(): Waiting[] {
    const batch: Waiting[] = []
    const left: Waiting[] = []
    const written = new Set(this.#busy)
    let octets = 0
    for (const one of this.#waiting) {
      const isFull = batch.length > 0 && (batch.length >= BATCH.commits || octets + one.octets > BATCH.octets)
      const meets = one.writes.some((spot) => written.has(spot)) || one.reads.some((spot) => written.has(spot))
      if (isFull || meets) left.push(one)
      else {
        batch.push(one)
        octets += one.octets
      }
      // A later commit must not overtake an earlier one that waits and that reads or writes the same spots.
      for (const spot of one.writes) written.add(spot)
      if (isFull || meets) for (const spot of one.reads) written.add(spot)
    }
    this.#waiting = left
    return batch
  }

  async #run(batch: readonly Waiting[]): Promise<void> {
    const spots = batch.flatMap(({ writes }) => writes)
    for (const spot of spots) this.#busy.add(spot)
    try {
      const { failed, at } = await write(this.#deps.connections, batch)
      const lost = new Set(failed)
      this.#deps.done(
        batch.flatMap((one, index) => (lost.has(index) ? [] : [...one.moves.values()])),
        at,
      )
      batch.forEach((one, index) => {
        one.resolve(!lost.has(index))
      })
    } catch (error) {
      for (const one of batch) one.reject(error)
    } finally {
      for (const spot of spots) this.#busy.delete(spot)
    }
  }
}

// --- one commit ---------------------------------------------------------------------------------

const nameOf = (key: Key): string => Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1')
const recordSpot = (key: Key): string => `r${nameOf(key)}`
const laneSpot = (lane: string, key: Key): string => `d${lane}\0${nameOf(key)}`

function requireLane(lane: string): void {
  if (lane.includes('\0')) throw new RangeError('a lane has no NUL in its name')
}

function requireKey(key: Key): void {
  if (key.byteLength > MAX_KEY) throw new RangeError(`a key has at most ${MAX_KEY} octets here`)
}

function prepare(ops: readonly Op[], checks: readonly Check[]): Prepared {
  const puts = new Map<string, { key: Key; value: Uint8Array | undefined }>()
  const moves = new Map<string, Move>()
  const bodies: Extract<Op, { body: string }>[] = []
  let octets = 0
  for (const op of ops) {
    if ('put' in op) {
      requireKey(op.put)
      puts.set(recordSpot(op.put), { key: op.put, value: op.value })
    } else if ('del' in op) puts.set(recordSpot(op.del), { key: op.del, value: undefined })
    else if ('body' in op) bodies.push(op)
    else move(moves, op)
    octets += 64 + ('value' in op ? op.value.byteLength : 0)
  }
  const reads = checks.map((check) => {
    if ('key' in check) return recordSpot(check.key)
    requireLane(check.lane)
    return laneSpot(check.lane, 'due' in check ? check.due : check.free)
  })
  return { puts, moves, bodies, checks, writes: [...puts.keys(), ...moves.keys()], reads, octets }
}

/** Ops on the same key of a lane, made one. */
function move(moves: Map<string, Move>, op: Extract<Op, { lane: string }>): void {
  requireLane(op.lane)
  if ('undue' in op) {
    moves.set(laneSpot(op.lane, op.undue), { lane: op.lane, key: op.undue, in: undefined, ifFree: false })
    return
  }
  if (!Number.isFinite(op.in)) throw new RangeError(`not a time: in ${op.in} ms`)
  requireKey(op.due)
  const spot = laneSpot(op.lane, op.due)
  const before = moves.get(spot)
  // Not in the lane any more: nothing happens.
  if (op.ifFree && before && before.in === undefined) return
  const ms = Math.max(-FURTHEST_MS, Math.min(FURTHEST_MS, Math.round(op.in)))
  moves.set(spot, { lane: op.lane, key: op.due, in: ms, ifFree: (op.ifFree ?? false) && (before?.ifFree ?? true) })
}

// --- one batch ----------------------------------------------------------------------------------

async function write(connections: Connections, batch: readonly Prepared[]): Promise<Outcome> {
  const token = randomUUID()
  const values = [token, ...parametersOf(batch)]
  return connections.run(async (session, attempt) => {
    const before = attempt > 1 ? await outcomeOf(session, token) : undefined
    if (before) return before
    try {
      const [row] = await session.run<{ failed: number[]; at_ms: number }>({ name: 'commit_1', text: COMMIT, values })
      if (!row) throw new Error('the database gave no outcome')
      return { failed: row.failed, at: row.at_ms }
    } catch (cause) {
      // An earlier attempt, whose connection was lost, has taken effect meanwhile.
      const isDone = (cause as { constraint?: string }).constraint === 'outcomes_pkey'
      const outcome = isDone ? await outcomeOf(session, token) : undefined
      if (outcome) return outcome
      throw cause
    }
  })
}

const COMMIT = `select failed, at_ms from commit_1(${Array.from({ length: 23 }, (_, index) => `$${index + 1}`).join(', ')})`

async function outcomeOf(session: Session, token: string): Promise<Outcome | undefined> {
  const [row] = await session.run<{ failed: number[]; at: number }>(
    'select failed, at from outcomes where token = $1',
    [token],
  )
  return row
}

/** Rows of one of the function's tables, column by column. */
class Rows<T> {
  readonly of: number[] = []
  readonly rows: T[] = []

  add(commit: number, row: T): void {
    this.of.push(commit)
    this.rows.push(row)
  }

  get owners(): string {
    return plainArray(this.of)
  }

  bytes(pick: (row: T) => Uint8Array | undefined): Buffer {
    return byteaArray(this.rows.map(pick))
  }

  texts(pick: (row: T) => string): Buffer {
    return textArray(this.rows.map(pick))
  }

  plain(pick: (row: T) => number | boolean | undefined): string {
    return plainArray(this.rows.map(pick))
  }
}

/** Parameters of `commit_1`, except the token. */
function parametersOf(batch: readonly Prepared[]): unknown[] {
  const checks = new Rows<Extract<Check, { key: Key }>>()
  const leases = new Rows<{ lane: string; key: Key; lease: number | undefined }>()
  const puts = new Rows<{ key: Key; isNew: boolean; value: Uint8Array }>()
  const dels = new Rows<Key>()
  const bodies = new Rows<Extract<Op, { body: string }>>()
  const moves = new Rows<Move>()
  batch.forEach((one, index) => {
    const absent = new Set<string>()
    for (const check of one.checks) {
      if ('key' in check) {
        checks.add(index, check)
        if (check.is === 'absent') absent.add(recordSpot(check.key))
      } else if ('due' in check) leases.add(index, { lane: check.lane, key: check.due, lease: check.lease })
      else leases.add(index, { lane: check.lane, key: check.free, lease: undefined })
    }
    for (const [spot, { key, value }] of one.puts) {
      if (value) puts.add(index, { key, isNew: absent.has(spot), value })
      else dels.add(index, key)
    }
    for (const body of one.bodies) bodies.add(index, body)
    for (const one_ of one.moves.values()) moves.add(index, one_)
  })
  const kindOf = ({ is }: Extract<Check, { key: Key }>) => (typeof is === 'string' ? KINDS[is] : KINDS.equal)
  return [
    checks.bytes(({ key }) => key),
    checks.owners,
    checks.plain(kindOf),
    checks.bytes(({ is }) => (typeof is === 'string' ? undefined : is)),
    leases.texts(({ lane }) => lane),
    leases.bytes(({ key }) => key),
    leases.owners,
    leases.plain(({ lease }) => lease),
    puts.bytes(({ key }) => key),
    puts.owners,
    puts.plain(({ isNew }) => isNew),
    puts.bytes(({ value }) => value),
    dels.bytes((key) => key),
    dels.owners,
    bodies.texts(({ body }) => body),
    bodies.owners,
    bodies.bytes(({ value }) => value),
    moves.texts(({ lane }) => lane),
    moves.bytes(({ key }) => key),
    moves.owners,
    moves.plain((one) => one.in),
    moves.plain(({ ifFree }) => ifFree),
  ]
}
