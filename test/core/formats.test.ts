/** Versions of records: older ones are upgraded before a plugin is set up, newer ones end the start. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import * as z from 'zod'
import { definePlugin, key } from '../../core/index.ts'
import { encode } from '../../core/queue/records.ts'
import type { Config } from '../../core/runtime/config-schema.ts'
import { snapshotBeforeUpgrade, snapshotsIn } from '../../core/runtime/upgrades.ts'
import { levelStore } from '../../core/store/level/level.ts'
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
