/** Signals between kernels that share a store, as plugins send and receive them. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { definePlugin, defineSignal, type Signals } from 'iems'
import { createTestKernel, memoryStore } from 'iems/testing'
import * as z from 'zod'

const Changed = defineSignal<{ what: string }>('greeting:changed')

async function kernelOn(t: TestContext, store = memoryStore()) {
  let signals: Signals | undefined
  const plugin = definePlugin({
    name: 'greeting',
    config: z.undefined(),
    setup(_, ctx) {
      signals = ctx.signals
      return {}
    },
  })
  const kernel = await createTestKernel(t, { store, plugins: [plugin()] })
  return { kernel, signals: signals as Signals }
}

async function settled() {
  for (let turns = 0; turns < 5; turns++) await turn()
}

test('a signal reaches every kernel on the store, and none of another store', async (t) => {
  const store = memoryStore()
  const [one, two, other] = [await kernelOn(t, store), await kernelOn(t, store), await kernelOn(t)]
  const heard: unknown[] = []
  for (const [name, { signals }] of Object.entries({ one, two, other }))
    signals.subscribe(Changed, (value) => heard.push([name, value]))
  one.signals.publish(Changed, { what: 'a' })
  one.signals.publish(Changed, { what: 'a' })
  await settled()
  assert.deepEqual(heard, [
    ['one', { what: 'a' }],
    ['two', { what: 'a' }],
  ])
})

test('a value that is too large arrives as “look for yourself”, and so does what is no JSON', async (t) => {
  const store = memoryStore()
  const { signals } = await kernelOn(t, store)
  const heard: unknown[] = []
  signals.subscribe(Changed, (value) => heard.push(value))
  signals.publish(Changed, { what: 'x'.repeat(5000) })
  await settled()
  store.publish('s/greeting:changed', Buffer.from('{'))
  await settled()
  assert.deepEqual(heard, [undefined, undefined])
})

test('a closed kernel receives no signals, and a throwing listener affects no other', async (t) => {
  const store = memoryStore()
  const [one, two] = [await kernelOn(t, store), await kernelOn(t, store)]
  const heard: string[] = []
  one.signals.subscribe(Changed, () => heard.push('one'))
  two.signals.subscribe(Changed, () => {
    throw new Error('a listener threw')
  })
  two.signals.subscribe(Changed, () => heard.push('two'))
  await one.kernel.close()
  one.signals.publish(Changed, { what: 'after the end' })
  await settled()
  assert.deepEqual(heard, ['two'])
})

test('a signal has its owner’s name in its own', () => {
  for (const name of ['changed', 'Greeting:changed', 'greeting:', 'a:b\0c', 'a/b:c'])
    assert.throws(() => defineSignal(name), RangeError)
})
