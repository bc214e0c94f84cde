/** DMARC aggregate reports: counted, written, sent once to those who want them; received, read and shown. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gunzipSync, gzipSync } from 'node:zlib'
import { definePlugin, type PluginEntry, refuse } from 'iems'
import { memoryStore, testClock } from 'iems/testing'
import { ZipFile } from 'yazl'
import * as z from 'zod'
import { readFeedback } from '../../plugins/filter/sender-auth/reports/feedback.ts'
import { grammarFaults } from '../support/message-grammar.ts'
import { fieldsOf, letter, type Settings, startSenderAuth } from '../support/sender-auth.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
/** Not one of a.test's. */
const STRANGER = '198.51.100.9'
const WITH_REPORTS = {
  'TXT a.test': ['v=spf1 ip4:192.0.2.1 -all'],
  'TXT _dmarc.a.test': ['v=DMARC1; p=reject; sp=quarantine; adkim=s; fo=1; rua=mailto:reports@a.test'],
}
const REPORTING = { reports: { from: 'dmarc@here.test', organization: 'Here & There', contact: 'https://here.test' } }

function start(t: Parameters<typeof startSenderAuth>[0], settings: Settings = {}) {
  return startSenderAuth(t, { zone: WITH_REPORTS, options: REPORTING, ...settings })
}

/** The report in a message, as text. */
function xmlOf(content: string): string {
  const base64 = /Content-Transfer-Encoding: base64\r\n\r\n([A-Za-z0-9+/=\r\n]+)\r\n--/.exec(content)?.[1] ?? ''
  return gunzipSync(Buffer.from(base64, 'base64')).toString()
}

interface SentValue {
  readonly domain: string
  readonly messages: number
  readonly rows: number
  readonly to: readonly { readonly address: string; readonly outcome: string }[]
}

test('a day is reported on the next, in the form of RFC 9990', async (t) => {
  const { send, advance, delivered } = await start(t)
  await send({ content: letter() })
  await send({ content: letter() })
  await send({ content: letter(), ip: STRANGER })
  const mail = delivered.length
  await advance(23 * HOUR)
  assert.equal(delivered.length, mail)
  await advance(3 * HOUR)
  assert.equal(delivered.length, mail + 1)
  const [report] = delivered.slice(mail)
  assert.ok(report)
  assert.deepEqual(grammarFaults(report.content), [])
  assert.deepEqual([report.from, report.to], ['dmarc@here.test', ['reports@a.test']])
  const id = /Report-ID:\s+<(\w+)>/.exec(report.content)?.[1] ?? ''
  assert.deepEqual(fieldsOf(report.content, 'Subject'), [`Report Domain: a.test Submitter: mx.test Report-ID: <${id}>`])
  assert.match(report.content, new RegExp(`filename="mx\\.test!a\\.test!1767225600!1767311999!${id}\\.xml\\.gz"`))
  assert.equal(
    xmlOf(report.content),
    `<?xml version="1.0" encoding="UTF-8"?>
<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0">
<version>1.0</version>
<report_metadata>
<org_name>Here &amp; There</org_name>
<email>dmarc@here.test</email>
<extra_contact_info>https://here.test</extra_contact_info>
<report_id>${id}</report_id>
<date_range>
<begin>1767225600</begin>
<end>1767311999</end>
</date_range>
<generator>IEMS</generator>
</report_metadata>
<policy_published>
<domain>a.test</domain>
<discovery_method>treewalk</discovery_method>
<p>reject</p>
<sp>quarantine</sp>
<fo>1</fo>
<adkim>s</adkim>
<aspf>r</aspf>
<testing>n</testing>
</policy_published>
${recordXml({ ip: '192.0.2.1', count: 2, disposition: 'pass', spf: 'pass' })}${recordXml({ ip: STRANGER, count: 1, disposition: 'reject', spf: 'fail' })}</feedback>
`,
  )
  await advance(3 * DAY)
  assert.equal(delivered.length, mail + 1)
})

