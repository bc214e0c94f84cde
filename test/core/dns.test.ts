/** The resolver, asked over real sockets. */
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { type TestContext, test } from 'node:test'
import { decode, encode } from 'dns-packet'
import { createDns, dnsOptions, hostNameOf } from 'iems'
import { serveZone, type Zone, type ZoneOptions } from '../support/dns-zone.ts'
import { fc } from '../support/property.ts'

async function start(t: TestContext, zone: Zone, options: ZoneOptions & { readonly cacheSize?: string } = {}) {
  const { ttl, isSigned, udpSize, timeout, strays, ...rest } = options
  const given = Object.fromEntries(
    Object.entries({ ttl, isSigned, udpSize, timeout, strays }).filter(([, value]) => value !== undefined),
  )
  const server = await serveZone(t, zone, given)
  const clock = { now: Date.UTC(2026, 0, 1) }
  return { ...server, clock, resolver: createDns(dnsOptions.parse({ ...server.dns, ...rest }), () => clock.now) }
}

/** A server by UDP that answers as the test says. */
async function serve(t: TestContext, answer: (query: Buffer, send: (reply: Buffer) => void) => void): Promise<string> {
  const socket = createSocket('udp4')
  socket.on('message', (query, from) => answer(query, (reply) => socket.send(reply, from.port, from.address)))
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  t.after(() => socket.close())
  return `127.0.0.1:${socket.address().port}`
}

const resolverFor = (servers: string[], rest: { readonly timeout?: string; readonly tries?: number } = {}) =>
  createDns(dnsOptions.parse({ servers, timeout: '1 s', tries: 1, ...rest }), () => 0)

test('an answer is found, does not exist, or could not be asked', async (t) => {
  const { resolver } = await start(t, {
    'A a.test': ['192.0.2.1', '192.0.2.2'],
    'AAAA a.test': ['2001:db8::1'],
    'MX a.test': [
      { priority: 10, exchange: 'mx.a.test' },
      { priority: 20, exchange: '' },
    ],
    'TXT a.test': [['one ', 'record'], 'two'],
    'PTR 1.2.0.192.in-addr.arpa': ['a.test'],
    'SRV _x._tcp.a.test': [{ priority: 1, weight: 2, port: 25, target: 'a.test' }],
    'TLSA _25._tcp.a.test': [{ usage: 3, selector: 1, matchingType: 1, certificate: Buffer.from('abcd', 'hex') }],
    'CNAME alias.test': ['a.test'],
    'A broken.test': 'SERVFAIL',
    'A silent.test': 'TIMEOUT',
  })
  const found = { kind: 'found', isAuthenticated: false }
  assert.deepEqual(await resolver.ask('a.test', 'A'), { ...found, records: ['192.0.2.1', '192.0.2.2'] })
  assert.deepEqual(await resolver.ask('A.Test.', 'AAAA'), { ...found, records: ['2001:db8::1'] })
  assert.deepEqual(await resolver.ask('a.test', 'MX'), {
    ...found,
    records: [
      { exchange: 'mx.a.test', priority: 10 },
      { exchange: '', priority: 20 },
    ],
  })
  assert.deepEqual(await resolver.ask('a.test', 'TXT'), { ...found, records: [['one ', 'record'], ['two']] })
  assert.deepEqual(await resolver.ask('1.2.0.192.in-addr.arpa', 'PTR'), { ...found, records: ['a.test'] })
  assert.deepEqual(await resolver.ask('_x._tcp.a.test', 'SRV'), {
    ...found,
    records: [{ priority: 1, weight: 2, port: 25, name: 'a.test' }],
  })
  assert.deepEqual(await resolver.ask('_25._tcp.a.test', 'TLSA'), {
    ...found,
    records: [{ usage: 3, selector: 1, matchingType: 1, certificate: Uint8Array.of(0xab, 0xcd) }],
  })
  assert.deepEqual(await resolver.ask('alias.test', 'A'), { ...found, records: ['192.0.2.1', '192.0.2.2'] })
  const absent = { kind: 'absent', isAuthenticated: false }
  assert.deepEqual(await resolver.ask('a.test', 'CNAME'), { ...absent, isName: true })
  assert.deepEqual(await resolver.ask('nowhere.test', 'A'), { ...absent, isName: false })
  assert.deepEqual(await resolver.ask('broken.test', 'A'), { kind: 'unavailable', why: 'SERVFAIL' })
  assert.deepEqual(await resolver.ask('silent.test', 'A'), { kind: 'unavailable', why: 'timeout' })
  assert.deepEqual(await resolverFor([]).ask('a.test', 'A'), {
    kind: 'unavailable',
    why: 'no name server is configured',
  })
})

