/** One score with its reasons: lists, the client, its HELO, the sender, rules, URIs; what is done, and the fields. */

import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { format } from 'iems'
import { type AntispamOptions, CLEAN, fieldsOf, letter, type Settings, startAntispam } from '../support/antispam.ts'
import type { Zone } from '../support/dns-zone.ts'

const ANN = { kind: 'identity', user: 'ann', mayRelay: true } as const

test('about a clean message nothing is said but that', async (t) => {
  const { send, deliver, delivered } = await startAntispam(t)
  const { reply, findings } = await send()
  assert.equal(reply.code, 250)
  assert.deepEqual(findings, { 'spam-score': 0 })
  await deliver()
  const { content = '' } = delivered[0] ?? {}
  assert.deepEqual(fieldsOf(content, 'X-Spam-Status'), ['No, score=0 required=4 tests=none'])
  assert.deepEqual(fieldsOf(content, 'X-Spam-Score'), ['0'])
  assert.deepEqual(fieldsOf(content, 'X-Spam-Flag'), [])
})

// --- what counts ---

const LISTED = '1.2.0.192.bl.test'
interface Case {
  readonly name: string
  readonly zone?: Zone
  readonly options?: Settings['options']
  readonly sent?: Parameters<Awaited<ReturnType<typeof startAntispam>>['send']>[0]
  readonly reasons: string | undefined
}
const CASES: readonly Case[] = [
  {
    name: 'a client that a list names',
    zone: { [`A ${LISTED}`]: ['127.0.0.2'] },
    options: { lists: [{ zone: 'bl.test', score: 3.5 }] },
    reasons: 'list:bl.test=3.5',
  },
  {
    name: 'each answer of a list as the admin says, the weightiest of several',
    zone: { [`A ${LISTED}`]: ['127.0.0.3', '127.0.0.11', '127.0.0.5'] },
    options: { lists: [{ zone: 'bl.test', returns: { '127.0.0.2-4': 2, '127.0.*.11': 5 } }] },
    reasons: 'list:bl.test=5',
  },
  {
    name: 'an answer the admin did not name counts nothing',
    zone: { [`A ${LISTED}`]: ['127.0.0.9'] },
    options: { lists: [{ zone: 'bl.test', returns: { '127.0.0.2': 2 } }] },
    reasons: undefined,
  },
  {
    name: 'an allow list',
    zone: { [`A ${LISTED}`]: ['127.0.0.2'], 'A 1.2.0.192.wl.test': ['127.0.5.2'] },
    options: { lists: [{ zone: 'bl.test' }, { zone: 'wl.test', score: -2 }] },
    reasons: 'list:bl.test=3 list:wl.test=-2',
  },
  ...['127.255.255.254', '127.255.255.252', '127.0.0.1', '127.0.0.255', '198.51.100.7'].map((answer) => ({
    name: `${answer} is an error of a list and names nobody`,
    zone: { [`A ${LISTED}`]: [answer] },
    options: { lists: [{ zone: 'bl.test' }] },
    reasons: undefined,
  })),
  {
    name: 'an IPv6 client',
    zone: {
      'A b.b.a.a.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.bl.test': ['127.0.0.2'],
      'PTR b.b.a.a.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa': ['mail6.a.test'],
      'AAAA mail6.a.test': ['2001:DB8:1::aabb'],
    },
    options: { lists: [{ zone: 'bl.test' }] },
    sent: { ip: '2001:db8:1::aabb' },
    reasons: 'list:bl.test=3',
  },
  {
    name: 'an IPv4 client within IPv6 is that client',
    zone: { [`A ${LISTED}`]: ['127.0.0.2'] },
    options: { lists: [{ zone: 'bl.test' }] },
    sent: { ip: '::ffff:192.0.2.1' },
    reasons: 'list:bl.test=3',
  },
  {
    name: 'a domain of the sender, the HELO and the confirmed name, once',
    zone: { 'A a.test.dbl.test': ['127.0.1.2'] },
    options: { lists: [{ zone: 'dbl.test', of: ['sender', 'hello', 'client-name'] }] },
    reasons: 'list:dbl.test(a.test)=3',
  },
  { name: 'a client without a name', sent: { ip: '192.0.2.2' }, reasons: 'client-no-name=1' },
  {
    name: 'a client whose name does not lead back',
    zone: { 'PTR 2.2.0.192.in-addr.arpa': ['mail.bank.test'], 'A mail.bank.test': ['198.51.100.1'] },
    sent: { ip: '192.0.2.2' },
    reasons: 'client-false-name=1',
  },
  {
    name: 'a client whose name cannot be looked up now is not blamed',
    zone: { 'PTR 2.2.0.192.in-addr.arpa': ['x.test', 'y.test'], 'A x.test': ['192.0.2.9'], 'A y.test': 'SERVFAIL' },
    sent: { ip: '192.0.2.2' },
    reasons: undefined,
  },
  { name: 'a HELO without a dot', sent: { helo: 'localhost' }, reasons: 'hello-not-a-name=1.5' },
  { name: 'a HELO that is a bare address', sent: { helo: '192.0.2.1' }, reasons: 'hello-not-a-name=1.5' },
  { name: 'a HELO that is our name', sent: { helo: 'MX.test' }, reasons: 'hello-ours=4' },
  {
    name: 'a HELO that is our domain',
    options: { hello: { names: ['here.test'] } },
    sent: { helo: 'here.test' },
    reasons: 'hello-ours=4',
  },
  { name: 'a HELO that does not exist', sent: { helo: 'nowhere.test' }, reasons: 'hello-unknown=0.5' },
  { name: 'the address of the client in brackets is fine', sent: { helo: '[192.0.2.1]' }, reasons: undefined },
  { name: 'that of another is not', sent: { helo: '[IPv6:2001:db8::1]' }, reasons: 'hello-other-address=1' },
  { name: 'a sender nobody can answer', sent: { from: 'x@nowhere.test' }, reasons: 'sender-unknown=3' },
  {
    name: 'a sender whose domain has only addresses is fine',
    zone: { 'AAAA v6.test': ['2001:db8::1'] },
    sent: { from: 'x@v6.test' },
    reasons: undefined,
  },
  {
    name: 'a sender whose domain has a null MX',
    zone: { 'MX no.test': [{ priority: 0, exchange: '' }] },
    sent: { from: 'x@no.test' },
    reasons: 'sender-no-mail=5',
  },
  { name: 'the null sender is nobody’s domain', sent: { from: '' }, reasons: undefined },
  {
    name: 'rules over fields and text, encoded as they may be',
    options: {
      content: {
        rules: [
          { name: 'lottery', header: 'Subject', pattern: /you have won/i, score: 2 },
          { name: 'pills', pattern: /cheap\s+pills/i, score: 1.5 },
          { name: 'friend', pattern: /how are you/, score: -1 },
          { name: 'absent', header: 'X-Absent', pattern: /./, score: 9 },
        ],
      },
    },
    sent: {
      content: [
        'From: x@a.test',
        'Subject: =?utf-8?B?WW91IEhBVkUg?= =?utf-8?B?V09OIQ==?=',
        'Content-Type: multipart/alternative; boundary=b',
        '',
        '--b',
        'Content-Type: text/html; charset=utf-8',
        'Content-Transfer-Encoding: base64',
        '',
        Buffer.from('<p>che<b>ap</b>&nbsp;pi<!-- x -->lls</p><style>how are you</style>').toString('base64'),
        '--b--',
        '',
      ].join('\r\n'),
    },
    reasons: 'rule:lottery=2 rule:pills=1.5',
  },
  {
    name: 'pages that lists name, however they are written, each list once',
    zone: {
      'A evil.test.uri.test': ['127.0.0.2'],
      'A shop.co.uk.uri.test': ['127.0.0.2'],
      'A 7.100.51.198.uri.test': ['127.0.0.4'],
    },
    options: { lists: [{ zone: 'uri.test', of: ['uri'], returns: { '127.0.0.2': 2, '127.0.0.4': 3 } }] },
    sent: {
      content: letter('see HTTP://user@WWW.Evil.test:8080/x?y and www.shop.co.uk, or http://0xC6.51.100.7/\r\n'),
    },
    reasons: 'list:uri.test(198.51.100.7)=3',
  },
  {
    name: 'pages in HTML, without a scheme and percent-encoded',
    zone: { 'A evil.test.uri.test': ['127.0.0.2'] },
    options: { lists: [{ zone: 'uri.test', of: ['uri'] }] },
    sent: { content: letter('<a href="//%65vil.test/">x</a>\r\n', ['Content-Type: text/html']) },
    reasons: 'list:uri.test(evil.test)=3',
  },
  {
    name: 'lists that take hashes',
    // sha1 of evil.test
    zone: { 'A b81c93b75b8a5d453fb75473ed9d851cc52d97c2.h.test': ['127.0.0.2'] },
    options: { lists: [{ zone: 'h.test', of: ['uri'], hash: 'sha1' }] },
    sent: { content: letter('http://evil.test/\r\n') },
    reasons: 'list:h.test(evil.test)=3',
  },
]

