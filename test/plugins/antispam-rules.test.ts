/** The standard rules: each is found where it is meant to be, says why, and costs linear time. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readLetter } from '../../plugins/filter/antispam/content/message-text.ts'
import { options } from '../../plugins/filter/antispam/options.ts'
import { createStandardRules, RULE_NAMES } from '../../plugins/filter/antispam/rules/rules.ts'
import { startAntispam } from '../support/antispam.ts'

const STANDARD = { options: { content: { standard: true } } }

type Fields = Readonly<Record<string, string | readonly string[] | undefined>>

const ORDINARY: Fields = {
  Received:
    'from mail.a.test (mail.a.test [192.0.2.1]) by mx.here.test with ESMTP id 1; Thu, 01 Jan 2026 10:00:05 +0000',
  From: 'Ann Author <ann@a.test>',
  To: 'Bob <bob@here.test>',
  Subject: 'Minutes of our meeting',
  Date: 'Thu, 01 Jan 2026 10:00:00 +0000',
  'Message-ID': '<20260101100000.7f3a@mail.a.test>',
  'MIME-Version': '1.0',
  'Content-Type': 'text/plain; charset=utf-8',
}
const TEXT = 'Hello Bob,\r\n\r\nhere are the minutes, with what we agreed on Tuesday.\r\n\r\nKind regards\r\nAnn\r\n'

function write(fields: Fields = {}, body = TEXT): string {
  const lines = Object.entries({ ...ORDINARY, ...fields }).flatMap(([name, value]) =>
    value === undefined ? [] : [value].flat().map((one) => `${name}: ${one}`),
  )
  return `${lines.join('\r\n')}\r\n\r\n${body}`
}

const html = (body: string, fields: Fields = {}) =>
  write({ 'Content-Type': 'text/html; charset=utf-8', ...fields }, body)
const link = (href: string, text = 'see here') => html(`<p>Hello Bob, <a href="${href}">${text}</a></p>`)
const hop = (from: string) => write({ Received: `from ${from} by mx.here.test; Thu, 01 Jan 2026 10:00:05 +0000` })
const attached = (name: string) =>
  write(
    { 'Content-Type': 'multipart/mixed; boundary="=-b1"' },
    `--=-b1\r\n\r\nHello\r\n--=-b1\r\nContent-Type: application/octet-stream; name="${name}"\r\n\r\nMZ\r\n--=-b1--\r\n`,
  )

/** A message for each rule. */
const EXAMPLES: Readonly<Record<string, string>> = {
  'from-missing': write({ From: undefined }),
  'date-missing': write({ Date: undefined }),
  'message-id-missing': write({ 'Message-ID': undefined }),
  'recipients-missing': write({ To: 'undisclosed-recipients:;' }),
  'subject-missing': write({ Subject: undefined }),
  'field-repeated': write({ Subject: ['One', 'Two'] }),
  'date-malformed': write({ Date: 'some day' }),
  'date-zone-odd': write({ Date: 'Thu, 01 Jan 2026 10:00:00 -1600' }),
  'date-future': write({ Date: 'Sat, 03 Jan 2026 10:00:00 +0000' }),
  'date-past': write({ Date: 'Mon, 01 Dec 2025 10:00:00 +0000' }),
  'message-id-malformed': write({ 'Message-ID': 'abc@' }),
  'message-id-host-odd': write({ 'Message-ID': '<1.2@localhost>' }),
  'mailer-forged': write({ 'X-Mailer': 'Microsoft Outlook Express 6.00.2600.0000' }),
  'priority-without-mailer': write({ 'X-Priority': '1' }),
  'reply-without-reference': write({ Subject: 'Re: your order' }),
  'received-helo-address': hop('198.51.100.7 (x.a.test [198.51.100.7])'),
  'received-helo-short': hop('server (x.a.test [198.51.100.7])'),
  'received-helo-mismatch': hop('mail.yahoo.com (dsl7.a.test [198.51.100.7])'),
  'received-unnamed': hop('mail.a.test (unknown [198.51.100.7])'),
  'from-name-address': write({ From: '"service@bank.test" <x@a.test>' }),
  'reply-to-elsewhere': write({ 'Reply-To': 'ann77@gmail.com' }),
  'reply-to-differs': write({ 'Reply-To': 'ann@b.test' }),
  'from-digits': write({ From: 'ann83741@a.test' }),
  'from-is-recipient': write({ From: 'bob@here.test' }),
  'from-free-elsewhere': write({ From: 'ann@yahoo.com' }),
  'recipients-many': write({ To: Array.from({ length: 12 }, (_, n) => `p${n}@here.test`).join(', ') }),
  'subject-caps': write({ Subject: 'READ THIS TODAY' }),
  'subject-gappy': write({ Subject: 'cheap V I A G R A here' }),
  'subject-encoded-needlessly': write({ Subject: `=?utf-8?B?${Buffer.from('Hello there').toString('base64')}?=` }),
  'subject-not-encoded': write({ Subject: 'Grüße' }),
  'subject-tail': write({ Subject: 'A letter for you         kx72q' }),
  'subject-shouts': write({ Subject: 'Look at this!!' }),
  'subject-exclaims': write({ Subject: 'Look at this!' }),
  'subject-money': write({ Subject: 'your $5,000' }),
  'subject-free': write({ Subject: 'A free gift for you' }),
  'subject-advertisement': write({ Subject: 'ADV: printers' }),
  'words-advance-fee': write({}, 'I am the next of kin of my late\r\nfather, who left ten million dollars.\r\n'),
  'words-lottery': write({}, 'Congratulations, you have won the main prize.\r\n'),
  'words-pharmacy': write({}, 'Buy cheap Viagra.\r\n'),
  'words-loan': write({}, 'Refinance your mortgage.\r\n'),
  'words-income': write({}, 'Work from home, with financial freedom.\r\n'),
  'words-adult': write({}, 'hot girls, naked\r\n'),
  'words-bulk-software': write({}, 'We sell bulk email addresses.\r\n'),
  'words-goods': write({}, 'A Rolex as good as new.\r\n'),
  'words-phishing': write({}, 'Dear customer, verify your account.\r\n'),
  'words-extortion': write({}, 'I hacked your device. Send bitcoin.\r\n'),
  'words-call-to-buy': write({}, 'Act now, limited time.\r\n'),
  'words-law-claimed': write({}, 'This is not spam.\r\n'),
  'words-removal': write({}, 'To be removed, write "remove".\r\n'),
  'words-dear-stranger': write({}, 'Dear friend,\r\n'),
  'words-click-here': write({}, 'Click\r\nhere.\r\n'),
  'html-only': html('<p>Hello Bob</p>'),
  'html-hidden-text': html(`<p>Hello</p><div style="display: none">${'filler words '.repeat(40)}</div>`),
  'html-invisible-text': html('<body bgcolor="#FFFFFF"><p>Hello <font color=white>nothing to see here</font></p>'),
  'html-tiny-font': html('<p>Hello <span style="font-size:1px">so small that it cannot be read</span></p>'),
  'html-mostly-images': html('<p>Hello <img src="https://a.test/1.png"></p>'),
  'html-active': html('<p>Hello</p><script>x()</script>'),
  'html-form': html('<p>Hello</p><form action="https://a.test/x"><input name=a></form>'),
  'html-broken-words': html('<p>vi<!-- x -->ag<!-- y -->ra che<!-- z -->ap</p>'),
  'html-loud': html('<font color=red>A</font><font size=7>B</font><font size="+6">C</font>'),
  'mime-base64-text': write({ 'Content-Transfer-Encoding': 'base64' }, Buffer.from(TEXT).toString('base64')),
  'mime-charset-wrong': write({ 'Content-Type': 'text/plain; charset=us-ascii' }, 'Grüße und Küsse\r\n'),
  'mime-version-missing': write({ 'MIME-Version': undefined }),
  'mime-html-unlabelled': write({}, '<html><body>Hello</body></html>\r\n'),
  'mime-single-multipart': write(
    { 'Content-Type': 'multipart/alternative; boundary="=-b1"' },
    '--=-b1\r\n\r\nHello\r\n--=-b1--\r\n',
  ),
  'mime-boundary-odd': write(
    { 'Content-Type': 'multipart/mixed; boundary=abcdef' },
    '--abcdef\r\n\r\nHello\r\n--abcdef--\r\n',
  ),
  'mime-program': attached('setup.exe'),
  'mime-program-disguised': attached('invoice.pdf      .exe'),
  'bulk-mailer': write({ 'X-Mailer': 'MailKing 3' }),
  'bulk-without-list': write({}, 'To unsubscribe, write to us.\r\n'),
  'text-gappy': write({}, 'V I A G R A and C I A L I S and M O N E Y\r\n'),
  'text-caps': write({}, 'THIS IS THE BEST THAT YOU WILL EVER SEE IN YOUR LIFE. '.repeat(5)),
  'text-mixed-script': write({}, 'Your p\u0430yment\r\n'),
  'text-random-tail': write({}, 'Hello\r\n\r\nxkq7hgtrwpl2mnbvz\r\n'),
  'link-mismatch': link('http://evil.test/', 'www.bank.test'),
  'link-address': link('http://198.51.100.7/'),
  'link-obscured': link('http://0xC6336407/'),
  'link-user': link('http://www.bank.test@evil.test/'),
  'link-port': link('http://evil.test:8123/'),
  'link-shortened': link('https://bit.ly/abc'),
  'link-punycode': link('https://xn--mller-kva.test/'),
  'link-mixed-script': link('https://p\u0430ypal.test/'),
  'link-look-alike': link('https://www.paypa1.test/'),
  'link-recipient': link('https://a.test/?u=bob%40here.test'),
  'link-domain-cheap': link('https://shop.xyz/'),
  'link-name-digits': link('https://a1b2c3.test/'),
}

