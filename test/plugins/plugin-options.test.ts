/**
 * Options of every plugin: the least that is valid, the faults of each option with its path, and that nothing unknown
 * is taken.
 */
import assert from 'node:assert/strict'
import { globSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { secret } from 'iems'
import type * as z from 'zod'

process.env.IEMS_TEST_LONG_SECRET = 'sixteen-characters'
process.env.IEMS_TEST_SHORT_SECRET = 'short'
const root = resolve(import.meta.dirname, '../..')
const TLS = { cert: '/c.pem', key: '/k.pem' }
const SERVER = { listen: '127.0.0.1:0' }
const LDAP = { servers: ['ldaps://ldap.test'], base: 'dc=a,dc=test', domains: ['a.test'] }
const ACME = { certificates: [{ names: ['mail.a.test'] }], agreeToTerms: true }
const RULE = { name: 'footer', text: 'Sent by {{sender.address}}' }
const ISSUER = { issuer: 'https://id.test', audience: ['iems'] }

/** The least valid options of each plugin that needs any. */
const LEAST: Readonly<Record<string, object>> = {
  'web/http': SERVER,
  'smtp/in': SERVER,
  'operation/telemetry': { endpoint: 'https://otel.test/v1/traces' },
  'operation/shadow': { config: 'candidate.ts' },
  'operation/alerts': { webhook: { url: 'https://hook.test' } },
  'gateway/ccmail': { domain: 'cc.test' },
  'filter/srs': { domain: 'srs.test', secrets: [secret.env('IEMS_TEST_LONG_SECRET')] },
  'filter/milter-server': SERVER,
  'filter/milter': { filters: [{ name: 'dkim', servers: ['127.0.0.1:8891'] }] },
  'domain/acme': ACME,
  'directory/oidc': { providers: [ISSUER] },
  'directory/ldap/server': { ...SERVER, suffix: 'dc=a,dc=test', tls: TLS },
  'directory/ldap/client': LDAP,
  'content/disclaimer': { rules: [RULE] },
  'access/pop3': SERVER,
  'access/managesieve': SERVER,
  'access/imap': SERVER,
}

const schemas = new Map<string, z.ZodType>()
for (const file of globSync('plugins/**/options.ts', { cwd: root })) {
  const { options } = await import(join(root, file))
  if (options) schemas.set(file.slice('plugins/'.length, -'/options.ts'.length), options)
}
const issuesOf = (plugin: string, given: object) => {
  const read = schemas.get(plugin)?.safeParse({ ...LEAST[plugin], ...given })
  assert.ok(read, `no options of ${plugin}`)
  return read.success ? [] : read.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`)
}

test('each plugin takes its least options, and no option that it does not have', () => {
  assert.ok(schemas.size > 30)
  for (const plugin of schemas.keys()) {
    assert.deepEqual(issuesOf(plugin, {}), [], plugin)
    const [unknown = ''] = issuesOf(plugin, { noSuchOption: 1 })
    assert.match(unknown, /noSuchOption/, plugin)
  }
  assert.deepEqual(
    Object.keys(LEAST).filter((plugin) => schemas.get(plugin)?.safeParse({}).success),
    [],
    'those that need options say so',
  )
})

test('an option of the wrong kind is named with its path', () => {
  for (const [plugin, schema] of schemas) {
    const shape = (schema as { shape?: object }).shape ?? {}
    for (const name of Object.keys(shape)) {
      const found = issuesOf(plugin, { [name]: Symbol('no value at all') })
      assert.ok(found.length > 0 && found.every((issue) => issue.startsWith(name)), `${plugin} ${name}: ${found}`)
    }
  }
})

type Fault = readonly [plugin: string, given: object, issue: RegExp]
const FAULTS: readonly Fault[] = [
  ['smtp/in', { listen: 25 }, /^listen/],
  ['smtp/in', { listen: 'here:25:25' }, /^listen/],
  ['smtp/in', { tls: { cert: '/c.pem' } }, /^tls: cert and key belong together$/],
  ['smtp/in', { tls: { ...TLS, mode: 'maybe' } }, /^tls\.mode: /],
  ['smtp/in', { tls: { ...TLS, minVersion: 'TLSv1.1' } }, /^tls\.minVersion: /],
  ['smtp/in', { auth: 'required' }, /^auth: needs tls, or authWithoutTls/],
  ['smtp/in', { protocol: 'uucp' }, /^protocol: /],
  ['smtp/in', { maxSize: '50' }, /^maxSize: must be a number and a unit/],
  ['smtp/in', { limits: { connections: 0 } }, /^limits\.connections: /],
  ['smtp/in', { limits: { lineLength: 'long' } }, /^limits\.lineLength: must be a number and a unit/],
  ['smtp/in', { timeouts: { command: 300 } }, /^timeouts\.command: /],
  ['smtp/in', { xclientFrom: ['10.0.0.0/40'] }, /^xclientFrom\.0: must be an address or a network/],
  ['smtp/in', { proxyFrom: ['proxy'] }, /^proxyFrom\.0: must be an address or a network/],
  ['smtp/in', { bareNewlines: 'keep' }, /^bareNewlines: /],
  ['access/imap', { limits: { authAttempts: -1 } }, /^limits\.authAttempts: /],
  ['access/imap', { timeouts: { idle: 'long' } }, /^timeouts\.idle: /],
  ['access/pop3', { timeouts: { login: '2' } }, /^timeouts\.login: /],
  ['access/managesieve', { limits: { errors: 1.5 } }, /^limits\.errors: /],
  ['web/http', { limits: { body: '1' } }, /^limits\.body: /],
  ['web/http', { origins: ['mail.test'] }, /^origins/],
  ['web/http', { login: { idle: 'never' } }, /^login\.idle: /],
  ['smtp/out', { nexthop: 'a b' }, /^nexthop: must be 'example\.org'/],
  ['smtp/out', { port: 70_000 }, /^port: /],
  ['smtp/out', { families: [] }, /^families: /],
  ['smtp/out', { families: ['ipx'] }, /^families\.0: /],
  ['smtp/out', { tls: 'always' }, /^tls: /],
  ['smtp/out', { tlsPolicy: { 'a.test': 'always' } }, /^tlsPolicy\.a\.test: /],
  ['smtp/out', { bindAddress: ['a.test'] }, /^bindAddress\.0/],
  ['smtp/out', { helo: 'a b' }, /^helo: /],
  ['smtp/out', { recipientsPerTransaction: 0 }, /^recipientsPerTransaction: /],
  ['smtp/out', { domains: [] }, /^domains: /],
  ['filter/srs', { secrets: [secret.env('IEMS_TEST_SHORT_SECRET')] }, /^secrets\.0: must have 16 characters or more$/],
  ['filter/srs', { secrets: [] }, /^secrets: /],
  ['filter/srs', { secrets: ['written into the configuration'] }, /^secrets\.0: must be a secret/],
  ['filter/srs', { domain: 'a@b' }, /^domain: must be a domain such as srs\.example\.org$/],
  ['filter/srs', { hashLength: 3 }, /^hashLength: /],
  ['filter/dkim', { keys: [{ domain: 'a', selector: 's' }] }, /^keys\.0\.domain: must be a domain/],
  ['filter/dkim', { keys: [{ domain: 'a.test', selector: '-s' }] }, /^keys\.0\.selector: must be a selector/],
  ['filter/dkim', { sign: ['a b'] }, /^sign\.0: /],
  ['filter/dkim', { expires: 366 }, /^expires: /],
  ['filter/milter', { filters: [{ name: 'a b', servers: ['127.0.0.1:1'] }] }, /^filters\.0\.name: /],
  ['filter/milter', { filters: [{ name: 'a', servers: ['localhost'] }] }, /^filters\.0\.servers\.0: must be such as/],
  ['filter/sender-auth', { authservId: 'a b' }, /^authservId: must be a name such as/],
  ['filter/sender-auth', { reports: { from: 'Ann <ann@a.test>' } }, /^reports\.from: must be an address$/],
  ['filter/sender-auth', { reports: { keep: '90' } }, /^reports\.keep: /],
  ['filter/sender-auth', { reports: { rows: 0 } }, /^reports\.rows: /],
  [
    'filter/antispam',
    { limits: { rules: [{ per: 'client', messages: '100' }] } },
    /^limits\.rules\.0\.messages: must be a number per time/,
  ],
  ['filter/antispam', { limits: { rules: [{ per: 'planet' }] } }, /^limits\.rules\.0\.per: /],
  ['filter/antispam', { greylist: { for: 'everyone' } }, /^greylist\.for: /],
  ['domain/tls-reports', { receiveAt: ['tls'] }, /^receiveAt\.0: must be an address$/],
  ['domain/tls-reports', { path: 'reports' }, /^path: /],
  ['domain/tls-reports', { domains: 0 }, /^domains: /],
  ['domain/records', { mx: [] }, /^mx: /],
  ['domain/records', { mx: [{ host: 'mail' }] }, /^mx\.0\.host: must be a domain$/],
  ['domain/records', { tlsReports: ['tls@a.test'] }, /^tlsReports\.0: must be 'mailto:…' or 'https:\/\/…'$/],
  ['domain/records', { bimi: { logo: 'http://a.test/logo.svg' } }, /^bimi\.logo: /],
  ['domain/records', { spf: { others: '+all' } }, /^spf\.others: /],
  ['domain/acme', { agreeToTerms: false }, /^agreeToTerms: /],
  ['domain/acme', { certificates: [{ names: ['mail'] }] }, /^certificates\.0\.names\.0: must be a host name/],
  ['domain/acme', { certificates: [] }, /^certificates: /],
  ['domain/acme', { authorities: [{ directory: 'http://ca.test' }] }, /^authorities\.0\.directory: /],
  ['domain/acme', { challenges: ['email-01'] }, /^challenges\.0: /],
  ['domain/acme', { listenTls: ':443', limits: { connections: 0 } }, /^limits\.connections: /],
  ['domain/acme', { listenTls: ':443', timeouts: { handshake: 30 } }, /^timeouts\.handshake: /],
  [
    'directory/oidc',
    { providers: [{ ...ISSUER, issuer: 'http://id.test' }] },
    /^providers\.0\.issuer: must be an https: URL$/,
  ],
  ['directory/oidc', { providers: [{ ...ISSUER, algorithms: ['none'] }] }, /^providers\.0\.algorithms\.0: /],
  ['directory/oidc', { providers: [ISSUER, ISSUER] }, /^providers: two providers have one issuer$/],
  [
    'directory/oidc',
    { providers: [ISSUER, { ...ISSUER, issuer: 'https://id2.test' }] },
    /^providers: need domains each/,
  ],
  [
    'directory/ldap/client',
    { servers: ['ldap.test'] },
    /^servers\.0: must be ldap:\/\/host:port or ldaps:\/\/host:port$/,
  ],
  ['directory/ldap/client', { servers: ['ldap://a.test/dc=x'] }, /^servers\.0: /],
  ['directory/ldap/client', { base: 'nowhere' }, /^base: must be a distinguished name$/],
  ['directory/ldap/client', { accounts: { filter: '(uid=' } }, /^accounts\.filter: must be a filter of RFC 4515$/],
  ['directory/ldap/client', { kind: 'novell' }, /^kind: /],
  ['directory/ldap/client', { connections: 0 }, /^connections: /],
  ['directory/ldap/server', { suffix: 'a.test' }, /^suffix: /],
  ['content/disclaimer', { rules: [{ name: 'x' }] }, /^rules\.0: give text, html or both$/],
  ['content/disclaimer', { rules: [{ ...RULE, name: 'a b' }] }, /^rules\.0\.name: /],
  ['content/disclaimer', { rules: [{ ...RULE, text: '{{shoeSize}}' }] }, /^rules\.0\.text/],
  ['content/disclaimer', { rules: [{ ...RULE, directions: ['sideways'] }] }, /^rules\.0\.directions\.0: /],
  ['gateway/ccmail', { codePage: 'cp0' }, /^codePage: must be a code page, such as cp850$/],
  ['gateway/ccmail', { zone: 'Europe/Atlantis' }, /^zone: must be a time zone, such as Europe\/Vienna$/],
  ['gateway/ccmail', { domain: 'cc mail' }, /^domain: must be a domain$/],
  ['mailbox/quota', { warnings: { at: [0] } }, /^warnings\.at\.0: /],
  [
    'mailbox/quota',
    { warnings: { administrators: ['postmaster'] } },
    /^warnings\.administrators\.0: must be an address/,
  ],
  ['mailbox/quota', { default: { messages: -1 } }, /^default\.messages: /],
  ['mailbox/quota', { classes: [{ octets: '1 GB' }] }, /^classes\.0\.group: /],
  ['mailbox/quota', { whenFull: 'drop' }, /^whenFull: /],
  ['operation/alerts', { webhook: undefined }, /^: must have `email`, `webhook` or both$/],
  ['operation/telemetry', { endpoint: 'otel.test' }, /^endpoint: /],
  ['operation/telemetry', { endpoint: 'ftp://otel.test' }, /^endpoint: /],
]

for (const [plugin, given, issue] of FAULTS)
  test(`${plugin} refuses ${JSON.stringify(given).slice(0, 90)}`, () => {
    const found = issuesOf(plugin, given)
    assert.ok(
      found.some((one) => issue.test(one)),
      found.join('; ') || 'nothing is refused',
    )
  })
