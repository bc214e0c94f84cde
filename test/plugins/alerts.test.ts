/** Alerts: problems reach administrators by mail and webhook, once each way, at the right times. */
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { definePlugin, type Problem, secret } from 'iems'
import { alerts } from 'iems/plugins/alerts'
import { smtpIn } from 'iems/plugins/smtp-in'
import { createTestKernel, type Delivered, type TestKernelOptions, testClock } from 'iems/testing'
import * as z from 'zod'
import { captureChannel } from '../../core/testing/channels.ts'
import { type Ledger, review } from '../../plugins/operation/alerts/ledger.ts'
import { eventually } from '../support/several-kernels.ts'

const MINUTE = 60_000

/** A plugin whose health the test decides. */
function patient(problems: Problem[]) {
  return definePlugin({ name: 'patient', config: z.unknown(), setup: () => ({ health: () => problems }) })()
}

const ill = (id: string, isGrave = false): Problem => ({ id, text: `${id} is ill`, cure: `Mend ${id}.`, isGrave })

/** A kernel whose channels deliver, as a server's do. */
async function running(t: TestContext, options: TestKernelOptions) {
  const here = await createTestKernel(t, options)
  here.kernel.run()
  return here
}

interface Posted {
  readonly begun: readonly Problem[]
  readonly ended: readonly { readonly text: string }[]
}

