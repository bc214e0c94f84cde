/**
 * What happens to a database on a network: lost, slow, half-closed and silent connections, a crash, a standby that takes
 * over. A commit that was answered is there once; a store goes on by itself. KILLS says how often the database crashes
 * (2; take 100 for a long look).
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { IemsError, key, type Store } from 'iems'
import { type PostgresOptions, postgresStore } from 'iems/plugins/postgres'
import { type CutProxy, startCutProxy } from '../support/cut-proxy.ts'
import { fileScope, type Postgres, startPostgres, whyNoPostgres } from '../support/postgres.ts'

const KILLS = Number(process.env.KILLS ?? 2)
const skip = whyNoPostgres()
const scope = fileScope()
let shared: Promise<Postgres> | undefined
let schemas = 0

interface Under {
  readonly postgres: Postgres
  readonly proxy: CutProxy
  readonly store: Store
  readonly schema: string
}

/** A store behind a proxy. */
async function behindProxy(t: TestContext, options: Partial<PostgresOptions> = {}): Promise<Under> {
  shared ??= startPostgres(scope)
  const postgres = await shared
  const proxy = await startCutProxy(t, postgres.socket)
  const schema = `failures_${++schemas}`
  const url = urlOf(proxy)
  const store = await postgresStore({ url, schema, connections: 6, ...options }).open()
  t.after(async () => {
    Object.assign(proxy, { swallows: false, cutAfter: undefined, delayMs: 0 })
    await store.close()
  })
  return { postgres, proxy, store, schema }
}

const urlOf = ({ port }: CutProxy) => `postgres://postgres@127.0.0.1:${port}/postgres`
const isStoreFailure = (error: unknown) => error instanceof IemsError && error.code === 'IEMS_STORE_FAILED'

/** Counts in a record; what was answered, and what was in doubt. */
interface Count {
  done: number
  doubtful: number
}

/** Adds 1 to a record with a check of what was read, and schedules a key for each success. */
async function countUp(store: Store, name: string, count: Count): Promise<void> {
  try {
    const before = await store.get(key(name))
    const next = Number(before ? Buffer.from(before) : 0) + 1
    const isDone = await store.commit(
      [
        { put: key(name), value: Buffer.from(String(next)) },
        { put: key(name, next), value: Buffer.from(name) },
        { due: key(name, next), lane: `lane/${name}`, in: 0 },
      ],
      [
        { key: key(name), is: before ?? 'absent' },
        { key: key(name, next), is: 'absent' },
      ],
    )
    if (isDone) count.done++
  } catch (error) {
    assert.ok(isStoreFailure(error), String(error))
    count.doubtful++
  }
}

/** Counts with several at the same time until it is over. */
function counting(
  stores: readonly Store[],
  isOver: () => boolean,
): { readonly ended: Promise<void>; readonly count: Count } {
  const count: Count = { done: 0, doubtful: 0 }
  const one = async (store: Store, name: string) => {
    while (!isOver()) await countUp(store, name, count)
  }
  const all = stores.flatMap((store) => ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => one(store, name)))
  return { count, ended: Promise.all(all).then(() => {}) }
}

/** Everything that was answered took effect once, and nothing else did. */
async function assertCounted(store: Store, { done, doubtful }: Count): Promise<void> {
  let counted = 0
  for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) {
    const value = await store.get(key(name))
    const times = Number(value ? Buffer.from(value) : 0)
    counted += times
    assert.equal((await Array.fromAsync(store.due(`lane/${name}`, 1_000_000))).length, times)
  }
  assert.ok(counted >= done && counted <= done + doubtful, `${done} answered, ${doubtful} in doubt, ${counted} counted`)
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 30_000; !(await isSo()); await delay(20))
    if (Date.now() > end) assert.fail('it never came true')
}

test('connections that are cut at any moment leave no commit in doubt', { skip }, async (t) => {
  const { proxy, store } = await behindProxy(t)
  let cut = 5
  proxy.cutAfter = () => 3 + (cut++ % 11)
  proxy.cut()
  const { ended, count } = counting([store], () => proxy.cuts >= 30)
  await ended
  proxy.cutAfter = undefined
  proxy.cut()
  await assertCounted(store, count)
  assert.equal(count.doubtful, 0)
  t.diagnostic(`${count.done} commits, ${proxy.cuts} cuts`)
})

test('a large blob survives cuts while it is written and read', { skip }, async (t) => {
  const { proxy, store } = await behindProxy(t)
  proxy.cutAfter = () => 40
  proxy.cut()
  const content = Buffer.alloc(3_000_000, 'line of mail\r\n')
  const staged = await store.blobs.stage(
    (async function* () {
      for (let at = 0; at < content.length; at += 50_000) yield content.subarray(at, at + 50_000)
    })(),
  )
  const { id, ops } = await staged.keep()
  assert.equal(await store.commit([...ops, { put: key('b'), value: Buffer.from(id) }]), true)
  assert.ok(Buffer.concat(await Array.fromAsync(store.blobs.open(id))).equals(content))
  assert.ok(proxy.cuts > 0)
})

test('a crash between the content of a message and its acceptance loses no accepted content', { skip }, async (t) => {
  const { postgres, store } = await behindProxy(t, { retryTimeout: '30 s' })
  const content = Buffer.alloc(100_000, 'line of mail\r\n')
  const stage = () =>
    store.blobs.stage(
      (async function* () {
        yield content
      })(),
    )
  // What is not flushed with a commit stays in the memory that the crash takes.
  const [writer] = await postgres.query<{ pid: number }>(
    `select pid from pg_stat_activity where backend_type = 'walwriter'`,
  )
  assert.ok(writer)
  process.kill(writer.pid, 'SIGSTOP')
  const staged = await stage()
  await postgres.kill()
  await postgres.start()
  const kept = await staged.keep().catch((error: unknown) => assert.ok(isStoreFailure(error), String(error)))
  const { id } = kept ?? (await (await stage()).keep())
  assert.ok(Buffer.concat(await Array.fromAsync(store.blobs.open(id))).equals(content))
})

