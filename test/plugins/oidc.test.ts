/** Tokens of an OpenID Connect provider, shown by curl and by whoever tries something else. */
import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { http } from 'iems/plugins/http'
import { imap } from 'iems/plugins/imap'
import { oidc } from 'iems/plugins/oidc'
import { pop3 } from 'iems/plugins/pop3'
import { smtpIn } from 'iems/plugins/smtp-in'
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT, UnsecuredJWT } from 'jose'
import { createDirectoryKernel } from '../support/directory.ts'

const run = promisify(execFile)

/** A provider with one key, which can be replaced or taken away. */
async function startProvider(
  t: TestContext,
  more: (url: string, body: string) => Promise<{ status?: number; json?: object } | undefined> = async () => undefined,
) {
  let pair = await generateKeyPair('ES256')
  let kid = 'one'
  let isAway = false
  const asked: string[] = []
  const server = createServer(async (request, answer) => {
    const { url = '' } = request
    asked.push(url)
    if (isAway) return void answer.writeHead(503).end()
    const given = await more(url, Buffer.concat(await Array.fromAsync(request)).toString())
    if (given) {
      const { status = 200, json = {} } = given
      return void answer.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json))
    }
    const said = url.startsWith('/.well-known')
      ? {
          ...{ issuer, jwks_uri: `${issuer}/keys` },
          ...{ authorization_endpoint: `${issuer}/authorize`, token_endpoint: `${issuer}/token` },
        }
      : { keys: [{ ...(await exportJWK(pair.publicKey)), kid, alg: 'ES256', use: 'sig' }] }
    answer.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(said))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    issuer,
    asked,
    away: (is: boolean) => {
      isAway = is
    },
    async token(claims: JWTPayload = {}, header = {}, key = pair.privateKey) {
      const all = { iss: issuer, aud: 'mail', email: 'ann@here.test', exp: seconds() + 60, ...claims }
      return new SignJWT(all).setProtectedHeader({ alg: 'ES256', kid, ...header }).sign(key)
    },
    async rotate() {
      pair = await generateKeyPair('ES256')
      kid += 'x'
    },
  }
}

const seconds = () => Math.floor(Date.now() / 1000)

async function startServer(
  t: TestContext,
  more: Partial<Parameters<typeof oidc>[0]['providers'][number]> = {},
  now: () => number = Date.now,
) {
  const provider = await startProvider(t)
  const kernel = await createDirectoryKernel(t, {
    limits: { logins: { free: 100 } },
    clock: { now, after: () => () => {}, advance: async () => {} },
    channels: {
      smtp: smtpIn({ listen: '127.0.0.1:0', auth: 'optional', authWithoutTls: true }),
      imap: imap({ listen: '127.0.0.1:0', authWithoutTls: true }),
      pop3: pop3({ listen: '127.0.0.1:0', authWithoutTls: true }),
    },
    plugins: [oidc({ providers: [{ issuer: provider.issuer, audience: ['mail', 'other'], ...more }], timeout: '2 s' })],
  })
  await kernel.make({ add: { kind: 'domain', name: 'here.test' } })
  await kernel.make({ add: { kind: 'account', name: 'ann', addresses: ['ann@here.test'] } })
  await kernel.make({ add: { kind: 'account', name: 'bob', addresses: ['bob@here.test'], status: 'suspended' } })
  async function logIn(token: string, username?: string) {
    const session = kernel.openSession({ protocol: 'IMAP', remote: { address: '192.0.2.1' } })
    const answer = await session.auth({ kind: 'bearer', token, ...(username === undefined ? {} : { username }) })
    session.close()
    return answer.kind === 'identity' ? answer.user : answer.reply.code
  }
  return { ...kernel, provider, logIn }
}

