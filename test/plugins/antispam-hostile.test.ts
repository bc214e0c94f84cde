/** What a stranger may send to make the filter slow, fail or forget itself. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fieldsOf, letter, startAntispam } from '../support/antispam.ts'
import { fc } from '../support/property.ts'

const LISTS = [{ zone: 'uri.test', of: ['uri' as const] }]
const RULES = [
  { name: 'word', pattern: /lottery/i, score: 1 },
  { name: 'field', header: 'Subject', pattern: /lottery/i, score: 1 },
]

test('of ten thousand pages so many domains are asked about, from both ends', async (t) => {
  const pages = Array.from({ length: 10_000 }, (_, n) => `http://d${n}.test/`)
  const zone = { 'A d1999.test.uri.test': ['127.0.0.2'] }
  const { send, asked } = await startAntispam(t, {
    zone,
    options: { lists: LISTS, content: { uris: 10, size: '1 MB' } },
  })
  const { findings } = await send({ content: letter(pages.join('\r\n')) })
  const questions = asked.filter((one) => one.endsWith('.uri.test'))
  assert.equal(questions.length, 10)
  assert.ok(questions.includes('A d0.test.uri.test'))
  assert.match(`${findings['spam-reasons']}`, /list:uri\.test\(d1999\.test\)=3/)
})

/** Nests `depth` multiparts in each other. */
function nested(depth: number): string {
  const open = Array.from(
    { length: depth },
    (_, n) => `Content-Type: multipart/mixed; boundary=b${n}\r\n\r\n--b${n}\r\n`,
  )
  return `From: ann@a.test\r\n${open.join('')}\r\nlottery\r\n`
}

const COSTLY: Readonly<Record<string, () => string>> = {
  'a line of a megabyte': () => letter('x'.repeat(1_000_000)),
  'a megabyte of words': () => letter(Array.from({ length: 150_000 }, (_, n) => `w${n}`).join(' ')),
  'a megabyte of half links': () => letter('http://'.repeat(150_000)),
  'a megabyte of slashes': () => letter('"//'.repeat(330_000)),
  'a megabyte of links to one long name': () => letter(`http://${'a'.repeat(299)}.`.repeat(3_000)),
  'HTML that never ends': () => letter('<'.repeat(500_000), ['Content-Type: text/html']),
  'HTML of scripts': () => letter('<script>'.repeat(60_000), ['Content-Type: text/html']),
  'HTML of comments': () => letter('<!--'.repeat(120_000), ['Content-Type: text/html']),
  'HTML of entities': () => letter('&amp'.repeat(120_000), ['Content-Type: text/html']),
  'parts within parts': () => nested(5_000),
  'a hundred thousand empty parts': () =>
    letter('--b\r\n\r\n'.repeat(100_000), ['Content-Type: multipart/mixed; boundary=b']),
  'thousands of attachments': () =>
    letter('--b\r\nContent-Disposition: attachment; filename=a.exe\r\n\r\n'.repeat(10_000), [
      'Content-Type: multipart/mixed; boundary=b',
    ]),
  'a header of many fields': () =>
    letter(
      'x',
      Array.from({ length: 20_000 }, (_, n) => `Subject: lottery ${n}`),
    ),
  'a field of 200 KB': () => letter('x', [`X-Mailer: ${'=?utf-8?q?'.repeat(20_000)}`]),
  'an encoded word without an end': () => letter('x', [`Subject: =?utf-8?b?${'A'.repeat(200_000)}`]),
  'verdicts by the thousand': () =>
    letter(
      'x',
      Array.from({ length: 10_000 }, () => 'X-Spam-Status: No'),
    ),
  'parameters by the thousand': () => letter('x', [`Content-Type: text/plain; ${'a="b\\"; '.repeat(20_000)}`]),
  'base64 that is none': () => letter('=*'.repeat(500_000), ['Content-Transfer-Encoding: base64']),
}
for (const [name, make] of Object.entries(COSTLY))
  test(`content cannot cost a second: ${name}`, async (t) => {
    const { send, events } = await startAntispam(t, {
      options: { lists: LISTS, content: { rules: RULES }, classifier: { minimum: 1 } },
      kernel: { limits: { headerSize: '1 MB' } },
    })
    const content = make()
    const before = process.cpuUsage()
    const { reply } = await send({ content })
    const { user } = process.cpuUsage(before)
    assert.equal(reply.code, 250)
    assert.ok(user < 1_000_000, `${user / 1000} ms`)
    assert.ok(!events.some(({ name }) => /fault/.test(name)))
  })

test('a rule that would run for years is stopped, and mail goes on', async (t) => {
  const rules = [
    { name: 'before', pattern: /aaa/, score: 1 },
    { name: 'endless', pattern: /^(a+)+$/, score: 2 },
    { name: 'behind', pattern: /aaa/, score: 4 },
  ]
  const { send } = await startAntispam(t, { options: { content: { rules, rulesTime: '50 ms' } } })
  const before = process.cpuUsage()
  const { reply, findings } = await send({ content: letter(`${'a'.repeat(60)}!`) })
  assert.deepEqual([reply.code, findings['spam-reasons']], [250, 'rule:before=1'])
  assert.ok(process.cpuUsage(before).user < 1_000_000)
  const next = await send({ content: letter('aaa\r\n') })
  assert.equal(next.findings['spam-reasons'], 'rule:behind=4 rule:before=1')
})

