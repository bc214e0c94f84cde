/** How smtp-out protects what it sends: TLS by setting, by MTA-STS, by REQUIRETLS; and the password. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { type Store, secret } from 'iems'
import { memoryStore } from 'iems/testing'
import { type FixedDns, fixedDns, type SmtpOutOptions, startChannel } from '../support/smtp-out.ts'
import { type Answer, type Sink, type SinkOptions, startSink, USUAL } from '../support/smtp-sink.ts'

const at = (name: string) => `test/fixtures/tls/${name}`
/** Valid for mx.test and localhost; the authority that signed it is itself. */
const MX = { cert: readFileSync(at('mx.pem')), key: readFileSync(at('mx.key')) }
/** Valid for other.test and *.wild.test. */
const OTHER = { cert: readFileSync(at('other.pem')), key: readFileSync(at('other.key')) }

const HOSTS = fixedDns({ 'mx.test': { a: ['127.0.0.1'] }, 'wrong.test': { a: ['127.0.0.1'] } })

async function startAt(t: TestContext, options: SmtpOutOptions, sinkOptions: SinkOptions = {}, host = 'mx.test') {
  const sink = await startSink(t, { tls: MX, ...sinkOptions })
  const channel = await startChannel(t, { dns: HOSTS, nexthop: `${host}:${sink.port}`, families: ['ipv4'], ...options })
  return { sink, channel }
}

const isSecure = (sink: Sink) => sink.messages.map(({ secure }) => secure)
const GONE = /^deferred b@b.test 4\d\d 4\.7\.[45] /

// --- the setting ---

test('opportunistic: TLS when it is offered, with any certificate', async (t) => {
  const { sink, channel } = await startAt(t, {}, {}, 'wrong.test')
  assert.deepEqual(await channel.tell(), ['delivered b@b.test 250 2.0.0 Taken'])
  assert.deepEqual(isSecure(sink), [true])
  assert.deepEqual(sink.commands.slice(0, 4), [
    'EHLO iems.test',
    'STARTTLS',
    'EHLO iems.test',
    'MAIL FROM:<a@a.test> SIZE=41',
  ])
})

test('opportunistic: in the clear when there is none, or when it is refused, or when the handshake fails', async (t) => {
  const scripts: readonly (readonly [SinkOptions, connections: number])[] = [
    [{ ehlo: USUAL }, 1],
    [
      { ehlo: [...USUAL, 'STARTTLS'], answer: (command) => (command === 'STARTTLS' ? '454 4.7.0 Not now' : undefined) },
      1,
    ],
    // Says it is ready, and then answers the handshake as if it were a command.
    [
      {
        ehlo: [...USUAL, 'STARTTLS'],
        answer: (command) => (/^[A-Z]+\b/.test(command) || command === '' ? undefined : '500 What?'),
      },
      2,
    ],
  ]
  for (const [script, connections] of scripts) {
    const sink = await startSink(t, script)
    const channel = await startChannel(t, { nexthop: sink.nexthop, timeouts: { connect: '300 ms' } })
    assert.deepEqual(await channel.tell(), ['delivered b@b.test 250 2.0.0 Taken'])
    assert.deepEqual([sink.sessions.length, isSecure(sink)], [connections, [false]])
  }
})

test('off: never TLS', async (t) => {
  const { sink, channel } = await startAt(t, { tls: 'off' })
  await channel.send()
  assert.deepEqual(isSecure(sink), [false])
})

test('required: any certificate will do, no TLS will not', async (t) => {
  const { sink, channel } = await startAt(t, { tls: 'required' }, {}, 'wrong.test')
  await channel.send()
  assert.deepEqual(isSecure(sink), [true])
  const plain = await startSink(t)
  const other = await startChannel(t, { nexthop: plain.nexthop, tls: 'required' })
  assert.match((await other.tell())[0] ?? '', GONE)
  assert.equal(
    plain.commands.some((command) => command.startsWith('MAIL')),
    false,
  )
})

test('verified: the certificate has to be trusted and to name the host', async (t) => {
  const trusted = await startAt(t, { tls: 'verified', ca: at('mx.pem') })
  assert.deepEqual(await trusted.channel.tell(), ['delivered b@b.test 250 2.0.0 Taken'])
  assert.deepEqual(isSecure(trusted.sink), [true])
  for (const { sink, channel } of [
    await startAt(t, { tls: 'verified' }),
    await startAt(t, { tls: 'verified', ca: at('mx.pem') }, {}, 'wrong.test'),
    await startAt(t, { tls: 'verified', ca: at('mx.pem') }, { tls: OTHER }),
  ]) {
    assert.match((await channel.tell())[0] ?? '', GONE)
    assert.equal(sink.sessions.length, 1)
    assert.equal(sink.messages.length, 0)
  }
})

