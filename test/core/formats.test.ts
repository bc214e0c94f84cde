/** Versions of records: older ones are upgraded before a plugin is set up, newer ones end the start. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import * as z from 'zod'
import { definePlugin, key } from '../../core/index.ts'
import { encode } from '../../core/queue/records.ts'
import { withBlobs } from '../../core/runtime/blobs.ts'
import { checkConfig } from '../../core/runtime/config.ts'
import type { Config } from '../../core/runtime/config-schema.ts'
import { bringUp } from '../../core/runtime/formats.ts'
import { secret } from '../../core/runtime/secret.ts'
import { snapshotBeforeUpgrade, snapshotsIn } from '../../core/runtime/upgrades.ts'
import { levelStore } from '../../core/store/level/level.ts'
import { encodeRecord } from '../../core/store/record.ts'
import type { Store } from '../../core/store/store.ts'
import { createTestKernel, memoryStore } from '../../core/testing/index.ts'
import { tempFolder } from '../support/running-server.ts'

test('records are upgraded step by step and once; code that is older than the records does not start', async (t) => {
  const store = memoryStore()
  const steps: number[] = []
  const notes = (version: number, fails = false) =>
    definePlugin({
      name: 'notes',
      config: z.undefined(),
      records: {
        note: {
          version,
          async upgrade(view, from) {
            if (fails) throw new Error('cut off')
            steps.push(from)
            await view.commit([{ put: key('note'), value: Buffer.from(`${from + 1}`) }])
          },
        },
      },
      setup: () => ({}),
    })()
  const start = (version: number, fails?: boolean) => createTestKernel(t, { store, plugins: [notes(version, fails)] })
  await start(1)
  await assert.rejects(start(3, true), /cut off/)
  await start(3)
  await start(3)
  assert.deepEqual(steps, [1, 2])
  assert.equal(`${await store.get(key('p', 'notes', 'note'))}`, '3')
  await assert.rejects(start(2), { code: 'IEMS_RECORDS_NEWER', message: /notes .*note 3, this is 2/s })
})

test('an upgrade that is interrupted again and again keeps its first snapshot; the next upgrade has one of its own', async (t) => {
  const path = await tempFolder(t)
  const store = await levelStore({ path })
  t.after(() => store.close())
  const upgrading = (version: number) => {
    const plugin = { name: 'notes', definition: { records: { note: { version } } } }
    return { path: join(path, 'iems.config.ts'), store: { path }, channels: [], plugins: [plugin] } as unknown as Config
  }
  const snapshot = (version: number) => snapshotBeforeUpgrade(store, upgrading(version), () => {})
  await snapshot(2)
  assert.deepEqual(await snapshotsIn(path), [], 'a plugin without records has nothing to lose')
  await store.commit([{ put: key('p', 'notes', 'note'), value: Buffer.from('first') }])
  await snapshot(2)
  const [first = ''] = await snapshotsIn(path)
  await store.commit([{ put: key('p', 'notes', 'note'), value: Buffer.from('half') }])
  for (let again = 0; again < 3; again++) await snapshot(2)
  assert.deepEqual(await snapshotsIn(path), [first])
  await store.commit([{ put: key('v', 'notes'), value: encode({ v: 1, kinds: { note: 2 } }) }])
  await snapshot(3)
  assert.equal((await snapshotsIn(path)).length, 2)
  const copy = await levelStore({ path: join(path, 'snapshots', first) })
  t.after(() => copy.close())
  assert.equal(`${await copy.get(key('p', 'notes', 'note'))}`, 'first')
})

/** Another server runs on the store. */
const beside = (store: Store, name: string, reads?: readonly string[]) =>
  store.commit([
    {
      put: key('node', name),
      value: encodeRecord({ v: 1, pid: 1, since: 0, seen: store.now(), reads, components: [] }),
    },
  ])

test('a form of content that an earlier version cannot read is used only when none runs, and then ends its start', async (t) => {
  const store = memoryStore()
  const path = join(await tempFolder(t), 'iems.config.ts')
  const configured = (blobs: object) => checkConfig({ hostname: 'mx.test', node: 'new', channels: {}, blobs }, path)
  const keys = { main: secret.value('5a'.repeat(32)) }
  const before = { store, view: store, owner: '' }
  const earlier = () => bringUp(before, { message: { version: 1 }, delivery: { version: 1 } })
  await withBlobs(store, await configured({ keys }), true)
  await earlier()
  const encrypting = await configured({ keys, encrypt: 'main' })
  await beside(store, 'old')
  await assert.rejects(withBlobs(store, encrypting, true), {
    code: 'IEMS_NODES_DIFFER',
    message: /server old .*key main/,
  })
  await earlier()
  await beside(store, 'old', ['packed'])
  await assert.rejects(withBlobs(store, encrypting, true), { code: 'IEMS_NODES_DIFFER', message: /key main/ })
  await beside(store, 'old', ['packed', 'key main'])
  await withBlobs(store, encrypting, true)
  await assert.rejects(earlier(), { code: 'IEMS_RECORDS_NEWER', message: /message 2, this is 1/ })
  await createTestKernel(t, { store })
  await assert.rejects(earlier(), { code: 'IEMS_RECORDS_NEWER' })
  await assert.rejects(withBlobs(store, await configured({}), true), { code: 'IEMS_BLOB_KEY' })
})

test('records that another running server uses are not upgraded', async () => {
  const store = memoryStore()
  const plugin = { name: 'notes', definition: { records: { note: { version: 2 } } } }
  const config = { node: 'new', store: { open() {}, isShared: true }, channels: [], plugins: [plugin] }
  const upgrade = () => snapshotBeforeUpgrade(store, config as unknown as Config, () => {})
  await store.commit([{ put: key('p', 'notes', 'note'), value: Buffer.from('1') }])
  await beside(store, 'old')
  await assert.rejects(upgrade(), { code: 'IEMS_UPGRADE_MIXED', message: /notes note 1.* old/ })
  await store.commit([{ del: key('node', 'old') }])
  await upgrade()
})