function recordXml({ ip, count, disposition, spf }: { ip: string; count: number; disposition: string; spf: string }) {
  return `<record>
<row>
<source_ip>${ip}</source_ip>
<count>${count}</count>
<policy_evaluated>
<disposition>${disposition}</disposition>
<dkim>fail</dkim>
<spf>${spf}</spf>
</policy_evaluated>
</row>
<identifiers>
<header_from>a.test</header_from>
<envelope_from>a.test</envelope_from>
</identifiers>
<auth_results>
<spf>
<domain>a.test</domain>
<scope>mfrom</scope>
<result>${spf}</result>
</spf>
</auth_results>
</record>
`
}

test('an override of the policy is told with its reason', async (t) => {
  const options = { ...REPORTING, forwarders: ['198.51.100.0/24'] }
  const { send, advance, delivered } = await start(t, { options })
  await send({ content: letter(), ip: STRANGER })
  await advance(26 * HOUR)
  const xml = xmlOf(delivered.at(-1)?.content ?? '').replace(/\n/g, '')
  assert.match(
    xml,
    /<disposition>none<\/disposition><dkim>fail<\/dkim><spf>fail<\/spf><reason><type>trusted_forwarder<\/type><comment>known forwarder<\/comment><\/reason>/,
  )
})

test('without an address to send from nothing is counted; without rua nothing is sent', async (t) => {
  const silent = await start(t, { options: {} })
  await silent.send({ content: letter() })
  await silent.advance(26 * HOUR)
  assert.equal(silent.delivered.length, 1)
  const zone = { ...WITH_REPORTS, 'TXT _dmarc.a.test': ['v=DMARC1; p=none; ruf=mailto:x@a.test'] }
  const unasked = await start(t, { zone })
  await unasked.send({ content: letter() })
  await unasked.advance(26 * HOUR)
  assert.deepEqual([unasked.delivered.length, await unasked.run('dmarc reports')], [1, []])
})

// --- destinations ---

const DESTINATIONS: readonly { name: string; rua: string; zone?: Settings['zone']; to: readonly string[] }[] = [
  { name: 'a subdomain of the organization', rua: 'mailto:x@reports.a.test', to: ['x@reports.a.test'] },
  { name: 'a stranger who has not agreed', rua: 'mailto:x@victim.test', to: [] },
  {
    name: 'a stranger who has agreed',
    rua: 'mailto:x@service.test,mailto:y@victim.test',
    zone: { 'TXT a.test._report._dmarc.service.test': ['v=DMARC1;'] },
    to: ['x@service.test'],
  },
  {
    name: 'one who wants them at another address of his',
    rua: 'mailto:x@service.test',
    zone: { 'TXT a.test._report._dmarc.service.test': ['v=DMARC1; rua=mailto:y@service.test'] },
    to: ['y@service.test'],
  },
  {
    name: 'one who points at a third',
    rua: 'mailto:x@service.test',
    zone: { 'TXT a.test._report._dmarc.service.test': ['v=DMARC1; rua=mailto:y@victim.test'] },
    to: [],
  },
  {
    name: 'an answer that is not about DMARC',
    rua: 'mailto:x@service.test',
    zone: { 'TXT a.test._report._dmarc.service.test': ['v=spf1 -all', 'v=DMARC12'] },
    to: [],
  },
  {
    name: 'other schemes, nonsense, doubles, sizes and escapes',
    rua: 'https://a.test/, mailto:a%2Bb@a.test!10m , mailto:, mailto:x@a.test%0d%0abcc, mailto:%zz@a.test, mailto:a%2bb@a.test,mailto:small@a.test!1k',
    to: ['a+b@a.test'],
  },
  {
    name: 'more than the admin allows',
    rua: Array.from({ length: 9 }, (_, n) => `mailto:x${n}@a.test`).join(','),
    to: ['x0@a.test', 'x1@a.test', 'x2@a.test', 'x3@a.test', 'x4@a.test'],
  },
]

for (const { name, rua, zone = {}, to } of DESTINATIONS)
  test(`who gets the report: ${name}`, async (t) => {
    const record = { 'TXT _dmarc.a.test': [`v=DMARC1; p=none; rua=${rua}`] }
    const { send, advance, delivered } = await start(t, { zone: { ...WITH_REPORTS, ...record, ...zone } })
    await send({ content: letter() })
    await advance(26 * HOUR)
    assert.deepEqual(
      delivered
        .slice(1)
        .flatMap((one) => one.to)
        .sort(),
      [...to].sort(),
    )
  })