async function hook(t: TestContext) {
  const posted: Posted[] = []
  const state = { status: 200, signature: '' as unknown, body: '' }
  const server = createServer(async (request, response) => {
    state.body = await text(request)
    state.signature = request.headers['x-iems-signature']
    if (state.status === 200) posted.push(JSON.parse(state.body) as Posted)
    response.writeHead(state.status).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, posted, state }
}

/** Time goes on minute by minute; each look has ended before the next. */
async function pass(clock: ReturnType<typeof testClock>, minutes: number) {
  for (let left = minutes; left > 0; left--) {
    await clock.advance(MINUTE)
    for (let turns = 0; turns < 20; turns++) await turn()
  }
}

const begunOf = (posted: readonly Posted[]) => posted.flatMap(({ begun }) => begun.map(({ id }) => id))
const endedOf = (posted: readonly Posted[]) => posted.flatMap(({ ended }) => ended.map(({ text }) => text))

test('a problem that lasts is reported once, its end once; a reload repeats nothing', async (t) => {
  const problems: Problem[] = []
  const { url, posted, state } = await hook(t)
  const plugins = [alerts({ webhook: { url, key: secret.value('a key of the webhook') } }), patient(problems)]
  const { clock, store } = await running(t, { plugins })
  problems.push(ill('scanner'))
  await pass(clock, 2)
  assert.deepEqual(posted, [])
  await pass(clock, 5)
  assert.ok(await eventually(() => posted.length > 0))
  assert.deepEqual(begunOf(posted), ['scanner'])
  assert.equal(state.signature, createHmac('sha256', 'a key of the webhook').update(state.body).digest('hex'))

  await running(t, { plugins, store, clock })
  await pass(clock, 3)
  assert.equal(posted.length, 1)
  problems.length = 0
  await pass(clock, 3)
  assert.ok(await eventually(() => posted.length > 1))
  assert.deepEqual(endedOf(posted), ['scanner is ill'])
  assert.equal(posted.length, 2)
})

test('in quiet times only grave problems are reported; the others follow', async (t) => {
  const problems = [ill('scanner'), ill('disk', true)]
  const { url, posted } = await hook(t)
  const start = new Date(2026, 0, 1, 23, 0).getTime()
  const clock = testClock(start)
  await running(t, {
    clock,
    plugins: [alerts({ webhook: { url }, quiet: '22:00-23:30' }), patient(problems)],
  })
  await pass(clock, 10)
  assert.ok(await eventually(() => posted.length > 0))
  assert.deepEqual(begunOf(posted), ['disk'])
  await pass(clock, 25)
  assert.ok(await eventually(() => posted.length > 1))
  assert.deepEqual(begunOf(posted), ['disk', 'scanner'])
})

test('an alert that cannot be sent is sent at a later look', async (t) => {
  const { url, posted, state } = await hook(t)
  state.status = 500
  const { clock } = await running(t, { plugins: [alerts({ webhook: { url } }), patient([ill('scanner')])] })
  await pass(clock, 4)
  state.status = 200
  await pass(clock, 2)
  assert.ok(await eventually(() => posted.length > 0))
  assert.deepEqual(begunOf(posted), ['scanner'])
})

test('mail goes directly to the server that is named, and says what to do', async (t) => {
  const delivered: Delivered[] = []
  const far = await running(t, {
    channels: { mx: smtpIn({ listen: '127.0.0.1:0' }), out: captureChannel(delivered, undefined) },
  })
  const email = { to: ['ops@far.test'], server: secret.value(`smtp://127.0.0.1:${far.listener('mx').port}`) }
  const here = await running(t, {
    hostname: 'mail.here.test',
    plugins: [alerts({ email }), patient([ill('scanner\r\nBcc: x@far.test'), ill('disk', true)])],
  })
  await pass(here.clock, 4)
  assert.ok(await eventually(() => delivered.length > 0))
  const [{ from, to, content }] = delivered as [Delivered]
  assert.equal(from, 'alerts@mail.here.test')
  assert.deepEqual(to, ['ops@far.test'])
  assert.match(content, /^Subject: \[mail\.here\.test\] disk is ill and 1 more\r$/m)
  assert.match(content, /^Auto-Submitted: auto-generated\r$/m)
  assert.match(content, /GRAVE: disk is ill\r\n {2}Mend disk\./)
  assert.ok(!/^Bcc/m.test(content.slice(0, content.indexOf('\r\n\r\n'))))
})

test('status lists the problems of plugins, also of one that does not answer rightly', async (t) => {
  const broken = definePlugin({
    name: 'broken',
    config: z.unknown(),
    setup: () => ({
      health() {
        throw new Error('no idea')
      },
    }),
  })()
  const { kernel } = await running(t, { plugins: [patient([ill('scanner')]), broken] })
  const { problems } = await kernel.administration.as({ user: 'root', roles: ['admin'] }).status()
  assert.deepEqual(
    problems.map(({ text }) => text),
    ['scanner is ill', 'broken: its health is not known: no idea'],
  )
})

test('the ledger: what each look reports, for problems that begin, last, change, end and come back', () => {
  const grave = { id: 'disk', text: 'disk full', cure: 'x', isGrave: true }
  const slight = { id: 'dns', text: 'no DNS', cure: 'y', isGrave: false }
  type Step = readonly [minute: number, problems: readonly Problem[], reported: string, isQuiet?: boolean]
  const stories: Readonly<Record<string, readonly Step[]>> = {
    'a short problem is never reported': [
      [0, [grave], ''],
      [1, [], ''],
      [9, [], ''],
    ],
    'a lasting one is reported once, and its end once': [
      [0, [grave], ''],
      [5, [grave], '+disk'],
      [6, [grave], ''],
      [7, [], '-disk full since 0'],
      [8, [], ''],
    ],
    'a changed text is the same problem, and its end has the last text': [
      [0, [grave], ''],
      [5, [grave], '+disk'],
      [6, [{ ...grave, text: 'disk fuller' }], ''],
      [7, [], '-disk fuller since 0'],
    ],
    'one that comes back later is a new problem': [
      [0, [grave], ''],
      [5, [grave], '+disk'],
      [6, [], '-disk full since 0'],
      [7, [grave], ''],
      [12, [grave], '+disk'],
      [13, [], '-disk full since 7'],
    ],
    'several are reported together, each at its time': [
      [0, [grave], ''],
      [3, [grave, slight], ''],
      [5, [grave, slight], '+disk'],
      [8, [grave, slight], '+dns'],
      [9, [], '-disk full since 0 -no DNS since 3'],
    ],
    'in quiet times a slight problem and its end wait, a grave one does not': [
      [0, [grave, slight], '', true],
      [5, [grave, slight], '+disk', true],
      [9, [grave, slight], '+dns'],
      [10, [], '-disk full since 0', true],
      [20, [], '-no DNS since 0'],
      [21, [], ''],
    ],
    'one that goes and comes back within quiet times is the same problem': [
      [0, [slight], ''],
      [5, [slight], '+dns'],
      [6, [], '', true],
      [7, [slight], '', true],
      [8, [slight], ''],
      [9, [], '-no DNS since 0'],
    ],
    'one that has become grave is reported in quiet times': [
      [0, [slight], '', true],
      [6, [slight], '', true],
      [7, [{ ...slight, isGrave: true }], '+dns', true],
    ],
  }
  for (const [story, steps] of Object.entries(stories)) {
    let ledger: Ledger = {}
    for (const [minute, problems, reported, isQuiet = false] of steps) {
      const next = review(ledger, problems, { now: minute, after: 5, isQuiet })
      // The record is JSON, so a reload goes on from the same state.
      ledger = JSON.parse(JSON.stringify(next.ledger))
      const { begun, ended } = next.report
      const seen = [...begun.map(({ id }) => `+${id}`), ...ended.map(({ text, since }) => `-${text} since ${since}`)]
      assert.equal(seen.join(' '), reported, `${story}, minute ${minute}`)
    }
  }
})
