/**
 * Logging in: hashes of other systems, SCRAM over every protocol with a client that is not ours, tokens, and guessing.
 */
import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { type ConnectionInfo, type Credentials, definePlugin } from 'iems'
import { imap } from 'iems/plugins/imap'
import { pop3 } from 'iems/plugins/pop3'
import { smtpIn } from 'iems/plugins/smtp-in'
import { memoryStore, testClock } from 'iems/testing'
import * as z from 'zod'
import { createDirectoryKernel, type DirectoryKernel } from '../support/directory.ts'
import { fc } from '../support/property.ts'
import { talk } from '../support/smtp-talk.ts'

const run = promisify(execFile)
const PASSWORD = 'pässword 1'
const tls = { cert: 'test/fixtures/tls/mx.pem', key: 'test/fixtures/tls/mx.key' }

/** Of PASSWORD, made by Python's crypt and hashlib, and by `doveadm pw` 2.3.19. */
const FOREIGN = [
  '{SHA}wBFJYYjnh5eS5Eft5JORpd7Gkko=',
  '{SSHA}idX3pKaj4FpK0K4cUUxogwqgcipzYWx0c2FsdA==',
  '{SSHA256}FMa4ATrlqQ1NaQrKMFj2klD7VCPV0TmPSp0FayIliA9zYWx0c2FsdA==',
  '{SSHA512}s3FOPMgVYqBO0w3WzPkne+tyzouHb9eDOJIoRJtla4L0U7+PFku4DOCVwjjDgbe2zKjD8FVOP7/zXoB2Q34wpHNhbHRzYWx0',
  '{SMD5}eSW+4eBa7jfgGNcc8iVUK3NhbHRzYWx0',
  '$5$saltstring$kkjeJzcIcoraOI9Wy.Ik/CyqO0UtR1loRaFn/1I2xa7',
  '$6$rounds=6000$saltstring$Sykj462EylEHVUalLmF.C1TysKBULjtnWpMF48lALx9NNDzaHZKUk0CTkkFqE9orIhN0pQF.P2ShYy7ngrV/B1',
  '{SHA512-CRYPT}$6$IENZvQgnBWWY1oXL$84gzMxudvXLnvHktEmHLN9iIxY2jqB7AOOnPralNCRYxsh/ZyKL.SBleUTwDh8ryWuWY8boQ79.agmksgTjUe1',
  '{CRYPT}$2b$06$abcdefghijklmnopqrstuuiXxXxK2AwcjW4tTtWzO0Zn2VBbaHBjO',
  '{BLF-CRYPT}$2y$05$NPmGShs/BjQWOfojw5IsXO4stanfleBXDA6PXRb8iADN./QxnmYdq',
  '$pbkdf2-sha256$29000$c2FsdHNhbHQ$hCnudTePDzhkXTSGaEALhrXAI3cCOtKp/UjewQlYfNM',
  '{PBKDF2-SHA512}10000$c2FsdHNhbHQ$rl1Krz6MIiCIVAdgGL9D6XP9F7LZETTTN44BqOJWDrx2YSzEn02tEahha/g3/Kr4M4q5q/.N2w39ZD54JJLesA',
  '{PBKDF2}$1$.DDyX54ramjGTUBu$5000$6ee254ae218c337902da523fea3fe4b255d04e66',
  '{SCRAM-SHA-1}4096,Gc7MsscTYtASrPSuOyCH1Q==,q4FuHWheoviKImVC6MU+LqteIa8=,WF2e9p4vI7WqfQR0OI55vVUO0SQ=',
  '{SCRAM-SHA-256}4096,HVMgSbVV5HCyIZyaLJR/+w==,NKDrd67ZuhhOmFm+c/4BVCYONxLHI4LTb8bd8gz+EO8=,E1T4XmW6vr8BTBcfHVOBca6vfJSN5lao9DsDgRrNcy4=',
  '{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$30VcQm+fo2YtxOLTqQ1n3A$5/qlX3Ow3zvEeJuD8udeGwmqPIHDLgzatk3PYQvoCz8',
  '{ARGON2I}$argon2i$v=19$m=32768,t=4,p=1$yqpnTHz9f+SaxbYfQAgjZg$t37H7U3QqFtUthZDncrIgWbnO3QYTAlAtxWccBvV/4c',
]