test('each standard rule is found where it is meant to be, and says what it found', async (t) => {
  const weights = Object.fromEntries(RULE_NAMES.map((name) => [name, 0.1]))
  const { send } = await startAntispam(t, { options: { content: { standard: true, weights } } })
  assert.deepEqual(Object.keys(EXAMPLES).sort(), [...RULE_NAMES].sort())
  for (const [name, content] of Object.entries(EXAMPLES)) {
    const { findings } = await send({ content })
    const reasons = `${findings['spam-reasons'] ?? ''}`.split(' ')
    assert.ok(reasons.includes(`${name}=0.1`), `${name} is not among ${reasons.join(' ')}`)
    assert.match(`${findings[`spam:${name}`]}`, /^(?:[A-Z].*)\.$/)
  }
})

test('an ordinary message matches no standard rule', async (t) => {
  const { send } = await startAntispam(t, STANDARD)
  assert.deepEqual((await send({ content: write() })).findings, { 'spam-score': 0 })
})

test('phrases count once, and only at the start of a word of any script', async (t) => {
  const { send } = await startAntispam(t, STANDARD)
  const found = async (text: string) =>
    'spam:words-lottery' in
    (await send({ content: write({ 'Content-Type': 'text/plain; charset=utf-8' }, text) })).findings
  assert.ok(await found('The LOTTERY\r\nsays: claim\r\n your  prize\r\n'))
  assert.ok(await found('(lottery) -sweepstakes\r\n'))
  assert.equal(await found('lottery, lottery and lottery\r\n'), false)
  assert.equal(await found('lottery xsweepstakes 1sweepstakes\r\n'), false)
  assert.equal(await found('lottery \u00e9sweepstakes \u{10400}sweepstakes\r\n'), false)
  assert.ok(await found('lottery \u{1f381}sweepstakes\r\n'))
})