test('single next hops may have another setting', async (t) => {
  const { channel, sink } = await startAt(t, { tls: 'off', tlsPolicy: { 'MX.test': 'required' } })
  await channel.send()
  assert.deepEqual(isSecure(sink), [true])
})

test('implicit TLS speaks TLS from the first octet, and never gives it up', async (t) => {
  const { sink, channel } = await startAt(
    t,
    { implicitTls: true, tls: 'verified', ca: at('mx.pem') },
    { tls: { ...MX, implicit: true } },
  )
  assert.deepEqual(await channel.tell(), ['delivered b@b.test 250 2.0.0 Taken'])
  assert.equal(sink.commands.includes('STARTTLS'), false)
  const plain = await startSink(t)
  const brief = await startChannel(t, { nexthop: plain.nexthop, implicitTls: true, timeouts: { connect: '100 ms' } })
  assert.match((await brief.tell())[0] ?? '', GONE)
  assert.equal(plain.messages.length, 0)
})

test('what a server says in plain text after STARTTLS is not taken for what it says under TLS', async (t) => {
  const smuggle = (command: string): Answer | undefined =>
    command === 'STARTTLS' ? ['220 Ready', '250-x', '250 AUTH PLAIN'] : undefined
  const { sink, channel } = await startAt(t, { tls: 'required' }, { answer: smuggle })
  assert.match((await channel.tell())[0] ?? '', GONE)
  assert.equal(sink.messages.length, 0)
})

// --- the password ---

const AUTH = { user: 'me', password: secret.value('open sesame') }
const proven = (command: string): Answer | undefined => {
  if (command === 'AUTH LOGIN') return '334 VXNlcm5hbWU6'
  if (command === Buffer.from('me').toString('base64')) return '334 UGFzc3dvcmQ6'
  if (command === `AUTH PLAIN ${Buffer.from('\0me\0open sesame').toString('base64')}`) return '235 2.7.0 Welcome'
  if (command === Buffer.from('open sesame').toString('base64')) return '235 2.7.0 Welcome'
  return command.startsWith('AUTH') ? '535 5.7.8 No' : undefined
}

test('AUTH by PLAIN or LOGIN, by default only under verified TLS', async (t) => {
  for (const mechanisms of ['PLAIN LOGIN', 'LOGIN']) {
    const { sink, channel } = await startAt(
      t,
      { auth: AUTH, ca: at('mx.pem') },
      { ehlo: [...USUAL, `AUTH ${mechanisms}`], answer: proven },
    )
    assert.deepEqual(await channel.tell(), ['delivered b@b.test 250 2.0.0 Taken'])
    assert.deepEqual(isSecure(sink), [true])
  }
  const wrong = await startAt(t, { auth: AUTH }, { ehlo: ['AUTH PLAIN'], answer: proven })
  assert.match((await wrong.channel.tell())[0] ?? '', GONE)
  assert.equal(
    wrong.sink.commands.some((command) => command.startsWith('AUTH')),
    false,
  )
})

test('the password never passes in the clear unless the admin says so', async (t) => {
  const script = { ehlo: ['AUTH PLAIN'], answer: proven }
  const sink = await startSink(t, script)
  const careful = await startChannel(t, { nexthop: sink.nexthop, auth: AUTH, tls: 'opportunistic' })
  assert.match((await careful.tell())[0] ?? '', /^deferred b@b.test 454 4.7.0 /)
  assert.equal(
    sink.commands.some((command) => command.startsWith('AUTH')),
    false,
  )
  const trusting = await startChannel(t, {
    nexthop: sink.nexthop,
    auth: { ...AUTH, withoutTls: true },
    tls: 'opportunistic',
  })
  assert.match((await trusting.tell())[0] ?? '', /^delivered/)
})

test('a wrong password, or no way to give it, puts the message off', async (t) => {
  for (const keyword of ['AUTH PLAIN', 'AUTH GSSAPI']) {
    const sink = await startSink(t, { ehlo: [keyword], answer: proven })
    const auth = { user: 'me', password: secret.value('wrong'), withoutTls: true }
    const channel = await startChannel(t, { nexthop: sink.nexthop, auth, tls: 'off' })
    assert.match((await channel.tell())[0] ?? '', /^deferred b@b.test 454 4.7.0 /)
    assert.equal(sink.messages.length, 0)
  }
})

// --- MTA-STS ---