async function withAnn(
  t: TestContext,
  password: string,
  options: Parameters<typeof createDirectoryKernel>[1] = {},
): Promise<DirectoryKernel> {
  const here = await createDirectoryKernel(t, options)
  await here.make({ add: { kind: 'domain', name: 'here.test' } })
  await here.make({ add: { kind: 'account', name: 'ann', addresses: ['ann@here.test'], password } })
  return here
}

const CLIENT: ConnectionInfo = { protocol: 'ESMTPS', remote: { address: '192.0.2.7' } }

async function logIn(here: DirectoryKernel, password: string, { address = '192.0.2.7', username = 'ann' } = {}) {
  const session = here.openSession({ ...CLIENT, remote: { address } })
  const credentials = { kind: 'password', username, password } as const
  const answer = await session.auth(credentials)
  session.close()
  return answer.kind === 'identity' ? answer.user : answer.reply.code
}

/** Everything that is kept, as text. */
async function keptIn({ store }: DirectoryKernel): Promise<string> {
  let text = ''
  for await (const [, value] of store.scan({ from: new Uint8Array(), to: new Uint8Array([255]) }))
    text += Buffer.from(value).toString('latin1')
  return text
}

test('hashes of other systems let their owners in, and are our own from then on', async (t) => {
  const here = await createDirectoryKernel(t)
  await here.make({ add: { kind: 'domain', name: 'here.test' } })
  for (const [number, password] of FOREIGN.entries())
    await here.make({ add: { kind: 'account', name: `u${number}`, password } })
  for (const [number, kept] of FOREIGN.entries()) {
    const username = `u${number}`
    const address = `192.0.2.${number}`
    assert.equal(await logIn(here, `${PASSWORD}x`, { username, address }), 535, kept)
    assert.ok((await keptIn(here)).includes(kept))
    assert.equal(await logIn(here, PASSWORD, { username, address }), username, kept)
    assert.ok(!(await keptIn(here)).includes(kept), kept)
    assert.equal(await logIn(here, PASSWORD, { username, address }), username, kept)
    assert.equal(await logIn(here, `${PASSWORD}x`, { username, address }), 535, kept)
  }
})

test('what asks for too much work, or is no hash, is not taken for one', async (t) => {
  const here = await createDirectoryKernel(t)
  for (const password of [
    '$6$rounds=999999999$saltstring$Sykj462EylEHVUalLmF.C1TysKBULjtnWpMF48lALx9NNDzaHZKUk0CTkkFqE9orIhN0pQF.P2ShYy7ngrV/B1',
    '$2y$31$NPmGShs/BjQWOfojw5IsXO4stanfleBXDA6PXRb8iADN./QxnmYdq',
    '$argon2id$v=19$m=4294967295,t=3,p=1$30VcQm+fo2YtxOLTqQ1n3A$5/qlX3Ow3zvEeJuD8udeGwmqPIHDLgzatk3PYQvoCz8',
    '$pbkdf2-sha256$4000000000$c2FsdHNhbHQ$hCnudTePDzhkXTSGaEALhrXAI3cCOtKp/UjewQlYfNM',
    '{PLAIN}secret',
    '{SSHA}c2hvcnQ=',
    '$1$abc',
  ]) {
    const [answer] = await here.directory.change([{ add: { kind: 'account', name: 'x', password } }], 'test')
    assert.ok(answer && 'refused' in answer && answer.refused === 'INVALID', password)
  }
})

async function gsasl(port: number, protocol: 'smtp' | 'imap', ...more: readonly string[]) {
  const options = ['--connect', `127.0.0.1:${port}`, `--${protocol}`, '-a', 'ann', '-z', 'ann', ...more]
  const running = run('gsasl', ['--verbose', ...options], { timeout: 20_000 })
  running.child.stdin?.end()
  return running.then(
    ({ stdout, stderr }) => ({ isIn: true, said: stdout + stderr }),
    (error: { stdout: string; stderr: string }) => ({ isIn: false, said: error.stdout + error.stderr }),
  )
}
const noGsasl = spawnSync('gsasl', ['--version']).error ? 'gsasl is not installed (Debian package gsasl)' : false