test('what is looked at ends where the options say', async (t) => {
  const options = { content: { rules: RULES, size: '2 KiB', text: '1 KiB' } }
  const { send } = await startAntispam(t, { options })
  assert.equal((await send({ content: letter(`lottery${'x'.repeat(5000)}`) })).findings['spam-reasons'], 'rule:word=1')
  for (const before of [1100, 3000]) {
    const { findings } = await send({ content: letter(`${'x'.repeat(before)} lottery`) })
    assert.equal(findings['spam-reasons'], undefined)
  }
})

test('names from outside cannot leave their place in our field', async (t) => {
  const zone = { 'A evil.test.uri.test': ['127.0.0.2'] }
  const { send, deliver, delivered } = await startAntispam(t, { zone, options: { lists: LISTS } })
  await send({
    parameters: { body: 'BINARYMIME' },
    content: letter('http://evil.test\r\nX-Spam-Flag: NO\r\n http://e vil.test\u0000/ http://evil.test\u2028x/'),
  })
  await deliver()
  assert.equal(fieldsOf(delivered[0]?.content ?? '', 'X-Spam-Status').length, 1)
})

test('no message makes a fault', async (t) => {
  const { send, events } = await startAntispam(t, {
    zone: { 'A x.test.uri.test': ['127.0.0.2', '8.8.8.8', '0.0.0.0', '255.1.1.1'] },
    options: { lists: LISTS, content: { rules: RULES }, classifier: { minimum: 1 } },
  })
  const name = fc.constantFrom(
    'From',
    'Subject',
    'Content-Type',
    'Content-Transfer-Encoding',
    'X-Spam-Score',
    'Message-ID',
  )
  const piece = fc.constantFrom(
    'text/html',
    'multipart/mixed',
    'boundary=b',
    '--b',
    '--b--',
    'base64',
    'quoted-printable',
    'charset=utf-16',
    '=?utf-8?b?AAAA?=',
    '=?x?q?=ff?=',
    'http://x.test/',
    'http://[::1]/',
    'http://%/',
    '//\u00e4.test',
    '<',
    '>',
    '"',
    ';',
    '=',
    '@',
    '\r\n',
    '\r\n\r\n',
    ' ',
    '\t',
    '\0',
    '\u00ff',
    '\u4e2d\u6587',
    '__proto__',
    'constructor',
  )
  const field = fc.tuple(name, fc.array(piece, { maxLength: 8 })).map(([name, pieces]) => `${name}: ${pieces.join('')}`)
  const message = fc
    .tuple(fc.array(field, { maxLength: 6 }), fc.array(piece, { maxLength: 40 }))
    .map(([fields, body]) => `${fields.join('\r\n')}\r\n\r\n${body.join('')}`)
  const hello = fc.constantFrom(
    '',
    'x',
    '[',
    '[]',
    '[IPv6:]',
    '[IPv6:::1]',
    '[1.2.3]',
    'a..b',
    '-.-',
    '\u00e4.test',
    '__proto__',
    '1.2',
  )
  const from = fc.constantFrom(
    '',
    '@',
    'a@',
    'a@[1.2.3.4]',
    '"\u00e4@b"@\u00e4.test',
    'a@b..c',
    `a@${'x'.repeat(300)}.test`,
    '__proto__@constructor',
  )
  const ip = fc.constantFrom('192.0.2.1', '::1', '2001:db8::', '::ffff:1.2.3.4', 'fe80::1%eth0', '64:ff9b::1.2.3.4')
  await fc.assert(
    fc.asyncProperty(message, hello, from, ip, async (content, helo, from, ip) => {
      const { reply } = await send({ content, helo, from, ip, parameters: { body: 'BINARYMIME' } })
      assert.equal(reply.code, 250, JSON.stringify(reply))
    }),
    { numRuns: 500 },
  )
  assert.deepEqual(
    events.filter(({ name }) => /fault/.test(name)),
    [],
  )
})

test('what is no mailbox file can be learnt from too, or not', async (t) => {
  const { run } = await startAntispam(t)
  const file = fc.array(
    fc.constantFrom(
      'From ',
      'From a\n',
      '\n',
      '\r\n',
      '>From ',
      'Subject: x\n',
      'word',
      '\0',
      ' ',
      'y'.repeat(300_000),
    ),
    { maxLength: 20 },
  )
  await fc.assert(
    fc.asyncProperty(file, async (pieces) => {
      const [told] = await run('antispam learn', { ham: true }, pieces.join(''))
      assert.ok((told?.messages as number) >= 0)
    }),
    { numRuns: 60 },
  )
})
