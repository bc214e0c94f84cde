/** FUTURERELEASE (RFC 4865): authenticated clients have a message wait until a time, and nobody else. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { definePlugin } from 'iems'
import { smtpIn } from 'iems/plugins/smtp-in'
import { createTestKernel, deliveredTo } from 'iems/testing'
import * as z from 'zod'
import { talk } from '../support/smtp-talk.ts'

const login = definePlugin({
  name: 'login',
  config: z.undefined(),
  setup: () => ({ hooks: { auth: () => ({ kind: 'identity', user: 'ann', mayRelay: true }) } }),
})

async function connect(t: TestContext, isLogin: boolean, futureRelease?: string) {
  const entrance = smtpIn({
    listen: '127.0.0.1:0',
    auth: 'optional',
    authWithoutTls: true,
    ...(futureRelease ? { futureRelease } : {}),
  })
  const kernel = await createTestKernel(t, { channels: { mx: entrance }, plugins: [login()], deliver: deliveredTo })
  const client = await talk(t, kernel.listener('mx').port)
  await client.reply()
  if (isLogin) {
    await client.ask('EHLO client')
    await client.ask(`AUTH PLAIN ${Buffer.from('\0ann\0x').toString('base64')}`)
  }
  return { kernel, client, hello: await client.ask('EHLO client') }
}

// The clock of the test kernel stands at 2026-01-01.
for (const [parameter, hours] of [
  ['HOLDFOR=7200', 2],
  ['HOLDUNTIL=2026-01-01T03:00:00Z', 3],
  ['HOLDUNTIL=2026-01-01T03:00:00+01:00', 2],
] as const) {
  test(`${parameter}: the message waits until its time`, async (t) => {
    const { kernel, client, hello } = await connect(t, true, '1 day')
    assert.match(hello, /^250[ -]FUTURERELEASE 86400 2026-01-02T00:00:00Z\r?$/m)
    assert.match(await client.ask(`MAIL FROM:<ann@here.test> ${parameter}`), /^250/)
    await client.ask('RCPT TO:<bob@x.test>')
    await client.ask('DATA')
    assert.match(await client.ask('Subject: later\r\n\r\nx\r\n.'), /^250/)
    await kernel.advance(hours * 3_600_000 - 1000)
    assert.equal(kernel.delivered.length, 0)
    assert.equal(await kernel.queue.count({ scheduled: true }), 1)
    await kernel.advance(2000)
    assert.equal(kernel.delivered.length, 1)
  })
}

test('too late, malformed and repeated times are refused', async (t) => {
  const { client } = await connect(t, true, '1 day')
  for (const wrong of [
    'HOLDFOR=86401',
    'HOLDFOR=0',
    'HOLDFOR=-1',
    'HOLDFOR',
    'HOLDFOR=1e3',
    'HOLDUNTIL=2026-01-03T00:00:00Z',
    'HOLDUNTIL=2026-01-01',
    'HOLDUNTIL=2026-13-01T00:00:00Z',
    'HOLDFOR=60 HOLDUNTIL=2026-01-01T03:00:00Z',
    'HOLDFOR=60 HOLDFOR=60',
  ])
    assert.match(await client.ask(`MAIL FROM:<ann@here.test> ${wrong}`), /^501 5\.5\.4/, wrong)
  assert.match(await client.ask('MAIL FROM:<ann@here.test> HOLDUNTIL=2020-01-01T00:00:00Z'), /^250/, 'at once')
})

test('it is offered to no client that has not authenticated, and to none when it is switched off', async (t) => {
  for (const { client, hello } of [await connect(t, false), await connect(t, true, '0 s')]) {
    assert.doesNotMatch(hello, /FUTURERELEASE/)
    assert.match(await client.ask('MAIL FROM:<ann@here.test> HOLDFOR=60'), /^555/)
  }
})