test('SCRAM-SHA-256 with GNU SASL over SMTP and IMAP, bound to the connection under TLS', {
  skip: noGsasl,
}, async (t) => {
  const here = await withAnn(t, 'secret', {
    directory: { scram: true },
    channels: {
      smtp: smtpIn({ listen: '127.0.0.1:0', tls, auth: 'optional', authWithoutTls: true }),
      imap: imap({ listen: '127.0.0.1:0', tls: { ...tls, mode: 'starttls' }, authWithoutTls: true }),
    },
  })
  for (const protocol of ['smtp', 'imap'] as const) {
    const port = here.listener(protocol).port ?? 0
    const plain = ['--no-starttls', '-m', 'SCRAM-SHA-256']
    const secure = ['--starttls', '--x509-ca-file=', '-m', 'SCRAM-SHA-256-PLUS']
    for (const how of [plain, secure]) {
      const right = await gsasl(port, protocol, ...how, '-p', 'secret')
      assert.ok(right.isIn, right.said)
      const wrong = await gsasl(port, protocol, ...how, '-p', 'wrong')
      assert.ok(!wrong.isIn, wrong.said)
    }
  }
})

test('mechanisms are offered only where they can work', async (t) => {
  const offered = async (here: DirectoryKernel) => {
    const client = await talk(t, here.listener('smtp').port ?? 0)
    await client.reply()
    const words = /AUTH (.*)/.exec(await client.ask('EHLO c'))?.[1]
    const pop = await talk(t, here.listener('pop3').port ?? 0)
    pop.send('CAPA\r\nQUIT\r\n')
    return [words, /SASL (.*)\r/.exec(await pop.rest())?.[1]]
  }
  const channels = {
    smtp: smtpIn({ listen: '127.0.0.1:0', auth: 'optional', authWithoutTls: true }),
    pop3: pop3({ listen: '127.0.0.1:0', authWithoutTls: true }),
  }
  assert.deepEqual(await offered(await withAnn(t, 'secret', { channels })), ['PLAIN LOGIN', 'PLAIN LOGIN'])
  const scram = 'SCRAM-SHA-256 PLAIN LOGIN'
  assert.deepEqual(await offered(await withAnn(t, 'secret', { channels, directory: { scram: true } })), [scram, scram])
})

/** The exchange of a client that tells what it likes, with its last answer. */
async function exchange(
  here: DirectoryKernel,
  facts: ConnectionInfo,
  mechanism: 'SCRAM-SHA-256',
  say: (heard: string) => string,
) {
  const session = here.openSession(facts)
  const heard: string[] = []
  const answer = await session.authenticate({
    mechanism,
    initial: undefined,
    ask: async (challenge) => {
      heard.push(challenge)
      return Buffer.from(say(challenge))
    },
  })
  session.close()
  return { heard, code: answer.kind === 'identity' ? 235 : answer.reply.code }
}

test('nobody learns from SCRAM who is here: the same salt each time, as long, and the same refusal', async (t) => {
  const here = await withAnn(t, 'secret', { directory: { scram: true } })
  const first = async (name: string) => {
    const { heard, code } = await exchange(here, CLIENT, 'SCRAM-SHA-256', (challenge) =>
      challenge === ''
        ? `n,,n=${name},r=abc`
        : `c=biws,${challenge.split(',')[0]},p=${Buffer.alloc(32, 1).toString('base64')}`,
    )
    const [, salt, iterations] = /,s=([^,]+),i=(\d+)$/.exec(heard[1] ?? '') ?? []
    return { salt, iterations, code }
  }
  const [ann, nobody, again] = [await first('ann'), await first('nobody'), await first('nobody')]
  assert.equal(ann.code, 535)
  assert.deepEqual(nobody, again)
  assert.deepEqual({ ...nobody, salt: nobody.salt?.length }, { ...ann, salt: ann.salt?.length })
  const elsewhere = await first('nobody2')
  assert.notEqual(elsewhere.salt, nobody.salt)
})

