/** Who speaks for whom: the PROXY protocol and XCLIENT; and who may ask for mail with ETRN. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { readProxyHeader } from '../../core/listener/proxy.ts'
import { fc } from '../support/property.ts'
import { openDoor } from '../support/smtp-listener.ts'
import { talk } from '../support/smtp-talk.ts'

const SIGNATURE = '0d0a0d0a000d0a515549540a'
const V1 = Buffer.from('PROXY TCP4 192.0.2.7 192.0.2.1 4321 25\r\n')
const V2 = Buffer.from(`${SIGNATURE}21110010${'c0000207c0000201'}10e10019${'04000101'}`, 'hex')
const V2_SIX = Buffer.from(
  `${SIGNATURE}21210024${'20010db8000000000000000000000007'}${'20010db8000000000000000000000001'}10e10019`,
  'hex',
)
const V2_LOCAL = Buffer.from(`${SIGNATURE}20000000`, 'hex')
const MESSAGE = 'EHLO c\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n'
const proxyFrom = ['127.0.0.0/8']

for (const [name, header, address, local] of [
  ['version 1', V1, '192.0.2.7', '192.0.2.1'],
  ['version 1 with IPv6', Buffer.from('PROXY TCP6 2001:db8::7 2001:db8::1 4321 25\r\n'), '2001:db8::7', '2001:db8::1'],
  ['version 1 without knowledge', Buffer.from('PROXY UNKNOWN ffff::1 x\r\n'), '127.0.0.1', '127.0.0.1'],
  ['version 2', V2, '192.0.2.7', '192.0.2.1'],
  ['version 2 with IPv6', V2_SIX, '2001:db8::7', '2001:db8::1'],
  ['version 2 for the proxy itself', V2_LOCAL, '127.0.0.1', '127.0.0.1'],
] as const)
  test(`a trusted proxy says for whom it speaks: ${name}`, async (t) => {
    const listener = await openDoor(t, { proxyFrom })
    const client = await talk(t, listener.port)
    client.send(Buffer.concat([header, Buffer.from(MESSAGE)]))
    assert.match(await client.rest(), /^220 .*221 /s)
    const { remote, local: here } = listener.arrived[0]?.facts ?? assert.fail('nothing arrived')
    assert.equal(remote.address, address)
    assert.equal(here?.address, local)
    if (header === V1) assert.deepEqual([remote.port, here?.port], [4321, 25])
  })

test('a header that comes octet by octet is a header', () => {
  for (const header of [V1, V2, V2_SIX, V2_LOCAL]) {
    for (let length = 0; length < header.length; length++)
      assert.equal(readProxyHeader(header.subarray(0, length)).kind, 'incomplete')
    const read = readProxyHeader(Buffer.concat([header, Buffer.from('EHLO c\r\n')]))
    assert.equal(read.kind === 'header' && read.length, header.length)
  }
})

test('no octets make the reader of headers throw, or wait for more than it may', () => {
  const starts = fc.constantFrom(
    Buffer.alloc(0),
    Buffer.from('PROXY '),
    Buffer.from('PROXY TCP4 '),
    Buffer.from(SIGNATURE, 'hex'),
  )
  fc.assert(
    fc.property(starts, fc.uint8Array({ maxLength: 6000 }), (start, octets) => {
      const read = readProxyHeader(Buffer.concat([start, octets]))
      if (read.kind === 'incomplete') assert.ok(start.length + octets.length < 4096)
    }),
  )
})

for (const [name, header] of [
  ['a command', Buffer.from('EHLO c\r\n')],
  ['names for addresses', Buffer.from('PROXY TCP4 localhost 127.0.0.1 1 2\r\n')],
  ['the wrong family', Buffer.from('PROXY TCP6 192.0.2.7 192.0.2.1 1 2\r\n')],
  ['a port too high', Buffer.from('PROXY TCP4 192.0.2.7 192.0.2.1 65536 2\r\n')],
  ['a line without end', Buffer.from(`PROXY TCP4 ${'1'.repeat(200)}`)],
  ['another version', Buffer.from(`${SIGNATURE}31110000`, 'hex')],
  ['too short addresses', Buffer.from(`${SIGNATURE}2111000401020304`, 'hex')],
] as const)
  test(`${name} in place of the header ends the connection without a word`, async (t) => {
    const listener = await openDoor(t, { proxyFrom })
    const client = await talk(t, listener.port)
    client.send(header)
    assert.equal(await client.rest(), '')
    assert.equal(listener.sessions, 0)
  })

test('a proxy that says nothing is hung up on', async (t) => {
  const listener = await openDoor(t, { proxyFrom, timeouts: { handshake: '100 ms' } })
  const client = await talk(t, listener.port)
  client.send('PROXY')
  assert.equal(await client.rest(), '')
})

test('the header comes before the handshake of implicit TLS', async (t) => {
  const listener = await openDoor(t, {
    proxyFrom,
    tls: { cert: 'test/fixtures/tls/mx.pem', key: 'test/fixtures/tls/mx.key', mode: 'implicit' },
  })
  const raw = await talk(t, listener.port)
  raw.send(V1)
  raw.socket.removeAllListeners('data')
  const secure = connectTls({ socket: raw.socket, rejectUnauthorized: false })
  t.after(() => secure.destroy())
  secure.write(MESSAGE)
  let said = ''
  for await (const chunk of secure) said += chunk
  assert.match(said, /^220 .*221 /s)
  assert.equal(listener.arrived[0]?.facts.remote.address, '192.0.2.7')
  assert.equal(listener.arrived[0]?.facts.protocol, 'ESMTPS')
})

test('who is not a trusted proxy speaks for nobody', async (t) => {
  const listener = await openDoor(t, { proxyFrom: ['192.0.2.0/24'] })
  const client = await talk(t, listener.port)
  client.send(Buffer.concat([V1, Buffer.from(MESSAGE)]))
  assert.match(await client.rest(), /^220 .*\r\n500 5\.5\.1/)
  assert.equal(listener.arrived[0]?.facts.remote.address, '127.0.0.1')
})

test('XCLIENT makes a new session of the kernel, with all that was said', async (t) => {
  const listener = await openDoor(t, { xclientFrom: ['127.0.0.1'], auth: 'required', authWithoutTls: true })
  const client = await talk(t, listener.port)
  await client.reply()
  await client.ask('EHLO proxy')
  const said =
    'ADDR=IPV6:2001:db8::7 PORT=99 NAME=far.test HELO=far PROTO=ESMTP LOGIN=ann DESTADDR=192.0.2.1 DESTPORT=25'
  assert.match(await client.ask(`XCLIENT ${said}`), /^220/)
  assert.equal(listener.sessions, 1)
  client.send(MESSAGE.replace('EHLO c\r\n', ''))
  await client.rest()
  const { facts } = listener.arrived[0] ?? assert.fail('nothing arrived')
  assert.deepEqual(facts.remote, { address: '2001:db8::7', port: 99, name: 'far.test' })
  assert.deepEqual(facts.local, { address: '192.0.2.1', port: 25 })
  assert.equal(facts.helo, 'far')
  assert.equal(facts.protocol, 'ESMTPA')
  assert.equal(facts.identity?.user, 'ann')
})

test('ETRN answers with what it started, by node, domain and channel', async (t) => {
  const waiting = { 'a.test': 3, '.a.test': 2, 'b.a.test': 1, '#bulk': 7, 'broken.test': -1 }
  const rules = [{ from: ['127.0.0.1'], for: ['a.test', '.a.test', '#bulk', 'broken.test', 'empty.test'] }]
  const listener = await openDoor(t, { etrn: rules }, { waiting })
  const client = await talk(t, listener.port)
  await client.reply()
  assert.match(await client.ask('EHLO c'), /^250-ETRN$/m)
  assert.equal(await client.ask('ETRN A.test'), '253 2.0.0 Ok, 3 pending messages for node a.test started')
  assert.equal(await client.ask('ETRN @a.test'), '253 2.0.0 Ok, 5 pending messages for node @a.test started')
  assert.equal(await client.ask('ETRN b.a.test'), '253 2.0.0 Ok, 1 pending messages for node b.a.test started')
  assert.equal(await client.ask('ETRN #bulk'), '253 2.0.0 Ok, 7 pending messages for node #bulk started')
  assert.equal(await client.ask('ETRN empty.test'), '251 2.0.0 No messages waiting for node empty.test')
  assert.equal(await client.ask('ETRN broken.test'), '458 4.3.0 Unable to queue messages for node broken.test')
  assert.equal(await client.ask('ETRN other.test'), '459 4.7.1 Node other.test not allowed')
  assert.equal(await client.ask('ETRN #other'), '459 4.7.1 Node #other not allowed')
  assert.equal(await client.ask('ETRN @test'), '459 4.7.1 Node @test not allowed')
  assert.deepEqual(listener.flushed, ['a.test', 'a.test', '.a.test', 'b.a.test', '#bulk'])
})

test('a rule of ETRN can be for users', async (t) => {
  const listener = await openDoor(
    t,
    { etrn: [{ users: ['ann'], for: ['*'] }], auth: 'optional', authWithoutTls: true },
    { auth: () => ({ kind: 'identity', user: 'ann', mayRelay: false }) },
  )
  const client = await talk(t, listener.port)
  await client.reply()
  await client.ask('EHLO c')
  assert.match(await client.ask('ETRN a.test'), /^459/)
  await client.ask('AUTH PLAIN AGFubgBzZWNyZXQ=')
  assert.match(await client.ask('ETRN a.test'), /^251/)
})