test('while a destination cannot be asked, its report waits; one that never can is given up', async (t) => {
  const asking = 'TXT a.test._report._dmarc.service.test'
  const record = { 'TXT _dmarc.a.test': ['v=DMARC1; p=none; rua=mailto:x@service.test'] }
  const zone = { ...WITH_REPORTS, ...record, [asking]: 'SERVFAIL' as const }
  const patient = await start(t, { zone })
  await patient.send({ content: letter() })
  await patient.advance(30 * HOUR)
  assert.equal(patient.delivered.length, 1)
  Object.assign(patient.zone, { [asking]: ['v=DMARC1'] })
  await patient.advance(2 * HOUR)
  assert.equal(patient.delivered.length, 2)

  const hopeless = await start(t, { zone })
  await hopeless.send({ content: letter() })
  for (let day = 0; day < 6; day++) await hopeless.advance(DAY)
  Object.assign(hopeless.zone, { [asking]: ['v=DMARC1'] })
  await hopeless.advance(DAY)
  assert.equal(hopeless.delivered.length, 1)
})

/** Refuses what comes from the reporter, so many times with 4xx. */
function refusing(times: { left: number }): PluginEntry {
  const plugin = definePlugin({
    name: 'refusing',
    config: z.undefined(),
    setup: () => ({
      hooks: {
        mail: ({ from }) => {
          if (from !== 'dmarc@here.test' || times.left-- <= 0) return undefined
          return { kind: 'refuse', reply: { code: 451, enhanced: '4.3.1', text: 'Later' } }
        },
        rcpt: ({ to }) => (to.address === 'never@a.test' ? refuse(550, '5.1.1', 'Never') : undefined),
      },
    }),
  })
  return plugin()
}

test('a report that cannot be handed in now is tried again, one that is refused is noted', async (t) => {
  const record = { 'TXT _dmarc.a.test': ['v=DMARC1; p=none; rua=mailto:never@a.test,mailto:x@a.test'] }
  const zone = { ...WITH_REPORTS, ...record }
  const { send, advance, delivered, run } = await start(t, { zone, plugins: [refusing({ left: 3 })] })
  await send({ content: letter() })
  await advance(30 * HOUR)
  assert.deepEqual(
    delivered.slice(1).map(({ to }) => to),
    [['x@a.test']],
  )
  const [sent] = (await run('dmarc reports', { sent: true })) as SentValue[]
  assert.deepEqual(
    sent?.to.map(({ address, outcome }) => `${address} ${outcome}`),
    ['never@a.test refused', 'x@a.test queued'],
  )
})

test('a server that dies after handing a report in does not send it twice', async (t) => {
  const clock = testClock()
  const store = memoryStore({ now: clock.now })
  let commits = Number.POSITIVE_INFINITY
  /** Fails the commit that notes reports as sent. */
  const failing = {
    ...store,
    commit: (...given: Parameters<typeof store.commit>) => {
      const isNote = given[0].some((op) => 'put' in op && Buffer.from(op.put).includes('sent'))
      if (isNote && commits-- > 0) return Promise.reject(new Error('no'))
      return store.commit(...given)
    },
  }
  commits = 2
  const { send, advance, delivered, run } = await start(t, { kernel: { store: failing, clock } })
  await send({ content: letter() })
  await advance(26 * HOUR)
  assert.deepEqual([delivered.length, (await run('dmarc reports')).length], [2, 0])
  await advance(4 * HOUR)
  assert.deepEqual([delivered.length, (await run('dmarc reports')).length], [2, 1])
})

test('counts survive a restart', async (t) => {
  const clock = testClock()
  const store = memoryStore({ now: clock.now })
  const kept = { ...store, close: async () => {} }
  const first = await start(t, { kernel: { store: kept, clock } })
  await first.send({ content: letter() })
  await first.close()
  const second = await start(t, { kernel: { store: kept, clock } })
  await second.send({ content: letter() })
  await second.advance(26 * HOUR)
  assert.match(xmlOf(second.delivered.at(-1)?.content ?? ''), /<count>2<\/count>/)
})

