/** Mail of our own is signed so that everybody else can verify it; nobody else's is. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type CommandOutput, definePlugin, type Identity, secret } from 'iems'
import { accounts } from 'iems/plugins/accounts'
import { dkim } from 'iems/plugins/dkim'
import { missing, testClock } from 'iems/testing'
import * as z from 'zod'
import { fc } from '../support/property.ts'
import { fieldsOf, letter, startSenderAuth } from '../support/sender-auth.ts'

type Input = NonNullable<Parameters<typeof dkim>[0]>
interface Shown {
  readonly domain: string
  readonly selector: string
  readonly name: string
  readonly record: string
  readonly state: string
}

const ANN: Identity = { kind: 'identity', user: 'ann', mayRelay: true }
const AWKWARD = letter('"Ann, of A" <ann@a.test>', [
  'Subject: =?utf-8?q?caf=C3=A9?=\r\n  and   a long one  \t',
  'To: bob@b.test,\r\n\tcyd@c.test',
  'MIME-Version: 1.0',
  'X-Twice: one',
  'X-Twice: two',
]).replace(/\r\n\r\n[\s\S]*/, '\r\n\r\n Line  with \t spaces \t \r\n\r\n\tand\ttabs\r\n.\r\n\r\n \r\n\r\n')

async function startSigner(t: TestContext, options: Input = {}, settings: Parameters<typeof startSenderAuth>[1] = {}) {
  const here = await startSenderAuth(t, {
    ...settings,
    plugins: [dkim(options), ...(settings.plugins ?? [])],
  })

  async function iems(words: string, given: string[] = [], flags: Record<string, string | true> = {}) {
    const command = here.kernel.commands.get(`dkim ${words}`)
    const input = (async function* () {})()
    const said: CommandOutput[] = await Array.fromAsync(
      command?.run({ arguments: given, options: flags, input, signal: new AbortController().signal }) ?? [],
    )
    return {
      text: said.map((one) => ('text' in one ? one.text : '')).join('\n'),
      shown: said.flatMap((one) => ('value' in one && one.value ? [one.value as Shown] : [])),
    }
  }

  const published: Record<string, string> = {}
  function publish(name: string, record: string) {
    published[name] = record
    here.zone[`TXT ${name}`] = [record]
  }

  /** A key that signs, and whose record sender-auth finds as well. */
  async function key(domain: string, type = 'rsa'): Promise<Shown> {
    const { shown } = await iems('add', [domain], { type })
    const [made] = shown as [Shown]
    publish(made.name, made.record)
    await iems('activate', [domain, made.selector])
    return made
  }

  /** What leaves here when ann sends it. */
  async function sent(
    content: string,
    { stranger, ...more }: Partial<Parameters<typeof here.send>[0]> & { readonly stranger?: boolean } = {},
  ): Promise<string> {
    const who = stranger ? {} : { identity: ANN }
    const { delivered, reply } = await here.send({ content, to: 'bob@b.test', ...who, ...more })
    assert.equal(reply.code, 250)
    return delivered?.content ?? ''
  }

  /** What a stranger's server says of it. */
  async function verified(content: string) {
    const { findings } = await here.send({ content, ip: '198.51.100.1', from: 'x@elsewhere.test' })
    return `${findings.dkim} ${findings['dkim-domains'] ?? ''}`.trim()
  }

  return { ...here, iems, key, sent, verified, published, publish }
}

const signaturesOf = (content: string) => fieldsOf(content, 'DKIM-Signature')

const OPENDKIM = '/usr/sbin/opendkim'
const PYTHON = '/usr/bin/python3'
const DKIM_PY = '/usr/lib/python3/dist-packages/dkim'

/** Result and, if it is wrong, why, of Python's dkim for the signature at `index`. */
const VERIFY = `
import sys, json, dkim
given = json.load(sys.stdin)
message = given['message'].encode('latin-1')
dns = lambda name, timeout=5: given['zone'].get(name.decode().rstrip('.'), '').encode()
def verified(i):
    try:
        return dkim.DKIM(message).verify(idx=i, dnsfunc=dns)
    except dkim.ValidationError:
        return False
print(json.dumps([verified(i) for i in range(given['count'])]))
`

function pythonSays(message: string, zone: Record<string, string>, count: number): boolean[] {
  const input = JSON.stringify({ message, zone, count })
  return JSON.parse(execFileSync(PYTHON, ['-c', VERIFY], { input, encoding: 'utf8', timeout: 20_000 }))
}

async function opendkimSays(t: TestContext, message: string, { name, record }: Shown): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'iems-dkim-'))
  t.after(() => rm(folder, { recursive: true }))
  const [config, keys, file] = ['conf', 'keys', 'message'].map((one) => join(folder, one)) as [string, string, string]
  await writeFile(keys, `${name} ${record}\n`)
  await writeFile(config, `Mode v\nTestPublicKeys ${keys}\nRequireSafeKeys no\n`)
  await writeFile(file, message, 'latin1')
  const { stdout, stderr } = spawnSync(OPENDKIM, ['-x', config, '-t', file, '-v'], {
    encoding: 'utf8',
    timeout: 20_000,
  })
  return stdout + stderr
}