test('letters that stand apart are found with each kind of gap and in any script', async (t) => {
  const { send } = await startAntispam(t, STANDARD)
  const found = async (text: string) =>
    'spam:text-gappy' in
    (await send({ content: write({ 'Content-Type': 'text/plain; charset=utf-8' }, text) })).findings
  assert.ok(await found('c.h.e.a.p and g_o_o_d_s and m-o-n-e-y\r\n'))
  assert.ok(
    await found('\u{10428} \u{10429} \u{1042a} \u{1042b} \u{1042c}, \u00e4*\u00f6*\u00fc*\u00df*e, b u y i t\r\n'),
  )
  assert.equal(await found('c.h.e.a.p and g_o_o_d_s and m-o-n-ey\r\n'), false)
  assert.equal(await found('1 2 3 4 5, 6 7 8 9 10, 11 12 13 14 15\r\n'), false)
})

test('look-alike links are found in many spellings, and honest links are not', async (t) => {
  const { send } = await startAntispam(t, STANDARD)
  const found = async (href: string) => 'spam:link-look-alike' in (await send({ content: link(href) })).findings
  const false_ = ['paypaI', 'rnicrosoft', 'arnazon', 'g00gle', 'appłe', 'p\u0430yp\u0430l', 'netfl1x']
  for (const name of false_) assert.ok(await found(`https://www.${name}.test/login`), name)
  assert.ok(await found('https://paypal.com.secure.test/'))
  for (const host of [
    'www.paypal.com',
    'paypal.de',
    'login.microsoft.com',
    'amazon.co.uk',
    'mail.google.com',
    'chaser.test',
  ])
    assert.equal(await found(`https://${host}/`), false, host)
})