test('rows and domains are limited; what is left out is counted', async (t) => {
  const options = { reports: { ...REPORTING.reports, rows: 3, domains: 1 } }
  const zone = { ...WITH_REPORTS, 'TXT _dmarc.b.test': ['v=DMARC1; p=none; rua=mailto:x@b.test'] }
  const { send, advance, delivered, run } = await start(t, { zone, options })
  for (let n = 1; n <= 5; n++) await send({ content: letter(), ip: `203.0.113.${n}` })
  await advance(2 * 60_000)
  await send({ content: letter(), ip: '203.0.113.6' })
  await send({ content: letter('x@b.test'), ip: STRANGER })
  await advance(26 * HOUR)
  const reports = delivered.filter(({ from }) => from === 'dmarc@here.test')
  assert.deepEqual(
    reports.flatMap(({ to }) => to),
    ['reports@a.test'],
  )
  const xml = xmlOf(reports[0]?.content ?? '')
  assert.equal(xml.match(/<record>/g)?.length, 3)
  assert.match(xml, /<error>3 more messages/)
  const [sent] = (await run('dmarc reports')) as SentValue[]
  assert.deepEqual([sent?.messages, sent?.rows], [6, 3])
})

test('iems dmarc send sends what is due, and no more', async (t) => {
  const { send, clock, run, deliver, delivered } = await start(t)
  await send({ content: letter() })
  assert.deepEqual(await run('dmarc send'), [])
  await clock.advance(24 * HOUR + 15 * 60_000 - (clock.now() % DAY))
  const sent = (await run('dmarc send')) as SentValue[]
  assert.deepEqual(
    sent.map(({ domain, messages, to }) => [domain, messages, to[0]?.outcome]),
    [['a.test', 1, 'queued']],
  )
  assert.deepEqual(await run('dmarc send'), [])
  await deliver()
  assert.equal(delivered.length, 2)
})

// --- received ---

const RECEIVED = `<?xml version="1.0" encoding="UTF-8" ?>
<!-- as of RFC 7489 -->
<feedback>
  <report_metadata>
    <org_name>Far &amp; Away<![CDATA[ Inc.]]></org_name>
    <email>noreply@far.test</email>
    <report_id>r-1</report_id>
    <date_range><begin>1767052800</begin><end>1767139199</end></date_range>
  </report_metadata>
  <policy_published><domain>Here.test</domain><adkim>r</adkim><aspf>r</aspf><p>none</p><sp>none</sp><pct>100</pct></policy_published>
  <record>
    <row><source_ip>192.0.2.7</source_ip><count>5</count>
      <policy_evaluated><disposition>none</disposition><dkim>pass</dkim><spf>fail</spf>
        <reason><type>forwarded</type><comment/></reason></policy_evaluated></row>
    <identifiers><header_from>here.test</header_from></identifiers>
    <auth_results>
      <dkim><domain>here.test</domain><result>pass</result><selector>s1</selector></dkim>
      <spf><domain>list.test</domain><result>pass</result></spf>
    </auth_results>
  </record>
  <record>
    <row><source_ip>203.0.113.1</source_ip><count>2</count>
      <policy_evaluated><disposition>none</disposition><dkim>fail</dkim><spf>fail</spf></policy_evaluated></row>
    <identifiers><header_from>here.test</header_from><envelope_from>evil.test</envelope_from></identifiers>
    <auth_results><spf><domain>evil.test</domain><result>none</result></spf></auth_results>
  </record>
</feedback>`

const RECEIVING = { reports: { receiveAt: ['DMARC@here.test'], maxSize: '100 kB', receivedPerDay: 3, keep: '5 days' } }

interface Attachment {
  readonly content: Buffer
  readonly type?: string
  readonly name?: string
}

