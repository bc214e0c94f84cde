/** Which servers smtp-out asks, in which order, and what it makes of what DNS says. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type FixedDns, fixedDns, type SmtpOutOptions, startChannel } from '../support/smtp-out.ts'
import { type Sink, startSink } from '../support/smtp-sink.ts'

const AT = { mtaSts: false, families: ['ipv4', 'ipv6'] } as const satisfies SmtpOutOptions

/** Servers at 127.0.0.1, .2, .3, all at the same port; each says its address in answer to the content, or hangs up. */
async function startServers(
  t: Parameters<typeof startSink>[0],
  down: readonly number[] = [],
): Promise<{ port: number; sinks: Sink[] }> {
  const first = await startSink(t, { listen: { host: '127.0.0.1' }, answer: answerOf(1, down) })
  const others = [2, 3].map((at) =>
    startSink(t, { listen: { host: `127.0.0.${at}`, port: first.port }, answer: answerOf(at, down) }),
  )
  return { port: first.port, sinks: [first, ...(await Promise.all(others))] }
}

function answerOf(at: number, down: readonly number[]) {
  return (command: string) => {
    if (command === 'CONNECT' && down.includes(at)) return '421 4.3.2 Down'
    return command === 'END' ? `250 2.0.0 By ${at}` : undefined
  }
}

const THREE = {
  'b.test': { mx: ['20 mx2.b.test', '10 mx1.b.test.', '30 mx3.b.test'] },
  'mx1.b.test': { a: ['127.0.0.1'] },
  'mx2.b.test': { a: ['127.0.0.2'] },
  'mx3.b.test': { a: ['127.0.0.3'] },
}

test('the server of the best preference is asked first, the others when it will not', async (t) => {
  const { port } = await startServers(t)
  const channel = await startChannel(t, { ...AT, port, dns: fixedDns(THREE) })
  const [outcome] = await channel.send()
  assert.deepEqual([outcome?.reply.text, outcome?.remote], ['By 1', 'mx1.b.test [127.0.0.1]'])
  const others = await startServers(t, [1, 2])
  const second = await startChannel(t, { ...AT, port: others.port, dns: fixedDns(THREE) })
  assert.deepEqual(await second.tell(), ['delivered b@b.test 250 2.0.0 By 3'])
})

test('a recipient refused for good by one server is not offered to the next', async (t) => {
  const first = await startSink(t, {
    answer: (command) => (command.startsWith('RCPT') ? '550 5.1.1 Unknown' : undefined),
  })
  const second = await startSink(t, { listen: { host: '127.0.0.2', port: first.port } })
  const channel = await startChannel(t, { ...AT, port: first.port, dns: fixedDns(THREE) })
  assert.deepEqual(await channel.tell(), ['failed b@b.test 550 5.1.1 Unknown'])
  assert.equal(second.sessions.length, 0)
})

test('a connection lost before the end of the content goes to the next server, after it never', async (t) => {
  for (const [stage, messages] of [
    ['RCPT', 1],
    ['DATA', 1],
    ['CONTENT', 1],
    ['END', 0],
  ] as const) {
    const first = await startSink(t, { answer: (command) => (command.startsWith(stage) ? 'drop' : undefined) })
    const second = await startSink(t, { listen: { host: '127.0.0.2', port: first.port } })
    const channel = await startChannel(t, { ...AT, port: first.port, dns: fixedDns(THREE) })
    // Large enough to be streamed: what is small is out before anybody can hang up.
    const [outcome] = await channel.send({ content: Buffer.alloc(5_000_000, 'a line\r\n') })
    assert.deepEqual(
      [outcome?.status, second.messages.length],
      [messages === 1 ? 'delivered' : 'deferred', messages],
      stage,
    )
  }
})

test('no more servers than allowed are asked', async (t) => {
  const { port, sinks } = await startServers(t, [1, 2, 3])
  const channel = await startChannel(t, { ...AT, port, mxHosts: 2, dns: fixedDns(THREE) })
  assert.deepEqual(await channel.tell(), ['deferred b@b.test 421 4.3.2 Down'])
  assert.deepEqual(
    sinks.map(({ sessions }) => sessions.length),
    [1, 1, 0],
  )
})

