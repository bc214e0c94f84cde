/** Components, metrics and events of plugins, through the kernel and the administration service. */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { definePlugin } from 'iems'
import { createLasting, createTestKernel } from 'iems/testing'
import * as z from 'zod'

declare global {
  interface IemsEvents {
    'worker.worked': { readonly times: number }
  }
}

const root = { user: 'root', roles: ['admin'] }

function worker(log: string[] = []) {
  return definePlugin({
    name: 'worker',
    config: z.undefined(),
    events: { 'worker.worked': 'debug' },
    setup(_, ctx) {
      const done = ctx.metrics.counter('done_total', 'What was done')
      ctx.metrics.gauge('waiting', 'What waits', () => [[{ kind: 'a' }, 3]])
      ctx.schedule({ name: 'tidy', every: 60_000, run: async () => void log.push('tidied') })
      const handle = ctx.background({
        name: 'work',
        start: () => void log.push('started'),
        stop: () => void log.push('stopped'),
      })
      return {
        async listen() {
          await ctx.port('127.0.0.1:0', 'Work', (socket) => socket.end('hello'))
        },
        hooks: {
          mail: ({ from }) => {
            done.add({ from: from.length > 3 ? 'long' : 'short' })
            ctx.emit('worker.worked', { times: 1 })
            if (from === 'break@a.test') handle.failed(new Error('broken'))
          },
        },
      }
    },
  })
}

const statesOf = (list: readonly { name: string; state: string }[]) =>
  Object.fromEntries(list.map(({ name, state }) => [name, state]))

async function greets(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  return new Promise((resolve) => {
    socket.once('data', () => resolve(true))
    socket.once('error', () => resolve(false))
  })
}

test('components have states, and are stopped and started one by one', async (t) => {
  const log: string[] = []
  const lasting = createLasting()
  const first = await createTestKernel(t, { channels: { in: worker(log)() }, lasting })
  const admin = first.kernel.administration.as(root)
  assert.deepEqual(statesOf(admin.components()), { 'in/tidy': 'running', 'in/work': 'running', 'in/listen': 'running' })
  assert.deepEqual(log, ['started'])

  assert.equal((await admin.stopComponent('in/work')).state, 'stopped')
  assert.deepEqual(log, ['started', 'stopped'])
  assert.equal((await admin.startComponent('in/work')).state, 'running')

  const { port } = first.listener('in')
  assert.ok(await greets(port))
  await admin.stopComponent('in/listen')
  assert.ok(!(await greets(port)))
  await admin.startComponent('in/listen')
  assert.ok(await greets(port), 'the same port is open again')

  await admin.stopComponent('in/tidy')
  await first.advance(3_600_000)
  assert.ok(!log.includes('tidied'))
  await admin.startComponent('in/tidy')
  await first.advance(3_600_000)
  assert.ok(log.includes('tidied'))

  await first.submit({ from: 'break@a.test', to: ['x@b.test'] })
  assert.deepEqual(
    { ...admin.component('in/work'), since: 0 },
    { name: 'in/work', plugin: 'in', kind: 'background', state: 'failed', why: 'broken', since: 0 },
  )
  assert.throws(() => admin.component('in/nothing'), { code: 'IEMS_COMPONENT_UNKNOWN' })

  await admin.stopComponent('in/listen')
  const second = await createTestKernel(t, { channels: { in: worker()() }, lasting })
  assert.equal(second.kernel.administration.as(root).component('in/listen').state, 'stopped', 'as after a reload')
  assert.ok(!(await greets(second.listener('in').port)))
})

test('a delivery that is stopped leaves mail in the queue, and takes it when it is started', async (t) => {
  const { kernel, submit, deliver, delivered } = await createTestKernel(t, {})
  const admin = kernel.administration.as(root)
  await deliver()
  await admin.stopComponent('out/deliver')
  await submit({ from: 'a@a.test', to: ['b@b.test'] })
  for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setImmediate(resolve))
  assert.equal(delivered.length, 0)
  await admin.startComponent('out/deliver')
  await deliver()
  assert.equal(delivered.length, 1)
})

test('metrics count what the kernel and plugins do, in a bounded number of series', async (t) => {
  const { kernel, submit, events } = await createTestKernel(t, { plugins: [worker()()], deliver: () => [] })
  await submit({ from: 'a@a.test', to: ['b@b.test'] })
  const read = async () =>
    Object.fromEntries((await kernel.administration.as(root).metrics()).map((one) => [one.name, one]))
  const now = await read()
  assert.deepEqual(now.worker_done_total?.series, [{ labels: { from: 'long' }, value: 1 }])
  assert.deepEqual(now.worker_waiting?.series, [{ labels: { kind: 'a' }, value: 3 }])
  const hook = now.iems_hook_seconds?.series.find(({ labels }) => labels.hook === 'mail')
  assert.equal(hook?.count, 1)
  assert.equal(hook?.labels.plugin, 'worker')
  assert.ok(now.iems_events_total?.series.some(({ labels }) => labels.event === 'message.accepted'))
  assert.deepEqual(
    events.filter(({ name }) => name === 'worker.worked').map(({ plugin, times, level }) => [plugin, times, level]),
    [['worker', 1, 'debug']],
  )
  const many = kernel.metrics.of('test').counter('many_total', 'Too many')
  for (let at = 0; at < 2000; at++) many.add({ id: `${at}` })
  const { series = [] } = (await read()).test_many_total ?? {}
  assert.ok(series.length <= 501)
  assert.equal(
    series.reduce((sum, { value }) => sum + value, 0),
    2000,
  )
})

test('an event that a plugin does not declare is refused', async (t) => {
  const bold = definePlugin({
    name: 'bold',
    config: z.undefined(),
    setup(_, ctx) {
      assert.throws(() => ctx.emit('worker.worked', { times: 1 }), { code: 'IEMS_EVENT_UNDECLARED' })
      return {}
    },
  })
  await createTestKernel(t, { plugins: [bold()] })
})

test('administrators list and stop components by commands', async (t) => {
  const { kernel } = await createTestKernel(t, {})
  const lines: unknown[] = []
  const signal = new AbortController().signal
  const admin = kernel.administration.as(root)
  for await (const line of admin.run({ words: 'component stop', arguments: ['out/deliver'], signal })) lines.push(line)
  for await (const line of admin.run({ words: 'component list', signal }))
    if ('text' in line) assert.match(line.text, /^out\/deliver {2}delivery {2}stopped since /)
  assert.equal(lines.length, 2)
  for (const words of ['metrics', 'plugins', 'configuration'])
    for await (const line of admin.run({ words, signal })) assert.ok('text' in line && line.text !== '')
})
