/** The records of a mail domain: made, compared with Debian's bind9, published to it; ports and policy examined. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { get } from 'node:https'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { CertificateService, createDns, definePlugin, dnsOptions, type PluginEntry, secret, selfSigned } from 'iems'
import { clients } from 'iems/plugins/clients'
import { dkim } from 'iems/plugins/dkim'
import { type DomainCheck, Domains, domain } from 'iems/plugins/domain'
import { http } from 'iems/plugins/http'
import { smtpIn } from 'iems/plugins/smtp-in'
import { zones } from 'iems/plugins/zones'
import { createTestKernel, type TestKernel, testClock } from 'iems/testing'
import * as z from 'zod'
import { type Named, startNamed } from '../support/bind9.ts'
import { freePort, tempFolder } from '../support/running-server.ts'

const LOGO = `<?xml version="1.0" encoding="utf-8"?>
<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" version="1.2" baseProfile="tiny-ps" viewBox="0 0 64 64">
<title>Own &amp; Söhne</title><defs><linearGradient id="g"><stop offset="0" stop-color="#fff"/></linearGradient></defs>
<circle id="c" cx="32" cy="32" r="30" fill="url(#g)"/><use xlink:href="#c"/></svg>`

const closing: (() => unknown)[] = []
const scope = { after: (end: () => unknown) => void closing.push(end) }
const HOST = 'mail.own.test'
const signer = selfSigned([HOST, 'mta-sts.own.test'])
let named: Named
let ca: string
let logo: string
let smtpPort: number
let webPort: number
let kernel: TestKernel

const certificates = definePlugin({
  name: 'certificates',
  config: z.unknown(),
  offers: [CertificateService],
  setup(_, ctx) {
    const pair = { cert: Buffer.from(signer.cert), key: Buffer.from(signer.key) }
    ctx.offer(CertificateService, { current: () => pair, choose: () => undefined, challenge: () => undefined })
    return {}
  },
})

before(async () => {
  named = await startNamed(scope, {
    'own.test': {
      records: [
        'mail IN A 127.0.0.1',
        '@ IN TXT "proof-of-ownership=1"',
        '@ IN TXT "v=spf1 include:elsewhere.test ~all"',
        '_dmarc IN TXT "v=DMARC1; p=none"',
        'imap IN A 127.0.0.1',
      ],
      isDynamic: true,
    },
    '127.in-addr.arpa': { records: ['1.0.0 IN PTR mail.own.test.'] },
  })
  ca = join(await tempFolder(scope), 'ca.pem')
  await writeFile(ca, signer.cert)
  logo = join(await tempFolder(scope), 'logo.svg')
  await writeFile(logo, LOGO)
  ;[smtpPort, webPort] = [await freePort(), await freePort()]
  kernel = await start([])
})
test.after(async () => {
  for (const end of closing) await end()
})

function start(more: readonly PluginEntry[]): Promise<TestKernel> {
  const key = { ...named.key, secret: secret.value(named.key.secret) }
  return createTestKernel(scope as never, {
    hostname: HOST,
    clock: testClock(Date.now()),
    dns: { servers: [named.address] },
    channels: {
      in: smtpIn({ listen: `127.0.0.1:${smtpPort}`, tls: {}, clientNameTimeout: '0 s' }),
      web: http({ listen: `127.0.0.1:${webPort}`, tls: {} }),
    },
    plugins: [
      certificates(),
      dkim(),
      clients({ webPort }),
      zones({ zones: [{ name: 'own.test', server: named.address, key }] }),
      domain({
        domains: ['own.test'],
        tlsReports: ['mailto:tls@own.test'],
        bimi: { logo, evidence: 'https://ca.test/own.pem' },
        ca,
        policyPort: webPort,
        ports: [
          { port: smtpPort, tls: 'starttls' },
          { port: webPort, tls: 'implicit' },
        ],
      }),
      ...more,
    ],
  })
}

/** The findings as `topic subject state`. */
async function check(): Promise<string[]> {
  const lines = await kernel.command('domain check', { values: { domain: 'own.test' } })
  const values = lines.flatMap((line) => ('value' in line ? [line.value as DomainCheck['findings'][number]] : []))
  return values.map(({ topic, subject, state }) => `${topic} ${subject} ${state}`)
}

