/** DANE for SMTP (RFC 7672), with zones signed for Debian's bind9 and validated by Debian's unbound. */
import assert from 'node:assert/strict'
import { createHash, X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { before, type TestContext, test } from 'node:test'
import { type MailParameters, selfSigned } from 'iems'
import { smtpOut } from 'iems/plugins/smtp-out'
import { createTestKernel, runProgram, testClock } from 'iems/testing'
import { freePort } from '../support/running-server.ts'
import { type Resolver, startValidating } from '../support/signed-zones.ts'
import { type SinkOptions, startSink, USUAL } from '../support/smtp-sink.ts'

const closing: (() => void)[] = []
const scope = { after: (end: () => void) => void closing.push(end) }
let resolver: Resolver
let port: number
/** An end certificate for other names that has expired: DANE-EE regards neither. */
let expired: { cert: string; key: string }
/** For mx.ta.test, issued by an authority of its own; the chain has both. */
let chained: { cert: string; key: string; authority: string }
const stranger = selfSigned(['stranger.test'])

before(async () => {
  port = await freePort()
  expired = selfSigned(['elsewhere.test'], new Date('2001-01-01'))
  chained = await issued('mx.ta.test')
  const ee = tlsa(3, 1, expired.cert)
  const mx = (host: string, priority = 10) => `@ IN MX ${priority} ${host}`
  const at = (host: string, record: string) => `_${port}._tcp.${host} IN TLSA ${record}`
  const host = (name: string, address = '127.0.0.1') => `${name} IN A ${address}`
  const ta = (record: string) => [mx('mx'), host('mx'), at('mx', record)]
  resolver = await startValidating(scope, {
    'ee.test': { records: [mx('mx'), host('mx'), at('mx', ee)] },
    'full.test': { records: [mx('mx'), host('mx'), at('mx', tlsa(3, 0, expired.cert, 0))] },
    'wrong.test': { records: [mx('mx'), host('mx'), at('mx', tlsa(3, 1, stranger.cert))] },
    'rollover.test': { records: [mx('mx'), host('mx'), at('mx', tlsa(3, 1, stranger.cert)), at('mx', ee)] },
    'ta.test': { records: ta(tlsa(2, 0, chained.authority)) },
    'otherta.test': { records: ta(tlsa(2, 1, chained.authority)) },
    'usage1.test': { records: ta(tlsa(1, 1, expired.cert)) },
    'none.test': { records: [mx('mx'), host('mx')] },
    'plain.test': { records: [mx('mx'), host('mx'), at('mx', tlsa(3, 1, stranger.cert))], fault: 'none' },
    'bogus.test': { records: [mx('mx'), host('mx', '127.0.0.66'), at('mx', ee)], fault: 'bogus' },
    'expired.test': { records: [mx('mx'), host('mx'), at('mx', ee)], fault: 'expired' },
    'alias.test': { records: [mx('mx'), 'mx IN CNAME real', host('real'), at('real', ee)] },
    'several.test': {
      records: [
        mx('one', 10),
        mx('two', 20),
        host('one'),
        host('two', '127.0.0.2'),
        at('one', tlsa(3, 1, stranger.cert)),
        at('two', ee),
      ],
    },
    'halfplain.test': { records: [mx('mx.plain.test.')] },
  })
})
test.after(() => {
  for (const end of closing) end()
})

/** A TLSA record's data: SHA-256 unless another matching type is given. */
function tlsa(usage: number, selector: number, pem: string, matching = 1): string {
  const { raw, publicKey } = new X509Certificate(pem)
  const data = selector === 0 ? raw : publicKey.export({ type: 'spki', format: 'der' })
  const hex = matching === 0 ? data.toString('hex') : createHash('sha256').update(data).digest('hex')
  return `${usage} ${selector} ${matching} ${hex}`
}

/** A certificate issued by an authority, by openssl. */
async function issued(name: string) {
  const at = (file: string) => join(folder, file)
  const folder = mkdtempSync(join(tmpdir(), 'iems-dane-'))
  const openssl = (...args: string[]) => runProgram('openssl', args, { cwd: folder })
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  await openssl(
    'req',
    '-x509',
    ...ec,
    '-keyout',
    'ca.key',
    '-out',
    'ca.pem',
    '-subj',
    '/CN=Authority',
    '-addext',
    'basicConstraints=critical,CA:TRUE,pathlen:0',
  )
  await openssl(
    'req',
    ...ec,
    '-keyout',
    'key.pem',
    '-out',
    'req.pem',
    '-subj',
    '/CN=leaf',
    '-addext',
    `subjectAltName=DNS:${name}`,
  )
  await openssl(
    'x509',
    '-req',
    '-in',
    'req.pem',
    '-CA',
    'ca.pem',
    '-CAkey',
    'ca.key',
    '-CAcreateserial',
    '-copy_extensions',
    'copy',
    '-out',
    'cert.pem',
  )
  const authority = readFileSync(at('ca.pem'), 'utf8')
  return { cert: readFileSync(at('cert.pem'), 'utf8') + authority, key: readFileSync(at('key.pem'), 'utf8'), authority }
}

interface Sent {
  /** `delivered 250 2.0.0`. */
  readonly outcome: string
  readonly text: string
  /** For each message that a server took: whether it came under TLS. */
  readonly taken: readonly boolean[]
  /** Results for reports: `tlsa mx.ee.test ok`. */
  readonly results: readonly string[]
}

interface How {
  readonly parameters?: MailParameters
  readonly fields?: string
  readonly options?: Parameters<typeof smtpOut>[0]
}

/** Sends a message to the domain, whose hosts are the given servers on 127.0.0.1, 127.0.0.2, … */
async function send(t: TestContext, domain: string, servers: readonly SinkOptions[], how: How = {}): Promise<Sent> {
  const { parameters = {}, fields = '', options } = how
  const sinks = await Promise.all(
    servers.map((one, index) => startSink(t, { ...one, listen: { host: `127.0.0.${index + 1}`, port } })),
  )
  const usual = { localMx: true, port, families: ['ipv4' as const], mtaSts: false }
  const kernel = await createTestKernel(t, {
    dns: { servers: [resolver.address] },
    clock: testClock(Date.now()),
    channels: { out: smtpOut({ ...usual, dane: { probe: 'ee.test' }, ...options }) },
  })
  const content = `From: a@sender.test\r\n${fields}\r\nHello.\r\n`
  await kernel.submit({ from: '', to: [`b@${domain}`], content, parameters })
  await kernel.deliver()
  const end = kernel.events.find(({ name }) => /^delivery\.(?:delivered|deferred|failed)$/.test(name))
  const [reply = '', ...text] = String(end?.reply).split(/(?<=^\S+ \S+) /)
  const results = kernel.events.filter(({ name }) => name === 'smtp-out.tls')
  await kernel.close()
  await Promise.all(sinks.map((sink) => sink.close()))
  return {
    outcome: `${end?.name.replace('delivery.', '')} ${reply}`,
    text: text.join(' '),
    taken: sinks.flatMap(({ messages }) => messages.map(({ secure }) => secure)),
    results: results.map(({ policyType, host, failure = 'ok' }) => `${policyType} ${host} ${failure}`),
  }
}

const secured = (given: { cert: string; key: string }): SinkOptions => ({ tls: given })
const DELIVERED = { outcome: 'delivered 250 2.0.0', taken: [true] }
const DEFERRED = { outcome: 'deferred 451 4.7.5', taken: [] }
const outcomeOf = ({ outcome, taken }: Sent) => ({ outcome, taken })

test('usage 3: the certificate or its key; its names and dates do not matter; one of several records is enough', async (t) => {
  for (const domain of ['ee.test', 'full.test', 'rollover.test', 'alias.test']) {
    const sent = await send(t, domain, [secured(expired)])
    assert.deepEqual(outcomeOf(sent), DELIVERED, domain)
    assert.deepEqual(sent.results, [`tlsa mx.${domain} ok`])
  }
})

test('another certificate: never delivered, neither with it nor in the clear', async (t) => {
  const sent = await send(t, 'wrong.test', [secured(expired)])
  assert.deepEqual(outcomeOf(sent), DEFERRED)
  assert.match(sent.text, /the certificate does not match the TLSA records/)
  assert.deepEqual(sent.results, ['tlsa mx.wrong.test validation-failure'])
})

test('a downgrade never delivers: without STARTTLS, with STARTTLS refused, with a broken start', async (t) => {
  const attacks: readonly SinkOptions[] = [
    { ehlo: USUAL },
    { ehlo: [...USUAL, 'STARTTLS'], answer: (command) => (command === 'STARTTLS' ? '454 4.7.0 Not now' : undefined) },
    { ehlo: [...USUAL, 'STARTTLS'], answer: (command) => (command === 'STARTTLS' ? ['220 Go', '250 No'] : undefined) },
    { ehlo: [...USUAL, 'STARTTLS'], answer: (command) => (command === 'STARTTLS' ? 'drop' : undefined) },
  ]
  for (const attack of attacks) {
    const { outcome, taken } = await send(t, 'ee.test', [attack])
    assert.match(outcome, /^deferred 4\d1 4\.(?:7\.[45]|4\.2)$/)
    assert.deepEqual(taken, [])
  }
})

test('usage 2: the chain leads to the authority of the record, the name and the dates count', async (t) => {
  assert.deepEqual(outcomeOf(await send(t, 'ta.test', [secured(chained)])), DELIVERED)
  // Issued by the same authority, for another name.
  const other = await send(t, 'otherta.test', [secured(chained)])
  assert.deepEqual(outcomeOf(other), DEFERRED)
  assert.match(other.text, /the certificate is not for mx\.otherta\.test/)
  assert.deepEqual(outcomeOf(await send(t, 'ta.test', [secured(stranger)])), DEFERRED)
})

test('only usages that SMTP does not use: TLS with any certificate, never in the clear', async (t) => {
  assert.deepEqual(outcomeOf(await send(t, 'usage1.test', [secured(stranger)])), DELIVERED)
  assert.deepEqual((await send(t, 'usage1.test', [{ ehlo: USUAL }])).taken, [])
})

test('unsigned zones and zones without records are as before: opportunistic', async (t) => {
  for (const domain of ['none.test', 'plain.test', 'halfplain.test']) {
    assert.deepEqual(outcomeOf(await send(t, domain, [secured(expired)])), DELIVERED, domain)
    assert.deepEqual((await send(t, domain, [{ ehlo: USUAL }])).taken, [false], domain)
  }
})

test('bogus and expired signatures: nothing is delivered, in any way', async (t) => {
  for (const domain of ['bogus.test', 'expired.test']) {
    const { outcome, taken } = await send(t, domain, [secured(expired)])
    assert.match(outcome, /^deferred 451 4\.(?:4\.3|7\.5)$/, domain)
    assert.deepEqual(taken, [], domain)
  }
})

test('several servers: one whose certificate is wrong is passed over for the next', async (t) => {
  const sent = await send(t, 'several.test', [secured(expired), secured(expired)])
  assert.deepEqual(outcomeOf(sent), DELIVERED)
  assert.deepEqual(sent.results, ['tlsa one.several.test validation-failure', 'tlsa two.several.test ok'])
})

test('REQUIRETLS: DNSSEC establishes the servers; without it and without MTA-STS the message is returned', async (t) => {
  const ready = { ehlo: [...USUAL, 'REQUIRETLS'], ...secured(expired) }
  const how: How = { parameters: { requireTls: true } }
  assert.deepEqual(outcomeOf(await send(t, 'ee.test', [ready], how)), DELIVERED)
  // Signed, without TLSA records: an ordinary certificate is wanted, and this one is not valid.
  for (const domain of ['none.test', 'plain.test', 'wrong.test'])
    assert.deepEqual(
      outcomeOf(await send(t, domain, [ready], how)),
      { outcome: 'failed 550 5.7.30', taken: [] },
      domain,
    )
})

test('the sender may waive it (TLS-Required: no), and the administrator may decide for a next hop', async (t) => {
  const waived = await send(t, 'wrong.test', [secured(expired)], { fields: 'TLS-Required: No\r\n' })
  assert.deepEqual(outcomeOf(waived), DELIVERED)
  const options = { tlsPolicy: { 'wrong.test': 'opportunistic' as const } }
  assert.deepEqual(outcomeOf(await send(t, 'wrong.test', [secured(expired)], { options })), DELIVERED)
  assert.deepEqual(outcomeOf(await send(t, 'wrong.test', [secured(expired)], { options: { dane: false } })), DELIVERED)
})

test('name servers that do not validate are a problem that status shows', async (t) => {
  for (const [probe, count] of [
    ['ee.test', 0],
    ['plain.test', 1],
    ['expired.test', 1],
  ] as const) {
    const kernel = await createTestKernel(t, {
      dns: { servers: [resolver.address] },
      channels: { out: smtpOut({ dane: { probe } }) },
    })
    const problems = (await kernel.kernel.hosts.find(({ name }) => name === 'out')?.parts.health?.()) ?? []
    assert.equal(problems.length, count, probe)
  }
})
