/** Certificates by ACME from Debian's pebble, in every challenge; DNS by Debian's bind9. */
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { appendFile, copyFile, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { before, type TestContext, test } from 'node:test'
import { connect } from 'node:tls'
import { createDns, dnsOptions, type PluginEntry, secret } from 'iems'
import { acme } from 'iems/plugins/acme'
import { http } from 'iems/plugins/http'
import { smtpIn } from 'iems/plugins/smtp-in'
import { zones } from 'iems/plugins/zones'
import { createTestKernel, memoryStore, type TestKernel, type TestKernelOptions, testClock } from 'iems/testing'
import { certificateId } from '../../plugins/domain/acme/authority.ts'
import { isDue } from '../../plugins/domain/acme/renewal.ts'
import { type Named, startNamed } from '../support/bind9.ts'
import { type Pebble, startPebble } from '../support/pebble.ts'
import { freePort, tempFolder } from '../support/running-server.ts'

const closing: (() => void)[] = []
const scope = { after: (end: () => void) => void closing.push(end) }
let named: Named
let pebble: Pebble

before(async () => {
  named = await startNamed(scope, {
    'acme.test': {
      records: ['mail 60 IN A 127.0.0.1', 'imap 60 IN A 127.0.0.1', '@ 60 IN A 127.0.0.1'],
      isDynamic: true,
    },
  })
  pebble = await startPebble(scope, { dns: named.address })
})
test.after(() => {
  for (const end of closing) end()
})

type AcmeOptions = Parameters<typeof acme>[0]

const LISTENER = smtpIn({ listen: '127.0.0.1:0', tls: { mode: 'implicit' }, clientNameTimeout: '0 s' })

function pluginsWith(options: Partial<AcmeOptions>): PluginEntry[] {
  const { directory, ca } = pebble
  const key = { ...named.key, secret: secret.value(named.key.secret) }
  return [
    acme({
      certificates: [{ names: ['mail.acme.test'] }],
      agreeToTerms: true,
      authorities: [{ directory, ca }],
      dnsDelay: '0 s',
      ...options,
    }),
    zones({ zones: [{ name: 'acme.test', server: named.address, key }] }),
  ]
}

function kernelWith(t: TestContext, options: Partial<AcmeOptions>, more: Partial<TestKernelOptions> = {}) {
  return createTestKernel(t, {
    hostname: 'mail.acme.test',
    dns: { servers: [named.address] },
    clock: testClock(Date.now()),
    channels: { in: LISTENER },
    plugins: pluginsWith(options),
    ...more,
  })
}

/** The certificate that a listener presents to a client that asks for this name. */
async function presented(port: number, servername: string): Promise<X509Certificate> {
  const socket = connect({ port, host: '127.0.0.1', servername, rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const { raw } = socket.getPeerCertificate()
  socket.destroy()
  return new X509Certificate(raw)
}

test('http-01: a certificate for several names, used by listeners without a restart', async (t) => {
  const kernel = await kernelWith(t, {
    certificates: [{ names: ['mail.acme.test', 'imap.acme.test'] }],
    challenges: ['http-01'],
    listenHttp: `127.0.0.1:${pebble.httpPort}`,
  })
  const { port } = kernel.listener('in')
  const first = await presented(port, 'mail.acme.test')
  assert.equal(first.issuer, 'CN=mail.acme.test')
  const idle = connect({ port, host: '127.0.0.1', servername: 'mail.acme.test', rejectUnauthorized: false })
  await once(idle, 'data')

  assert.deepEqual(await renew(kernel), ['mail.acme.test  ordered'])
  for (const name of ['mail.acme.test', 'imap.acme.test']) {
    const certificate = await presented(port, name)
    assert.match(certificate.issuer, /Pebble Intermediate/)
    assert.equal(certificate.subjectAltName, 'DNS:mail.acme.test, DNS:imap.acme.test')
  }
  // The session from before goes on.
  idle.write('NOOP\r\n')
  const [answer] = await once(idle, 'data')
  assert.match(String(answer), /^250 /)
  idle.destroy()
})

const renew = async (kernel: TestKernel, ...names: string[]) =>
  (await kernel.command('acme renew', { values: { names } })).map((line) => 'text' in line && line.text)

test('http-01 through the http plugin; tls-alpn-01 through its TLS listener and through one of its own', async (t) => {
  const ways: readonly (readonly [Partial<AcmeOptions>, PluginEntry | undefined])[] = [
    [{ challenges: ['http-01'] }, http({ listen: `127.0.0.1:${pebble.httpPort}`, authWithoutTls: true })],
    [{ challenges: ['tls-alpn-01'] }, http({ listen: `127.0.0.1:${pebble.tlsPort}`, tls: {} })],
    [{ challenges: ['tls-alpn-01'], listenTls: `127.0.0.1:${pebble.tlsPort}` }, undefined],
  ]
  for (const [options, more] of ways) {
    const kernel = await kernelWith(t, options, more ? { channels: { in: LISTENER, web: more } } : {})
    assert.deepEqual(await renew(kernel), ['mail.acme.test  ordered'])
    assert.match((await presented(kernel.listener('in').port, 'mail.acme.test')).issuer, /Pebble/)
    await kernel.close()
  }
})

test('dns-01: a wildcard and its domain, by signed updates; nothing stays in the zone; the key stays at renewal', async (t) => {
  const kernel = await kernelWith(t, {
    challenges: ['dns-01'],
    certificates: [{ names: ['acme.test', '*.acme.test'], keyType: 'rsa' }],
  })
  assert.deepEqual(await renew(kernel), ['acme.test  ordered'])
  const { port } = kernel.listener('in')
  const first = await presented(port, 'any.acme.test')
  assert.equal(first.subjectAltName, 'DNS:acme.test, DNS:*.acme.test')
  assert.equal(first.publicKey.asymmetricKeyType, 'rsa')
  const dns = createDns(dnsOptions.parse({ servers: [named.address] }), Date.now)
  assert.deepEqual(await dns.ask('_acme-challenge.acme.test', 'TXT'), {
    kind: 'absent',
    isName: false,
    isAuthenticated: false,
  })

  assert.deepEqual(await renew(kernel), ['acme.test  still valid'])
  assert.deepEqual(await renew(kernel, 'acme.test'), ['acme.test  ordered'])
  const second = await presented(port, 'any.acme.test')
  assert.notEqual(second.serialNumber, first.serialNumber)
  assert.ok(second.publicKey.equals(first.publicKey))
})

test('an update with a wrong key changes nothing, and the order fails with the reason, which health shows', async (t) => {
  const wrong = zones({
    zones: [{ name: 'acme.test', server: named.address, key: { ...named.key, secret: secret.value('AAAA') } }],
  })
  const [own] = pluginsWith({ challenges: ['dns-01'] })
  const kernel = await kernelWith(t, {}, { plugins: [own as PluginEntry, wrong] })
  const [line] = await renew(kernel)
  assert.match(String(line), /^mail\.acme\.test {2}failed: localhost:\d+: mail\.acme\.test: dns-01 failed: .*NOTAUTH/)
  const problems = (await kernel.kernel.hosts.find(({ name }) => name === 'acme')?.parts.health?.()) ?? []
  assert.match(problems.map(({ text }) => text).join(), /there is no certificate for mail\.acme\.test: .*NOTAUTH/)
  // It waits before it asks again.
  assert.match(String((await renew(kernel))[0]), /^mail\.acme\.test {2}waits: /)
})

test('a further authority is asked when the first fails; another kernel on the store has the certificate', async (t) => {
  const { directory, ca } = pebble
  const authorities = [{ directory: `https://localhost:${await freePort()}/dir` }, { directory, ca }]
  const store = memoryStore()
  const options: Partial<AcmeOptions> = {
    challenges: ['http-01'],
    listenHttp: `127.0.0.1:${pebble.httpPort}`,
    authorities,
  }
  const other = await kernelWith(t, { ...options, listenHttp: '127.0.0.1:0' }, { store })
  const kernel = await kernelWith(t, options, { store })
  assert.deepEqual(await renew(kernel), ['mail.acme.test  ordered'])
  const [mine, theirs] = [
    await presented(kernel.listener('in').port, 'mail.acme.test'),
    await presented(other.listener('in').port, 'mail.acme.test'),
  ]
  assert.match(mine.issuer, /Pebble/)
  assert.equal(theirs.serialNumber, mine.serialNumber)
})

test('tls without files and without a plugin that provides certificates is a fault at start', async (t) => {
  await assert.rejects(kernelWith(t, {}, { plugins: [] }), { code: 'IEMS_TLS_NO_SERVICE' })
})

test('a certificate is due when a third of its life is left, when the authority says so, and when its names change', () => {
  const record = { names: ['a.test', 'b.test'], cert: '', key: '', since: 0, until: 90, authority: '' }
  const names = ['b.test', 'a.test']
  assert.deepEqual(
    [59, 60].map((now) => isDue({ names, record }, now)),
    [false, true],
  )
  assert.deepEqual(
    [29, 30].map((now) => isDue({ names, record: { ...record, renewAt: 30 } }, now)),
    [false, true],
  )
  assert.ok(isDue({ names: ['a.test'], record }, 0))
  assert.ok(isDue({ names, record: undefined }, 0))
})

test('the id of a certificate for its authority is that of RFC 9773', async () => {
  // Section 4.1, the example.
  assert.equal(
    certificateId(await readFile('test/fixtures/acme/rfc9773.pem', 'utf8')),
    'aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE',
  )
})

test('a reload keeps the plugin until a file of an authority changes', async (t) => {
  const ca = join(await tempFolder(t), 'ca.pem')
  await copyFile(pebble.ca, ca)
  const kernel = await kernelWith(t, { authorities: [{ directory: pebble.directory, ca }] })
  const refresh = () => kernel.kernel.hosts.find(({ name }) => name === 'acme')?.parts.refresh?.()
  assert.equal(await refresh(), true)
  await appendFile(ca, '\n')
  assert.equal(await refresh(), false)
})