test('the records of a domain, ready to paste', async () => {
  await kernel.command('dkim add', { arguments: ['own.test'], options: { selector: 'one', type: 'ed25519' } })
  const lines = (await kernel.command('domain records', { values: { domain: 'own.test' } })).map((line) =>
    'text' in line ? line.text.replace(/ {2};.*$/, '') : '',
  )
  const shown = lines.map((line) =>
    line
      .replace(/p=[\w+/=]{40,}/, 'p=…')
      .replace(/id=\w{20}/, 'id=…')
      .replace(/[0-9a-f]{64}/, '…'),
  )
  assert.deepEqual(shown, [
    'own.test. IN MX 10 mail.own.test.',
    'own.test. IN TXT "v=spf1 mx -all"',
    'one._domainkey.own.test. IN TXT "v=DKIM1; k=ed25519; p=…"',
    '_dmarc.own.test. IN TXT "v=DMARC1; p=quarantine"',
    '_mta-sts.own.test. IN TXT "v=STSv1; id=…"',
    'mta-sts.own.test. IN CNAME mail.own.test.',
    '_smtp._tls.own.test. IN TXT "v=TLSRPTv1; rua=mailto:tls@own.test"',
    '_25._tcp.mail.own.test. IN TLSA 3 1 1 …',
    'default._bimi.own.test. IN TXT "v=BIMI1; l=https://mail.own.test/.well-known/bimi/logo.svg; a=https://ca.test/own.pem"',
    'autoconfig.own.test. IN CNAME mail.own.test.',
    'autodiscover.own.test. IN CNAME mail.own.test.',
    '_imaps._tcp.own.test. IN SRV 0 1 993 mail.own.test.',
    '_submissions._tcp.own.test. IN SRV 0 1 465 mail.own.test.',
    `_autodiscover._tcp.own.test. IN SRV 0 1 ${webPort} mail.own.test.`,
  ])
})

test('check says what is missing and wrong; publish mends it and leaves other texts; then all is right', async () => {
  const before = await check()
  assert.deepEqual(
    before.filter((line) => !/ok$/.test(line)),
    [
      'mx own.test MX missing',
      'spf own.test TXT wrong',
      'dkim one._domainkey.own.test TXT missing',
      'dmarc _dmarc.own.test TXT wrong',
      'mta-sts _mta-sts.own.test TXT missing',
      'mta-sts mta-sts.own.test CNAME missing',
      'tls-rpt _smtp._tls.own.test TXT missing',
      'tlsa _25._tcp.mail.own.test TLSA missing',
      'bimi default._bimi.own.test TXT missing',
      'clients autoconfig.own.test CNAME missing',
      'clients autodiscover.own.test CNAME missing',
      'clients _imaps._tcp.own.test SRV missing',
      'clients _submissions._tcp.own.test SRV missing',
      'clients _autodiscover._tcp.own.test SRV missing',
      'policy https://mta-sts.own.test/.well-known/mta-sts.txt missing',
    ],
  )
  assert.deepEqual(
    before.filter((line) => /ok$/.test(line)),
    [
      'address mail.own.test A ok',
      'reverse 127.0.0.1 ok',
      `port mail.own.test:${smtpPort} ok`,
      `certificate mail.own.test:${smtpPort} ok`,
      `port mail.own.test:${webPort} ok`,
      `certificate mail.own.test:${webPort} ok`,
    ],
  )
  const published = await kernel.command('domain publish', { values: { domain: 'own.test' } })
  assert.equal(published.length, 14)
  const dns = createDns(dnsOptions.parse({ servers: [named.address] }), Date.now)
  const texts = await dns.ask('own.test', 'TXT')
  assert.ok(texts.kind === 'found')
  assert.deepEqual(texts.records.map(String).sort(), ['proof-of-ownership=1', 'v=spf1 mx -all'])

  // A kernel that has not cached what was missing; the policy is fetched over HTTPS from the server itself.
  await kernel.close()
  kernel = await start([])
  await kernel.command('dkim add', { arguments: ['own.test'], options: { selector: 'two', type: 'ed25519' } })
  assert.deepEqual(
    (await check()).filter((line) => !/ok$/.test(line)),
    ['dkim two._domainkey.own.test TXT missing'],
  )
})

