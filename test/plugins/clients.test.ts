/** Mail programs find their settings: the requests as they send them, the answers against their schemas. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { CertificateService, definePlugin, selfSigned } from 'iems'
import { ClientSettings, clients } from 'iems/plugins/clients'
import { http } from 'iems/plugins/http'
import { createTestKernel, missing, runProgram, type TestKernel } from 'iems/testing'
import * as z from 'zod'
import { tempFolder } from '../support/running-server.ts'

const closing: (() => unknown)[] = []
const scope = { after: (end: () => unknown) => void closing.push(end) }
const signer = selfSigned(['mail.example.org'])
let kernel: TestKernel
let folder: string

/** Presents one certificate. */
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

const SERVERS = [
  { protocol: 'imap' as const, port: 993 },
  { protocol: 'imap' as const, port: 143, security: 'starttls' as const },
  { protocol: 'smtp' as const, port: 465 },
]

before(async () => {
  folder = await tempFolder(scope)
  kernel = await createTestKernel(scope as never, {
    hostname: 'mail.example.org',
    channels: { web: http({ listen: '127.0.0.1:0', authWithoutTls: true }) },
    plugins: [certificates(), clients({ servers: SERVERS, name: 'Example & Co' })],
  })
})
test.after(async () => {
  for (const end of closing) await end()
})

interface Asked {
  readonly method?: string
  readonly host?: string
  readonly body?: string
}

/** Asks as the program does: with that host name and that body. */
async function ask(path: string, { method = 'GET', host = 'mail.example.org', body }: Asked = {}) {
  const { port } = kernel.listener('web')
  const headers = { host, ...(body === undefined ? {} : { 'content-type': 'text/xml; charset=utf-8' }) }
  return new Promise<{ status: number; type: string; octets: Buffer }>((resolve, reject) => {
    request({ host: '127.0.0.1', port, path, method, headers }, async (response) => {
      const octets = Buffer.concat(await response.toArray())
      resolve({ status: response.statusCode ?? 0, type: String(response.headers['content-type']), octets })
    })
      .on('error', reject)
      .end(body)
  })
}

async function isValid(octets: Buffer, ...schema: string[]): Promise<void> {
  const file = join(folder, 'answer.xml')
  await writeFile(file, octets)
  const { code, err } = await runProgram('xmllint', ['--noout', '--nonet', ...schema, file])
  assert.equal(code, 0, err)
}

const skip = missing('/usr/bin/xmllint')

test("Thunderbird's autoconfig: by the address, by the host name, below .well-known", { skip }, async () => {
  for (const [path, host] of [
    ['/mail/config-v1.1.xml?emailaddress=alice%40example.org', 'autoconfig.example.org'],
    ['/mail/config-v1.1.xml', 'autoconfig.example.org'],
    ['/.well-known/autoconfig/mail/config-v1.1.xml?emailaddress=alice%40example.org', 'example.org'],
  ] as const) {
    const { status, type, octets } = await ask(path, { host })
    assert.deepEqual([status, type], [200, 'text/xml; charset=utf-8'])
    await isValid(octets, '--relaxng', 'test/fixtures/clients/autoconfig.rng')
    assert.match(octets.toString(), /<emailProvider id="example.org">/)
    assert.match(octets.toString(), /<displayName>Example &amp; Co<\/displayName>/)
    assert.match(octets.toString(), /<port>143<\/port>\s*<socketType>STARTTLS</)
  }
})

/** As Outlook sends it. */
const POX = (
  address: string,
  schema = 'http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a',
) =>
  `<?xml version="1.0" encoding="utf-8"?><Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request><EMailAddress>${address}</EMailAddress><AcceptableResponseSchema>${schema}</AcceptableResponseSchema></Request></Autodiscover>`

test("Outlook's autodiscover (POX): settings for the address; other requests are error 600", { skip }, async () => {
  const xsd = ['--schema', 'test/fixtures/clients/autodiscover-outer.xsd']
  for (const path of ['/autodiscover/autodiscover.xml', '/Autodiscover/Autodiscover.xml']) {
    const { status, octets } = await ask(path, {
      method: 'POST',
      body: POX('alice@example.org'),
      host: 'autodiscover.example.org',
    })
    assert.equal(status, 200)
    await isValid(octets, ...xsd)
    assert.match(octets.toString(), /<Type>SMTP<\/Type>\s*<Server>mail\.example\.org<\/Server>\s*<Port>465<\/Port>/)
    assert.match(octets.toString(), /<LoginName>alice@example\.org<\/LoginName>/)
  }
  const mobile = 'http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006'
  for (const body of [POX('alice@example.org', mobile), POX('<b>'), 'no xml', '']) {
    const { octets } = await ask('/autodiscover/autodiscover.xml', { method: 'POST', body })
    await isValid(octets, ...xsd)
    assert.match(octets.toString(), /<ErrorCode>600<\/ErrorCode>/)
  }
})

