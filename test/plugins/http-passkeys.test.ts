/** Passkeys and fresh logins: made and shown by Chromium's virtual authenticator, refused when anything is wrong. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Http, html, http } from 'iems/plugins/http'
import { missing } from 'iems/testing'
import * as z from 'zod'
import { definePlugin } from '../../core/index.ts'
import { codeAt } from '../../plugins/directory/store/totp.ts'
import { createDirectoryKernel } from '../support/directory.ts'
import type { Json } from '../support/jmap.ts'
import { CHROMIUM, startBrowser } from '../support/web-mail.ts'

/** A page of the server, and a route for what cannot be undone. */
const pages = definePlugin({
  name: 'pages',
  config: z.undefined(),
  needs: [Http],
  setup(_, ctx) {
    const web = ctx.use(Http)
    web.page({ path: '/', who: 'anyone', summary: 'A page', run: () => html`<!doctype html><title>Page</title>` })
    web.route({
      method: 'POST',
      path: '/api/danger',
      who: 'user',
      fresh: true,
      summary: 'Danger',
      run: () => ({ done: true }),
    })
    return {}
  },
})

test('a passkey logs in, shows its account again, and its logins end with it', {
  skip: missing(CHROMIUM),
}, async (t) => {
  const here = await createDirectoryKernel(t, {
    channels: { web: http({ listen: '127.0.0.1:0', login: { fresh: '1 s' } }) },
    plugins: [pages()],
  })
  await here.make({ add: { kind: 'domain', name: 'here.test' } })
  for (const name of ['ann', 'bob'])
    await here.make({ add: { kind: 'account', name, addresses: [`${name}@here.test`], password: `${name}-secret` } })
  const ann = (await here.directory.byName('account', 'ann')) as { readonly id: string }
  const browser = await startBrowser(t)
  const page = await (await browser.newContext()).newPage()
  const devtools = await page.context().newCDPSession(page)
  await devtools.send('WebAuthn.enable')
  await devtools.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  })
  await page.goto(`http://localhost:${here.listener('web').port}/`)
  const ask = (method: string, path: string, body?: object): Promise<{ status: number; json: Json }> =>
    page.evaluate(
      async ([method, path, body]) => {
        const response = await fetch(path as string, {
          method: method as string,
          ...(body ? { body: body as string, headers: { 'content-type': 'application/json' } } : {}),
        })
        const text = await response.text()
        return { status: response.status, json: text === '' ? {} : JSON.parse(text) }
      },
      [method, path, body === undefined ? undefined : JSON.stringify(body)],
    )
  const withPasskey = (kind: 'create' | 'get', options: Json): Promise<Json> =>
    page.evaluate(
      `(async () => {
        const options = PublicKeyCredential.parse${kind === 'create' ? 'Creation' : 'Request'}OptionsFromJSON(${JSON.stringify(options)})
        return (await navigator.credentials.${kind}({ publicKey: options })).toJSON()
      })()`,
    )
  const assertion = async () => withPasskey('get', (await ask('POST', '/api/login/passkey/options')).json)
  const login = (username: string, more: object = {}) =>
    ask('POST', '/api/login', { username, password: `${username}-secret`, ...more })

  assert.deepEqual((await ask('GET', '/api/login/ways')).json, { hasPasskeys: true, ways: [] })
  assert.equal((await ask('GET', '/api/passkeys')).status, 401)
  assert.equal((await login('ann')).status, 200)
  const options = (await ask('POST', '/api/passkeys/options')).json
  const response = await withPasskey('create', options)
  assert.equal((await ask('POST', '/api/passkeys', { name: 'Laptop', response })).status, 200)
  const again = await ask('POST', '/api/passkeys', { name: 'Twice', response })
  assert.equal(again.status, 400, 'a challenge is valid once')
  const [listed] = (await ask('GET', '/api/passkeys')).json as unknown as Json[]
  assert.deepEqual([listed?.name, listed?.host, 'publicKey' in (listed ?? {})], ['Laptop', 'localhost', false])

  await ask('DELETE', '/api/login')
  const shown = await assertion()
  const done = await ask('POST', '/api/login/passkey', shown)
  assert.deepEqual([done.status, done.json.user], [200, 'ann'])
  assert.equal((await ask('POST', '/api/login/passkey', shown)).status, 401, 'an answer is valid once')
  const forged = await assertion()
  forged.response.signature = Buffer.from('wrong').toString('base64url')
  assert.equal((await ask('POST', '/api/login/passkey', forged)).status, 401)
  const other = await assertion()
  other.response.userHandle = Buffer.from('nobody').toString('base64url')
  assert.equal((await ask('POST', '/api/login/passkey', other)).status, 401)
  const creation = await withPasskey('get', { challenge: options.challenge, rpId: 'localhost' })
  assert.equal((await ask('POST', '/api/login/passkey', creation)).status, 401, 'a challenge is for one purpose')

  await t.test('what cannot be undone asks again', async () => {
    assert.equal((await ask('POST', '/api/danger')).status, 200)
    await here.clock.advance(2000)
    const asked = await ask('POST', '/api/danger')
    assert.deepEqual([asked.status, asked.json.needs], [403, 'confirmation'])
    assert.equal((await ask('POST', '/api/login/confirm', { password: 'bob-secret' })).status, 401)
    assert.equal((await ask('POST', '/api/danger')).status, 403)
    assert.equal((await ask('POST', '/api/login/confirm', { passkey: await assertion() })).status, 204)
    assert.equal((await ask('POST', '/api/danger')).status, 200)
    await here.clock.advance(2000)
    assert.equal((await ask('POST', '/api/login/confirm', { password: 'ann-secret' })).status, 204)
    assert.equal((await ask('POST', '/api/danger')).status, 200)
    const app = await here.directory.addAppPassword(ann.id, { name: 'script', scopes: ['web'] }, 'test')
    const basic = (password: string) => ({
      authorization: `Basic ${Buffer.from(`ann:${password}`).toString('base64')}`,
    })
    const base = `http://127.0.0.1:${here.listener('web').port}`
    const post = (password: string) => fetch(`${base}/api/danger`, { method: 'POST', headers: basic(password) })
    assert.equal((await post('ann-secret')).status, 200)
    assert.equal((await post('password' in app ? app.password : '')).status, 403, 'a password for programs')
  })

  await t.test('it is the second factor too, and its logins end when it is removed', async () => {
    const started = await here.directory.startTotp(ann.id, 'test')
    const secret = 'secret' in started ? started.secret : ''
    assert.ok(await here.directory.confirmTotp(ann.id, codeAt(secret, Math.floor(here.clock.now() / 30_000)), 'test'))
    assert.equal((await ask('POST', '/api/login/passkey', await assertion())).status, 200)
    assert.equal((await ask('DELETE', `/api/passkeys/${listed?.id}`)).status, 204)
    assert.equal((await ask('GET', '/api/login')).status, 401)
    assert.equal((await ask('POST', '/api/login/passkey', await assertion())).status, 401)
  })

  await t.test('a copied authenticator gives itself away by its counter', async () => {
    assert.equal((await login('bob')).status, 200)
    const made = await withPasskey('create', (await ask('POST', '/api/passkeys/options')).json)
    assert.equal((await ask('POST', '/api/passkeys', { name: 'Key', response: made })).status, 200)
    const bob = (await here.directory.byName('account', 'bob')) as { readonly id: string }
    assert.ok(await here.directory.takePasskey(bob.id, made.id, 5000))
    assert.equal(await here.directory.takePasskey(bob.id, made.id, 5000), undefined)
  })
})