test('both kinds of keys sign, and ourselves, Python and opendkim verify it', {
  skip: missing(OPENDKIM, PYTHON, DKIM_PY),
}, async (t) => {
  const here = await startSigner(t)
  await here.key('a.test')
  const ed25519 = await here.key('a.test', 'ed25519')
  const signed = await here.sent(AWKWARD)
  assert.deepEqual(
    signaturesOf(signed)
      .map((value) => /a=([^;]+)/.exec(value)?.[1])
      .sort(),
    ['ed25519-sha256', 'rsa-sha256'],
  )
  assert.ok(signed.split('\r\n').every((line) => line.length <= 78 || !/^(DKIM|[ \t])/.test(line)))
  assert.equal(await here.verified(signed), 'pass a.test')
  assert.deepEqual(pythonSays(signed, here.published, 2), [true, true])
  const plain = await startSigner(t)
  const only = await plain.key('a.test')
  assert.match(
    await opendkimSays(t, await plain.sent(AWKWARD), only),
    /verification \(s=\S+, d=a\.test, 2048-bit key\) succeeded/,
  )
  for (const changed of [
    signed.replace('tabs', 'tab'),
    signed.replace('Ann, of', 'Ann of'),
    `Subject: more\r\n${signed}`,
    signed.replace(/\r\nTo: /, '\r\nCc: x@y.test\r\nTo: '),
  ]) {
    assert.match(await here.verified(changed), /^fail/, changed.slice(0, 60))
    assert.deepEqual(pythonSays(changed, here.published, 2), [false, false])
  }
  assert.ok(ed25519.record.length < 80)
})

/** DATA ends every content with a line's end. */
const onTheWire = (content: string) => (content.endsWith('\r\n') ? content : `${content}\r\n`)

test('any content, cut anywhere, is signed as Python computes it', { skip: missing(PYTHON, DKIM_PY) }, async (t) => {
  const here = await startSigner(t)
  const { name } = await here.key('a.test', 'ed25519')
  const part = fc.constantFrom(' ', '\t', '\r\n', '\r\n\r\n', 'x', 'word', ' \r\n', '\r\n ', '..', 'é', '  \t')
  const bodies = fc.sample(
    fc.array(part, { maxLength: 30 }).map((parts) => parts.join('')),
    20,
  )
  const signed: string[] = []
  for (const body of [
    '',
    '\r\n',
    '\r\n\r\n',
    ' ',
    ' \r\n',
    'x',
    'x\r\n\r\n',
    `${'\r\n'.repeat(40_000)}x`,
    `x${' \r\n'.repeat(70_000)}`,
    ...bodies,
  ])
    signed.push(await here.sent(`${letter('ann@a.test').split('\r\n\r\n')[0]}\r\n\r\n${body}`))
  for (const message of signed) {
    assert.deepEqual(pythonSays(onTheWire(message), here.published, 1), [true], JSON.stringify(message.slice(-200)))
  }
  assert.ok(name)
})

test('strangers, other domains, and what has no single author are not signed', async (t) => {
  const here = await startSigner(t, {}, { trusts: ['10.0.0.0/8'] })
  await here.key('a.test')
  const count = async (content: string, more: Parameters<typeof here.sent>[1] = {}) =>
    signaturesOf(await here.sent(content, more)).length
  assert.equal(await count(letter('ann@a.test')), 1)
  assert.equal(await count(letter('Ann <ann@sub.A.test>'), { from: 'ann@sub.a.test' }), 1)
  assert.equal(await count(letter('ann@a.test'), { stranger: true, ip: '10.1.2.3' }), 1)
  assert.equal(await count(letter('ann@a.test'), { stranger: true, ip: '198.51.100.1' }), 0)
  assert.equal(await count(letter('ann@b.test'), { from: 'ann@b.test' }), 0)
  assert.equal(await count(letter('ann@nota.test'), { from: 'ann@nota.test' }), 0)
  // Who has logged in as somebody of b.test is not to be signed for a.test.
  assert.equal(await count(letter('boss@a.test'), { from: 'ann@b.test' }), 0)
  assert.equal(await count(letter('ann@a.test, bob@b.test')), 0)
  assert.equal(await count(letter('ann@a.test', ['From: bob@b.test'])), 0)
  assert.equal(await count(letter('"ann@a.test" <x@b.test>'), { from: 'x@b.test' }), 0)
  assert.equal(await count(letter('(ann@a.test) x@b.test (')), 0)
  const untrusting = await startSigner(t, { networks: false }, { trusts: ['10.0.0.0/8'] })
  await untrusting.key('a.test')
  assert.equal(signaturesOf(await untrusting.sent(letter('ann@a.test'), { stranger: true, ip: '10.1.2.3' })).length, 0)
})

