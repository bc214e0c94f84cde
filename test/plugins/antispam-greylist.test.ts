/** Greylisting and limits: who has to come again, and when he may. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { senderAuth } from 'iems/plugins/sender-auth'
import { CLEAN, type Settings, startAntispam } from '../support/antispam.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

type Greylist = NonNullable<NonNullable<Settings['options']>['greylist']>
const start = (t: Parameters<typeof startAntispam>[0], greylist: Greylist, more: Settings = {}) =>
  startAntispam(t, { ...more, options: { ...more.options, greylist: { for: 'strangers', ...greylist } } })

test('who comes for the first time shall come again, and is known from then on', async (t) => {
  const { send, advance, delivered, deliver } = await start(t, {})
  const first = await send()
  assert.deepEqual(first.reply, { code: 451, enhanced: '4.7.1', text: 'Greylisted, try again in 300 seconds' })
  await advance(4 * MINUTE)
  assert.equal((await send()).reply.text, 'Greylisted, try again in 60 seconds')
  await advance(MINUTE)
  assert.equal((await send()).reply.code, 250)
  assert.equal((await send()).reply.code, 250)
  await advance(30 * DAY)
  assert.equal((await send()).reply.code, 250)
  await deliver()
  assert.equal(delivered.length, 3)
})

test('an hour’s neighbour is the same client, another sender or recipient is not', async (t) => {
  const { send, advance } = await start(t, {})
  const six = { ip: '2001:db8:0:1::1' }
  for (const sent of [{}, six]) assert.equal((await send(sent)).reply.code, 451)
  await advance(5 * MINUTE)
  assert.equal((await send({ ip: '192.0.2.200' })).reply.code, 250)
  assert.equal((await send({ ip: '2001:db8:0:1:ffff::9' })).reply.code, 250)
  for (const sent of [{ ip: '192.0.3.1' }, { ip: '2001:db8:0:2::1' }, { from: 'x@a.test' }, { to: 'eve@here.test' }])
    assert.equal((await send(sent)).reply.code, 451)
  // Some recipients are new: all wait.
  assert.equal((await send({ to: ['bob@here.test', 'new@here.test'] })).reply.code, 451)
})

test('what changes in the sender from message to message does not make it another', async (t) => {
  const { send, advance } = await start(t, {})
  assert.equal((await send({ from: 'list-bounce-1234=bob@a.test' })).reply.code, 451)
  await advance(5 * MINUTE)
  assert.equal((await send({ from: 'List-bounce-98=eve@a.test' })).reply.code, 250)
})

test('a second try too late is a first one, and so is a sender not seen for long', async (t) => {
  const { send, advance, run } = await start(t, { retry: '1 h', keep: '10 days' })
  assert.equal((await send()).reply.code, 451)
  await advance(HOUR + MINUTE)
  assert.equal((await send()).reply.code, 451)
  await advance(5 * MINUTE)
  assert.equal((await send()).reply.code, 250)
  await advance(9 * DAY)
  assert.equal((await send()).reply.code, 250)
  await advance(9 * DAY)
  assert.equal((await send()).reply.code, 250)
  await advance(11 * DAY)
  assert.deepEqual(await run('antispam stats').then((all) => all.find((one) => 'greylist' in one)), { greylist: 0 })
  assert.equal((await send()).reply.code, 451)
})

test('a client that has come again often enough waits no more', async (t) => {
  const { send, advance } = await start(t, { clientAfter: 3 })
  for (let n = 0; n < 3; n++) {
    assert.equal((await send({ from: `${'x'.repeat(n + 1)}@a.test` })).reply.code, 451)
    await advance(5 * MINUTE)
    assert.equal((await send({ from: `${'x'.repeat(n + 1)}@a.test` })).reply.code, 250)
  }
  assert.equal((await send({ from: 'new@a.test' })).reply.code, 250)
  assert.equal((await send({ from: 'new@a.test', ip: '198.51.100.1' })).reply.code, 451)
})

test('suspects are made to wait, others are not', async (t) => {
  const { send } = await start(t, { for: 'suspects', score: 1.5 })
  assert.equal((await send()).reply.code, 250)
  assert.equal((await send({ helo: 'localhost' })).reply.code, 451)
})

test('authenticated and trusted clients, postmaster, and whom SPF vouches for, do not wait; suspects do even so', async (t) => {
  const { send } = await start(
    t,
    {},
    {
      zone: { ...CLEAN, 'TXT a.test': ['v=spf1 ip4:192.0.2.1 -all'] },
      plugins: [senderAuth()],
      trusts: ['10.0.0.0/8'],
      options: { findings: {} },
    },
  )
  assert.equal((await send()).reply.code, 250)
  assert.equal((await send({ ip: '198.51.100.1', helo: 'a.b' })).reply.code, 451)
  assert.equal((await send({ helo: 'localhost', from: 'z@a.test', ip: '192.0.2.1' })).reply.code, 250)
  assert.equal((await send({ from: 'x@b.test', to: 'postmaster@here.test' })).reply.code, 250)
  assert.equal((await send({ from: 'x@b.test', ip: '10.1.1.1' })).reply.code, 250)
  assert.equal(
    (await send({ from: 'x@b.test', identity: { kind: 'identity', user: 'x', mayRelay: true } })).reply.code,
    250,
  )
  // Its HELO and its missing name make it a suspect.
  assert.equal((await send({ from: 'q@a.test', helo: 'mx.test' })).reply.code, 451)
})

test('records are swept when they are over, and beyond the limit nobody new waits', async (t) => {
  const { send, advance, run } = await start(t, { records: 100, retry: '2 h' })
  for (let n = 0; n < 100; n++) assert.equal((await send({ ip: `198.51.${n}.1` })).reply.code, 451)
  assert.equal((await send({ ip: '203.0.113.1' })).reply.code, 250)
  const count = async () => (await run('antispam stats')).find((one) => 'greylist' in one)?.greylist
  assert.equal(await count(), 100)
  await advance(4 * HOUR)
  assert.equal(await count(), 0)
  assert.equal((await send({ ip: '203.0.113.1' })).reply.code, 451)
})

test('what is known is known after a restart', async (t) => {
  const first = await start(t, {})
  assert.equal((await first.send()).reply.code, 451)
  await first.advance(5 * MINUTE)
  const { store, clock } = first
  const second = await start(t, {}, { kernel: { store, clock } })
  assert.equal((await second.send()).reply.code, 250)
})

// --- limits ---

const LIMITED: readonly { per: 'client' | 'network' | 'sender' | 'domain'; same: object; other: object }[] = [
  { per: 'client', same: { ip: '::ffff:192.0.2.1' }, other: { ip: '192.0.2.2' } },
  { per: 'client', same: {}, other: { ip: '2001:db8::1' } },
  { per: 'network', same: { ip: '192.0.2.77' }, other: { ip: '192.0.3.1' } },
  { per: 'sender', same: { ip: '198.51.100.1', from: 'ANN@a.test' }, other: { from: 'bob@a.test' } },
  { per: 'domain', same: { ip: '198.51.100.1', from: 'eve@A.test' }, other: { from: 'ann@b.test' } },
]
for (const { per, same, other } of LIMITED)
  test(`limits for each ${per}: ${JSON.stringify(same)} is the same, ${JSON.stringify(other)} is not`, async (t) => {
    const options = { limits: { rules: [{ per, messages: '2/h' }] } }
    const { send, advance } = await startAntispam(t, { options })
    for (const code of [250, 250]) assert.equal((await send()).reply.code, code)
    assert.deepEqual((await send(same)).reply, {
      code: 450,
      enhanced: '4.7.1',
      text: `Too many messages from this ${per}, try again later`,
    })
    assert.equal((await send(other)).reply.code, 250)
    await advance(HOUR / 2)
    assert.equal((await send()).reply.code, 250)
    assert.equal((await send()).reply.code, 450)
    await advance(10 * HOUR)
    for (const code of [250, 250, 450]) assert.equal((await send()).reply.code, code)
  })

test('recipients are counted too, and those that are too many are refused alone', async (t) => {
  const options = { limits: { rules: [{ per: 'client' as const, recipients: '3/min' }] } }
  const { send, deliver, delivered } = await startAntispam(t, { options })
  const { reply, refused } = await send({ to: ['a@here.test', 'b@here.test', 'c@here.test', 'd@here.test'] })
  assert.deepEqual([reply.code, refused.map(({ code }) => code)], [250, [450]])
  await deliver()
  assert.deepEqual(delivered[0]?.to, ['a@here.test', 'b@here.test', 'c@here.test'])
})

test('accounts are limited by their own rules, wherever they send from; trusted clients are not', async (t) => {
  const rules = [
    { per: 'account' as const, messages: '2/day' },
    { per: 'client' as const, messages: '1/day' },
  ]
  const { send } = await startAntispam(t, { options: { limits: { rules } }, trusts: ['10.0.0.0/8'] })
  const identity = { kind: 'identity', user: 'ann@here.test', account: 'ann', mayRelay: true } as const
  for (const ip of ['192.0.2.1', '192.0.2.1']) assert.equal((await send({ identity, ip })).reply.code, 250)
  assert.equal((await send({ identity: { ...identity, user: 'anne' }, ip: '192.0.2.9' })).reply.code, 450)
  assert.equal((await send({ identity: { ...identity, account: 'bob' } })).reply.code, 250)
  for (const code of [250, 450]) assert.equal((await send()).reply.code, code)
  for (let n = 0; n < 5; n++) assert.equal((await send({ ip: '10.0.0.1' })).reply.code, 250)
})

test('what is remembered for limits is bounded', async (t) => {
  const options = { limits: { rules: [{ per: 'client' as const, messages: '1/day' }], keys: 100 } }
  const { send, run } = await startAntispam(t, { zone: CLEAN, options })
  for (let n = 0; n < 150; n++) await send({ ip: `198.51.100.${n}` })
  assert.deepEqual(
    (await run('antispam stats')).find((one) => 'limits' in one),
    { limits: 100 },
  )
  assert.equal((await send({ ip: '198.51.100.149' })).reply.code, 450)
})
