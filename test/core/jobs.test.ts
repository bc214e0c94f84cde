/** Jobs: periodic work that one kernel does for all on the store. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { definePlugin, type Job, key } from 'iems'
import { createTestKernel } from 'iems/testing'
import * as z from 'zod'
import type { Store } from '../../core/store/store.ts'
import { eventually, goOn, type SharedStore, STORES } from '../support/several-kernels.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE

async function kernelWith(t: TestContext, shared: SharedStore, run: Job['run'], job: Partial<Job> = {}) {
  const plugin = definePlugin({
    name: 'sweeper',
    config: z.undefined(),
    setup(_, ctx) {
      ctx.schedule({ name: 'sweep', every: HOUR, ...job, run })
      return {}
    },
  })
  return createTestKernel(t, { ...shared, plugins: [plugin()] })
}

/** Moves time on in steps, so that what a disk takes its time for is done in its minute. */
async function pass({ clock, store }: SharedStore, ms: number) {
  for (let left = ms; left > 0; left -= 10 * MINUTE) {
    await clock.advance(Math.min(left, 10 * MINUTE))
    // Behind this commit are those that were asked for before it.
    for (let round = 0; round < 6; round++) {
      await store.commit([{ put: key('test'), value: new Uint8Array(1) }])
      await goOn(5)
    }
  }
}

for (const [name, makeStore] of Object.entries(STORES)) {
  test(`${name}: a job runs once for all kernels, and reloads do not postpone it`, async (t) => {
    const shared = await makeStore(t)
    const ran: string[] = []
    const other = await kernelWith(t, shared, async () => ran.push('other'))
    let reloaded = await kernelWith(t, shared, async () => ran.push('reloaded'))
    // Each lives for forty minutes, which is less than the job waits.
    for (let times = 0; times < 9; times++) {
      await pass(shared, 40 * MINUTE)
      const next = await kernelWith(t, shared, async () => ran.push('reloaded'))
      await reloaded.close()
      reloaded = next
    }
    await other.close()
    await pass(shared, 40 * MINUTE)
    assert.ok(ran.length === 6, `${ran.length} runs in six hours and forty minutes`)
  })

  test(`${name}: a job that fails is tried again soon, and one that runs long is not run twice`, async (t) => {
    const shared = await makeStore(t)
    const ran: string[] = []
    const gate = Promise.withResolvers<void>()
    const run: Job['run'] = async () => {
      ran.push('run')
      if (ran.length === 1) throw new Error('not today')
      await gate.promise
    }
    await kernelWith(t, shared, run, { first: 0 })
    await kernelWith(t, shared, run, { first: 0 })
    await pass(shared, 30 * MINUTE)
    assert.equal(ran.length, 2)
    await pass(shared, 3 * HOUR)
    assert.equal(ran.length, 2, 'it is still running')
    gate.resolve()
    await goOn()
    await pass(shared, HOUR + 10 * MINUTE)
    assert.ok(await eventually(() => ran.length === 3))
  })

  test(`${name}: another kernel takes over what a dead one ran, and at once what a closed one did`, async (t) => {
    const shared = await makeStore(t)
    const ran: string[] = []
    const forEver = (who: string) => async (signal: AbortSignal) => {
      ran.push(who)
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
    }
    let isDead = false
    const deaf = <T>(work: () => Promise<T>) => (isDead ? Promise.reject(new Error('cut off')) : work())
    const mortal: Store = {
      ...shared.store,
      renew: (...asked) => deaf(() => shared.store.renew(...asked)),
      take: (...asked) => deaf(() => shared.store.take(...asked)),
      commit: (...asked) => deaf(() => shared.store.commit(...asked)),
    }
    await kernelWith(t, { ...shared, store: mortal }, forEver('mortal'), { first: 0 })
    await pass(shared, MINUTE)
    assert.deepEqual(ran, ['mortal'])
    isDead = true
    const second = await kernelWith(t, shared, forEver('second'), { first: 0 })
    await pass(shared, 10 * MINUTE)
    assert.ok(await eventually(() => ran.length === 2))
    await second.close()
    await kernelWith(t, shared, async () => ran.push('third'), { first: 0 })
    await pass(shared, MINUTE)
    assert.ok(await eventually(() => ran.length === 3))
    assert.deepEqual(ran, ['mortal', 'second', 'third'])
  })

  test(`${name}: a shorter interval holds from the last run on`, async (t) => {
    const shared = await makeStore(t)
    let ran = 0
    const day = await kernelWith(t, shared, async () => ran++, { every: 24 * HOUR, first: 0 })
    await pass(shared, 2 * HOUR)
    await day.close()
    await kernelWith(t, shared, async () => ran++, { every: HOUR })
    await pass(shared, 10 * MINUTE)
    assert.equal(ran, 2)
  })
}
