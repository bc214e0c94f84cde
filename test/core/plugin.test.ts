/** Order, names, services, settings: what the kernel promises about plugins before any mail flows. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as z from 'zod'
import { type Delivery, definePlugin, defineService, type PluginEntry, type Stage } from '../../core/index.ts'
import { inOrder } from '../../core/runtime/order.ts'
import { createTestKernel } from '../../core/testing/index.ts'

const tap = (plugin: string, stage: Stage = 'normal', before?: string) => ({ plugin, stage, before })

test('taps run by stage, then as configured, then by "before"; an absent name is a warning', () => {
  const warnings: string[] = []
  const order = inOrder(
    'check',
    [tap('a'), tap('b', 'last'), tap('c', 'first'), tap('d', 'normal', 'a'), tap('e', 'normal', 'nobody')],
    (text) => warnings.push(text),
  )
  assert.deepEqual(
    order.map(({ plugin }) => plugin),
    ['c', 'd', 'a', 'e', 'b'],
  )
  assert.deepEqual(warnings, ['e wants to run before nobody in check, which is not here'])
})

test('a circle of "before" is an error that names it', () => {
  assert.throws(() => inOrder('check', [tap('a', 'normal', 'b'), tap('b', 'normal', 'a')], () => {}), {
    code: 'IEMS_ORDER_IMPOSSIBLE',
  })
})

const nothing = (name: string, extra: object = {}): PluginEntry =>
  definePlugin({ name, config: z.undefined(), setup: () => ({}), ...extra })()

test('a misspelt hook is an error at start', async (t) => {
  const typo = definePlugin({
    name: 'typo',
    config: z.undefined(),
    setup: () => ({ hooks: { chekc: () => {} } as never }),
  })
  await assert.rejects(createTestKernel(t, { plugins: [typo()] }), {
    code: 'IEMS_HOOK_UNKNOWN',
    message: /typo taps chekc/,
  })
})

test('two plugins of one name are refused, and "as" tells them apart', async (t) => {
  await assert.rejects(createTestKernel(t, { plugins: [nothing('one'), nothing('one')] }), {
    code: 'IEMS_CONFIG_INVALID',
    message: /Two plugins have the name one/,
  })
  const second = definePlugin({ name: 'one', config: z.undefined(), setup: () => ({}) })(undefined, { as: 'two' })
  await createTestKernel(t, { plugins: [nothing('one'), second] })
})

const Greeter = defineService<{ greet(name: string): string }>('greeter')
const provider = definePlugin({
  name: 'provider',
  config: z.undefined(),
  offers: [Greeter],
  setup: (_, ctx) => {
    ctx.offer(Greeter, { greet: (name) => `Hello ${name}` })
    return {}
  },
})

test('a consumer of a service is set up after its provider, whatever their order', async (t) => {
  let heard = ''
  const user = definePlugin({
    name: 'user',
    config: z.undefined(),
    needs: [Greeter],
    setup: (_, ctx) => {
      heard = ctx.use(Greeter).greet('Ann')
      return {}
    },
  })
  await createTestKernel(t, { plugins: [user(), provider()] })
  assert.equal(heard, 'Hello Ann')
  await assert.rejects(createTestKernel(t, { plugins: [user()] }), { code: 'IEMS_SERVICE_MISSING' })
})

declare global {
  interface IemsHooks {
    'greeter:asked': (question: { readonly who: string }) => { readonly answer: string } | void
  }
}

test('a plugin declares a hook of its own, typed and guarded like any other', async (t) => {
  const host = definePlugin({
    name: 'host',
    config: z.undefined(),
    hooks: { 'greeter:asked': 'bail' },
    setup: (_, ctx) => ({
      hooks: {
        async check(_message, { note }) {
          const found = await ctx.call('greeter:asked', { who: 'Ann' })
          note('answer', found?.answer ?? 'none')
        },
      },
    }),
  })
  const guest = definePlugin({
    name: 'guest',
    config: z.undefined(),
    setup: () => ({ hooks: { 'greeter:asked': ({ who }) => ({ answer: `I am ${who}` }) } }),
  })
  const kernel = await createTestKernel(t, { plugins: [guest(), host()] })
  const { id } = await kernel.submit({ from: 'a@x.example', to: ['b@far.example'] })
  assert.equal((await kernel.queue.trace(id ?? ''))?.findings[0]?.value, 'I am Ann')
  await assert.rejects(createTestKernel(t, { plugins: [guest()] }), { code: 'IEMS_HOOK_UNKNOWN' })
})

test('"from" and "to" are the kernel’s business: a plugin elsewhere is not asked', async (t) => {
  const seen: string[] = []
  const probe = (as: string, settings: object) =>
    definePlugin({
      name: 'probe',
      config: z.undefined(),
      setup: () => ({
        hooks: {
          check: () => {
            seen.push(`${as} check`)
          },
          dispatch: (_: Delivery) => {
            seen.push(`${as} dispatch`)
          },
        },
      }),
    })(undefined, { as, ...settings })
  const channel = definePlugin({ name: 'channel', config: z.undefined(), setup: () => ({}) })
  const kernel = await createTestKernel(t, {
    channels: { left: channel(), right: channel() },
    deliver: ({ recipients }) =>
      recipients.map((recipient) => ({
        recipient,
        status: 'delivered',
        reply: { code: 250, enhanced: '2.0.0', text: 'ok' },
      })),
    plugins: [
      probe('l', { from: ['left'] }),
      probe('r', { from: ['right'] }),
      probe('o', { to: ['out'] }),
      probe('n', { to: ['left'] }),
    ],
  })
  await kernel.submit({ from: 'a@x.example', to: ['b@far.example'], channel: 'left' })
  await kernel.deliver()
  assert.deepEqual(seen, ['l check', 'o check', 'l dispatch', 'o dispatch'])
})

test('a setup that fails half-way closes what was set up', async (t) => {
  const closed: string[] = []
  const good = definePlugin({
    name: 'good',
    config: z.undefined(),
    setup: () => ({
      close: () => {
        closed.push('good')
      },
    }),
  })
  const bad = definePlugin({
    name: 'bad',
    config: z.undefined(),
    setup: () => {
      throw new Error('no such file')
    },
  })
  await assert.rejects(createTestKernel(t, { plugins: [good(), bad()] }), {
    code: 'IEMS_PLUGIN_SETUP',
    message: 'bad could not be set up: no such file',
  })
  assert.deepEqual(closed, ['good'])
})

test('a plugin’s records and lanes are its own', async (t) => {
  const stores: import('../../core/index.ts').Store[] = []
  const keeper = (as: string) =>
    definePlugin({
      name: 'keeper',
      config: z.undefined(),
      setup: (_, { store }) => {
        stores.push(store)
        return {}
      },
    })(undefined, { as })
  await createTestKernel(t, { plugins: [keeper('one'), keeper('two')] })
  const [one, two] = stores
  const at = Buffer.from('x')
  await one?.commit([
    { put: at, value: Buffer.from('1') },
    { due: at, lane: 'jobs', in: 0 },
  ])
  assert.equal(await two?.get(at), undefined)
  assert.equal((await one?.get(at))?.toString(), '1')
  assert.deepEqual(await two?.take('jobs', 10, 1000), [])
  assert.equal((await one?.take('jobs', 10, 1000))?.length, 1)
})

test('every tap gets events, and a throwing tap affects no other', async (t) => {
  const seen: string[] = []
  const loud = definePlugin({
    name: 'loud',
    config: z.undefined(),
    setup: () => ({
      hooks: {
        event: () => {
          throw new Error('a bug')
        },
      },
    }),
  })
  const quiet = definePlugin({
    name: 'quiet',
    config: z.undefined(),
    setup: () => ({
      hooks: {
        event: ({ name }) => {
          seen.push(name)
        },
      },
    }),
  })
  const kernel = await createTestKernel(t, { plugins: [loud(), quiet()] })
  await kernel.submit({ from: 'a@x.example', to: ['b@far.example'] })
  assert.ok(seen.includes('message.accepted'))
})

test('types: a wrong answer, a wrong option and a wrong hook are errors in the editor', () => {
  // @ts-expect-error check cannot answer a number
  definePlugin({ name: 'a', config: z.undefined(), setup: () => ({ hooks: { check: () => 5 } }) })
  // @ts-expect-error there is no such hook
  definePlugin({ name: 'a', config: z.undefined(), setup: () => ({ hooks: { chekc: () => {} } }) })
  const typed = definePlugin({ name: 'a', config: z.strictObject({ size: z.number() }), setup: () => ({}) })
  // @ts-expect-error the option is called size
  typed({ sise: 5 })
  // @ts-expect-error there are only two
  typed({ size: 5 }, { onError: 'ignore' })
})
