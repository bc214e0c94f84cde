/** Reports on TLS (RFC 8460): results are counted and reported, by mail and HTTPS; reports of others are kept and shown. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { gunzipSync, gzipSync } from 'node:zlib'
import { selfSigned } from 'iems'
import { http } from 'iems/plugins/http'
import { smtpOut } from 'iems/plugins/smtp-out'
import { tlsReports } from 'iems/plugins/tls-reports'
import { createTestKernel, type TestKernel, testClock } from 'iems/testing'
import { captureChannel } from '../../core/testing/channels.ts'
import { readReport, totals } from '../../plugins/domain/tls-reports/report.ts'
import { destinationsIn } from '../../plugins/domain/tls-reports/sending.ts'
import { serveZone } from '../support/dns-zone.ts'
import { tempFolder } from '../support/running-server.ts'
import { startSink, USUAL } from '../support/smtp-sink.ts'

const DAY_MS = 86_400_000
/** RFC 8460 appendix B. */
const SAMPLE = readFileSync('test/fixtures/tls-report-rfc8460.json')

type Row = {
  readonly kind: string
  readonly domains: string[]
  readonly succeeded: number
  readonly failed: number
  readonly failures: string[]
  readonly organization: string
}

async function shown(kernel: TestKernel, values: object = {}): Promise<Row[]> {
  const lines = await kernel.command('tls reports', { values: { days: 30, ...values } })
  return lines.flatMap((line) => ('value' in line ? [line.value as Row] : []))
}