interface PolicyServer {
  readonly port: number
  readonly asked: () => number
  body: string
  type: string
  status: number
}

async function startPolicies(t: TestContext, body: string): Promise<PolicyServer> {
  let asked = 0
  const made = { body, type: 'text/plain; charset=utf-8', status: 200 }
  const server = createServer(OTHER, (_, response) => {
    asked++
    response.writeHead(made.status, { 'content-type': made.type, location: '/elsewhere' }).end(made.body)
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return Object.assign(made, { port: (server.address() as AddressInfo).port, asked: () => asked })
}

const policy = (mode: string, mx: readonly string[], age = 86_400) =>
  ['version: STSv1', `mode: ${mode}`, ...mx.map((name) => `mx: ${name}`), `max_age: ${age}`, ''].join('\r\n')

const zone = (id: string | undefined, mx = 'mx.wild.test'): FixedDns =>
  fixedDns({
    'wild.test': { mx: [`10 ${mx}`] },
    'mx.wild.test': { a: ['127.0.0.1'] },
    'wrong.test': { a: ['127.0.0.1'] },
    'mta-sts.wild.test': { a: ['127.0.0.1'] },
    ...(id === undefined ? {} : { '_mta-sts.wild.test': { txt: [`v=STSv1; id=${id};`] } }),
  })

/** A domain `wild.test` whose policy is `body` and whose server has the certificate given. */
async function startWild(
  t: TestContext,
  body: string,
  options: {
    tls?: typeof MX
    dns?: FixedDns
    channel?: SmtpOutOptions
    now?: () => number
    plain?: boolean
    store?: Store
  } = {},
) {
  const policies = await startPolicies(t, body)
  const sink = await startSink(t, options.plain ? {} : { tls: options.tls ?? OTHER })
  const settings = {
    dns: options.dns ?? zone('1'),
    port: sink.port,
    families: ['ipv4' as const],
    ca: at('other.pem'),
    mtaSts: { port: policies.port },
    keep: { connections: 0 },
  }
  const channel = await startChannel(t, { ...settings, ...options.channel }, options.now, options.store)
  const tell = async (letter = {}) => (await channel.tell({ nexthop: 'wild.test', ...letter }))[0] ?? ''
  return { policies, sink, channel, tell }
}

test('MTA-STS enforce: a server in the policy with a valid certificate gets the mail', async (t) => {
  const { sink, tell, policies } = await startWild(t, policy('enforce', ['*.wild.test']))
  assert.match(await tell(), /^delivered/)
  assert.match(await tell(), /^delivered/)
  assert.deepEqual([isSecure(sink), policies.asked()], [[true, true], 1])
})

test('MTA-STS enforce: no TLS, a wrong certificate, a server not in the policy get nothing', async (t) => {
  const body = policy('enforce', ['mx.wild.test'])
  for (const wrong of [{ plain: true }, { tls: MX }, { dns: zone('1', 'wrong.test') }]) {
    const { sink, tell } = await startWild(t, body, wrong)
    assert.match(await tell(), /^deferred b@b.test 451 4.7.[45] /)
    assert.equal(sink.messages.length, 0)
  }
})

test('MTA-STS: testing, none, no record, switched off, and the admin’s own setting for the domain enforce nothing', async (t) => {
  const enforce = policy('enforce', ['elsewhere.test'])
  for (const [body, rest] of [
    [policy('testing', ['elsewhere.test']), {}],
    [policy('none', []), {}],
    [enforce, { dns: zone(undefined) }],
    [enforce, { channel: { mtaSts: false } }],
    [enforce, { channel: { tls: 'off' } }],
    [enforce, { channel: { tlsPolicy: { 'wild.test': 'opportunistic' } } }],
  ] as const) {
    const { tell } = await startWild(t, body, rest)
    assert.match(await tell(), /^delivered/)
  }
  const { tell } = await startWild(t, enforce)
  assert.match(await tell({ headers: { 'TLS-Required': ['No'] } }), /^delivered/)
  assert.match(await tell(), /^deferred/)
})

test('MTA-STS: what is not a policy, or comes by a redirect or a wrong certificate, counts for nothing', async (t) => {
  const body = policy('enforce', ['elsewhere.test'])
  for (const change of [
    { body: 'version: STSv1\n' },
    { type: 'text/html' },
    { status: 302 },
    { body: body + 'x'.repeat(70_000) },
  ]) {
    const { tell, policies } = await startWild(t, body)
    Object.assign(policies, change)
    assert.match(await tell(), /^delivered/)
    assert.match(await tell(), /^delivered/)
    assert.equal(policies.asked(), 1)
  }
  const { tell, policies } = await startWild(t, body, { channel: { ca: at('mx.pem') } })
  assert.match(await tell(), /^delivered/)
  assert.equal(policies.asked(), 0)
})

test('MTA-STS: a policy holds until it expires, is fetched again when its id changes, and survives a failed fetch', async (t) => {
  let time = 0
  const dns = zone('1')
  const setId = (id: string | undefined) => {
    if (id === undefined) delete dns.zone['TXT _mta-sts.wild.test']
    else dns.zone['TXT _mta-sts.wild.test'] = [`v=STSv1; id=${id}`]
  }
  const { tell, policies } = await startWild(t, policy('enforce', ['elsewhere.test'], 100_000), {
    dns,
    now: () => time,
  })
  assert.match(await tell(), /^deferred/)
  time += 600_000
  setId(undefined)
  assert.match(await tell(), /^deferred/, 'its record is gone')
  time += 600_000
  setId('2')
  policies.status = 500
  assert.match(await tell(), /^deferred/, 'the new one cannot be fetched')
  assert.equal(policies.asked(), 2)
  setId(undefined)
  time += 600_000
  assert.match(await tell(), /^deferred/, 'nor can its record be seen')
  setId('2')
  time += 600_000
  policies.status = 200
  policies.body = policy('none', [])
  assert.match(await tell(), /^delivered/, 'the new one has come')
  assert.equal(policies.asked(), 3)
})

test('MTA-STS: a policy outlives a restart, for as long as it said', async (t) => {
  let time = 0
  const store = memoryStore({ now: () => time })
  const body = policy('enforce', ['elsewhere.test'], 100_000)
  const dns = zone('1')
  const first = await startWild(t, body, { dns, now: () => time, store })
  assert.match(await first.tell(), /^deferred/)
  assert.equal(first.policies.asked(), 1)
  const gone = zone(undefined)
  time += 600_000
  const second = await startWild(t, policy('none', []), { dns: gone, now: () => time, store })
  assert.match(await second.tell(), /^deferred/, 'its record is suppressed')
  const third = await startWild(t, body, { dns: zone('1'), now: () => time, store })
  assert.match(await third.tell(), /^deferred/)
  assert.equal(third.policies.asked(), 0, 'it is not fetched again')
  time += 100_000_000
  const last = await startWild(t, body, { dns: gone, now: () => time, store })
  assert.match(await last.tell(), /^delivered/, 'it has expired')
})

test('MTA-STS: a policy server at this host is not asked', async (t) => {
  const { tell, policies } = await startWild(t, policy('enforce', ['elsewhere.test']), { channel: { localMx: false } })
  assert.match(await tell(), /^failed .* 5.4.6 /)
  assert.equal(policies.asked(), 0)
})

// --- REQUIRETLS ---

test('REQUIRETLS: passed on under verified TLS to a server that keeps it, else failed', async (t) => {
  const parameters = { requireTls: true }
  const options = { ca: at('mx.pem') }
  const { sink, channel } = await startAt(t, options, { ehlo: [...USUAL, 'REQUIRETLS'] })
  assert.match((await channel.tell({ parameters }))[0] ?? '', /^delivered/)
  assert.equal(sink.commands.at(-4), 'MAIL FROM:<a@a.test> SIZE=41 REQUIRETLS')
  for (const [script, host] of [
    [{}, 'mx.test'],
    [{ ehlo: ['REQUIRETLS'] }, 'wrong.test'],
  ] as const) {
    const lacking = await startAt(t, options, script, host)
    assert.match((await lacking.channel.tell({ parameters }))[0] ?? '', /^failed b@b.test 550 5.7.30 /)
    assert.equal(lacking.sink.messages.length, 0)
  }
  const plain = await startSink(t, { ehlo: ['REQUIRETLS'] })
  const third = await startChannel(t, { nexthop: plain.nexthop })
  assert.match((await third.tell({ parameters }))[0] ?? '', /^failed b@b.test 550 5.7.30 /)
})

test('REQUIRETLS by MX: the servers have to be those of an MTA-STS policy', async (t) => {
  const parameters = { requireTls: true }
  for (const [mx, outcome] of [
    ['*.wild.test', /^failed .* 550 5.7.30 /],
    ['elsewhere.test', /^failed .* 550 5.7.30 /],
  ] as const) {
    const { sink, tell } = await startWild(t, policy('testing', [mx]))
    assert.match(await tell({ parameters }), outcome)
    assert.equal(sink.sessions.length, mx === '*.wild.test' ? 1 : 0)
  }
})
