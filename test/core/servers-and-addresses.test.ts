/** Addresses, networks, units, replies and secrets as administrators and plugins write them; failover and semaphores. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defer, format, refuse } from 'iems'
import { accept, classOf, isReply } from '../../core/api/reply.ts'
import { groupsOf, isLoopback, plainAddress, reversed } from '../../core/net/addresses.ts'
import { AllBackendsDown, BACKEND_ADDRESS, createBackendPool, RequestFailed } from '../../core/net/backends.ts'
import { foldDomain } from '../../core/net/domains.ts'
import { inNetworks, network } from '../../core/net/networks.ts'
import { createSemaphore, SemaphoreRejected } from '../../core/net/semaphore.ts'
import { masked } from '../../core/runtime/masked.ts'
import { counted, formatSize, withArticle } from '../../core/runtime/text.ts'
import { duration, size } from '../../core/runtime/units.ts'

const PLAIN: readonly (readonly [address: string, plain: string, isLoopback: boolean])[] = [
  ['192.0.2.1', '192.0.2.1', false],
  ['127.8.9.10', '127.8.9.10', true],
  ['0.0.0.0', '0.0.0.0', true],
  ['::1', '::1', true],
  ['::', '::', true],
  ['::2', '0.0.0.2', true],
  ['::ffff:192.0.2.1', '192.0.2.1', false],
  ['::FFFF:c000:201', '192.0.2.1', false],
  ['::ffff:127.0.0.1', '127.0.0.1', true],
  ['64:ff9b::192.0.2.33', '192.0.2.33', false],
  ['2001:db8::1', '2001:db8::1', false],
  ['fe80::1%eth0', 'fe80::1', false],
  ['mail.test', 'mail.test', false],
  ['', '', false],
]

test('all spellings of an address are one address', () => {
  for (const [address, plain, loopback] of PLAIN) {
    assert.equal(plainAddress(address), plain, address)
    assert.equal(isLoopback(address), loopback, address)
  }
  assert.deepEqual(groupsOf('2001:db8::192.0.2.1'), [0x2001, 0xdb8, 0, 0, 0, 0, 0xc000, 0x201])
  assert.equal(reversed('192.0.2.1'), '1.2.0.192')
  // RFC 3596 section 2.5.
  assert.equal(reversed('4321:0:1:2:3:4:567:89ab'), 'b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4')
  assert.equal(reversed('mail.test'), undefined)
})

test('networks hold addresses, IPv4 in IPv6 too', () => {
  const holds = inNetworks(['10.0.0.0/8', '192.0.2.1', 'fd00::/8', '::1'])
  const inside = ['10.255.0.1', '192.0.2.1', 'fd12::1', '::1', '::ffff:10.0.0.1']
  const outside = ['11.0.0.1', '192.0.2.2', 'fe80::1', '::2', 'mail.test', '']
  assert.deepEqual(
    inside.map(holds),
    inside.map(() => true),
  )
  assert.deepEqual(
    outside.map(holds),
    outside.map(() => false),
  )
  assert.equal(inNetworks([])('10.0.0.1'), false)
  const valid = ['10.0.0.0/0', '10.0.0.0/32', '::/128', '::1']
  const wrong = [
    '10.0.0.0/33',
    '::/129',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    '10.0.0',
    'here',
    '',
    '10.0.0.0/-1',
    '10.0.0.0/a',
  ]
  assert.deepEqual(
    valid.filter((one) => !network().safeParse(one).success),
    [],
  )
  assert.deepEqual(
    wrong.filter((one) => network().safeParse(one).success),
    [],
  )
})

const MEASURES: readonly (readonly [schema: 'duration' | 'size', text: string, value: number | undefined])[] = [
  ['duration', '90 s', 90_000],
  ['duration', '10min', 600_000],
  ['duration', '1.5 h', 5_400_000],
  ['duration', '1 day', 86_400_000],
  ['duration', '0 s', 0],
  ['duration', '250 ms', 250],
  ['duration', '90', undefined],
  ['duration', '-1 s', undefined],
  ['duration', '1 week', undefined],
  ['duration', '1  s', undefined],
  ['duration', '1e3 s', undefined],
  ['size', '64 KiB', 65_536],
  ['size', '50MB', 50_000_000],
  ['size', '1.5 kB', 1500],
  ['size', '0 B', 0],
  ['size', '1 TiB', 1024 ** 4],
  ['size', '5 mb', undefined],
  ['size', '5', undefined],
  ['size', '.5 MB', undefined],
]

test('durations and sizes have a number and a unit', () => {
  for (const [schema, text, value] of MEASURES) {
    const read = (schema === 'size' ? size() : duration()).safeParse(text)
    assert.equal(read.success ? read.data : undefined, value, text)
    if (!read.success) assert.match(read.error.issues[0]?.message ?? '', /^must be a number and a unit such as/)
  }
  assert.equal(size().safeParse(5).success, false, 'a bare number is no size')
})

test('sizes and counts are shown as people write them', () => {
  const sizes = [0, 300, 1000, 1024, 1300, 65_536, 5e9, 1024 ** 3, 1_234_567]
  assert.deepEqual(sizes.map(formatSize), [
    '0 B',
    '300 B',
    '1 kB',
    '1 KiB',
    '1.3 kB',
    '64 KiB',
    '5 GB',
    '1 GiB',
    '1.2 MB',
  ])
  const nouns = ['message', 'delivery', 'address', 'box', 'day', 'switch']
  assert.deepEqual(
    nouns.map((noun) => counted(2, noun)),
    ['2 messages', '2 deliveries', '2 addresses', '2 boxes', '2 days', '2 switches'],
  )
  assert.deepEqual([counted(1, 'delivery'), counted(0, 'delivery')], ['1 delivery', '0 deliveries'])
  assert.deepEqual(['account', 'group', 'alias', 'unit'].map(withArticle), [
    'an account',
    'a group',
    'an alias',
    'a unit',
  ])
})

test('domains are compared in one form', () => {
  const same = ['Bücher.TEST', 'bücher.test.', 'xn--bcher-kva.test', 'BU\u0308CHER.test']
  assert.deepEqual([...new Set(same.map(foldDomain))], ['xn--bcher-kva.test'])
  for (const none of ['', 'a b', 'a\u0000b']) assert.equal(foldDomain(none), undefined, JSON.stringify(none))
})

test('a refusal is permanent or temporary, never the other and never an acceptance', () => {
  assert.equal(format(refuse(550, '5.1.1', 'No').reply), '550 5.1.1 No')
  assert.deepEqual(
    [refuse(550, '5.1.1', 'x').reply, defer(450, '4.1.1', 'x').reply, accept(250, '2.0.0', 'x')].map(classOf),
    ['permanent', 'temporary', 'success'],
  )
  const wrong: readonly (() => unknown)[] = [
    () => refuse(450 as never, '5.1.1', 'x'),
    () => refuse(550, '4.1.1' as never, 'x'),
    () => refuse(599 as never, '5.1.1', 'x'),
    () => defer(550 as never, '4.1.1', 'x'),
    () => defer(450, '5.1.1' as never, 'x'),
    () => accept(354 as never, '2.0.0', 'x'),
    () => refuse(550, '5.1.1', undefined as never),
    () => refuse(550, '5.1' as never, 'x'),
  ]
  for (const one of wrong) assert.throws(one, TypeError, String(one))
  for (const value of [undefined, null, 'x', {}, { code: 550.5, enhanced: '5.0.0', text: '' }])
    assert.equal(isReply(value, [2, 4, 5]), false)
})

test('the configuration is shown without secrets, wherever they stand', () => {
  const config = {
    password: 'x',
    apiKey: 'x',
    nested: [{ Authorization: 'x', host: 'a.test' }],
    url: 'redis://u:x@a.test, redis://:x@b.test/0',
    where: new URL('https://u:x@a.test/'),
    map: new Map([['token', 'x']]),
    set: new Set(['x://u:x@c']),
    octets: new Uint8Array(3),
    big: 5n,
    run() {},
    other: new (class Secretive {})(),
    list: [undefined, null, 1],
  }
  assert.deepEqual(masked(config), {
    password: '[secret]',
    apiKey: '[secret]',
    nested: [{ Authorization: '[secret]', host: 'a.test' }],
    url: 'redis://u:[secret]@a.test, redis://:[secret]@b.test/0',
    where: 'https://u:[secret]@a.test/',
    map: { token: '[secret]' },
    set: ['x://u:[secret]@c'],
    octets: '[3 octets]',
    big: '5',
    run: '[function]',
    other: '[object]',
    list: [undefined, null, 1],
  })
  const ring: Record<string, unknown> = {}
  ring.ring = ring
  assert.match(JSON.stringify(masked(ring)), /…/)
})

test('no more than the limit works at a time; the others wait in order, by rank', async () => {
  const semaphore = createSemaphore({ limit: 2, waiting: 3 })
  const done: number[] = []
  const gates = Array.from({ length: 5 }, () => Promise.withResolvers<void>())
  let working = 0
  let most = 0
  const start = (at: number, rank?: number) =>
    semaphore.take(async () => {
      most = Math.max(most, ++working)
      await gates[at]?.promise
      working--
      done.push(at)
    }, rank)
  const runs = [start(0), start(1), start(2, 1), start(3), start(4, 1)]
  for (const gate of gates) gate.resolve()
  await Promise.all(runs)
  assert.deepEqual([most, done.indexOf(3) < done.indexOf(2), done.indexOf(2) < done.indexOf(4)], [2, true, true])
})

test('a full queue and a late turn are rejected, and a failed work gives its slot back', async () => {
  const full = createSemaphore({ limit: 1, waiting: 0 })
  const gate = Promise.withResolvers<void>()
  const first = full.take(() => gate.promise)
  await assert.rejects(
    full.take(async () => {}),
    (error) => error instanceof SemaphoreRejected && !error.isLate,
  )
  gate.resolve()
  await first
  await assert.rejects(
    full.take(async () => Promise.reject(new Error('boom'))),
    /boom/,
  )
  assert.equal(await full.take(async () => 'free'), 'free')
  const late = createSemaphore({ limit: 1, waitTimeout: 1 })
  const held = Promise.withResolvers<void>()
  const holder = late.take(() => held.promise)
  await assert.rejects(
    late.take(async () => {}),
    (error) => error instanceof SemaphoreRejected && error.isLate,
  )
  held.resolve()
  await holder
})

/** Two servers whose health the test sets; the time stands still until it is moved. */
function pool() {
  let now = 0
  const up = new Set(['a.test:1', 'b.test:2'])
  const asked: string[] = []
  const log = { info() {}, warn() {} } as never
  const servers = ['a.test:1', 'b.test:2']
  const made = createBackendPool({ service: 'x', servers, timeout: 1000, failures: 2, pause: 100, now: () => now, log })
  const ask = () =>
    made.ask(async (to) => {
      const name = 'host' in to ? `${to.host}:${to.port}` : to.path
      asked.push(name)
      if (!up.has(name)) throw new Error(`${name} is down`)
      return name
    })
  const states = () => made.states().map(({ state }) => state)
  const pass = (ms: number) => {
    now += ms
  }
  return { made, up, asked, ask, states, pass }
}