for (const { name, zone = {}, options, sent, reasons } of CASES)
  test(`what counts: ${name}`, async (t) => {
    const { send } = await startAntispam(t, { zone: { ...CLEAN, ...zone }, ...(options ? { options } : {}) })
    const { reply, findings } = await send(sent)
    assert.equal(reply.code, 250)
    assert.equal(findings['spam-reasons'], reasons)
  })

test('findings of other plugins count as the admin says', async (t) => {
  const { senderAuth } = await import('iems/plugins/sender-auth')
  const options = { findings: { 'spf=fail': 2.5, 'dkim=none': 0.25 } }
  const { send } = await startAntispam(t, {
    zone: { ...CLEAN, 'TXT a.test': ['v=spf1 -all'] },
    plugins: [senderAuth()],
    options,
  })
  assert.equal((await send()).findings['spam-reasons'], 'spf=fail=2.5 dkim=none=0.25')
})

// --- what is done ---

const SPAM = { lists: [{ zone: 'bl.test', score: 10 }] }
const BLACK = { ...CLEAN, [`A ${LISTED}`]: ['127.0.0.2'] }

const DONE: readonly { name: string; thresholds: AntispamOptions['thresholds']; becomes: string }[] = [
  { name: 'below all thresholds nothing', thresholds: { tag: 11, junk: 12 }, becomes: 'none' },
  { name: 'at the first it is tagged', thresholds: { tag: 10, junk: 12 }, becomes: 'tag' },
  { name: 'at the second it is junk', thresholds: { junk: 10 }, becomes: 'junk' },
  { name: 'then held', thresholds: { quarantine: 10 }, becomes: 'quarantine' },
  { name: 'then refused', thresholds: { quarantine: 9, refuse: 10 }, becomes: 'refuse' },
  { name: 'or refused at once', thresholds: { rcpt: 10 }, becomes: 'refuse' },
]
for (const { name, thresholds, becomes } of DONE)
  test(`what is done: ${name}`, async (t) => {
    const { send, deliver, delivered, queue } = await startAntispam(t, {
      zone: BLACK,
      options: { ...SPAM, ...(thresholds ? { thresholds } : {}) },
    })
    const { reply, findings } = await send()
    if (becomes === 'refuse') {
      assert.match(format(reply), /^550 5\.7\.1 This looks like spam, listed by bl\.test(?: \([0-9A-Z]{26}\))?$/)
      assert.equal(await queue.count(), 0)
      return
    }
    assert.equal(reply.code, 250)
    assert.equal(findings['spam-score'], 10)
    assert.equal(findings['spam-action'] ?? 'none', becomes)
    assert.equal(findings.junk, ['junk', 'quarantine'].includes(becomes) ? true : undefined)
    await deliver()
    assert.equal(delivered.length, becomes === 'quarantine' ? 0 : 1)
    const { content = '' } = delivered[0] ?? {}
    if (becomes === 'quarantine') return
    assert.deepEqual(fieldsOf(content, 'X-Spam-Flag'), becomes === 'none' ? [] : ['YES'])
    assert.match(
      fieldsOf(content, 'X-Spam-Status')[0] ?? '',
      new RegExp(`^${becomes === 'none' ? 'No' : 'Yes'}, score=10 required=\\d+ tests=list:bl.test=10$`),
    )
  })

