import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { key } from '../../core/store/keys.ts'
import { levelStore } from '../../core/store/level/level.ts'
import { memoryStore } from '../../core/store/memory.ts'
import { subspace } from '../../core/store/subspace.ts'
import { storeContract } from '../../core/testing/contracts/store.ts'

function createTime() {
  let now = Date.UTC(2026, 0, 1)
  return {
    now: () => now,
    elapse: async (ms: number) => {
      now += ms
    },
  }
}

storeContract('memory', async () => {
  const { now, elapse } = createTime()
  return { store: memoryStore({ now }), elapse }
})

storeContract('LevelDB', async (t) => {
  const { now, elapse } = createTime()
  const path = await mkdtemp(join(tmpdir(), 'iems-store-'))
  let store = await levelStore({ path, now })
  t.after(async () => {
    await store.close()
    await rm(path, { recursive: true })
  })
  const reopen = async () => {
    await store.close()
    store = await levelStore({ path, now })
    return store
  }
  return { store, elapse, reopen }
})

storeContract('a plugin’s part of a store', async () => {
  const { now, elapse } = createTime()
  const whole = memoryStore({ now })
  // Neighbours that must not be seen.
  await whole.commit([
    { put: key('a'), value: Buffer.from('alien') },
    { due: key('alien'), lane: 'lane', in: 0 },
  ])
  for (const name of ['nea', 'near0', 'nearby'])
    await subspace(whole, 'p', name).commit([
      { put: key('a'), value: Buffer.from(name) },
      { due: key('alien'), lane: 'lane', in: 0 },
    ])
  // A plugin closes nothing but its own view.
  return { store: { ...subspace(whole, 'p', 'near'), close: () => whole.close() }, elapse }
})