/** Sends what a client says, and waits for an answer to it, or to what came before. */
function sayer(socket: Socket) {
  let received = ''
  let wake = () => {}
  socket.on('data', (text) => {
    received += text
    wake()
  })
  return async (answer: RegExp, text: string, isNew = false): Promise<RegExpExecArray> => {
    if (isNew) received = ''
    socket.write(text)
    for (;;) {
      const found = answer.exec(received)
      if (found) return found
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  }
}

const noCurl = spawnSync('curl', ['--version']).error ? 'curl is not installed' : false

test('curl logs in with a token, over IMAP and SMTP, by both mechanisms', { skip: noCurl }, async (t) => {
  const { provider, listener } = await startServer(t)
  const token = await provider.token()
  for (const mechanism of ['OAUTHBEARER', 'XOAUTH2']) {
    const curl = (bearer: string, ...more: readonly string[]) =>
      run('curl', [
        '-sS',
        '--max-time',
        '10',
        '--login-options',
        `AUTH=${mechanism}`,
        '--oauth2-bearer',
        bearer,
        ...more,
      ])
    const { stdout } = await curl(token, '-u', 'ann:', `imap://127.0.0.1:${listener('imap').port}/`)
    assert.match(stdout, /INBOX/)
    const verified = await curl(
      token,
      '-u',
      'ann@here.test:',
      `smtp://127.0.0.1:${listener('smtp').port}/c.test`,
      '-X',
      'NOOP',
      '-v',
    )
    assert.match(verified.stderr, /< 235 /)
    await assert.rejects(curl(`${token.slice(0, -4)}AAAA`, '-u', 'ann:', `imap://127.0.0.1:${listener('imap').port}/`))
  }
})

test('only a token of the provider, for us, now, of an account that may log in', async (t) => {
  const { provider, logIn } = await startServer(t)
  assert.equal(await logIn(await provider.token()), 'ann')
  assert.equal(await logIn(await provider.token(), 'ANN'), 'ann')
  assert.equal(await logIn(await provider.token(), 'ann@here.test'), 'ann')
  const other = await generateKeyPair('ES256')
  const wrong = {
    'of nobody': 'nonsense',
    'for somebody else': [await provider.token(), 'bob'],
    'for nobody here': await provider.token({ email: 'who@here.test' }),
    suspended: await provider.token({ email: 'bob@here.test' }),
    expired: await provider.token({ exp: seconds() - 3600 }),
    'without an end': await provider.token({ exp: undefined as never }),
    'not yet': await provider.token({ nbf: seconds() + 3600 }),
    'for others': await provider.token({ aud: 'web' }),
    'of another issuer': await provider.token({ iss: 'https://evil.test' }),
    'of a wrong key': await provider.token({}, {}, other.privateKey),
    'of a key that is not known': await provider.token({}, { kid: 'another' }, other.privateKey),
    unsigned: new UnsecuredJWT({ iss: provider.issuer, aud: 'mail', email: 'ann@here.test' })
      .setExpirationTime('1h')
      .encode(),
    'of an unverified address': await provider.token({ email_verified: false }),
  }
  for (const [why, shown] of Object.entries(wrong)) {
    const [token, name] = Array.isArray(shown) ? shown : [shown]
    assert.equal(await logIn(token as string, name), 535, why)
  }
})

test('a client without a token, or with one that does not count, learns where to get one', async (t) => {
  const { provider, openSession } = await startServer(t, { scopes: ['mail'] })
  const error = { scope: 'openid mail', 'openid-configuration': `${provider.issuer}/.well-known/openid-configuration` }
  const ask = async (mechanism: 'OAUTHBEARER' | 'XOAUTH2', text: string, response = '\x01') => {
    const session = openSession({ protocol: 'IMAP', remote: { address: '192.0.2.1' } })
    const challenges: string[] = []
    const answer = await session.authenticate({
      mechanism,
      initial: Buffer.from(text),
      async ask(challenge) {
        challenges.push(challenge)
        return Buffer.from(response)
      },
    })
    const code = answer.kind === 'refuse' ? answer.reply.code : answer.user
    return { code, said: challenges.map((one) => JSON.parse(one)) }
  }
  const oauth = { code: 535, said: [{ status: 'invalid_token', ...error }] }
  const google = { code: 535, said: [{ status: '401', schemes: 'bearer', ...error }] }
  // RFC 7628 section 4.3, and the header that section 4.4 writes.
  const rest = '\x01host=server.example.com\x01port=143\x01auth='
  assert.deepEqual(await ask('OAUTHBEARER', `n,a=user@example.com,${rest}\x01\x01`), oauth)
  assert.deepEqual(await ask('OAUTHBEARER', `n,user=user@example.com,${rest}Bearer x\x01\x01`), oauth)
  assert.deepEqual(await ask('OAUTHBEARER', 'n,,\x01auth=Bearer \x01\x01', ''), oauth)
  assert.deepEqual(await ask('OAUTHBEARER', 'n,,\x01auth=Bearer nonsense\x01\x01'), oauth)
  assert.deepEqual(await ask('XOAUTH2', 'user=ann\x01auth=Bearer \x01\x01'), google)
  assert.deepEqual(await ask('XOAUTH2', 'user=ann\x01auth=Bearer nonsense\x01\x01', ''), google)
  for (const text of ['', 'n,,', 'n,,\x01\x01', 'n,,\x01auth=Basic eA==\x01\x01', 'p=tls-exporter,,\x01auth=\x01\x01'])
    assert.deepEqual(await ask('OAUTHBEARER', text), { code: 501, said: [] }, JSON.stringify(text))
  const token = await provider.token({ scope: 'mail' })
  assert.deepEqual(await ask('OAUTHBEARER', `n,a=ann@here.test,\x01auth=Bearer ${token}\x01\x01`), {
    code: 'ann',
    said: [],
  })
})

test('IMAP, POP3 and SMTP end the exchange with a failure after the dummy response', async (t) => {
  const { listener } = await startServer(t)
  const response = Buffer.from('n,,\x01auth=\x01\x01').toString('base64')
  for (const [protocol, command, failure] of [
    ['imap', 'a AUTHENTICATE OAUTHBEARER ', /^a NO \[AUTHENTICATIONFAILED\]/m],
    ['pop3', 'AUTH OAUTHBEARER ', /^-ERR \[AUTH\]/m],
    ['smtp', 'AUTH OAUTHBEARER ', /^535 5\.7\.8/m],
  ] as const)
    for (const dummy of ['AQ==', '']) {
      const socket = connect(listener(protocol).port ?? 0, '127.0.0.1').setEncoding('utf8')
      t.after(() => socket.destroy())
      const said = sayer(socket)
      await said(/^(?:\* OK|\+OK|220)/m, protocol === 'smtp' ? 'EHLO client.test\r\n' : '')
      if (protocol === 'smtp') await said(/^250 /m, '')
      const challenge = await said(/^(?:\+|334) (\S+)\r\n/m, `${command}${response}\r\n`, true)
      const error = JSON.parse(Buffer.from(challenge[1] ?? '', 'base64').toString())
      assert.equal(error.status, 'invalid_token')
      await said(failure, `${dummy}\r\n`, true)
    }
})

test('a session lasts no longer than its token', async (t) => {
  let now = Date.now()
  const { provider, openSession, directory } = await startServer(t, {}, () => now)
  const session = openSession({ protocol: 'ESMTPSA', remote: { address: '192.0.2.1' } })
  const answer = await session.auth({ kind: 'bearer', token: await provider.token() })
  assert.equal(answer.kind, 'identity')
  assert.equal(await session.mail('ann@here.test', {}), undefined)
  // What is learned of the account in between does not make the token last.
  await directory.change(
    [{ set: answer.kind === 'identity' ? (answer.account ?? '') : '', to: { displayName: 'Ann' } }],
    'test',
  )
  assert.equal(await session.mail('ann@here.test', {}), undefined)
  now += 61_000
  assert.equal(await session.mail('ann@here.test', {}), undefined, 'clocks may differ by the tolerance')
  now += 30_000
  assert.equal((await session.mail('ann@here.test', {}))?.reply.code, 421)
  assert.ok(session.revoked.aborted)
})

test('another claim, scopes; a new key is found', async (t) => {
  const { provider, logIn } = await startServer(t, { claim: 'preferred_username', scopes: ['mail'] })
  assert.equal(await logIn(await provider.token({ preferred_username: 'ann' })), 535)
  assert.equal(await logIn(await provider.token({ preferred_username: 'ann', scope: 'openid mail' })), 'ann')
  assert.equal(provider.asked.length, 2)
})

test('a provider that is away is "later", and its keys are known meanwhile', async (t) => {
  const { provider, logIn } = await startServer(t)
  provider.away(true)
  assert.equal(await logIn(await provider.token()), 454)
  provider.away(false)
  assert.equal(await logIn(await provider.token()), 'ann')
  provider.away(true)
  assert.equal(await logIn(await provider.token()), 'ann')
})

test('a provider in the clear is refused, but on this machine', async (t) => {
  await assert.rejects(startServer(t, { issuer: 'http://login.example.org' }), /https:/)
})

test('of several providers each names accounts of its own domains alone', async (t) => {
  const [here, there] = [await startProvider(t), await startProvider(t)]
  const [first, second] = [
    { issuer: here.issuer, audience: ['mail'], domains: ['here.test'] },
    { issuer: there.issuer, audience: ['mail'], domains: ['There.Test', 'other.test'], claim: 'sub' },
  ]
  const kernel = await createDirectoryKernel(t, { plugins: [oidc({ providers: [first, second] })] })
  for (const name of ['here.test', 'there.test']) await kernel.make({ add: { kind: 'domain', name } })
  await kernel.make({ add: { kind: 'account', name: 'ann', addresses: ['ann@here.test'] } })
  await kernel.make({ add: { kind: 'account', name: 'tom', addresses: ['tom@there.test'] } })
  async function logIn(token: string) {
    const session = kernel.openSession({ protocol: 'IMAP', remote: { address: '192.0.2.1' } })
    const answer = await session.auth({ kind: 'bearer', token })
    session.close()
    return answer.kind === 'identity' ? answer.user : answer.reply.code
  }
  assert.equal(await logIn(await here.token()), 'ann')
  assert.equal(await logIn(await there.token({ sub: 'tom' })), 'tom')
  assert.equal(await logIn(await there.token({ sub: 'tom@there.test' })), 'tom')
  assert.equal(await logIn(await there.token({ sub: 'ann' })), 535, 'an account of the other provider')
  assert.equal(await logIn(await there.token({ sub: 'ann@here.test' })), 535)
  assert.equal(await logIn(await here.token({ email: 'tom@there.test' })), 535)
  assert.equal(await logIn(await there.token({ sub: 'nobody' })), 535)
  const { domains: _, ...anyone } = second as typeof second & { domains: string[] }
  await assert.rejects(createDirectoryKernel(t, { plugins: [oidc({ providers: [first, anyone] })] }), /domains/)
})

test('a browser logs in at the provider: authorization code with PKCE, in the browser that began', async (t) => {
  const grants = new Map<string, Record<string, string>>()
  const asked: URLSearchParams[] = []
  let claims: JWTPayload = {}
  const provider = await startProvider(t, async (url, body) => {
    if (!url.startsWith('/token')) return undefined
    const form = new URLSearchParams(body)
    asked.push(form)
    const grant = grants.get(form.get('code') ?? '')
    grants.delete(form.get('code') ?? '')
    const challenge = createHash('sha256')
      .update(form.get('code_verifier') ?? '')
      .digest('base64url')
    if (!grant || grant.code_challenge !== challenge || form.get('client_secret') !== 'hush') return { status: 400 }
    return { json: { id_token: await provider.token({ aud: 'web', nonce: grant.nonce, ...claims }) } }
  })
  const kernel = await createDirectoryKernel(t, {
    channels: { web: http({ listen: '127.0.0.1:0' }) },
    plugins: [
      oidc({
        providers: [
          {
            ...{ issuer: provider.issuer, audience: ['mail'], scopes: ['mail'], domains: ['here.test'] },
            login: { title: 'Sign in with Example', clientId: 'web', clientSecret: 'hush' },
          },
        ],
      }),
    ],
  })
  await kernel.make({ add: { kind: 'domain', name: 'here.test' } })
  await kernel.make({ add: { kind: 'account', name: 'ann', addresses: ['ann@here.test', 'ann@there.test'] } })
  await kernel.make({ add: { kind: 'account', name: 'eve', addresses: ['eve@there.test'] } })
  const base = `http://127.0.0.1:${kernel.listener('web').port}`
  const get = (path: string, cookie = '') => fetch(base + path, { redirect: 'manual', headers: { cookie } })
  const ways = (await (await get('/api/login/ways')).json()) as { ways: { title: string; path: string }[] }
  assert.deepEqual(ways.ways, [{ title: 'Sign in with Example', path: '/api/login/oidc/start/0' }])
  /** What the provider sends a browser back with, and the browser's cookie. */
  async function begin(to = '/mail/') {
    const answer = await get(`/api/login/oidc/start/0?to=${encodeURIComponent(to)}`)
    const url = new URL(answer.headers.get('location') ?? '')
    const query = Object.fromEntries(url.searchParams)
    assert.deepEqual(
      [url.pathname, query.response_type, query.client_id, query.scope, query.code_challenge_method],
      ['/authorize', 'code', 'web', 'openid email', 'S256'],
    )
    assert.equal(query.redirect_uri, `${base}/api/login/oidc/callback`)
    const code = randomUUID()
    grants.set(code, query)
    return { cookie: answer.headers.get('set-cookie')?.split(';')[0] ?? '', code, state: query.state ?? '' }
  }
  const back = ({ code, state }: { code: string; state: string }, cookie: string, more = '') =>
    get(`/api/login/oidc/callback?code=${code}&state=${state}${more}`, cookie)

  const first = await begin()
  const done = await back(first, first.cookie, `&iss=${encodeURIComponent(provider.issuer)}`)
  assert.deepEqual([done.status, done.headers.get('location')], [303, '/api/login/oidc/done?to=%2Fmail%2F'])
  const login = done.headers.get('set-cookie')?.split(';')[0] ?? ''
  assert.equal(((await (await get('/api/login', login)).json()) as { user: string }).user, 'ann')
  assert.match(await (await get('/api/login/oidc/done?to=/mail/')).text(), /url=\/mail\//)
  assert.doesNotMatch(await (await get('/api/login/oidc/done?to=//evil.test/')).text(), /evil/)

  const statusOf = async (answer: Promise<Response>) => (await answer).status
  assert.equal(await statusOf(back(first, first.cookie)), 401, 'a code is valid once')
  const second = await begin()
  assert.equal(await statusOf(back(second, '')), 400, 'another browser')
  assert.equal(await statusOf(back({ ...second, state: first.state }, second.cookie)), 400, 'another request')
  assert.equal(await statusOf(back(second, second.cookie, '&iss=https://other.test')), 400, 'another provider')
  assert.equal(
    await statusOf(get(`/api/login/oidc/callback?error=access_denied&state=${second.state}`, second.cookie)),
    401,
  )
  for (const [what, wrong] of Object.entries({
    nonce: { nonce: 'other' },
    audience: { aud: 'mail' },
    expiry: { exp: 1 },
    party: { azp: 'other' },
    address: { email: 'nobody@here.test' },
    unverified: { email_verified: false },
    domain: { email: 'eve@there.test' },
  })) {
    claims = wrong
    const one = await begin()
    assert.equal(await statusOf(back(one, one.cookie)), 401, what)
  }
  claims = {}
  provider.away(true)
  const last = { ...second, code: randomUUID() }
  assert.equal(await statusOf(back(last, second.cookie)), 503)
  assert.equal(
    asked.every((form) => form.get('redirect_uri') === `${base}/api/login/oidc/callback`),
    true,
  )
})