test('postmaster and abuse hear of everything', async (t) => {
  const options = { ...SPAM, thresholds: { refuse: 1, rcpt: 1 } }
  const { send } = await startAntispam(t, { zone: BLACK, options })
  assert.equal((await send({ to: 'Abuse@here.test' })).reply.code, 250)
  assert.equal((await send({ to: 'bob@here.test' })).reply.code, 550)
})

test('authenticated and trusted clients are asked nothing, unless content is to be looked at', async (t) => {
  const rules = [{ name: 'word', pattern: /how are you/, score: 20 }]
  const settings = { zone: BLACK, trusts: ['10.0.0.0/8'] }
  const { send, asked, submit } = await startAntispam(t, {
    ...settings,
    options: { ...SPAM, content: { rules }, thresholds: { refuse: 1 } },
  })
  assert.equal((await send({ identity: ANN })).reply.code, 250)
  assert.equal((await send({ ip: '10.0.0.1' })).reply.code, 250)
  assert.equal((await submit({ from: 'a@here.test', to: ['b@here.test'], body: 'how are you' })).reply.code, 250)
  // The connection is met before the client says who he is.
  const atConnect = ['A 1.2.0.192.bl.test', 'A mail.a.test', 'PTR 1.2.0.192.in-addr.arpa']
  while (asked.length < atConnect.length) await setImmediate()
  assert.deepEqual(asked.toSorted(), atConnect)
  const strict = await startAntispam(t, {
    ...settings,
    options: {
      ...SPAM,
      content: { rules },
      thresholds: { refuse: 20 },
      exempt: { authenticated: 'content', trusted: 'content' },
    },
  })
  for (const sent of [{ identity: ANN }, { ip: '10.0.0.1' }])
    assert.match(format((await strict.send(sent)).reply), /^550 5\.7\.1 This looks like spam \([0-9A-Z]{26}\)$/)
})

