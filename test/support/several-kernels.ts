/**
 * Several kernels on one store, as during a reload or on several nodes: for tests that look for what one of them keeps
 * only in its own memory.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, type TestContext } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { levelStore } from '../../core/store/level/level.ts'
import type { Store } from '../../core/store/store.ts'
import { memoryStore, type TestClock, testClock } from '../../core/testing/index.ts'

export interface SharedStore {
  readonly store: Store
  readonly clock: TestClock
}

export type MakeStore = (t: TestContext) => Promise<SharedStore>

/** What must end after the kernels, whose tests' hooks run in the order in which they were made. */
const ends: (() => Promise<void>)[] = []
after(async () => {
  for (const end of ends) await end()
})

/** The stores under which kernels of one process meet, by name. */
export const STORES: Readonly<Record<string, MakeStore>> = {
  async memory() {
    const clock = testClock()
    return { clock, store: memoryStore({ now: clock.now }) }
  },
  async LevelDB() {
    const clock = testClock()
    const path = await mkdtemp(join(tmpdir(), 'iems-kernels-'))
    const store = await levelStore({ path, now: clock.now })
    ends.push(async () => {
      await store.close()
      await rm(path, { recursive: true, force: true })
    })
    return { clock, store }
  },
}

/** The same whole numbers below n in every run. */
export function seeded(seed: number): (n: number) => number {
  let state = seed >>> 0
  return (n) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * n)
  }
}

/** A test that waits longer, in real ms, has failed. */
const PATIENCE_MS = 20_000

/** Waits until it is so; false when it is not so for a long time. */
export async function eventually(isSo: () => boolean | Promise<boolean>): Promise<boolean> {
  for (const end = Date.now() + PATIENCE_MS; Date.now() < end; await turn()) if (await isSo()) return true
  return false
}

/** Lets everything go on that is under way, for so many turns of the event loop. */
export async function goOn(turns = 200): Promise<void> {
  for (let left = turns; left > 0; left--) await turn()
}