test('equal preferences share the load', async (t) => {
  const { port } = await startServers(t)
  const dns = fixedDns({ ...THREE, 'b.test': { mx: ['10 mx1.b.test', '10 mx2.b.test'] } })
  const channel = await startChannel(t, { ...AT, port, dns, keep: { connections: 0 } })
  const heard = new Set<string>()
  for (let count = 0; count < 60 && heard.size < 2; count++) heard.add((await channel.tell())[0] ?? '')
  assert.equal(heard.size, 2)
})

test('a server that did not answer is asked last for a while', async (t) => {
  const { port, sinks } = await startServers(t)
  await sinks[0]?.close()
  const channel = await startChannel(t, { ...AT, port, mxHosts: 2, dns: fixedDns(THREE), keep: { connections: 0 } })
  assert.deepEqual(await channel.tell(), ['delivered b@b.test 250 2.0.0 By 2'])
  const back = await startSink(t, { listen: { host: '127.0.0.1', port } })
  assert.deepEqual(await channel.tell(), ['delivered b@b.test 250 2.0.0 By 2'])
  assert.equal(back.sessions.length, 0)
})

test('a domain without MX is its own server; families take turns', async (t) => {
  const { port } = await startServers(t)
  const dns = fixedDns({ 'b.test': { aaaa: ['100::1', '100::2'], a: ['127.0.0.2'] } })
  const channel = await startChannel(t, {
    ...AT,
    port,
    dns,
    families: ['ipv6', 'ipv4'],
    timeouts: { connect: '100 ms' },
  })
  assert.deepEqual(await channel.tell(), ['delivered b@b.test 250 2.0.0 By 2'])
  assert.deepEqual(dns.asked.toSorted(), ['a b.test', 'aaaa b.test', 'mx b.test'])
})

const VERDICTS: readonly (readonly [name: string, dns: FixedDns, outcome: RegExp, options?: SmtpOutOptions])[] = [
  ['null MX', fixedDns({ 'b.test': { mx: ['0 .'] } }), /^failed b@b.test 556 5.1.10 /],
  ['no such domain', fixedDns({}), /^failed b@b.test 550 5.1.2 /],
  ['the name servers do not answer', fixedDns({ 'b.test': { fails: true } }), /^deferred b@b.test 451 4.4.3 /],
  ['neither MX nor address', fixedDns({ 'b.test': { txt: ['x'] } }), /^failed b@b.test 550 5.4.4 /],
  ['MX without address', fixedDns({ 'b.test': { mx: ['10 mx.b.test'] } }), /^failed b@b.test 550 5.4.4 /],
  [
    'MX whose address cannot be asked for',
    fixedDns({ 'b.test': { mx: ['10 mx.b.test'] }, 'mx.b.test': { fails: true } }),
    /^deferred b@b.test 451 4.4.3 /,
  ],
  [
    'our own name is the best MX',
    fixedDns({ 'b.test': { mx: ['10 IEMS.test'] }, 'iems.test': { a: ['192.0.2.1'] } }),
    /^failed b@b.test 554 5.4.6 /,
  ],
  ['our own address is the best MX', fixedDns(THREE), /^failed b@b.test 554 5.4.6 /, { ownAddresses: ['127.0.0.1'] }],
  [
    'with port 25, this machine is ourselves',
    fixedDns(THREE),
    /^failed b@b.test 554 5.4.6 /,
    { port: 25, localMx: false },
  ],
  ...['0.0.0.0', '127.0.0.1', '127.9.8.7', '::', '::1', '::ffff:127.0.0.1', '::ffff:0.0.0.0', '::127.0.0.1'].map(
    (address) =>
      [
        `an MX at ${address} is this host, whatever the port`,
        fixedDns({
          'b.test': { mx: ['10 mx.b.test'] },
          'mx.b.test': address.includes(':') ? { aaaa: [address] } : { a: [address] },
        }),
        /^failed b@b.test 554 5.4.6 /,
        { localMx: false },
      ] as const,
  ),
  [
    'a domain without MX at this host',
    fixedDns({ 'b.test': { a: ['127.0.0.1'] } }),
    /^failed b@b.test 554 5.4.6 /,
    { localMx: false },
  ],
]
for (const [name, dns, outcome, options] of VERDICTS) {
  test(`DNS: ${name}`, async (t) => {
    const channel = await startChannel(t, { ...AT, port: 9, dns, ...options })
    const [told = ''] = await channel.tell()
    assert.match(told, outcome)
    assert.equal((await channel.send())[0]?.unreachable, undefined)
  })
}