test('autodiscover version 2 (JSON) leads to version 1; what is not offered is named as Exchange names it', async () => {
  for (const path of [
    '/autodiscover/autodiscover.json?Email=alice%40example.org&Protocol=AutodiscoverV1',
    '/autodiscover/autodiscover.json/v1.0/alice%40example.org?Protocol=AutodiscoverV1&RedirectCount=1',
  ]) {
    const { status, octets } = await ask(path)
    assert.equal(status, 200)
    assert.deepEqual(JSON.parse(octets.toString()), {
      Protocol: 'AutodiscoverV1',
      Url: 'https://mail.example.org/autodiscover/autodiscover.xml',
    })
  }
  const refused = await ask('/autodiscover/autodiscover.json?Email=alice%40example.org&Protocol=ActiveSync')
  assert.equal(refused.status, 400)
  assert.equal(JSON.parse(refused.octets.toString()).ErrorCode, 'InvalidProtocol')
})

test('the Apple profile: a property list for one account, signed with the certificate of the server', async () => {
  const { type, octets } = await ask('/clients/apple.mobileconfig?address=alice%40example.org')
  assert.equal(type, 'application/x-apple-aspen-config')
  await writeFile(join(folder, 'profile'), octets)
  await writeFile(join(folder, 'cert.pem'), signer.cert)
  const verified = await runProgram(
    'openssl',
    ['cms', '-verify', '-inform', 'der', '-in', 'profile', '-CAfile', 'cert.pem', '-purpose', 'any', '-out', 'plain'],
    { cwd: folder },
  )
  assert.equal(verified.code, 0, verified.err)
  const script = 'import plistlib,json,sys; print(json.dumps(plistlib.load(open("plain","rb"))))'
  const { out } = await runProgram('python3', ['-c', script], { cwd: folder })
  const { PayloadContent, ...profile } = JSON.parse(out)
  assert.deepEqual(
    [profile.PayloadType, profile.PayloadVersion, profile.PayloadDisplayName],
    ['Configuration', 1, 'Example & Co'],
  )
  const [account] = PayloadContent
  assert.equal(account.PayloadType, 'com.apple.mail.managed')
  assert.equal(account.EmailAccountType, 'EmailTypeIMAP')
  assert.deepEqual(
    [account.IncomingMailServerHostName, account.IncomingMailServerPortNumber, account.IncomingMailServerUseSSL],
    ['mail.example.org', 993, true],
  )
  assert.deepEqual(
    [account.OutgoingMailServerPortNumber, account.OutgoingMailServerUsername],
    [465, 'alice@example.org'],
  )
  assert.match(account.PayloadUUID, /^[0-9A-F]{8}-[0-9A-F]{4}-4[0-9A-F]{3}-8[0-9A-F]{3}-[0-9A-F]{12}$/)
  assert.notEqual(account.PayloadUUID, profile.PayloadUUID)
  for (const bad of ['alice', 'a@b', '"><x>@example.org', `${'a'.repeat(300)}@example.org`])
    assert.equal((await ask(`/clients/apple.mobileconfig?address=${encodeURIComponent(bad)}`)).status, 400)
})

test('SRV records and names for every server; the service is there for pages', async (t) => {
  let settings: unknown[] = []
  const page = definePlugin({
    name: 'page',
    config: z.unknown(),
    needs: [ClientSettings],
    setup(_, ctx) {
      const api = ctx.use(ClientSettings)
      settings = [
        api.srv().map(({ service, port }) => `${service} ${port}`),
        api.hosts('example.org'),
        api.profilePath('a+b@example.org'),
      ]
      return {}
    },
  })
  await createTestKernel(t, {
    channels: { web: http({ listen: '127.0.0.1:0', authWithoutTls: true }) },
    plugins: [clients({ servers: SERVERS }), page()],
  })
  assert.deepEqual(settings, [
    ['_imaps._tcp 993', '_imap._tcp 143', '_submissions._tcp 465', '_autodiscover._tcp 443'],
    ['autoconfig.example.org', 'autodiscover.example.org'],
    '/clients/apple.mobileconfig?address=a%2Bb%40example.org',
  ])
})