test('clients that the admin names are not checked', async (t) => {
  const options = { ...SPAM, thresholds: { refuse: 1 }, exempt: { clients: ['192.0.2.0/24'] } }
  const { send, asked } = await startAntispam(t, { zone: BLACK, options })
  assert.equal((await send()).reply.code, 250)
  assert.deepEqual(asked, [])
})

// --- fields ---

test('verdicts that come in are removed, whoever brings them', async (t) => {
  const { send, deliver, delivered } = await startAntispam(t)
  const forged = [
    'X-Spam-Status: No, score=-100',
    'x-spam-score:\r\n\t-100',
    'X-Spam-Flag: NO',
    'X-Rspamd-Score: -5',
    'X-Spamd-Result: default: False',
    'X-Spam-Status: No, twice',
  ]
  const { findings } = await send({ content: letter('x\r\n', forged) })
  assert.equal(findings['forged-spam-fields'], 6)
  await deliver()
  await send({ content: letter('x\r\n', forged), identity: ANN })
  await deliver()
  assert.equal(delivered.length, 2)
  assert.deepEqual(fieldsOf(delivered[0]?.content ?? '', 'X-Spam-Status'), ['No, score=0 required=4 tests=none'])
  for (const { content } of delivered) assert.doesNotMatch(content, /-100|Rspamd|Spamd-Result|Flag|twice/)
})

test('when fields are added is the admin’s choice', async (t) => {
  for (const headers of ['never', 'tagged'] as const) {
    const { send, deliver, delivered } = await startAntispam(t, { zone: BLACK, options: { ...SPAM, headers } })
    await send()
    await deliver()
    await send({ ip: '192.0.2.99' })
    await deliver()
    assert.deepEqual(
      delivered.map(({ content }) => fieldsOf(content, 'X-Spam-Score')),
      headers === 'never' ? [[], []] : [['10'], []],
    )
  }
})

// --- when the DNS does not answer ---

test('what the DNS does not say counts nothing, and costs its time and no more', async (t) => {
  for (const broken of ['SERVFAIL', 'TIMEOUT'] as const) {
    const zone = {
      [`A ${LISTED}`]: broken,
      'PTR 1.2.0.192.in-addr.arpa': broken,
      'MX a.test': broken,
      'A mail.a.test': broken,
      'AAAA mail.a.test': broken,
    }
    const { send } = await startAntispam(t, { zone, options: SPAM })
    const { reply, findings } = await send()
    assert.deepEqual([reply.code, findings], [250, { 'spam-score': 0 }])
  }
})

test('an answer is remembered, an absence for a minute, and two that ask at once ask once', async (t) => {
  const { send, asked, advance } = await startAntispam(t, { options: SPAM })
  await Promise.all([send(), send()])
  const first = asked.length
  assert.equal(new Set(asked).size, first)
  await send()
  assert.equal(asked.length, first)
  await advance(61_000)
  await send()
  assert.deepEqual(asked.slice(first).sort(), ['A 1.2.0.192.bl.test', 'AAAA mail.a.test'])
})

test('name servers that are silent cost a message its time and no more', async (t) => {
  const silent = createSocket('udp4').bind(0, '127.0.0.1')
  await once(silent, 'listening')
  t.after(() => silent.close())
  const dns = { servers: [`127.0.0.1:${silent.address().port}`], timeout: '10 s', tries: 1 }
  const { send } = await startAntispam(t, { options: { ...SPAM, dns, dnsTimeout: '100 ms' } })
  const since = performance.now()
  const { reply, findings } = await send()
  assert.deepEqual([reply.code, findings], [250, { 'spam-score': 0 }])
  assert.ok(performance.now() - since < 5_000)
})