test('what others change on the way out is changed before it is signed', async (t) => {
  const disclaimer = definePlugin({
    name: 'disclaimer',
    config: z.undefined(),
    setup: () => ({
      hooks: {
        modify: {
          stage: 'last',
          async handler(message) {
            message.headers.prepend('X-Disclaimer', 'yes')
            const content = Buffer.concat(await Array.fromAsync(message.open()))
            await message.replaceContent(
              (async function* () {
                yield content
                yield Buffer.from('-- \r\nNot legally binding\r\n')
              })(),
            )
          },
        },
        dispatch: (delivery) => delivery.headers.prepend('Reply-To', 'lists@a.test'),
      },
    }),
  })
  const here = await startSigner(t, {}, { plugins: [disclaimer()] })
  await here.key('a.test')
  const signed = await here.sent(letter('ann@a.test'))
  assert.match(signed, /Not legally binding/)
  assert.match(signed, /^DKIM-Signature:[\s\S]*\r\nReply-To: /)
  assert.equal(signaturesOf(signed).length, 1)
})

test('rotation: the new key signs once its record is published, the old one is retired, each step says what to do', async (t) => {
  const clock = testClock()
  const here = await startSigner(t, {}, { kernel: { clock } })
  const selectorOf = async () => /s=([^;]+);/.exec(signaturesOf(await here.sent(letter('ann@a.test')))[0] ?? '')?.[1]
  const first = await here.key('a.test')
  assert.equal(await selectorOf(), first.selector)
  const { text, shown } = await here.iems('rotate', ['a.test'])
  const next = shown.find((one) => one.selector !== first.selector) as Shown
  assert.match(
    text,
    new RegExp(`^${next.selector}\\._domainkey\\.a\\.test\\. IN TXT \\( "v=DKIM1; k=rsa; p=.*" ".*" \\)`),
  )
  assert.equal(await selectorOf(), first.selector)
  await assert.rejects(
    here.iems('activate', ['a.test', next.selector]),
    /has no TXT record.*publish what iems dkim show prints/,
  )
  here.publish(next.name, first.record)
  await assert.rejects(here.iems('activate', ['a.test', next.selector]), /another key/)
  here.publish(next.name, next.record)
  const done = await here.iems('activate', ['a.test', next.selector])
  assert.match(done.text, /no longer does; leave its record for 7 days/)
  assert.equal(await selectorOf(), next.selector)
  assert.doesNotMatch((await here.iems('list')).text, /may go/)
  await here.advance(8 * 86_400_000)
  assert.match((await here.iems('list')).text, /retired.*may go/)
  await here.iems('remove', ['a.test', first.selector])
  assert.deepEqual(
    (await here.iems('list')).shown.map((one) => one.selector),
    [next.selector],
  )
  assert.doesNotMatch(
    JSON.stringify([await here.iems('list'), await here.iems('show', ['a.test', next.selector])]),
    /PRIVATE/,
  )
  await assert.rejects(here.iems('show', ['a.test', 'nothing']), /iems dkim list/)
  await assert.rejects(here.iems('add', ['a.test'], { type: 'dsa' }), /rsa or ed25519/)
  await assert.rejects(here.iems('add', ['a.test'], { selector: next.selector }), /already/)
})

test('a key of the configuration signs; what is none is told before anything begins', async (t) => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const keys = (value: string) => [{ domain: 'A.test', selector: 'mine', key: secret.value(value) }]
  const here = await startSigner(t, { keys: keys(pem), expires: 5 })
  const [signature = ''] = signaturesOf(await here.sent(letter('ann@a.test')))
  const [, from, to] = /s=mine; t=(\d+); x=(\d+);/.exec(signature) ?? []
  assert.equal(Number(to) - Number(from), 5 * 86_400)
  await assert.rejects(startSigner(t, { keys: keys('nonsense') }), (error: Error) => !/nonsense/.test(error.message))
  const short = generateKeyPairSync('rsa', { modulusLength: 768 }).privateKey.export({ type: 'pkcs8', format: 'pem' })
  await assert.rejects(startSigner(t, { keys: keys(short.toString()) }), /768 bits/)
})

test('who has logged in is signed for as an author of their account alone', async (t) => {
  const people = [
    { name: 'ann', addresses: ['ann@a.test', 'ann@shop.test'] },
    { name: 'bob', addresses: ['bob@a.test'] },
  ]
  const { key, sent } = await startSigner(
    t,
    {},
    { plugins: [accounts({ domains: ['a.test', 'shop.test'], accounts: people, ownAuthor: false })] },
  )
  await key('a.test')
  const identity: Identity = { ...ANN, account: 'ann' }
  const signed = async (from: string, sender = 'ann@a.test', more: string[] = []) =>
    signaturesOf(await sent(letter(from, more), { from: sender, identity })).length
  assert.equal(await signed('Ann <ann@a.test>'), 1)
  assert.equal(await signed('Ann <ann@a.test>', 'ann@shop.test'), 1)
  assert.equal(await signed('Bob <bob@a.test>'), 0)
  assert.equal(await signed('Ann <ann@a.test>, Bob <bob@a.test>'), 0)
  assert.equal(await signed('Ann <ann@a.test>', 'ann@a.test', ['Sender: bob@a.test']), 0)
})
