/** Plugins in JavaScript have no types: whatever they answer, nothing is accepted by mistake, and what is wrong is said. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as z from 'zod'
import { accept, defer, definePlugin, defineService, refuse } from '../../core/index.ts'
import { createLog } from '../../core/runtime/log.ts'
import { createTestKernel, deliveredTo } from '../../core/testing/index.ts'

const LETTER = { from: 'a@x.example', to: ['b@far.example'] }
const plugin = (setup: () => unknown, more: object = {}) =>
  definePlugin({ name: 'probe', config: z.undefined(), setup, ...more } as never)()
const tapping = (hooks: Record<string, unknown>) => plugin(() => ({ hooks }))

test('a reply is made of a code of its class, an enhanced code and a text, in this order', () => {
  const [no, later, yes] = [refuse, defer, accept] as ((...values: unknown[]) => unknown)[]
  assert.ok(no && later && yes)
  for (const wrong of [
    () => no(250, '2.0.0', 'Thank you'),
    () => no(550, '2.0.0', 'Thank you'),
    () => no(450, '4.0.0', 'Later'),
    () => no('550', '5.7.1', 'No'),
    () => no(550, 'No', '5.7.1'),
    () => no(550, '5.7.1'),
    () => no(599.5, '5.7.1', 'No'),
    () => later(550, '5.7.1', 'No'),
    () => later(250, '4.7.1', 'No'),
    () => yes(550, '5.7.1', 'No'),
    () => yes(250, 'Taken', '2.0.0'),
    () => yes(250, '2.0.0'),
  ])
    assert.throws(wrong, TypeError, wrong.toString())
  assert.deepEqual(accept(250, '2.1.5', 'Taken'), { code: 250, enhanced: '2.1.5', text: 'Taken' })
  assert.deepEqual(accept('Taken'), accept(250, '2.0.0', 'Taken'))
})

const WRONG: Readonly<Record<string, readonly unknown[]>> = {
  mail: [true, '550 no', { kind: 'refuse' }, { kind: 'refuse', reply: accept(250, '2.0.0', 'Ok') }],
  rcpt: [1, [], { kind: 'discard', reason: 'spam' }, { kind: 'refuse', reply: { code: 550, enhanced: '5.7.1' } }],
  check: [
    true,
    false,
    0,
    '550 no',
    { kind: 'refuse', code: 550 },
    { kind: 'refuse', reply: { code: 250, enhanced: '2.0.0', text: 'Thank you' } },
    { kind: 'refuse', reply: { code: 550, enhanced: '4.0.0', text: 'No' } },
    { kind: 'quarantine' },
    { kind: 'accept' },
    new Error('no'),
  ],
  modify: [refuse(550, '5.7.1', 'No'), { kind: 'discard', reason: 'x' }],
  expand: ['b@far.example', ['b@far.example'], [{ address: 'b@far.example' }], {}],
  route: ['out', { channel: 'out' }, { nexthop: 'x' }, true],
}
for (const [hook, answers] of Object.entries(WRONG))
  test(`a wrong answer of ${hook} is a fault of its plugin: 451, never accepted`, async (t) => {
    for (const answer of answers) {
      const kernel = await createTestKernel(t, { expectsFaults: true, plugins: [tapping({ [hook]: () => answer })] })
      const { reply, queued } = await kernel.submit(LETTER)
      assert.deepEqual([reply.code, queued.length], [451, 0], JSON.stringify(answer))
      const fault = kernel.events.find(({ name }) => name === 'plugin.fault')
      assert.deepEqual([fault?.plugin, fault?.hook], ['probe', hook])
    }
  })

test('an invalid answer of connect, helo, auth or dispatch admits no client and no message', async (t) => {
  for (const answer of [true, 'no', { kind: 'identity' }, { kind: 'identity', user: 'ann' }]) {
    const hooks = Object.fromEntries(['connect', 'helo', 'auth', 'dispatch'].map((hook) => [hook, () => answer]))
    const kernel = await createTestKernel(t, {
      expectsFaults: true,
      deliver: deliveredTo,
      plugins: [tapping(hooks)],
    })
    const session = kernel.session()
    assert.equal((await session.connect())?.reply.code, 421)
    assert.equal((await session.auth({ kind: 'password', username: 'ann', password: 'x' })).kind, 'refuse')
    assert.equal((await session.mail('a@x.example', {}))?.reply.code, 451)
    session.close()
    assert.equal(kernel.delivered.length, 0)
  }
})

test('an invalid answer of dispatch or deliver defers the delivery, and the queue list shows the reason', async (t) => {
  const postponed = await createTestKernel(t, {
    expectsFaults: true,
    plugins: [tapping({ dispatch: () => ({ kind: 'postpone', until: 'tomorrow' }) })],
  })
  await postponed.submit(LETTER)
  await postponed.deliver()
  assert.equal(postponed.delivered.length, 0)
  for (const [answer, why] of [
    [
      () => {
        throw new Error('boom\nsecond line')
      },
      /out failed: boom second line/,
    ],
    [() => true, /No answer for this recipient/],
    [() => [{ status: 'delivered' }], /No answer for this recipient/],
    [
      () => [{ recipient: { address: 'b@far.example' }, status: 'done', reply: accept(250, '2.0.0', 'x') }],
      /No answer/,
    ],
  ] as const) {
    const kernel = await createTestKernel(t, { expectsFaults: true, deliver: answer as never })
    await kernel.submit(LETTER)
    await kernel.deliver()
    const [entry] = await Array.fromAsync(kernel.queue.list({}))
    assert.match(entry?.recipients[0]?.last ?? '', why)
    assert.ok(kernel.events.some(({ name, hook }) => name === 'plugin.fault' && hook === 'deliver'))
  }
})

test('a short arrow function that gives something back is no verdict where none is asked for', async (t) => {
  const seen: string[] = []
  const told = {
    modify: () => seen.push('modify'),
    queued: () => seen.push('queued'),
    settled: () => seen.push('settled'),
  }
  const kernel = await createTestKernel(t, { plugins: [tapping(told)] })
  assert.equal((await kernel.submit(LETTER)).reply.code, 250)
  await kernel.deliver()
  assert.deepEqual(seen, ['modify', 'queued', 'settled'])
})

test('a header edit in check is an error, not without effect', async (t) => {
  for (const edit of ['prepend', 'remove']) {
    const check = ({ headers }: { headers: Record<string, (...values: string[]) => void> }) =>
      headers[edit]?.('X-Mine', 'yes')
    const kernel = await createTestKernel(t, { expectsFaults: true, plugins: [tapping({ check })] })
    assert.equal((await kernel.submit(LETTER)).reply.code, 451)
    assert.match(String(kernel.events.find(({ name }) => name === 'plugin.fault')?.cause), /modify and dispatch only/)
  }
})

test('a fault has its stack in the log, and fails the test that did not expect it', async () => {
  let line = ''
  const write = (text: string) => {
    line += text
  }
  const log = createLog({ level: 'error', privacy: false, to: { write } })
  log.event({ name: 'plugin.fault', at: 0, plugin: 'probe', cause: new Error('boom') })
  assert.match(JSON.parse(line).cause.stack, /at .*answers\.test\.ts:\d+/)

  const ends: (() => unknown)[] = []
  const kernel = await createTestKernel(
    { after: (end) => void ends.push(end as () => unknown) },
    {
      plugins: [
        tapping({
          check: () => {
            throw new Error('boom')
          },
        }),
      ],
    },
  )
  await kernel.submit(LETTER)
  await assert.rejects(async () => {
    for (const end of ends) await end()
  }, /probe failed in check/)
})

const Greeter = defineService<object>('greeter')
for (const [what, made, code] of [
  ['a wrong stage', tapping({ check: { stage: 'sometime', handler() {} } }), 'IEMS_HOOK_INVALID'],
  ['a misspelt setting of a tap', tapping({ check: { stag: 'first', handler() {} } }), 'IEMS_HOOK_INVALID'],
  ['no handler', tapping({ check: {} }), 'IEMS_HOOK_INVALID'],
  ['a handler that is none', tapping({ check: 'yes' }), 'IEMS_HOOK_INVALID'],
  ['setup that gives nothing back', plugin(() => undefined), 'IEMS_PLUGIN_SETUP'],
  ['a misspelt part', plugin(() => ({ hook: {} })), 'IEMS_PLUGIN_SETUP'],
  ['a service that is declared and not offered', plugin(() => ({}), { offers: [Greeter] }), 'IEMS_SERVICE_UNOFFERED'],
] as const)
  test(`${what} is an error at set-up that names the plugin`, async (t) => {
    await assert.rejects(createTestKernel(t, { plugins: [made] }), (error: Error & { code?: string }) => {
      assert.equal(error.code, code)
      assert.match(error.message, /probe/)
      return true
    })
  })

test('a service that is offered and not declared is an error at set-up', async (t) => {
  const undeclared = definePlugin({
    name: 'probe',
    config: z.undefined(),
    setup(_, ctx) {
      ctx.offer(Greeter, {})
      return {}
    },
  })
  await assert.rejects(createTestKernel(t, { plugins: [undeclared()] }), { code: 'IEMS_SERVICE_UNOFFERED' })
})