test('the logo is served where its record says, and one that receivers refuse is refused at the start', async (t) => {
  const answer = await new Promise<{ type: string | undefined; text: string }>((resolve, reject) =>
    get(
      { host: '127.0.0.1', port: webPort, path: '/.well-known/bimi/logo.svg', servername: HOST, ca: signer.cert },
      async (response) =>
        resolve({
          type: response.headers['content-type'],
          text: Buffer.concat(await response.toArray()).toString(),
        }),
    ).on('error', reject),
  )
  assert.deepEqual(answer, { type: 'image/svg+xml', text: LOGO })
  const file = join(await tempFolder(t), 'logo.svg')
  const start = async (text: string) => {
    await writeFile(file, text)
    return createTestKernel(t, { plugins: [domain({ domains: ['own.test'], bimi: { logo: file } })] })
  }
  const edited = (from: string | RegExp, to: string) => LOGO.replace(from, to)
  for (const [text, why] of [
    [edited('tiny-ps', 'tiny'), /needs baseProfile="tiny-ps"/],
    [edited('version="1.2"', 'version="1.1"'), /needs version="1.2"/],
    [edited('viewBox', 'x="0" viewBox'), /attributes x and y/],
    [edited(/<title>.*<\/title>/, ''), /needs a <title>/],
    [edited('Own', 'O'.repeat(70)), /more than 64 characters/],
    [edited('</svg>', '<script>1</script></svg>'), /<script> is not allowed/],
    [edited('</svg>', '<image xlink:href="data:image/png;base64,AA=="/></svg>'), /<image> is not allowed; xlink:href/],
    [edited('</svg>', '<g><animate/></g></svg>'), /<animate> is not allowed/],
    [edited('#c"/>', 'https://far.test/x#c"/>'), /xlink:href refers to another file/],
    [edited('url(#g)', "url( 'https://far.test/x')"), /fill refers to another file/],
    [edited('<circle', '<circle onclick="x()"'), /onclick is not allowed/],
    [edited('<svg', '<!DOCTYPE svg [<!ENTITY a "b">]><svg'), /document type/],
    [edited('</svg>', ''), /not well-formed/],
    [edited('</svg>', `<desc>${'d'.repeat(33_000)}</desc></svg>`), /receivers show up to 32768/],
    ['no xml', /is no SVG Tiny PS/],
  ] as const)
    await assert.rejects(start(text), why, text.slice(0, 300))
})

test('the daily check is kept, shown as problems, and offered to other plugins', async () => {
  let api: import('iems/plugins/domain').DomainsApi | undefined
  const reader = definePlugin({
    name: 'reader',
    config: z.unknown(),
    needs: [Domains],
    setup(_, ctx) {
      api = ctx.use(Domains)
      return {}
    },
  })
  await kernel.close()
  kernel = await start([reader()])
  assert.deepEqual(await api?.domains(), ['own.test'])
  assert.equal(await api?.lastCheck('own.test'), undefined)
  await kernel.command('dkim add', { arguments: ['own.test'], options: { selector: 'three', type: 'ed25519' } })
  // Ten minutes after the start, and then every day.
  await kernel.advance(11 * 60_000)
  for (let tries = 0; tries < 200 && !(await api?.lastCheck('own.test')); tries++)
    await new Promise((resolve) => setTimeout(resolve, 25))
  const last = await api?.lastCheck('own.test')
  assert.deepEqual(
    last?.findings.filter(({ state }) => state !== 'ok').map(({ subject }) => subject),
    ['three._domainkey.own.test TXT'],
  )
  const problems = (await kernel.kernel.hosts.find(({ name }) => name === 'domain')?.parts.health?.()) ?? []
  assert.deepEqual(
    problems.map(({ id }) => id),
    ['domain:own.test:three._domainkey.own.test TXT'],
  )
})

test('a name server that does not answer is unclear, never missing', async (t) => {
  const dark = await createTestKernel(t, {
    hostname: HOST,
    dns: { servers: ['127.0.0.1:1'], timeout: '100 ms', tries: 1 },
    plugins: [domain({ domains: ['own.test'], mtaSts: false })],
  })
  const lines = await dark.command('domain check', { values: {} })
  assert.ok(lines.length >= 4)
  for (const line of lines) assert.match('text' in line ? line.text : '', /^unclear /)
})