test('a proof without the binding that was possible, or anything else, is refused and never a fault', async (t) => {
  const here = await withAnn(t, 'secret', { directory: { scram: true } })
  const bound: ConnectionInfo = { ...CLIENT, tls: { cipher: 'x', version: 'TLSv1.3', binding: Buffer.alloc(32, 7) } }
  // RFC 5802 section 6: it could bind and was told that we cannot.
  assert.equal((await exchange(here, bound, 'SCRAM-SHA-256', () => 'y,,n=ann,r=abc')).code, 501)
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 60 }),
    fc
      .array(
        fc.constantFrom('n,,', 'y,,', 'p=tls-exporter,,', 'n=ann', ',', 'r=', 'c=biws', 'p=AAAA', 'a=x', '=2C', '\0'),
      )
      .map((all) => all.join('')),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(text, { minLength: 1, maxLength: 3 }), async (said) => {
      let turn = 0
      const { code } = await exchange(
        here,
        { ...CLIENT, remote: { address: `192.0.2.${turn}` } },
        'SCRAM-SHA-256',
        () => said[turn++] ?? '',
      )
      assert.ok(code === 501 || code === 535)
    }),
    { numRuns: 5 },
  )
  await fc.assert(
    fc.asyncProperty(text, async (said) => {
      assert.equal((await exchange(here, CLIENT, 'SCRAM-SHA-256', () => `${said},p=`)).code, 501)
    }),
    { numRuns: 300 },
  )
  assert.deepEqual(
    here.events.filter(({ name }) => /fault/.test(name)),
    [],
  )
})

/** Takes one token, and says what it was shown. */
const tokens = (seen: Credentials[]) =>
  definePlugin({
    name: 'tokens',
    config: z.undefined(),
    setup: () => ({
      hooks: {
        auth: {
          mechanisms: ['OAUTHBEARER'],
          handler(attempt) {
            if (attempt.kind !== 'bearer') return undefined
            seen.push(attempt)
            return attempt.token === 'good' ? { kind: 'identity', user: 'ann', mayRelay: true } : undefined
          },
        },
      },
    }),
  })(undefined)

test('tokens come by OAUTHBEARER and XOAUTH2; who shows a wrong one is told why and may try again', async (t) => {
  const seen: Credentials[] = []
  const here = await withAnn(t, 'secret', {
    plugins: [tokens(seen)],
    channels: { smtp: smtpIn({ listen: '127.0.0.1:0', auth: 'optional', authWithoutTls: true }) },
  })
  const client = await talk(t, here.listener('smtp').port ?? 0)
  await client.reply()
  assert.match(await client.ask('EHLO c'), /AUTH PLAIN LOGIN OAUTHBEARER XOAUTH2/)
  const base64 = (text: string) => Buffer.from(text).toString('base64')
  const told = await client.ask(`AUTH OAUTHBEARER ${base64('n,a=ann@here.test,\x01host=x\x01auth=Bearer bad\x01\x01')}`)
  assert.deepEqual(JSON.parse(Buffer.from(told.slice(4), 'base64').toString()), { status: 'invalid_token' })
  assert.match(await client.ask('AQ=='), /^535 /)
  assert.match(await client.ask('AUTH XOAUTH2'), /^334 /)
  assert.match(await client.ask(base64('user=ann\x01auth=Bearer good\x01\x01')), /^235 /)
  assert.deepEqual(
    seen.map((one) => one.kind === 'bearer' && [one.username, one.token]),
    [
      ['ann@here.test', 'bad'],
      ['ann', 'good'],
    ],
  )
})

test('who guesses waits, longer each time, and is told to come later; the owner elsewhere does not notice', async (t) => {
  const clock = testClock()
  const here = await withAnn(t, 'secret', {
    clock,
    limits: { logins: { free: 2, delay: '10 s', longest: '40 s', forget: '1000 h' } },
  })
  const from = { address: '198.51.100.9' }
  for (const wrong of ['a', 'b']) assert.equal(await logIn(here, wrong, from), 535)
  /** Moves on until it is answered. */
  async function waited<T>(answer: Promise<T>): Promise<T> {
    let isOver = false
    void answer.finally(() => {
      isOver = true
    })
    for (let step = 0; step < 100_000 && !isOver; step++) {
      await new Promise((resolve) => setImmediate(resolve))
      await clock.advance(100)
    }
    return answer
  }
  const start = clock.now()
  for (const wrong of ['c', 'd', 'e', 'f']) assert.equal(await waited(logIn(here, wrong, from)), 535)
  assert.ok(clock.now() - start > 60_000)
  const before = clock.now()
  assert.equal(await logIn(here, 'secret'), 'ann')
  assert.equal(clock.now(), before)
  // Guesses at the same time are heard one after the other, and only those whose turn comes soon.
  const codes = await waited(
    Promise.all(Array.from({ length: 20 }, (_, number) => logIn(here, `at once ${number}`, from))),
  )
  assert.ok(codes.filter((code) => code === 454).length > 10, `${codes}`)
  assert.ok(codes.every((code) => code === 454 || code === 535))
  // Whose program knows an old password goes on showing the same one: it is not a guess each time.
  for (let time = 0; time < 10; time++)
    assert.equal(await logIn(here, 'old', { address: '192.0.2.99', username: 'bob' }), 535)
})