function mailWith(...attachments: readonly Attachment[]): string {
  const head = 'From: r@a.test\r\nTo: dmarc@here.test\r\nSubject: Report Domain: here.test\r\nMIME-Version: 1.0\r\n'
  const parts = attachments.map(({ content, type = 'application/gzip', name = 'far.test!here.test!1!2.xml.gz' }) => {
    const base64 = content.toString('base64').replace(/.{76}/g, '$&\r\n')
    return `--b\r\nContent-Type: ${type}; name="${name}"\r\nContent-Transfer-Encoding: base64\r\n\r\n${base64}\r\n`
  })
  return `${head}Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nA report.\r\n${parts.join('')}--b--\r\n`
}

async function zipOf(name: string, content: Buffer): Promise<Buffer> {
  const zip = new ZipFile()
  zip.addBuffer(content, name)
  zip.end()
  return Buffer.concat(await Array.fromAsync(zip.outputStream as AsyncIterable<Buffer>))
}

interface Kept {
  readonly kind: string
  readonly [field: string]: unknown
}

/** A server that received a message with such attachments; what is shown when so many reports are. */
async function receive(t: Parameters<typeof start>[0], attachments: readonly Attachment[], count = 1) {
  const server = await start(t, { options: RECEIVING })
  const shown = async (count: number): Promise<Kept[]> => {
    let reports: Kept[] = []
    await until(async () => {
      reports = (await server.run('dmarc reports')) as Kept[]
      return reports.length >= count
    }, `${count} reports`)
    return reports
  }
  const sendReports = async (attachments: readonly Attachment[]) => {
    const content = mailWith(...attachments)
    const { reply, delivered } = await server.send({ content, from: 'r@a.test', to: 'dmarc@here.test' })
    assert.equal(reply.code, 250)
    assert.ok(delivered)
  }
  await sendReports(attachments)
  return { ...server, sendReports, shown, first: await shown(count) }
}

/** Reports are read after the 250, by somebody for whom nobody waits. */
async function until(isSo: () => Promise<boolean>, what: string): Promise<void> {
  const end = Date.now() + 10_000
  while (!(await isSo())) {
    if (Date.now() > end) throw new Error(`never came: ${what}`)
    await new Promise(setImmediate)
  }
}

const report = (id: string) => gzipSync(RECEIVED.replace('r-1', id))

test('a received report is delivered, read and shown', async (t) => {
  const { first } = await receive(t, [{ content: gzipSync(RECEIVED) }])
  assert.equal(first.length, 1)
  const { message, ...report } = first[0] as Kept
  assert.equal(typeof message, 'string')
  assert.deepEqual(report, {
    kind: 'received',
    organization: 'Far & Away Inc.',
    email: 'noreply@far.test',
    id: 'r-1',
    begin: 1767052800,
    end: 1767139199,
    domain: 'here.test',
    policy: { p: 'none', sp: 'none', adkim: 'r', aspf: 'r' },
    messages: 7,
    passed: 5,
    rows: [
      {
        ip: '192.0.2.7',
        count: 5,
        disposition: 'none',
        dkim: 'pass',
        spf: 'fail',
        reasons: ['forwarded'],
        from: 'here.test',
        envelopeFrom: '',
        signatures: ['pass here.test s1'],
        senders: ['pass list.test'],
      },
      {
        ip: '203.0.113.1',
        count: 2,
        disposition: 'none',
        dkim: 'fail',
        spf: 'fail',
        reasons: [],
        from: 'here.test',
        envelopeFrom: 'evil.test',
        signatures: [],
        senders: ['none evil.test'],
      },
    ],
    rowsLeftOut: 0,
    receivedAt: Date.UTC(2026, 0, 1),
    dmarc: 'pass',
  })
})

test('zipped and plain reports are read too, and the same one twice is one', async (t) => {
  const zipped = await zipOf('report.xml', Buffer.from(RECEIVED))
  const { first, run } = await receive(
    t,
    [
      { content: zipped, type: 'application/zip', name: 'r.zip' },
      { content: gzipSync(RECEIVED) },
      { content: Buffer.from(RECEIVED.replace('r-1', 'r-2')), type: 'text/xml', name: 'r.xml' },
    ],
    2,
  )
  assert.deepEqual(first.map(({ id, messages }) => `${id} ${messages}`).sort(), ['r-1 7', 'r-2 7'])
  assert.equal((await run('dmarc reports', { received: true })).length, 2)
  assert.deepEqual(await run('dmarc reports', { sent: true }), [])
  assert.deepEqual(await run('dmarc reports', { domain: 'other.test' }), [])
})

