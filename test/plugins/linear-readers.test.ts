/**
 * What readers of strangers' content answer for the inputs that once cost them the square of their length. That they are
 * linear is measured in test/cost.test.ts; here stand the right values.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeWords, readStructure, readText } from 'iems/mime'
import { authorDomain } from '../../plugins/filter/dkim/author.ts'
import { limitSignatures } from '../../plugins/filter/sender-auth/signature-limit.ts'
import { baseSubject, isReply } from '../../plugins/mailbox/store/query/subject.ts'
import { parsePolicy } from '../../plugins/smtp/out/mta-sts.ts'

const author = (value: string) => authorDomain([{ name: 'From', value }])

test('an author with quotes and comments is found, and one that never ends them is none', () => {
  assert.equal(author(` ${'"\\"" '.repeat(20_000)}<ann@example.org>`), 'example.org')
  assert.equal(author(` ${'(\\()'.repeat(20_000)} ann@example.org`), 'example.org')
  assert.equal(author(` ann@example.org (${'\\('.repeat(20_000)}`), undefined)
  assert.equal(author(` <ann@example.org> "${'\\"'.repeat(20_000)}`), undefined)
})

test('a base subject is that of the first thousand characters', () => {
  assert.equal(baseSubject(`${'(fwd)'.repeat(45_000)} x`), '')
  assert.equal(baseSubject(`x${' (fwd)'.repeat(100)}`), 'x')
  assert.equal(baseSubject(`${'[fwd: '.repeat(100)}x${']'.repeat(100)}`), 'x')
  assert.equal(baseSubject(`${'Re: '.repeat(200)}x`), 'x')
  assert.equal(isReply('(fwd) x'), false)
  assert.equal(isReply('x (fwd)'), true)
})

test('an MTA-STS policy is read with white space where it may be, however much', () => {
  const blank = ' \t'.repeat(30_000)
  assert.deepEqual(
    parsePolicy(`version: STSv1\nmode:${blank}enforce${blank}\r\nmx: ${'a.'.repeat(20)}example.org\nmax_age: 86400`),
    { mode: 'enforce', mx: [`${'a.'.repeat(20)}example.org`], maxAge: 86_400 },
  )
  assert.equal(parsePolicy(`version: STSv1\nmode:${blank}enforce${blank}x\nmx: a.example\nmax_age: 1`), undefined)
})

async function limited(header: string): Promise<string> {
  const content = (async function* () {
    yield Buffer.from(`${header}Subject: x\r\n\r\nbody`)
  })()
  return Buffer.concat(
    await Array.fromAsync(limitSignatures(content, { signatures: 10, fieldSize: 16_384 })),
  ).toString()
}

test('an author field that no verifier should read is left out with all others of its name', async () => {
  const long = `From: ${'a:'.repeat(120_000)}\r\n`
  assert.equal(await limited(`From: ann@example.org\r\n${long}`), 'Subject: x\r\n\r\nbody')
  assert.equal(await limited(`${long}From: ann@example.org\r\n`), 'Subject: x\r\n\r\nbody')
  const folded = `From: ${'a:\r\n '.repeat(120_000)}\r\n`
  assert.equal(await limited(folded), 'Subject: x\r\n\r\nbody')
  assert.equal(await limited('From: ann@example.org\r\n'), 'From: ann@example.org\r\nSubject: x\r\n\r\nbody')
})

test('words and parts in unknown charsets are read as UTF-8, and each charset is looked for once', async (t) => {
  assert.equal(decodeWords('=?x-none?q?caf=C3=A9?= =?X-NONE?b?w6k=?='), 'caféé')
  let made = 0
  const Original = globalThis.TextDecoder
  t.mock.property(
    globalThis,
    'TextDecoder',
    class extends Original {
      constructor(...args: ConstructorParameters<typeof Original>) {
        if (args[0]?.startsWith('x-')) made++
        super(...args)
      }
    },
  )
  assert.equal(decodeWords('=?x-none?q?a?= '.repeat(5000)), `${'a'.repeat(4999)}a `)
  assert.equal(made, 1)
  made = 0
  const many = Array.from({ length: 5000 }, (_, index) => `=?x-${index}?q?a?= `).join('')
  assert.equal(decodeWords(many), `${'a'.repeat(4999)}a `)
  assert.ok(made <= 100, `${made} charsets were looked for`)
  const octets = Buffer.from(`Subject: ${many}\r\nContent-Type: text/plain; charset=x-none\r\n\r\ncafé`)
  const email = {
    async *open(range?: { start: number; end: number }) {
      yield octets.subarray(range?.start, range?.end)
    },
  }
  const { body, fields } = await readText(email, await readStructure(email.open, octets.length))
  assert.deepEqual([body, fields[0]?.value], ['café', 'a'.repeat(5000)])
})