test('an administrator weighs a rule, turns it off, and cannot misspell it', async (t) => {
  const content = write({ 'Message-ID': undefined, Subject: 'READ THIS TODAY' })
  const weights = { 'message-id-missing': 3, 'subject-caps': 0 }
  const { send } = await startAntispam(t, { options: { content: { standard: true, weights } } })
  assert.equal((await send({ content })).findings['spam-reasons'], 'message-id-missing=3')
  const misspelt = { options: { content: { weights: { 'mesage-id-missing': 1 } } } }
  await assert.rejects(startAntispam(t, misspelt), /mesage-id-missing/)
})

test('explain gives the reasons of a file with their sentences, and the sum', async (t) => {
  const { run } = await startAntispam(t, STANDARD)
  const values = await run('antispam explain', {}, EXAMPLES['link-user'])
  const found = values.find(({ name }) => name === 'link-user')
  assert.match(`${found?.says}`, /user name in front of its host/)
  const last = values.at(-1)
  const scores = values.slice(0, -1).map(({ score }) => score as number)
  assert.equal(last?.score, Math.round(scores.reduce((all, one) => all + one, 0) * 100) / 100)
  assert.equal(last?.action, 'none')
})

test('rules cost what the length of a message says, whatever stands in it', async (t) => {
  const { send } = await startAntispam(t, STANDARD)
  const runs = [
    'a',
    ' ',
    '<',
    '<a href=',
    '<a ',
    '<!--',
    'http://',
    'http://a.',
    '@',
    '1',
    'V ',
    'a1',
    '=',
    "'",
    '"',
    '<p style="',
    '&',
    '%41',
    'x.',
    '[',
    '-',
    '\u0430a',
  ]
  const time = async (text: string, size: number) => {
    const content = html(text.repeat(Math.ceil(size / text.length)))
    const started = performance.now()
    await send({ content })
    return performance.now() - started
  }
  await time('a', 60_000)
  for (const text of runs) {
    const short = Math.max(10, await time(text, 15_000))
    const long = await time(text, 60_000)
    assert.ok(long < short * 16, `${JSON.stringify(text)}: ${short} ms, four times as long ${long} ms`)
  }
})

test('the standard rules let the event loop go on while they take their time', async (t) => {
  const { content } = options.parse({})
  const match = createStandardRules(content, { hostname: 'mx.here.test', now: () => 0 })
  const letter = await readLetter(Buffer.from(`Content-Type: text/html\r\n\r\n<p>${'Free '.repeat(100)}`), content)
  // Each look at the clock finds ten more milliseconds gone.
  let now = 0
  t.mock.method(performance, 'now', () => (now += 10))
  let turns = 0
  let isDone = false
  const turn = () => {
    turns++
    if (!isDone) setImmediate(turn)
  }
  setImmediate(turn)
  await match(letter)
  isDone = true
  assert.ok(turns > RULE_NAMES.length / 3, `${turns} turns of the event loop`)
})

test('dates are read as mail has them, whatever the time zone of the server', async () => {
  const { content } = options.parse({})
  const match = createStandardRules(content, { hostname: 'mx.here.test', now: () => Date.UTC(2026, 0, 1, 12) })
  const found = async (date: string) => {
    const letter = await readLetter(Buffer.from(`Date: ${date}\r\n\r\nx`), content)
    return (await match(letter)).map(({ name }) => name).filter((name) => name.startsWith('date-'))
  }
  for (const date of [
    'Thu, 1 Jan 2026 12:00:00 +0000 (UTC (really))',
    'Thu (today), 01 Jan 26 04:00 PST',
    '1 Jan 126 12:00 GMT',
  ])
    assert.deepEqual(await found(date), [], date)
  for (const date of ['2026-01-01T12:00:00Z', '01/01/2026 12:00 GMT', 'Thu, 32 Jan 2026 12:00:00 +0000', '1'])
    assert.ok((await found(date)).includes('date-malformed'), date)
  assert.deepEqual(await found('Fri, 2 Jan 2026 12:00:00 -1200'), ['date-future'])
})
