/**
 * One store behind several handles: the contract holds whichever of them a call goes to, and the loss of a handle in
 * the middle of anything loses nothing that was answered.
 */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { MessageChannel } from 'node:worker_threads'
import { key } from '../../core/store/keys.ts'
import { levelStore } from '../../core/store/level/level.ts'
import { openLevelReader } from '../../core/store/level/reader.ts'
import { memoryStore } from '../../core/store/memory.ts'
import { openStoreHandle } from '../../core/store/remote/handle.ts'
import { type Served, serveStore } from '../../core/store/remote/owner.ts'
import type { Store } from '../../core/store/store.ts'
import { storeContract } from '../../core/testing/contracts/store.ts'
import { scattered } from '../support/handles.ts'

const MINUTE = 60_000

interface Shared {
  readonly store: Store
  readonly served: Set<Served>
  /** A further handle on the store. */
  handle(): Promise<Store & { lose(): Promise<void> }>
  elapse(ms: number): Promise<void>
  reopen?(): Promise<Store>
}

function createTime() {
  let now = Date.UTC(2026, 0, 1)
  return {
    now: () => now,
    elapse: async (ms: number) => {
      now += ms
    },
  }
}

type Kind = 'memory' | 'LevelDB through the owner' | 'LevelDB read directly'

async function share(t: TestContext, kind: Kind): Promise<Shared> {
  const { now, elapse } = createTime()
  const path = await mkdtemp(join(tmpdir(), 'iems-handles-'))
  const served = new Set<Served>()
  const readers = {
    async release(isReleased: boolean) {
      await Promise.all([...served].map((one) => one.release(isReleased)))
    },
  }
  const isDirect = kind === 'LevelDB read directly'
  const open = async () =>
    kind === 'memory' ? memoryStore({ now }) : levelStore({ path, now, ...(isDirect ? { readers } : {}) })
  let store = await open()
  t.after(async () => {
    await Promise.all([...served].map((one) => one.close()))
    await store.close()
    await rm(path, { recursive: true })
  })
  async function handle() {
    const { port1, port2 } = new MessageChannel()
    const one = serveStore(store, port1)
    served.add(one)
    const given = isDirect ? await openLevelReader({ path, port: port2, now }) : openStoreHandle(port2, { now })
    const lose = async () => {
      served.delete(one)
      port2.close()
      await one.close()
    }
    return { ...given, lose }
  }
  const reopen = async () => {
    await store.close()
    store = await open()
    return store
  }
  return { store, served, handle, elapse, ...(kind === 'memory' ? {} : { reopen }) }
}

for (const kind of ['memory', 'LevelDB through the owner', 'LevelDB read directly'] as const) {
  for (const count of [1, 2, 3]) {
    storeContract(`${kind}, ${count} handles`, async (t) => {
      const shared = await share(t, kind)
      const handles = await Promise.all(Array.from({ length: count }, () => shared.handle()))
      const close = async () => {
        await Promise.all(handles.map((one) => one.close()))
      }
      const { reopen } = shared
      return {
        store: scattered(handles, close),
        elapse: shared.elapse,
        ...(reopen
          ? {
              async reopen() {
                await close()
                return reopen()
              },
            }
          : {}),
      }
    })
  }
}

/** Waits until it is so, and notices that within a turn of the event loop. */
async function eventually(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 60_000; Date.now() < end; await turn()) if (await isSo()) return
  assert.fail('it never came true')
}

for (const kind of ['memory', 'LevelDB through the owner', 'LevelDB read directly'] as const) {
  test(`${kind}: what one handle has committed, every other sees at once`, async (t) => {
    const shared = await share(t, kind)
    const [one, other] = [await shared.handle(), await shared.handle()]
    for (let index = 0; index < 200; index++) {
      await one.commit([{ put: key('n', String(index)), value: Buffer.from(String(index)) }])
      assert.equal(Buffer.from((await other.get(key('n', String(index)))) ?? []).toString(), String(index))
    }
  })

  test(`${kind}: hints and wake-ups reach other handles`, async (t) => {
    const shared = await share(t, kind)
    const [one, other] = [await shared.handle(), await shared.handle()]
    const heard: string[] = []
    other.subscribe('a', (hint) => heard.push(String(hint && Buffer.from(hint))))
    other.watch('in/', (lane) => heard.push(lane))
    // Its answer says that what was sent before has been heard.
    await other.isLeased('in/', key('x'))
    one.publish('a', Buffer.from('x'))
    await one.commit([{ due: key('a'), lane: 'in/x', in: 0 }])
    await eventually(() => heard.length === 2)
    assert.deepEqual(heard.sort(), ['in/x', 'x'])
  })

  test(`${kind}: the leases of a lost handle end, those of others do not`, async (t) => {
    const shared = await share(t, kind)
    const [one, other] = [await shared.handle(), await shared.handle()]
    await one.commit(['a', 'b', 'c'].map((name) => ({ due: key(name), lane: 'lane', in: 0 })))
    const [kept] = await other.take('lane', 1, MINUTE)
    const [settled] = await one.take('lane', 1, MINUTE)
    assert.ok(kept && settled)
    await one.commit(
      [{ undue: settled.key, lane: 'lane' }],
      [{ due: settled.key, lane: 'lane', lease: settled.generation }],
    )
    assert.equal((await one.take('lane', 9, MINUTE)).length, 1)
    await one.lose()
    assert.equal((await other.take('lane', 9, MINUTE)).length, 1)
    assert.ok(await other.renew('lane', kept, MINUTE))
  })

  test(`${kind}: a handle that is lost in the middle of commits loses none that was answered`, async (t) => {
    const shared = await share(t, kind)
    const survivor = await shared.handle()
    for (let round = 0; round < 8; round++) {
      const handle = await shared.handle()
      const answered: string[] = []
      const work = Promise.allSettled(
        Array.from({ length: 40 }, async (_, index) => {
          const name = `${round}.${index}`
          const staged = await handle.blobs.stage(
            (async function* () {
              yield Buffer.alloc(index % 10 === 0 ? 100_000 : 500, name)
            })(),
          )
          const { id, ops } = await staged.keep()
          const isDone = await handle.commit([
            ...ops,
            { put: key('k', name), value: Buffer.from(id) },
            { due: key('k', name), lane: `lane/${round}`, in: 0 },
          ])
          if (!isDone) return
          answered.push(name)
          await handle.take(`lane/${round}`, 1, MINUTE)
        }),
      )
      await eventually(() => answered.length > round)
      await handle.lose()
      await work
      for (const name of answered) {
        const id = await survivor.get(key('k', name))
        assert.ok(id, `${name} is gone`)
        assert.ok((await Array.fromAsync(survivor.blobs.open(Buffer.from(id).toString()))).length > 0)
      }
      const due = await Array.fromAsync(survivor.due(`lane/${round}`, 100))
      assert.ok(due.length >= answered.length)
      assert.deepEqual(
        due.filter(({ leased }) => leased),
        [],
      )
    }
  })
}