test('what we write we read', async (t) => {
  const reporter = await start(t)
  await reporter.send({ content: letter() })
  await reporter.advance(26 * HOUR)
  const { first } = await receive(t, [{ content: gzipSync(xmlOf(reporter.delivered.at(-1)?.content ?? '')) }])
  assert.deepEqual([first[0]?.organization, first[0]?.messages, first[0]?.passed], ['Here & There', 1, 1])
})

test('a large report lets others take their turn while it is read', async () => {
  const record = '<record><row><source_ip>192.0.2.1</source_ip><count>1</count></row></record>'
  let turns = 0
  let isReading = true
  const turn = () => {
    turns++
    if (isReading) setImmediate(turn)
  }
  setImmediate(turn)
  const report = await readFeedback(RECEIVED.replace('</feedback>', `${record.repeat(20_000)}</feedback>`), 10_000)
  isReading = false
  assert.deepEqual([report.messages, report.rows.length, report.rowsLeftOut], [20_007, 10_000, 10_002])
  assert.ok(turns > 200, `${turns} turns`)
})

/** A good report, but for its size. */
const BOMB = Buffer.concat([Buffer.from(RECEIVED), Buffer.alloc(5_000_000, 0x20)])
const HOSTILE: Readonly<Record<string, () => Buffer | Promise<Buffer>>> = {
  'a gzip bomb': () => gzipSync(BOMB),
  'a zip bomb': () => zipOf('r.xml', BOMB),
  'a broken gzip': () => gzipSync(RECEIVED).subarray(0, 100),
  'a broken zip': async () => (await zipOf('r.xml', Buffer.from(RECEIVED))).subarray(0, 200),
  'a zip in a zip': async () => zipOf('r.zip', await zipOf('r.xml', Buffer.from(RECEIVED))),
  'entities of its own': () =>
    gzipSync(`<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>${RECEIVED.replace('r-1', '&b;')}`),
  'depth without end': () => gzipSync(`<feedback>${'<a>'.repeat(20_000)}`),
  'another document': () => gzipSync('<svg xmlns="x"/>'),
  'an end that fits nothing': () => gzipSync('<feedback></a></feedback>'),
  'nothing in it': () => gzipSync('<feedback></feedback>'),
  'something else': () => Buffer.from('%PDF-1.7'),
  'nothing at all': () => Buffer.alloc(0),
}
for (const [name, make] of Object.entries(HOSTILE))
  test(`a report that is ${name} is delivered and not kept`, async (t) => {
    const { first, events } = await receive(t, [{ content: await make() }, { content: report('good') }])
    assert.deepEqual(
      first.map(({ id }) => id),
      ['good'],
    )
    assert.deepEqual(
      events.filter(({ name }) => /fault/.test(name)),
      [],
    )
  })

test('what people get to see has no control characters and no end of numbers', async (t) => {
  const xml = RECEIVED.replace('r-1', 'r\u001b[31m&#27;&#10;2')
    .replace('<count>5<', '<count>-5<')
    .replace('>2<', '>1e999<')
  const { first } = await receive(t, [{ content: gzipSync(xml) }])
  assert.deepEqual([first[0]?.id, first[0]?.messages], ['r [31m 2', 0])
})

test('so many reports a day are kept and no more, and none longer than the admin wants', async (t) => {
  const many = ['a', 'b', 'c', 'd', 'e'].map((id) => ({ content: report(id) }))
  const { sendReports, shown, run, advance } = await receive(t, many, 3)
  await advance(DAY)
  await sendReports([{ content: report('f') }])
  assert.deepEqual((await shown(4)).map(({ id }) => id).sort(), ['a', 'b', 'c', 'f'])
  for (let day = 0; day < 7; day++) await advance(DAY)
  assert.deepEqual(await run('dmarc reports', { days: '999' }), [])
})