test('of the servers only those better than ourselves are asked', async (t) => {
  const { port, sinks } = await startServers(t, [1])
  const dns = fixedDns({
    ...THREE,
    'b.test': { mx: ['10 mx1.b.test', '20 iems.test', '20 mx2.b.test', '30 mx3.b.test'] },
  })
  const channel = await startChannel(t, { ...AT, port, dns })
  assert.deepEqual(await channel.tell(), ['deferred b@b.test 421 4.3.2 Down'])
  assert.deepEqual(
    sinks.map(({ sessions }) => sessions.length),
    [1, 0, 0],
  )
})

test('address literals and named hosts need no MX', async (t) => {
  const { port } = await startServers(t)
  const dns = fixedDns({ 'mx2.b.test': { a: ['127.0.0.2'] } })
  const channel = await startChannel(t, { ...AT, port, dns })
  assert.deepEqual(await channel.tell({ nexthop: '[127.0.0.1]' }), ['delivered b@b.test 250 2.0.0 By 1'])
  assert.deepEqual(await channel.tell({ nexthop: '[mx2.b.test]' }), ['delivered b@b.test 250 2.0.0 By 2'])
  assert.deepEqual(await channel.tell({ nexthop: `mx2.b.test:${port}` }), ['delivered b@b.test 250 2.0.0 By 2'])
  assert.match((await channel.tell({ nexthop: '[gone.b.test]' }))[0] ?? '', /^deferred b@b.test 451 4.4.4 /)
  assert.match(
    (await channel.tell({ nexthop: '[127.0.0.9]', to: ['b@[127.0.0.9]'] }))[0] ?? '',
    /^deferred .* 451 4.4.1 /,
  )
})

test('answers of DNS are remembered for their time, failures only briefly', async (t) => {
  const { port } = await startServers(t)
  let time = 0
  const dns = fixedDns(THREE)
  const channel = await startChannel(t, { ...AT, port, dns, keep: { connections: 0 } }, () => time)
  await Promise.all([channel.send(), channel.send()])
  await channel.send()
  assert.equal(dns.asked.length, 7)
  time = 300_001
  await channel.send()
  assert.equal(dns.asked.length, 14)
  await channel.send({ nexthop: 'gone.test' })
  time += 59_000
  await channel.send({ nexthop: 'gone.test' })
  assert.equal(dns.asked.length, 15)
})

test('the route of a recipient is its domain in lower case as A-labels', async (t) => {
  const channel = await startChannel(t, { ...AT })
  const tap = channel.parts.hooks?.route
  assert.ok(tap && typeof tap !== 'function' && tap.stage === 'last')
  const routeOf = (address: string) => tap.handler({ to: { address, original: address }, from: '' }, {} as never)
  for (const [address, nexthop] of [
    ['b@B.Test', 'b.test'],
    ['"b@c"@b.test', 'b.test'],
    ['b@bücher.test', 'xn--bcher-kva.test'],
    ['b@[IPv6:2001:db8::1]', '[ipv6:2001:db8::1]'],
  ]) {
    assert.deepEqual(await routeOf(address ?? ''), { channel: 'out', nexthop })
  }
  for (const address of ['postmaster', '"a@b.test"', 'b@b..test', 'b@[nonsense'])
    assert.equal(await routeOf(address), undefined)
})

test('the source address is the one the admin chose', async (t) => {
  const sink = await startSink(t)
  const channel = await startChannel(t, { nexthop: sink.nexthop, bindAddress: ['127.0.0.5', '::1'] })
  await channel.send()
  assert.equal(sink.sessions[0]?.socket.remoteAddress, '127.0.0.5')
})