test('a connection that is slow or half-closed loses nothing', { skip }, async (t) => {
  const { proxy, store } = await behindProxy(t)
  let isOver = false
  const { ended, count } = counting([store], () => isOver)
  proxy.delayMs = 20
  await until(() => count.done >= 20)
  proxy.halfClose()
  await until(() => count.done >= 40)
  isOver = true
  await ended
  await assertCounted(store, count)
})

test('a network that swallows everything ends in errors, and the store goes on when it is back', {
  skip,
}, async (t) => {
  const { proxy, store } = await behindProxy(t, {
    statementTimeout: '200 ms',
    connectTimeout: '300 ms',
    retryTimeout: '500 ms',
  })
  await store.commit([{ put: key('a'), value: Buffer.from('1') }])
  proxy.swallows = true
  await assert.rejects(store.get(key('a')), isStoreFailure)
  await assert.rejects(store.commit([{ put: key('b'), value: Buffer.from('1') }]), isStoreFailure)
  proxy.swallows = false
  proxy.cut()
  await until(() =>
    store.get(key('a')).then(
      (value) => value !== undefined,
      () => false,
    ),
  )
})

test('hints are heard again after the connection was lost, and their loss is told', { skip }, async (t) => {
  const { proxy, store, schema, postgres } = await behindProxy(t)
  const other = await postgresStore({ url: postgres.url(), schema }).open()
  t.after(() => other.close())
  const heard: (string | undefined)[] = []
  store.subscribe('topic', (hint) => heard.push(hint && Buffer.from(hint).toString()))
  const woken: string[] = []
  store.watch('in/', (lane) => woken.push(lane))
  other.publish('topic', Buffer.from('one'))
  await other.commit([{ due: key('a'), lane: 'in/x', in: 0 }])
  await until(() => heard.includes('one') && woken.includes('in/x'))
  proxy.cut()
  await until(() => heard.includes(undefined))
  other.publish('topic', Buffer.from('two'))
  await until(() => heard.includes('two'))
})

test(`a database that crashes ${KILLS} times in the middle of commits loses none, and no server is restarted`, {
  skip,
  timeout: 60_000 + KILLS * 20_000,
}, async (t) => {
  const { postgres, store, schema } = await behindProxy(t)
  const other = await postgresStore({ url: postgres.url(), schema }).open()
  t.after(() => other.close())
  let isOver = false
  const { ended, count } = counting([store, other], () => isOver)
  for (let kill = 0; kill < KILLS; kill++) {
    const before = count.done
    await until(() => count.done > before + 50)
    await postgres.kill()
    await postgres.start()
  }
  const before = count.done
  await until(() => count.done > before + 50)
  isOver = true
  await ended
  await assertCounted(store, count)
  t.diagnostic(`${count.done} commits, ${count.doubtful} in doubt, ${KILLS} crashes`)
})

test('a reading of many records sees one moment, also within another reading', { skip }, async (t) => {
  const { postgres, store } = await behindProxy(t, { connections: 2 })
  for (let at = 0; at < 3000; at += 500)
    await store.commit(
      Array.from({ length: 500 }, (_, index) => ({ put: key('many', at + index), value: Buffer.from('old') })),
    )
  const range = { from: key('many'), to: key('manz') }
  let outer = 0
  for await (const [found, value] of store.scan(range)) {
    assert.equal(Buffer.from(value).toString(), 'old')
    if (outer++ % 1000 === 0) {
      await store.commit([
        { put: found, value: Buffer.from('new') },
        { put: key('many', 5000), value: Buffer.from('new') },
      ])
      await store.commit([{ put: found, value: Buffer.from('old') }, { del: key('many', 5000) }])
      let inner = 0
      for await (const _ of store.scan({ ...range, reverse: true })) inner++
      assert.equal(inner, 3000)
      // Connections for hints and long readings leave room for those for statements.
      await postgres.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
          where application_name = 'iems' and state = 'idle' and query !~ 'listen|notify'`,
      )
    }
  }
  assert.equal(outer, 3000)
})

test('a standby that is promoted in the middle of commits is found', { skip, timeout: 120_000 }, async (t) => {
  const primary = await startPostgres(t)
  await primary.query(`alter system set synchronous_standby_names = '*'`)
  const standby = await primary.standby(t)
  await primary.query('select pg_reload_conf()')
  const proxies = [await startCutProxy(t, primary.socket), await startCutProxy(t, standby.socket)] as const
  const open = () => postgresStore({ url: proxies.map(urlOf), retryTimeout: '20 s' }).open()
  const stores = [await open(), await open()]
  const [store] = stores as [Store]
  t.after(() => Promise.all(stores.map((one) => one.close())))
  let isOver = false
  const { ended, count } = counting(stores, () => isOver)
  for (const disturb of [
    () => proxies[0].halfClose(),
    () => proxies[0].cut(),
    () => Object.assign(proxies[0], { delayMs: 10 }),
  ]) {
    const before = count.done
    await until(() => count.done > before + 20)
    disturb()
  }
  await until(() => count.done > 80)
  await standby.query(`alter system set synchronous_standby_names = ''`)
  await primary.kill()
  await standby.promote()
  await standby.query('select pg_reload_conf()')
  proxies[1].cut()
  const before = count.done
  await until(() => count.done > before + 50)
  isOver = true
  await ended
  await assertCounted(store, count)
  assert.equal(count.doubtful, 0)
})