test('every name that fits the wire is asked as it is; another does not exist', async (t) => {
  const { resolver, asked } = await start(t, {
    'A bob+tag._spf.d.test': ['127.0.0.2'],
    'A a b._spf.d.test': ['127.0.0.3'],
    "A !#$%&'*/=?^_`{|}~._spf.d.test": ['127.0.0.4'],
    'A jürgen._spf.d.test': ['127.0.0.5'],
  })
  for (const name of ['bob+tag', 'a b', "!#$%&'*/=?^_`{|}~", 'jürgen'])
    assert.equal((await resolver.ask(`${name}._spf.d.test`, 'A')).kind, 'found', name)
  const before = asked.length
  for (const name of [
    '',
    '.',
    'a..test',
    '.a.test',
    `${'x'.repeat(64)}.test`,
    `${'x.'.repeat(127)}test`,
    'a\n.test',
    '\ud800.test',
  ])
    assert.deepEqual(await resolver.ask(name, 'A'), { kind: 'absent', isName: false, isAuthenticated: false }, name)
  assert.equal(asked.length, before)
})

test('an answer that does not fit a datagram is fetched by TCP', async (t) => {
  const text = 'x'.repeat(4000)
  const { resolver, asked } = await start(t, { 'TXT a.test': [text] })
  const answer = await resolver.ask('a.test', 'TXT')
  assert.equal(answer.kind === 'found' && answer.records[0]?.join(''), text)
  assert.deepEqual(asked, ['TXT a.test', 'TXT a.test'])
})

test('a question is under way once, and its answer is kept for its TTL, an absence for a minute, a failure for seconds', async (t) => {
  const { resolver, asked, zone, clock } = await start(
    t,
    { 'A a.test': ['192.0.2.1'], 'A broken.test': 'SERVFAIL' },
    { ttl: 100 },
  )
  const both = await Promise.all([resolver.ask('a.test', 'A'), resolver.ask('A.TEST', 'A')])
  assert.equal(both[0], both[1])
  await resolver.ask('b.test', 'A')
  await resolver.ask('broken.test', 'A')
  assert.deepEqual(asked.splice(0), ['A a.test', 'A b.test', 'A broken.test'])
  const askAll = () => Promise.all(['a.test', 'b.test', 'broken.test'].map((name) => resolver.ask(name, 'A')))
  clock.now += 4_000
  await askAll()
  assert.deepEqual(asked.splice(0), [])
  clock.now += 2_000
  await askAll()
  assert.deepEqual(asked.splice(0), ['A broken.test'])
  zone['A b.test'] = ['192.0.2.9']
  assert.equal((await resolver.ask('b.test', 'A')).kind, 'absent')
  assert.equal((await resolver.ask('b.test', 'A', { fresh: true })).kind, 'found')
  clock.now += 95_000
  asked.splice(0)
  await resolver.ask('a.test', 'A')
  assert.deepEqual(asked, ['A a.test'])
})

test('the cache is bounded by octets, whatever the answers', async (t) => {
  const zone = Object.fromEntries(Array.from({ length: 60 }, (_, n) => [`TXT ${n}.test`, ['x'.repeat(2000)]]))
  const { resolver } = await start(t, zone, { cacheSize: '64 KiB' })
  for (let n = 0; n < 60; n++) assert.equal((await resolver.ask(`${n}.test`, 'TXT')).kind, 'found')
  assert.ok(resolver.size > 3 && resolver.size < 32, `${resolver.size} entries`)
})

test('a server that says it cannot, or keeps silent, is followed by the next one', async (t) => {
  const { dns } = await serveZone(t, { 'A a.test': ['192.0.2.1'] })
  const refusing = await serve(t, (query, send) => {
    const { id = 0, questions = [] } = decode(query)
    send(encode({ type: 'response', id, flags: 5, questions }))
  })
  const silent = await serve(t, () => {})
  const closed = createServer().listen(0, '127.0.0.1')
  await once(closed, 'listening')
  const nobody = `127.0.0.1:${(closed.address() as AddressInfo).port}`
  closed.close()
  for (const first of [refusing, silent, nobody]) {
    const answer = await resolverFor([first, ...dns.servers]).ask('a.test', 'A')
    assert.equal(answer.kind, 'found', first)
  }
})

test('a server without EDNS is asked without it, and a referral is no answer', async (t) => {
  const sizes: number[] = []
  const old = await serve(t, (query, send) => {
    const { id = 0, questions = [], additionals = [] } = decode(query)
    sizes.push(additionals.length)
    if (additionals.length > 0) send(encode({ type: 'response', id, flags: 1 }))
    else
      send(
        encode({
          type: 'response',
          id,
          flags: 0x80,
          questions,
          answers: [{ type: 'A', name: 'a.test', ttl: 9, data: '192.0.2.1' }],
        }),
      )
  })
  const resolver = resolverFor([old])
  assert.equal((await resolver.ask('a.test', 'A')).kind, 'found')
  await resolver.ask('a.test', 'A', { fresh: true })
  assert.deepEqual(sizes, [1, 0, 0])
  const authority = await serve(t, (query, send) => {
    const { id = 0, questions = [] } = decode(query)
    send(
      encode({ type: 'response', id, questions, authorities: [{ type: 'NS', name: 'test', ttl: 9, data: 'ns.test' }] }),
    )
  })
  assert.deepEqual(await resolverFor([authority]).ask('a.test', 'A'), {
    kind: 'unavailable',
    why: 'the server does not resolve',
  })
})

