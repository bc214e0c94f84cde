/** Versions of records: older ones are upgraded before a plugin is set up, newer ones end the start. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as z from 'zod'
import { definePlugin, key } from '../../core/index.ts'
import { createTestKernel, memoryStore } from '../../core/testing/index.ts'

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
