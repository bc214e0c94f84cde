/** Web Push: subscriptions are proven, pushes are encrypted for the client alone, and endpoints are public addresses. */
import assert from 'node:assert/strict'
import { createDecipheriv, createECDH, hkdfSync, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { type Json, message, startJmap } from '../support/jmap.ts'

interface Pushed {
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

/** A push service that keeps what it is sent. */
async function startService(t: TestContext) {
  const pushed: Pushed[] = []
  let status = 201
  let wake = () => {}
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    pushed.push({ headers: request.headers, body: Buffer.concat(chunks) })
    response.writeHead(status).end()
    wake()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/push/1`,
    answer(next: number) {
      status = next
    },
    pushed,
    async next(): Promise<Pushed> {
      while (pushed.length === 0)
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      return pushed.shift() as Pushed
    },
  }
}

/** RFC 8291: what a browser does with a push. */
function browser() {
  const pair = createECDH('prime256v1')
  pair.generateKeys()
  const auth = randomBytes(16)
  return {
    keys: { p256dh: pair.getPublicKey('base64url'), auth: auth.toString('base64url') },
    open({ body }: Pushed): Json {
      const salt = body.subarray(0, 16)
      const length = body.readUInt8(20)
      const sender = body.subarray(21, 21 + length)
      const info = Buffer.concat([Buffer.from('WebPush: info\0'), pair.getPublicKey(), sender])
      const secret = Buffer.from(hkdfSync('sha256', pair.computeSecret(sender), auth, info, 32))
      const key = Buffer.from(hkdfSync('sha256', secret, salt, 'Content-Encoding: aes128gcm\0', 16))
      const nonce = Buffer.from(hkdfSync('sha256', secret, salt, 'Content-Encoding: nonce\0', 12))
      const sealed = body.subarray(21 + length)
      const cipher = createDecipheriv('aes-128-gcm', key, nonce).setAuthTag(sealed.subarray(-16))
      const plain = Buffer.concat([cipher.update(sealed.subarray(0, -16)), cipher.final()])
      return JSON.parse(plain.subarray(0, plain.lastIndexOf(2)).toString())
    },
  }
}

test('a push subscription is proven by a code, and then hears of changes, encrypted', async (t) => {
  const service = await startService(t)
  const { client, clock } = await startJmap(t, { push: { allow: ['127.0.0.0/8'] } })
  const ann = await client('ann')
  const device = browser()
  const session = (await (
    await fetch(`${ann.base}/jmap/session`, { headers: { authorization: ann.authorization } })
  ).json()) as Json
  const { applicationServerKey } = session.capabilities['urn:ietf:params:jmap:webpush-vapid']
  const { created } = await ann.one('PushSubscription/set', {
    create: { a: { deviceClientId: 'phone', url: service.url, keys: device.keys, types: ['Email'] } },
  })
  const { id } = created.a
  const first = await service.next()
  const [, vapidKey] = /^vapid t=[^,]+, ?k=(.+)$/.exec(first.headers.authorization ?? '') ?? []
  assert.equal(vapidKey, applicationServerKey)
  const verification = device.open(first)
  assert.deepEqual([verification['@type'], verification.pushSubscriptionId], ['PushVerification', id])
  const shown = (await ann.one('PushSubscription/get', { ids: null })).list[0]
  assert.deepEqual([shown.deviceClientId, shown.verificationCode, shown.url], ['phone', null, undefined])
  const wrong = await ann.one('PushSubscription/set', { update: { [id]: { verificationCode: 'wrong' } } })
  assert.equal(wrong.notUpdated[id].type, 'invalidProperties')
  const move = setInterval(() => void clock.advance(60), 5)
  t.after(() => clearInterval(move))
  await ann.one('PushSubscription/set', { update: { [id]: { verificationCode: verification.verificationCode } } })
  device.open(await service.next())
  await ann.file(message({ Subject: 'New' }))
  const change = device.open(await service.next())
  assert.deepEqual([change['@type'], Object.keys(change.changed[ann.account])], ['StateChange', ['Email']])
  // A push may be of a state before the last one; then another follows.
  const { state } = await ann.one('Email/get', { ids: [] })
  for (let last = change; last.changed[ann.account].Email !== state; ) last = device.open(await service.next())
  service.answer(410)
  await ann.file(message({ Subject: 'Another' }))
  await service.next()
  while ((await ann.one('PushSubscription/get', { ids: null })).list.length > 0) await new Promise(setImmediate)
})

test('a subscription belongs to its login, ends by itself, and reaches public addresses alone', async (t) => {
  const service = await startService(t)
  const { client, clock } = await startJmap(t)
  const ann = await client('ann')
  const bob = await client('bob')
  const { created } = await ann.one('PushSubscription/set', {
    create: {
      a: { deviceClientId: 'x', url: service.url.replace('http:', 'https:'), expires: '2030-01-01T00:00:00Z' },
    },
  })
  assert.equal(created.a.expires, '2026-01-08T00:00:00Z')
  assert.deepEqual((await bob.one('PushSubscription/get', { ids: null })).list, [])
  assert.equal(
    (await bob.one('PushSubscription/set', { destroy: [created.a.id] })).notDestroyed[created.a.id].type,
    'notFound',
  )
  await clock.advance(8 * 86_400_000)
  assert.deepEqual((await ann.one('PushSubscription/get', { ids: null })).list, [])
  assert.equal(service.pushed.length, 0)
})

test('only global unicast addresses are public', async () => {
  const { isPublicAddress } = await import('../../plugins/web/http/api.ts')
  for (const address of ['8.8.8.8', '1.1.1.1', '2606:4700::1111']) assert.equal(isPublicAddress(address), true, address)
  for (const address of [
    '127.0.0.1',
    '10.1.2.3',
    '100.64.0.1',
    '169.254.169.254',
    '172.31.0.1',
    '192.168.1.1',
    '0.0.0.0',
    '224.0.0.1',
    '255.255.255.255',
    '::1',
    '::',
    'fe80::1',
    'fd00::1',
    '::ffff:127.0.0.1',
    '::ffff:8.8.8.8',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
    '2001:db8::1',
    'ff02::1',
    'localhost',
    '',
  ])
    assert.equal(isPublicAddress(address), false, address)
})
