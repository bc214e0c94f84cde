/** MAIL and RCPT within what the next server can (RFC 1870, 3461, 6152, 6531, 6533, 6710, 8689), and what it cannot. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { obstacle, writeEnvelope } from '../../plugins/smtp/out/envelope.ts'
import { type Features, readFeatures } from '../../plugins/smtp/out/features.ts'

const NONE = readFeatures('mx.test greets you')
const ALL: Features = {
  ...NONE,
  size: true,
  eightBit: true,
  utf8: true,
  dsn: true,
  binary: true,
  priority: true,
  requireTls: true,
}

interface Given {
  readonly from?: string
  readonly to?: readonly object[]
  readonly needs?: object
  readonly parameters?: object
  readonly size?: number
  readonly content?: string
}
const deliveryOf = ({ from = 'a@a.test', needs = {}, parameters = {}, size = 100, content = 'A: b\r\n\r\nx' }: Given) =>
  ({
    from,
    needs,
    size,
    message: { parameters },
    async *open() {
      yield Buffer.from(content)
    },
  }) as never

const MAILS: readonly (readonly [what: string, given: Given, features: Partial<Features>, parameters: string])[] = [
  ['nothing', {}, {}, ''],
  ['size', {}, { size: true }, ' SIZE=100'],
  ['8-bit content', { needs: { eightBit: true } }, { eightBit: true }, ' BODY=8BITMIME'],
  ['8-bit content to an old server', { needs: { eightBit: true } }, {}, ''],
  ['binary content', { needs: { binary: true } }, { binary: true, eightBit: true }, ' BODY=BINARYMIME'],
  ['UTF-8', { needs: { utf8: true } }, { utf8: true }, ' SMTPUTF8'],
  ['UTF-8 to an old server', { needs: { utf8: true } }, {}, ''],
  ['required TLS', { parameters: { requireTls: true } }, {}, ' REQUIRETLS'],
  ['priority', { parameters: { mtPriority: -3 } }, { priority: true }, ' MT-PRIORITY=-3'],
  ['priority to an old server', { parameters: { mtPriority: -3 } }, {}, ''],
  ['DSN', { parameters: { ret: 'HDRS', envid: 'QQ 314+159=' } }, { dsn: true }, ' RET=HDRS ENVID=QQ+20314+2B159+3D'],
  [
    'all',
    { needs: { eightBit: true, utf8: true }, parameters: { ret: 'FULL' } },
    ALL,
    ' SIZE=100 BODY=8BITMIME SMTPUTF8 RET=FULL',
  ],
]

for (const [what, given, features, parameters] of MAILS)
  test(`MAIL says what the message needs and the server can: ${what}`, () => {
    const terms = { features: { ...NONE, ...features }, dsn: features.dsn === true }
    assert.equal(writeEnvelope(deliveryOf(given), [], terms).mail, `MAIL FROM:<a@a.test>${parameters}\r\n`)
  })

const RCPTS: readonly (readonly [recipient: object, rcpt: string, dsn?: boolean])[] = [
  [{ address: 'b@b.test' }, 'RCPT TO:<b@b.test>'],
  [{ address: 'b@b.test', notify: ['NEVER'] }, 'RCPT TO:<b@b.test> NOTIFY=NEVER'],
  [{ address: 'b@b.test', notify: ['SUCCESS', 'DELAY'] }, 'RCPT TO:<b@b.test> NOTIFY=SUCCESS,DELAY'],
  [{ address: 'b@b.test', notify: [] }, 'RCPT TO:<b@b.test>'],
  [{ address: 'b@b.test', notify: ['NEVER'], orcpt: 'rfc822;c@c.test' }, 'RCPT TO:<b@b.test>', false],
  [{ address: 'b@b.test', orcpt: 'rfc822;Bob Doe+x@c.test' }, 'RCPT TO:<b@b.test> ORCPT=rfc822;Bob+20Doe+2Bx@c.test'],
  [{ address: 'b@b.test', orcpt: 'rfc822;ä@c.test' }, 'RCPT TO:<b@b.test> ORCPT=rfc822;+C3+A4@c.test'],
  [{ address: 'b@b.test', orcpt: 'utf-8;ä+\\@c.test' }, 'RCPT TO:<b@b.test> ORCPT=utf-8;\\x{E4}\\x{2B}\\x{5C}@c.test'],
  [{ address: 'b@b.test', orcpt: 'none' }, 'RCPT TO:<b@b.test>'],
]

test('RCPT keeps NOTIFY and ORCPT, encoded, where the server has DSN', () => {
  for (const [recipient, rcpt, dsn = true] of RCPTS)
    assert.deepEqual(
      writeEnvelope(deliveryOf({}), [recipient as never], { features: NONE, dsn }).rcpts,
      [`${rcpt}\r\n`],
      JSON.stringify(recipient),
    )
})

test('an internationalised address is sent as it is, with A-labels, or not at all', () => {
  const send = (address: string, utf8: boolean) => {
    const { mail, rcpts, unfit } = writeEnvelope(deliveryOf({}), [{ address, original: address }], {
      features: { ...NONE, utf8 },
      dsn: false,
    })
    return [mail.includes('SMTPUTF8'), rcpts[0] ?? unfit[0]?.reply.enhanced]
  }
  assert.deepEqual(send('ä@bücher.test', true), [true, 'RCPT TO:<ä@bücher.test>\r\n'])
  assert.deepEqual(send('b@bücher.test', true), [true, 'RCPT TO:<b@bücher.test>\r\n'])
  assert.deepEqual(send('b@bücher.test', false), [false, 'RCPT TO:<b@xn--bcher-kva.test>\r\n'])
  assert.deepEqual(send('ä@b.test', false), [false, '5.6.7'])
  for (const evil of ['b@b.test>\r\nDATA', 'b\u0000@b.test', 'ä\r\n@b.test'])
    for (const utf8 of [true, false]) assert.equal(send(evil, utf8)[1], '5.6.7', 'no address ends its command')
})

const OBSTACLES: readonly (readonly [
  what: string,
  given: Given,
  features: Partial<Features>,
  reply: string | undefined,
])[] = [
  ['none', {}, {}, undefined],
  ['a size at the limit', { size: 100 }, { sizeLimit: 100 }, undefined],
  ['a larger size', { size: 101 }, { sizeLimit: 100 }, '552 5.3.4'],
  ['binary content', { needs: { binary: true } }, {}, '554 5.6.1'],
  ['binary content to a server that takes it', { needs: { binary: true } }, { binary: true }, undefined],
  ['8-bit content', { needs: { eightBit: true } }, {}, '554 5.6.3'],
  ['8-bit content to a server that takes it', { needs: { eightBit: true } }, { eightBit: true }, undefined],
  ['a sender with an international local part', { from: 'ä@a.test' }, {}, '553 5.6.7'],
  ['a sender with an international domain', { from: 'a@bücher.test' }, {}, undefined],
  [
    'an international header',
    { needs: { utf8: true }, parameters: { smtpUtf8: true }, content: 'A: ä\r\n\r\nx' },
    {},
    '554 5.6.9',
  ],
  [
    'an international body alone',
    { needs: { utf8: true }, parameters: { smtpUtf8: true }, content: 'A: b\r\n\r\nä' },
    {},
    undefined,
  ],
  [
    'an international header to a server that takes it',
    { needs: { utf8: true }, parameters: { smtpUtf8: true }, content: 'A: ä\r\n\r\nx' },
    { utf8: true },
    undefined,
  ],
]

for (const [what, given, features, expected] of OBSTACLES)
  test(`what the server cannot be given: ${what}`, async () => {
    const reply = await obstacle(deliveryOf(given), { ...NONE, ...features }, 'bounce')
    assert.equal(reply && `${reply.code} ${reply.enhanced}`, expected)
  })

test('8-bit content goes to an old server as it is, where the administrator wants that', async () => {
  assert.equal(await obstacle(deliveryOf({ needs: { eightBit: true } }), NONE, 'send'), undefined)
})

const EHLO: readonly (readonly [line: string, has: object])[] = [
  ['PIPELINING', { pipelining: true }],
  ['starttls', { starttls: true }],
  ['SIZE', { size: true, sizeLimit: Number.POSITIVE_INFINITY }],
  ['SIZE 0', { size: true, sizeLimit: Number.POSITIVE_INFINITY }],
  ['SIZE 1000', { size: true, sizeLimit: 1000 }],
  ['8BITMIME', { eightBit: true }],
  ['AUTH PLAIN login', { auth: ['PLAIN', 'LOGIN'] }],
  ['REQUIRETLS', { requireTls: true }],
  ['DSN', { dsn: true }],
  ['SMTPUTF8', { utf8: true }],
]

test('extensions are read from the reply to EHLO, but not from its first line', () => {
  for (const [line, has] of EHLO) {
    const found = readFeatures(`mx.test\n${line}`)
    for (const [name, value] of Object.entries(has)) assert.deepEqual(found[name as keyof Features], value, line)
  }
  assert.equal(readFeatures('DSN SMTPUTF8').dsn, false)
  assert.deepEqual(readFeatures('mx.test'), NONE)
})
