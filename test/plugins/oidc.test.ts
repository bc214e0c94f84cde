/** Tokens of an OpenID Connect provider, shown by curl and by whoever tries something else. */
import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { imap } from 'iems/plugins/imap'
import { oidc } from 'iems/plugins/oidc'
import { smtpIn } from 'iems/plugins/smtp-in'
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT, UnsecuredJWT } from 'jose'
import { createDirectoryKernel } from '../support/directory.ts'

const run = promisify(execFile)

/** A provider with one key, which can be replaced or taken away. */
async function startProvider(t: TestContext) {
  let pair = await generateKeyPair('ES256')
  let kid = 'one'
  let isAway = false
  const asked: string[] = []
  const server = createServer(async ({ url = '' }, answer) => {
    asked.push(url)
    if (isAway) return void answer.writeHead(503).end()
    const said = url.startsWith('/.well-known')
      ? { issuer, jwks_uri: `${issuer}/keys` }
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

async function startServer(t: TestContext, more: Partial<Parameters<typeof oidc>[0]['providers'][number]> = {}) {
  const provider = await startProvider(t)
  const kernel = await createDirectoryKernel(t, {
    limits: { logins: { free: 100 } },
    clock: { now: Date.now, after: () => () => {}, advance: async () => {} },
    channels: {
      smtp: smtpIn({ listen: '127.0.0.1:0', auth: 'optional', authWithoutTls: true }),
      imap: imap({ listen: '127.0.0.1:0', authWithoutTls: true }),
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

const noCurl = spawnSync('curl', ['--version']).error ? 'curl is not installed' : false

test('curl logs in with a token, over IMAP and SMTP, by both mechanisms', { skip: noCurl }, async (t) => {
  const { provider, door } = await startServer(t)
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
    const { stdout } = await curl(token, '-u', 'ann:', `imap://127.0.0.1:${door('imap').port}/`)
    assert.match(stdout, /INBOX/)
    const verified = await curl(
      token,
      '-u',
      'ann@here.test:',
      `smtp://127.0.0.1:${door('smtp').port}/c.test`,
      '-X',
      'NOOP',
      '-v',
    )
    assert.match(verified.stderr, /< 235 /)
    await assert.rejects(curl(`${token.slice(0, -4)}AAAA`, '-u', 'ann:', `imap://127.0.0.1:${door('imap').port}/`))
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