test('while strangers guess, whoever has logged in before gets in', async (t) => {
  const clock = testClock()
  const here = await withAnn(t, 'secret', { clock, directory: { hashing: { concurrency: 1, maxWaiting: 3 } } })
  assert.equal(await logIn(here, 'secret'), 'ann')
  // What was verified lately is remembered; here it is not.
  await clock.advance(600_000)
  const guesses = Array.from({ length: 40 }, (_, number) =>
    logIn(here, `guess ${number}`, { address: `198.51.100.${number}`, username: `name${number}` }),
  )
  const owner = logIn(here, 'secret')
  const elsewhere = logIn(here, 'secret', { address: '203.0.113.5' })
  const codes = await Promise.all(guesses)
  assert.ok(codes.filter((code) => code === 454).length > 20, `${codes}`)
  assert.deepEqual([await owner, await elsewhere], ['ann', 'ann'])
})

test('guesses out of one IPv6 /48 count together, and those of an IPv4 client whichever way its address is written', async (t) => {
  const limits = { logins: { free: 3, delay: '10 min', longest: '10 min', forget: '1000 h' } }
  const here = await withAnn(t, 'secret', { limits, directory: { hashing: { minTime: '1 ms' } } })
  const from = (address: string) => logIn(here, `guess of ${address}`, { address, username: `name of ${address}` })
  for (let subnet = 0; subnet < 4; subnet++) assert.equal(await from(`2001:db8:7:${subnet}::1`), 535)
  const late = from('2001:db8:7:99::1')
  assert.equal(await Promise.race([late, from('2001:db8:8::1')]), 535)
  for (let host = 0; host < 3; host++) assert.equal(await from('192.0.2.77'), 535)
  const mapped = from('::ffff:192.0.2.77')
  assert.equal(await Promise.race([mapped, from('192.0.2.78')]), 535)
  t.after(() => Promise.all([late, mapped]))
})

test('a refusal comes no sooner for whom it is about', async (t) => {
  const here = await withAnn(t, FOREIGN[0] as string, { directory: { hashing: { minTime: '300 ms' } } })
  await here.make({ add: { kind: 'account', name: 'off', password: 'secret', status: 'disabled' } })
  for (const [username, password] of [
    ['ann', 'wrong'],
    ['nobody', 'wrong'],
    ['off', 'secret'],
    ['off', 'secret'],
  ] as const) {
    const since = performance.now()
    assert.equal(await logIn(here, password, { username, address: `192.0.2.${username.length}` }), 535)
    assert.ok(performance.now() - since >= 299, username)
  }
})

test('the first refusal after a restart takes as long as the slowest scheme took before it', async (t) => {
  const clock = testClock()
  const store = memoryStore({ now: clock.now })
  const directory = { hashing: { minTime: '1 ms' } }
  // $6$ with many rounds takes far longer than the argon2id hash of a name that nobody has.
  const first = await withAnn(t, FOREIGN[6] as string, { store, clock, directory })
  assert.equal(await logIn(first, 'wrong'), 535)
  const [at] = await recordsOf(store)
  assert.ok(at)
  await store.commit([{ put: at, value: Buffer.from(JSON.stringify({ ms: 900, at: clock.now() })) }])
  const second = await createDirectoryKernel(t, { store, clock, directory })
  const since = performance.now()
  assert.equal(await logIn(second, 'wrong', { username: 'who', address: '192.0.2.8' }), 535)
  assert.ok(performance.now() - since >= 890)
})

/** The records that say how long hashing takes. */
async function recordsOf(store: ReturnType<typeof memoryStore>) {
  const found: Uint8Array[] = []
  for await (const [at, value] of store.scan({ from: new Uint8Array(), to: new Uint8Array([255]) }))
    if (/^\{"ms":[\d.]+,"at":\d+\}$/.test(Buffer.from(value).toString())) found.push(at)
  return found
}
