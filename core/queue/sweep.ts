/**
 * The sweeper: removes expired records and what crashes left behind.
 *
 * Invariants: it removes a body only when no message or holder references it and it is older than any acceptance could
 * take; it can be stopped at any moment without loss.
 */

import type { Clock } from '../api/clock.ts'
import { idAt } from '../message/ids.ts'
import { unkey } from '../store/keys.ts'
import type { Op, Store } from '../store/store.ts'
import type { ReleaseFreed } from './blob-references.ts'
import type { SharedQueue } from './queue.ts'
import {
  allFreed,
  allMessages,
  allOnce,
  decode,
  deliveriesOf,
  historyBefore,
  holdersKey,
  type MessageRecord,
  messagesBefore,
} from './records.ts'

export interface SweepDeps {
  readonly store: Store
  readonly clock: Clock
  readonly queue: SharedQueue
  readonly release: ReleaseFreed
  /** How long finished messages stay in the history, in ms. */
  readonly historyMs: number
}

export interface Swept {
  readonly history: number
  readonly messages: number
  readonly blobs: number
}

const DAY_MS = 86_400_000
/** Lifetime of a `once` key. */
const ONCE_MS = 7 * DAY_MS
/** Records removed in one commit. */
const BATCH = 500
/** Maximum bodies that one sweep checks. */
const SWEPT = 10_000

export type Sweep = ReturnType<typeof createSweep>

export function createSweep({ store, clock, queue, release, historyMs }: SweepDeps) {
  /** Removes expired history and `once` keys, messages without deliveries, and unreferenced bodies. */
  return async function sweep(signal: AbortSignal): Promise<Swept> {
    const day = clock.now() - DAY_MS
    const history = await removeRange(historyBefore(idAt(clock.now() - historyMs)), signal)
    const messages = await sweepMessages(idAt(day), signal)
    await sweepOnce(idAt(clock.now() - ONCE_MS), signal)
    await sweepFreed(signal)
    const blobs = await sweepBlobs(day, signal)
    return { history, messages, blobs }
  }

  /** Checks bodies that were released just before a crash. */
  async function sweepFreed(signal: AbortSignal): Promise<void> {
    for await (const [at] of store.scan(allFreed)) {
      if (signal.aborted) return
      const [, blob] = unkey(at) as [string, string]
      await release(blob)
    }
  }

  /** Removes unreferenced bodies older than a day, which a crash left between body and record. */
  async function sweepBlobs(before: number, signal: AbortSignal): Promise<number> {
    const idle = new Set<string>()
    for await (const { id, since } of store.blobs.list()) {
      if (idle.size >= SWEPT || signal.aborted) break
      if (since <= before && !(await store.get(holdersKey(id)))) idle.add(id)
    }
    if (idle.size === 0) return 0
    for await (const [, value] of store.scan(allMessages)) idle.delete(decode<MessageRecord>(value).blob)
    let count = 0
    for (const id of idle) {
      if (signal.aborted) break
      await store.blobs.remove(id)
      count++
    }
    return count
  }

  async function removeRange(range: ReturnType<typeof historyBefore>, signal: AbortSignal): Promise<number> {
    let count = 0
    for (;;) {
      const ops: Op[] = []
      for await (const [at] of store.scan({ ...range, limit: BATCH })) ops.push({ del: at })
      if (ops.length === 0 || signal.aborted) return count
      await store.commit(ops)
      count += ops.length
    }
  }

  async function sweepMessages(before: string, signal: AbortSignal): Promise<number> {
    let count = 0
    for await (const [, value] of store.scan(messagesBefore(before))) {
      if (signal.aborted) break
      const record = decode<MessageRecord>(value)
      let waits = false
      for await (const _ of store.scan({ ...deliveriesOf(record.id), limit: 1 })) waits = true
      if (waits) continue
      await queue.endMessage(record)
      count++
    }
    return count
  }

  async function sweepOnce(before: string, signal: AbortSignal): Promise<void> {
    for await (const [at, value] of store.scan(allOnce)) {
      if (signal.aborted) return
      if (decode<string>(value) < before) await store.commit([{ del: at }])
    }
  }
}