test('servers are asked in order; one that fails is left alone, tried once, and used again', async () => {
  const { made, up, asked, ask, states, pass } = pool()
  assert.equal(await ask(), 'a.test:1')
  up.delete('a.test:1')
  assert.deepEqual([await ask(), await ask(), await ask()], ['b.test:2', 'b.test:2', 'b.test:2'])
  assert.deepEqual(states(), ['paused', 'in use'])
  assert.equal(asked.filter((name) => name === 'a.test:1').length, 3, 'after two failures it costs no request any time')
  pass(100)
  assert.deepEqual(states(), ['on trial', 'in use'])
  await ask()
  assert.deepEqual(states(), ['paused', 'in use'], 'the trial failed')
  pass(100)
  up.add('a.test:1')
  assert.equal(await ask(), 'a.test:1')
  assert.deepEqual(states(), ['in use', 'in use'])
  assert.equal(made.backends()[0]?.lastFailure, 'a.test:1 is down')
})

test('without a server that answers a request fails, and a wrong request is no failure of its server', async () => {
  const { made, up, ask, states } = pool()
  await assert.rejects(
    made.ask(async () => Promise.reject(new RequestFailed('no', { cause: new Error('your fault') }))),
    /your fault/,
  )
  assert.deepEqual([states(), made.isUp()], [['in use', 'in use'], true])
  up.clear()
  for (let at = 0; at < 2; at++) await assert.rejects(ask(), AllBackendsDown)
  assert.deepEqual([states(), made.isUp()], [['paused', 'paused'], false])
  await assert.rejects(ask(), /no x answers/)
})

test('one trial at a time decides, and a released one decides nothing', async () => {
  const { made, up, ask, pass } = pool()
  up.clear()
  for (let at = 0; at < 2; at++) await assert.rejects(ask(), AllBackendsDown)
  pass(100)
  const [first] = made.each()
  assert.ok(first)
  assert.equal([...made.each()].length, 1, 'only the other server may be tried beside it')
  first.release()
  assert.equal(made.states()[0]?.state, 'on trial')
})

test('a server is a host and a port, or a socket', () => {
  const valid = ['a.test:1', '192.0.2.1:25', '[::1]:25', 'unix:/run/x']
  const wrong = ['a.test', 'a.test:', '::1:25', 'unix:x', 'a.test:123456', 'a b:1']
  assert.deepEqual(
    valid.filter((one) => !BACKEND_ADDRESS.test(one)),
    [],
  )
  assert.deepEqual(
    wrong.filter((one) => BACKEND_ADDRESS.test(one)),
    [],
  )
})