test('answers to other questions do not count', async (t) => {
  const forged = await serve(t, (query, send) => {
    const { id = 0, questions = [] } = decode(query)
    const answers = [{ type: 'A' as const, name: 'a.test', ttl: 9, data: '203.0.113.66' }]
    for (let n = 1; n <= 5; n++) send(encode({ type: 'response', id: (id + n) % 65_536, questions, answers }))
    send(encode({ type: 'response', id, questions: [{ type: 'A', name: 'b.test' }], answers }))
    send(encode({ type: 'query', id, questions, answers }))
    send(Buffer.from('x'))
    send(
      encode({
        type: 'response',
        id,
        flags: 0x80,
        questions,
        answers: [{ ...(answers[0] as (typeof answers)[0]), data: '192.0.2.1' }],
      }),
    )
  })
  const answer = await resolverFor([forged]).ask('a.test', 'A')
  assert.deepEqual(answer.kind === 'found' && answer.records, ['192.0.2.1'])
})

test('a server from which many wrong datagrams come is asked by TCP', async (t) => {
  const { resolver } = await start(t, { 'A a.test': ['192.0.2.1'] }, { strays: 25 })
  const answer = await resolver.ask('a.test', 'A')
  assert.deepEqual(answer.kind === 'found' && answer.records, ['192.0.2.1'])
})

test('whatever octets come back, the answer is one of the three', async (t) => {
  let reply = Buffer.alloc(0)
  const server = await serve(t, (query, send) => send(Buffer.concat([query.subarray(0, 2), reply])))
  const resolver = resolverFor([server], { timeout: '40 ms' })
  const question = encode({ type: 'query', id: 0, questions: [{ type: 'TXT', name: 'a.test' }] }).subarray(12)
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.boolean(), async (octets, isQuestion) => {
      const head = Buffer.from([0x80, 0x80, 0, 1, 0, octets[0] ?? 0, 0, octets[1] ?? 0, 0, 0])
      reply = isQuestion ? Buffer.concat([head, question, octets]) : Buffer.from([0x80, ...octets])
      const answer = await resolver.ask('a.test', 'TXT', { fresh: true })
      assert.ok(['found', 'absent', 'unavailable'].includes(answer.kind))
      if (answer.kind === 'found') for (const record of answer.records) assert.ok(Array.isArray(record))
    }),
    { numRuns: 60 },
  )
})

test('names in answers are printable, and odd ones lead nowhere', async (t) => {
  const { resolver } = await start(t, {
    'PTR 1.2.0.192.in-addr.arpa': ['evil\u001b[31m (x).test', 'good.test'],
    'A good.test': ['192.0.2.1'],
    'PTR 2.2.0.192.in-addr.arpa': ['other.test'],
    'A other.test': ['192.0.2.99'],
    'PTR 3.2.0.192.in-addr.arpa': 'SERVFAIL',
  })
  const pointers = await resolver.ask('1.2.0.192.in-addr.arpa', 'PTR')
  assert.deepEqual(pointers.kind === 'found' && pointers.records, ['evil\\027[31m\\032(x).test', 'good.test'])
  assert.deepEqual(await hostNameOf(resolver, '192.0.2.1'), { kind: 'confirmed', name: 'good.test' })
  assert.deepEqual(await hostNameOf(resolver, '::ffff:192.0.2.1'), { kind: 'confirmed', name: 'good.test' })
  assert.deepEqual(await hostNameOf(resolver, '192.0.2.2'), { kind: 'false' })
  assert.deepEqual(await hostNameOf(resolver, '192.0.2.3'), { kind: 'unavailable' })
  assert.deepEqual(await hostNameOf(resolver, '192.0.2.4'), { kind: 'absent' })
})

test('the AD bit counts from this machine, and from elsewhere only where the administrator trusts it', async (t) => {
  const { resolver } = await start(t, { 'A a.test': ['192.0.2.1'] }, { isSigned: true })
  for (const name of ['a.test', 'nowhere.test']) {
    const answer = await resolver.ask(name, 'A')
    assert.equal(answer.kind !== 'unavailable' && answer.isAuthenticated, true)
  }
})

test('a host that the administrator names is looked up as the system does it', async () => {
  const resolver = createDns(dnsOptions.parse({}), () => 0)
  assert.deepEqual(await resolver.host('192.0.2.1'), { kind: 'found', records: ['192.0.2.1'], isAuthenticated: false })
  const local = await resolver.host('localhost')
  assert.deepEqual(local.kind === 'found' && local.records, ['::1', '127.0.0.1'])
})
