/** Hooks that a channel declares and runs about a delivery: they are part of the message's trace as the kernel's are. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { accept, type Delivery, defer, definePlugin } from 'iems'
import { clientChannel, createTestKernel } from 'iems/testing'
import * as z from 'zod'

declare global {
  interface IemsHooks {
    'shelf:choosing': (choice: { readonly delivery: Delivery }) => { readonly shelf: string } | void
  }
}

const MINUTE = 60_000

/** A channel that asks on which shelf to put a message, and at first has no time. */
const shelf = definePlugin({
  name: 'shelf',
  config: z.undefined(),
  hooks: { 'shelf:choosing': 'bail' },
  setup: (_, ctx) => ({
    hooks: { route: () => ({ channel: ctx.name, nexthop: 'shelf' }) },
    async deliver(delivery, { note, state }) {
      const chosen = await ctx.call('shelf:choosing', { delivery }, { of: delivery })
      const tries = Number(state.tries ?? 0) + 1
      state.tries = tries
      note('shelf', `${chosen?.shelf ?? 'none'} in try ${tries}`)
      const reply = tries > 1 ? accept('On the shelf') : defer(451, '4.3.0', 'No time').reply
      return delivery.recipients.map((recipient) => ({
        recipient,
        status: tries > 1 ? 'delivered' : 'deferred',
        reply,
      }))
    },
  }),
})

const chooser = definePlugin({
  name: 'chooser',
  config: z.strictObject({ shelf: z.string() }),
  setup: ({ shelf: chosen }) => ({
    hooks: {
      'shelf:choosing': (_, { note, state }) => {
        state.asked = Number(state.asked ?? 0) + 1
        note('asked', Number(state.asked))
        return { kind: 'shelf', shelf: chosen }
      },
    },
  }),
})

test('a plugin’s hook about a delivery obeys from and to, and is in the trace', async (t) => {
  const kernel = await createTestKernel(t, {
    channels: {
      in: clientChannel(),
      other: clientChannel(),
      local: shelf(undefined, { accepts: 'anyone' }),
    },
    plugins: [
      chooser({ shelf: 'wrong' }, { as: 'elsewhere', to: ['other'] }),
      chooser({ shelf: 'wrong' }, { as: 'of-others', from: ['other'] }),
      chooser({ shelf: 'right' }, { as: 'chooser', from: ['in'], to: ['local'] }),
    ],
  })
  const { id = '' } = await kernel.submit({ from: 'me@here.test', to: ['a@here.test'] })
  await kernel.deliver()
  await kernel.advance(60 * MINUTE)
  const life = await kernel.queue.trace(id)
  assert.equal(life?.finished, true)
  const [delivery] = life?.deliveries ?? []
  assert.deepEqual(
    delivery?.findings?.map(({ plugin, name, value }) => `${plugin} ${name} ${value}`),
    ['chooser asked 1', 'local shelf right in try 1', 'chooser asked 2', 'local shelf right in try 2'],
  )
  assert.deepEqual(
    delivery?.attempts.map(({ steps }) => steps?.map(({ hook, plugin, verdict }) => `${hook} ${plugin} ${verdict}`)),
    [['shelf:choosing chooser shelf'], ['shelf:choosing chooser shelf']],
  )
})

test('a hook about something that the kernel did not give is a fault', async (t) => {
  const confused = definePlugin({
    name: 'confused',
    config: z.undefined(),
    setup: (_, ctx) => ({
      hooks: { route: () => ({ channel: ctx.name, nexthop: 'x' }) },
      async deliver(delivery) {
        await ctx.call('shelf:choosing', { delivery }, { of: { ...delivery } })
        return []
      },
    }),
  })
  const kernel = await createTestKernel(t, {
    expectsFaults: true,
    channels: { confused: confused(undefined, { accepts: 'anyone' }), shelf: shelf() },
    plugins: [],
  })
  await kernel.submit({ from: 'me@here.test', to: ['a@here.test'] })
  await kernel.deliver()
  assert.match(
    String(kernel.events.find(({ name }) => name === 'plugin.fault')?.cause),
    /not a delivery or message that the kernel gave/,
  )
})
