/** The client's name: looked up at connect, never claimed to be missing unless a look-up said so. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { definePlugin, type Session } from 'iems'
import { smtpIn } from 'iems/plugins/smtp-in'
import { createTestKernel, deliveredTo } from 'iems/testing'
import * as z from 'zod'
import { serveZone, type Zone } from '../support/dns-zone.ts'
import { talk } from '../support/smtp-talk.ts'

const PTR = 'PTR 7.2.0.192.in-addr.arpa'
const NAMED: Zone = { [PTR]: ['mail.a.test'], 'A mail.a.test': ['192.0.2.7'] }
const FROM = 'PROXY TCP4 192.0.2.7 192.0.2.1 4321 25\r\n'

interface Settings {
  readonly zone: Zone
  readonly trusts?: readonly string[]
  readonly timeout?: string
  readonly options?: Partial<Parameters<typeof smtpIn>[0]>
}

/** A client at 192.0.2.7; what the plugins saw at connect, and the Received that its message got. */
async function start(t: TestContext, { zone, trusts = [], timeout = '5 s', options }: Settings) {
  const source = await serveZone(t, zone, { timeout })
  const seen: Session['remote'][] = []
  const watcher = definePlugin({
    name: 'watcher',
    config: z.undefined(),
    setup: () => ({ hooks: { connect: ({ remote }) => void seen.push(remote) } }),
  })
  const kernel = await createTestKernel(t, {
    dns: source.dns,
    deliver: deliveredTo,
    channels: {
      mx: smtpIn({ listen: '127.0.0.1:0', proxyFrom: ['127.0.0.0/8'], ...options }, { trusts: [...trusts] }),
    },
    plugins: [watcher()],
  })
  const client = await talk(t, kernel.listener('mx').port ?? 0)
  client.send(FROM)
  async function received() {
    await client.ask('EHLO client.test')
    await client.ask('MAIL FROM:<a@a.test>')
    await client.ask('RCPT TO:<b@b.test>')
    await client.ask('DATA')
    assert.match(await client.ask('From: a@a.test\r\n\r\nx\r\n.'), /^250 /)
    await kernel.deliver()
    return /^Received: from client\.test \(([^)]*)\)/m.exec(kernel.delivered.at(-1)?.content ?? '')?.[1]
  }
  return { ...source, kernel, client, seen, received }
}

const options = { xclientFrom: ['192.0.2.0/24'] }
const channelTrusts = ['192.0.2.0/24']

for (const [what, zone, name, received] of [
  ['a name that its address confirms', NAMED, 'mail.a.test', 'mail.a.test [192.0.2.7]'],
  ['no name', {}, null, 'unknown [192.0.2.7]'],
  ['a name of somebody else', { ...NAMED, 'A mail.a.test': ['192.0.2.8'] }, null, 'unknown [192.0.2.7]'],
  ['no answer about its name', { [PTR]: 'SERVFAIL' }, undefined, '[192.0.2.7]'],
  ['no answer about its address', { ...NAMED, 'A mail.a.test': 'SERVFAIL' }, undefined, '[192.0.2.7]'],
] as const)
  test(`Received says of the client what is known: ${what}`, async (t) => {
    const here = await start(t, { zone })
    assert.match(await here.client.reply(), /^220 /)
    assert.deepEqual(
      here.seen.map((remote) => remote.name),
      [name],
    )
    // Only a trusted client may send to elsewhere; it does not wait for its name.
    const trusted = await start(t, { zone, trusts: channelTrusts })
    assert.match(await trusted.client.reply(), /^220 /)
    while (trusted.asked.length < here.asked.length) await setImmediate()
    for (let turns = 0; turns < 50; turns++) await setImmediate()
    assert.equal(await trusted.received(), received)
  })

test('a trusted client is greeted before its name is known, and a stranger after the time for it', async (t) => {
  const zone: Zone = { [PTR]: 'NEVER' }
  const trusted = await start(t, { zone, trusts: channelTrusts, timeout: '20 s' })
  assert.match(await trusted.client.reply(), /^220 /)
  assert.equal(await trusted.received(), '[192.0.2.7]')
  const { client, kernel, asked } = await start(t, { zone, timeout: '20 s', options: { clientNameTimeout: '3 s' } })
  let greeting: string | undefined
  void client.reply().then((reply) => {
    greeting = reply
  })
  while (asked.length === 0) await setImmediate()
  await kernel.clock.advance(2900)
  for (let turns = 0; turns < 50; turns++) await setImmediate()
  assert.equal(greeting, undefined)
  await kernel.clock.advance(200)
  while (greeting === undefined) await setImmediate()
  assert.match(greeting, /^220 /)
})

test('no name is looked up where the option says so, nor the name of a loopback address', async (t) => {
  const here = await start(t, { zone: NAMED, trusts: channelTrusts, options: { clientNameTimeout: '0 s' } })
  assert.match(await here.client.reply(), /^220 /)
  assert.equal(await here.received(), '[192.0.2.7]')
  assert.deepEqual(here.asked, [])
})

test('XCLIENT says whether the client has a name, has none, or could not be asked about', async (t) => {
  for (const [said, remote] of [
    ['mx.b.test', 'mx.b.test'],
    ['[UNAVAILABLE]', null],
    ['[TEMPUNAVAIL]', undefined],
  ] as const) {
    const { client, seen } = await start(t, { zone: { 'PTR 9.2.0.192.in-addr.arpa': 'SERVFAIL' }, options })
    await client.reply()
    await client.ask('EHLO proxy')
    assert.match(await client.ask(`XCLIENT NAME=${said} ADDR=192.0.2.9`), /^220 /)
    assert.deepEqual([seen.at(-1)?.address, seen.at(-1)?.name], ['192.0.2.9', remote])
  }
})