/** Jobs and taps work beside the test. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 400 && !(await isSo()); tries++) await wait(10)
}

test('a day of deliveries becomes one report for each domain, by mail and by HTTPS to another server', async (t) => {
  const folder = await tempFolder(t)
  const signer = selfSigned(['mail.reports.test'])
  await writeFile(join(folder, 'cert.pem'), signer.cert)
  await writeFile(join(folder, 'key.pem'), signer.key)
  setDefaultCACertificates([...getCACertificates('default'), signer.cert])
  const sink = await startSink(t, { tls: selfSigned(['mx.good.test']) })
  const plain = await startSink(t, { ehlo: USUAL, listen: { host: '127.0.0.2', port: sink.port } })
  const clock = testClock(Date.UTC(2026, 0, 1, 12))
  const tls = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }
  const receiver = await createTestKernel(t, {
    channels: { web: http({ listen: '127.0.0.1:0', tls }) },
    plugins: [tlsReports()],
    clock,
  })
  const zone = await serveZone(t, {
    'MX good.test': [{ exchange: 'mx.good.test', priority: 10 }],
    'A mx.good.test': ['127.0.0.1'],
    'TXT _smtp._tls.good.test': ['v=TLSRPTv1; rua=mailto:tls@reports.test'],
    'MX plain.test': [{ exchange: 'mx.plain.test', priority: 10 }],
    'A mx.plain.test': ['127.0.0.2'],
    'TXT _smtp._tls.plain.test': [
      `v=TLSRPTv1;rua=https://mail.reports.test:${receiver.listener('web').port}/tls-reports`,
    ],
    'A mail.reports.test': ['127.0.0.1'],
    'MX silent.test': [{ exchange: 'mx.good.test', priority: 10 }],
    'MX reports.test': [{ exchange: 'mx.good.test', priority: 10 }],
  })
  const kernel = await createTestKernel(t, {
    hostname: 'mail.own.test',
    dns: zone.dns,
    clock,
    channels: {
      out: smtpOut({ localMx: true, port: sink.port, families: ['ipv4'], mtaSts: false, keep: { connections: 0 } }),
    },
    plugins: [tlsReports({ from: 'tls@own.test', organization: 'Own', allow: ['127.0.0.0/8'] })],
  })
  for (const domain of ['good.test', 'good.test', 'plain.test', 'silent.test']) {
    await kernel.submit({ from: 'a@own.test', to: [`b@${domain}`] })
    await kernel.deliver()
  }
  assert.deepEqual([sink.messages.length, plain.messages.length], [3, 1])
  assert.deepEqual(await kernel.command('tls send', { values: {} }), [], 'nothing is due on the same day')

  await kernel.advance(DAY_MS)
  await until(async () => (await shown(kernel)).length === 2)
  const sent = (await shown(kernel)).map(({ domains, succeeded, failed }) => [...domains, succeeded, failed])
  assert.deepEqual(sent, [
    ['good.test', 2, 0],
    ['plain.test', 0, 1],
  ])
  const [received, ...more] = await shown(receiver)
  assert.deepEqual(more, [])
  assert.deepEqual(received, {
    kind: 'received',
    day: '2026-01-01',
    domains: ['plain.test'],
    organization: 'Own (https, 127.0.0.1)',
    succeeded: 0,
    failed: 1,
    failures: ['starttls-not-supported mx.plain.test 1'],
  })

  await kernel.deliver()
  const mail = sink.messages.at(-1)?.raw ?? ''
  assert.match(mail, /^Content-Type: multipart\/report; report-type="tlsrpt";/m)
  assert.match(mail, /^TLS-Report-Domain: good\.test\r?$/m)
  assert.match(mail, /^TLS-Required: No\r?$/m)
  const base64 =
    /!1767225600!1767311999\.json\.gz"\r?\nContent-Transfer-Encoding: base64\r?\n\r?\n([\w+/=\r\n]+)\r?\n--/.exec(
      mail,
    )?.[1] ?? ''
  const report = JSON.parse(gunzipSync(Buffer.from(base64, 'base64')).toString())
  assert.deepEqual(report['date-range'], {
    'start-datetime': '2026-01-01T00:00:00Z',
    'end-datetime': '2026-01-01T23:59:59Z',
  })
  assert.deepEqual(report.policies, [
    {
      policy: { 'policy-type': 'no-policy-found', 'policy-domain': 'good.test' },
      summary: { 'total-successful-session-count': 2, 'total-failure-session-count': 0 },
    },
  ])
})

test('reports are received by mail and by HTTPS, once each, and shown; rubbish is refused', async (t) => {
  const kernel = await createTestKernel(t, {
    channels: { web: http({ listen: '127.0.0.1:0', authWithoutTls: true }), out: captureChannel([], undefined) },
    plugins: [tlsReports({ receiveAt: ['tls@own.test'] })],
    clock: testClock(),
  })
  const url = `http://127.0.0.1:${kernel.listener('web').port}/tls-reports`
  const post = async (body: Uint8Array) =>
    (
      await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/tlsrpt+gzip' },
        body: Buffer.from(body),
      })
    ).status
  assert.equal(await post(gzipSync(SAMPLE)), 201)
  assert.equal(await post(SAMPLE), 201)
  assert.deepEqual(await shown(kernel), [
    {
      kind: 'received',
      day: '2016-04-01',
      domains: ['company-y.example'],
      organization: 'Company-X (https, 127.0.0.1)',
      succeeded: 5326,
      failed: 303,
      failures: [
        'certificate-expired mx1.mail.company-y.example 100',
        'starttls-not-supported mx2.mail.company-y.example 200',
        'validation-failure mx-backup.mail.company-y.example 3',
      ],
    },
  ])
  assert.deepEqual(await shown(kernel, { domain: 'other.example' }), [])
  for (const body of [
    Buffer.from('{}'),
    Buffer.from('not json'),
    gzipSync('{"policies":1}'),
    Buffer.from([0x1f, 0x8b, 0]),
    gzipSync(Buffer.alloc(20_000_000)),
  ])
    assert.equal(await post(body), 400)

  const second = SAMPLE.toString().replace('5065427c-23d3-47ca-b6e0', 'another')
  const content = [
    'From: reports@company-x.example',
    'To: tls@own.test',
    'Subject: Report Domain: company-y.example',
    'MIME-Version: 1.0',
    'Content-Type: multipart/report; report-type="tlsrpt"; boundary="b"',
    '',
    '--b',
    'Content-Type: text/plain',
    '',
    'See below.',
    '--b',
    'Content-Type: application/tlsrpt+gzip',
    'Content-Transfer-Encoding: base64',
    'Content-Disposition: attachment; filename="company-x.example!company-y.example!1!2.json.gz"',
    '',
    ...(gzipSync(second)
      .toString('base64')
      .match(/.{1,76}/g) ?? []),
    '--b--',
    '',
  ].join('\r\n')
  const { reply } = await kernel.submit({ from: 'reports@company-x.example', to: ['tls@own.test'], content })
  assert.equal(reply.code, 250)
  await until(async () => (await shown(kernel)).length === 2)
  const rows = await shown(kernel)
  assert.deepEqual(rows.map(({ organization }) => organization).sort(), [
    'Company-X (https, 127.0.0.1)',
    'Company-X (mail, dmarc=none)',
  ])
})

test('destinations: one record, mailto and https, at most five; anything else is none', () => {
  const of = (...texts: string[]) => destinationsIn(texts)
  assert.deepEqual(of('v=TLSRPTv1; rua=mailto:a@b.test, https://c.test/x'), ['mailto:a@b.test', 'https://c.test/x'])
  assert.deepEqual(of('v=TLSRPTv1;rua=http://c.test'), [])
  assert.deepEqual(of('v=TLSRPTv1; rua=mailto:a@b.test', 'v=TLSRPTv1; rua=mailto:c@d.test'), [])
  assert.deepEqual(of('v=TLSRPTv2; rua=mailto:a@b.test', 'other'), [])
  assert.equal(of(`v=TLSRPTv1; rua=${Array(9).fill('mailto:a@b.test').join(',')}`).length, 5)
})

const POLICY = {
  policy: { 'policy-type': 'sts', 'policy-domain': 'here.test' },
  summary: { 'total-successful-session-count': 5, 'total-failure-session-count': 2 },
}
const REPORT = {
  'organization-name': 'Company-X',
  'date-range': { 'start-datetime': '2026-11-27T00:00:00Z', 'end-datetime': '2026-11-27T23:59:59Z' },
  'report-id': 'r1',
  policies: [POLICY],
}

test('a report is read leniently, with bounds; what is none is refused', () => {
  const withSummary = (succeeded: unknown, failed: unknown) => ({
    ...REPORT,
    policies: [
      { ...POLICY, summary: { 'total-successful-session-count': succeeded, 'total-failure-session-count': failed } },
    ],
  })
  for (const [json, succeeded, failed] of [
    [JSON.stringify(REPORT), 5, 2],
    [`\ufeff${JSON.stringify(REPORT)}`, 5, 2],
    [JSON.stringify({ ...REPORT, 'contact-info': null, extra: { a: 1 } }), 5, 2],
    [JSON.stringify({ ...REPORT, policies: [{ ...POLICY, 'failure-details': null }] }), 5, 2],
    [JSON.stringify({ ...REPORT, policies: [] }), 0, 0],
    [JSON.stringify({ ...REPORT, policies: [POLICY, POLICY] }), 10, 4],
    [JSON.stringify(withSummary('7', '1')), 7, 1],
    [JSON.stringify(withSummary(-7, 'many')), 0, 0],
    [JSON.stringify(withSummary(1.5, {})), 0, 0],
  ] as const)
    assert.deepEqual(totals(readReport(json)), { succeeded, failed }, json)
  const long = readReport(JSON.stringify({ ...REPORT, 'organization-name': 'x'.repeat(5000) }))
  assert.equal(long['organization-name'].length, 1000)
  for (const host of ['mx.here.test', ['mx.here.test', 'mx2.here.test']]) {
    const policy = { ...POLICY.policy, 'mx-host': host }
    const [read] = readReport(JSON.stringify({ ...REPORT, policies: [{ ...POLICY, policy }] })).policies
    assert.deepEqual(read?.policy['mx-host'], host)
  }
  for (const wrong of [
    '',
    'null',
    '[]',
    '{}',
    '"report"',
    '{"policies":[]}',
    JSON.stringify({ ...REPORT, policies: {} }),
    JSON.stringify({ ...REPORT, 'report-id': null }),
    JSON.stringify({ ...REPORT, 'organization-name': 5 }),
    JSON.stringify({ ...REPORT, policies: [null] }),
    JSON.stringify({ ...REPORT, policies: [{ policy: POLICY.policy }] }),
    JSON.stringify({ ...REPORT, policies: Array(1001).fill(POLICY) }),
    JSON.stringify(REPORT).slice(0, -1),
  ])
    assert.throws(() => readReport(wrong), Error, wrong.slice(0, 60))
})
