/** HTTP for plugins, as clients and browsers see it: routes, logins, limits, streams, events, WebSockets, drain. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect as connect2 } from 'node:http2'
import { get as getSecurely } from 'node:https'
import { connect as connectTcp } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Http, type HttpApi, HttpProblem, html, http } from 'iems/plugins/http'
import { jmap } from 'iems/plugins/jmap'
import { milter } from 'iems/plugins/milter'
import { WebSocket } from 'ws'
import * as z from 'zod'
import { definePlugin, type PluginEntry } from '../../core/index.ts'
import { codeAt } from '../../plugins/directory/store/totp.ts'
import { Download, Redirect, requireFresh } from '../../plugins/web/http/api.ts'
import { createDirectoryKernel } from '../support/directory.ts'

/** A plugin with routes, as a third party writes it. */
const withRoutes = (add: (http: HttpApi) => void, name = 'pages') =>
  definePlugin({
    name,
    config: z.undefined(),
    needs: [Http],
    setup(_, ctx) {
      add(ctx.use(Http))
      return {}
    },
  })()

async function start(
  t: TestContext,
  add: (http: HttpApi) => void,
  options: Partial<Parameters<typeof http>[0]> = {},
  plugins: readonly PluginEntry[] = [],
) {
  const here = await createDirectoryKernel(t, {
    channels: { web: http({ listen: '127.0.0.1:0', ...options }) },
    plugins: [withRoutes(add), ...plugins],
  })
  await here.make({ add: { kind: 'domain', name: 'here.test' } })
  for (const name of ['ann', 'bob'])
    await here.make({ add: { kind: 'account', name, addresses: [`${name}@here.test`], password: `${name}-secret` } })
  await here.make({
    add: { kind: 'account', name: 'root', addresses: ['root@here.test'], password: 'root-secret', roles: ['admin'] },
  })
  const port = here.listener('web').port
  const base = `http://127.0.0.1:${port}`
  /** A browser on a page of this server: keeps its cookie. */
  function browser() {
    let cookie = ''
    return {
      get cookie() {
        return cookie
      },
      async ask(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
        const response = await fetch(base + path, {
          method,
          redirect: 'manual',
          headers: {
            ...(cookie ? { cookie } : {}),
            ...(body === undefined ? {} : { 'content-type': 'application/json' }),
            'sec-fetch-site': 'same-origin',
            ...headers,
          },
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        })
        const set = response.headers.get('set-cookie')
        if (set) cookie = set.split(';')[0] as string
        const text = await response.text()
        const isJson = /json/.test(response.headers.get('content-type') ?? '')
        return { status: response.status, headers: response.headers, text, json: isJson ? JSON.parse(text) : undefined }
      },
      login(username: string, more: object = {}) {
        return this.ask('POST', '/api/login', { username, password: `${username}-secret`, ...more })
      },
    }
  }
  return { ...here, port, base, browser }
}

const basic = (name: string, password = `${name}-secret`) => ({
  authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`,
})

test('a route gets what its schemas made of the request, and says what is wrong with another', async (t) => {
  const { browser } = await start(t, (http) =>
    http.route({
      method: 'POST',
      path: '/api/v1/sums/:name',
      who: 'anyone',
      summary: 'Adds',
      params: z.object({ name: z.string() }),
      query: z.object({ times: z.coerce.number().default(1) }),
      body: z.strictObject({ numbers: z.array(z.number()) }),
      run: ({ params, query, body }) => ({
        name: params.name,
        sum: query.times * body.numbers.reduce((sum, one) => sum + one, 0),
      }),
    }),
  )
  const client = browser()
  const done = await client.ask('POST', '/api/v1/sums/a%20b?times=2', { numbers: [1, 2] })
  assert.deepEqual([done.status, done.json], [200, { name: 'a b', sum: 6 }])
  const wrong = await client.ask('POST', '/api/v1/sums/a', { numbers: ['x'] })
  assert.equal(wrong.status, 400)
  assert.match(wrong.headers.get('content-type') ?? '', /^application\/problem\+json/)
  assert.equal(wrong.json.errors[0].at, 'body.numbers.0')
  assert.equal((await client.ask('POST', '/api/v1/sums/a', undefined)).status, 400)
  const text = await client.ask('POST', '/api/v1/sums/a', { numbers: [] }, { 'content-type': 'text/plain' })
  assert.equal(text.status, 415)
  assert.equal((await client.ask('GET', '/nowhere')).status, 404)
})

test('what a route throws is a problem; a fault says nothing of itself', async (t) => {
  const { browser } = await start(t, (http) => {
    http.route({
      method: 'GET',
      path: '/refuses',
      who: 'anyone',
      summary: 'Refuses',
      run() {
        throw new HttpProblem(409, 'The list exists', { list: 'a' })
      },
    })
    http.route({
      method: 'GET',
      path: '/breaks',
      who: 'anyone',
      summary: 'Breaks',
      run() {
        throw new Error('secret at /etc/passwd')
      },
    })
  })
  const refused = await browser().ask('GET', '/refuses')
  assert.deepEqual(refused.json, {
    type: 'about:blank',
    title: 'Conflict',
    status: 409,
    detail: 'The list exists',
    list: 'a',
  })
  const broken = await browser().ask('GET', '/breaks')
  assert.equal(broken.status, 500)
  assert.doesNotMatch(broken.text, /secret|passwd|at /)
})

test('every response has the headers that keep a browser safe', async (t) => {
  const { browser } = await start(t, (http) =>
    http.page({ path: '/page', who: 'anyone', summary: 'A page', run: () => html`<p>${'<script>alert(1)</script>'}` }),
  )
  const page = await browser().ask('GET', '/page')
  assert.equal(page.text, '<p>&lt;script&gt;alert(1)&lt;/script&gt;')
  assert.match(page.headers.get('content-security-policy') ?? '', /default-src 'none'.*frame-ancestors 'none'/)
  for (const path of ['/page', '/nowhere']) {
    const { headers } = await browser().ask('GET', path)
    assert.equal(headers.get('x-content-type-options'), 'nosniff')
    assert.equal(headers.get('referrer-policy'), 'no-referrer')
    assert.equal(headers.get('cross-origin-opener-policy'), 'same-origin')
    assert.equal(headers.get('cache-control'), 'no-store')
    assert.ok(headers.get('permissions-policy'))
  }
})

const forEverybody = (http: HttpApi) => {
  for (const who of ['anyone', 'user', 'admin', 'queue:read'])
    for (const method of ['GET', 'POST'] as const)
      http.route({
        method,
        path: `/${who}`,
        who,
        summary: `${method} for ${who}`,
        run: ({ login }) => ({ user: login?.identity.user ?? null }),
      })
}

test('each route is for those it names: nobody, a user, support, an administrator', async (t) => {
  const { browser, make, directory } = await start(t, forEverybody)
  const bob = await directory.byName('account', 'bob')
  await make({ set: bob?.id ?? '', to: { roles: ['support'] } })
  const allowed: Record<string, readonly number[]> = {
    '': [200, 401, 401, 401],
    ann: [200, 200, 403, 403],
    bob: [200, 200, 403, 200],
    root: [200, 200, 200, 200],
  }
  for (const [name, statuses] of Object.entries(allowed)) {
    const client = browser()
    if (name) assert.equal((await client.login(name)).status, 200)
    for (const method of ['GET', 'POST']) {
      const found: number[] = []
      for (const who of ['anyone', 'user', 'admin', 'queue:read'])
        found.push((await client.ask(method, `/${who}`, method === 'POST' ? {} : undefined)).status)
      assert.deepEqual(found, statuses, `${method} by ${name || 'nobody'}`)
    }
  }
})

test('a role with a scope has the permissions of the role', async (t) => {
  const { browser, make, directory } = await start(t, forEverybody, {
    roles: { 'domain-admin': ['queue:read'] },
  })
  const bob = await directory.byName('account', 'bob')
  await make({ set: bob?.id ?? '', to: { roles: ['domain-admin:here.test'] } })
  const client = browser()
  await client.login('bob')
  assert.equal((await client.ask('GET', '/queue:read')).status, 200)
  assert.equal((await client.ask('GET', '/admin')).status, 403)
})

test('what cannot be undone asks for the password again after a time', async (t) => {
  const { browser, clock, base } = await start(
    t,
    (http) =>
      http.route({
        method: 'POST',
        path: '/drop',
        who: 'user',
        summary: 'Drops',
        run: ({ login }) => {
          requireFresh(login)
          return new Download({
            type: 'text/plain',
            async *open() {
              yield Buffer.from('dropped')
            },
          })
        },
      }),
    { login: { fresh: '10 min' } },
  )
  const client = browser()
  await client.login('ann')
  assert.equal((await client.ask('POST', '/drop')).text, 'dropped')
  await clock.advance(600_000)
  const late = await client.ask('POST', '/drop')
  assert.deepEqual([late.status, late.json.needs], [403, 'confirmation'])
  assert.equal((await client.ask('POST', '/api/login/confirm', { password: 'bob-secret' })).status, 401)
  assert.equal((await client.ask('POST', '/drop')).status, 403)
  assert.equal((await client.ask('POST', '/api/login/confirm', { password: 'ann-secret' })).status, 204)
  assert.equal((await client.ask('POST', '/drop')).status, 200)
  await clock.advance(600_000)
  assert.equal((await fetch(`${base}/drop`, { method: 'POST', headers: basic('ann') })).status, 200)
})

test('a login by cookie: told of, listed, ended; its cookie is out of reach of scripts', async (t) => {
  const { browser, store, clock } = await start(t, forEverybody)
  const here = browser()
  const there = browser()
  const answer = await here.login('ann')
  assert.match(
    answer.headers.get('set-cookie') ?? '',
    /^iems=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=7776000$/,
  )
  assert.equal(answer.json.user, 'ann')
  await clock.advance(1000)
  await there.login('ann')
  assert.equal((await here.ask('GET', '/api/login')).json.user, 'ann')
  const logins = (await here.ask('GET', '/api/logins')).json as { id: string; current: boolean }[]
  assert.deepEqual(
    logins.map(({ current }) => current),
    [true, false],
  )
  const other = logins[1]?.id
  const bob = browser()
  await bob.login('bob')
  assert.equal((await bob.ask('DELETE', `/api/logins/${other}`)).status, 404)
  assert.equal((await here.ask('DELETE', `/api/logins/${other}`)).status, 204)
  assert.equal((await there.ask('GET', '/api/login')).status, 401)
  assert.equal((await here.ask('DELETE', '/api/login')).status, 204)
  assert.equal(here.cookie, 'iems=')
  // The token itself is nowhere in the store.
  const token = answer.headers.get('set-cookie')?.slice(5, 48) ?? 'none'
  for await (const [key, value] of store.scan({ from: Buffer.from([0]), to: Buffer.from([255]) }))
    assert.equal(Buffer.concat([key, value]).includes(token), false)
})

test('a filter of mail that does not answer stops no login, only the sending of mail', async (t) => {
  const add = (pages: HttpApi) => {
    pages.route({
      method: 'GET',
      path: '/api/who',
      who: 'user',
      summary: 'Says who asks',
      run: ({ login }) => login.identity.user,
    })
    pages.route({
      method: 'POST',
      path: '/api/send',
      who: 'user',
      summary: 'Opens a session for mail',
      run: async ({ openSession }) => (await openSession('mail')).close(),
    })
  }
  const { base, browser } = await start(t, add, {}, [milter({ filters: [{ name: 'gone', servers: ['127.0.0.1:1'] }] })])
  const basic = { authorization: `Basic ${Buffer.from('ann:ann-secret').toString('base64')}` }
  assert.equal((await fetch(`${base}/api/who`, { headers: basic })).status, 200)
  assert.equal((await fetch(`${base}/api/send`, { method: 'POST', headers: basic })).status, 503)
  const { ask } = browser()
  assert.equal((await ask('POST', '/api/login', { username: 'ann', password: 'ann-secret' })).status, 200)
  assert.equal((await ask('GET', '/api/who')).status, 200)
})

test('a wrong password and an unknown name are the same answer', async (t) => {
  const { browser } = await start(t, forEverybody)
  const wrong = await browser().login('ann', { password: 'no' })
  const unknown = await browser().login('zoe')
  assert.deepEqual([wrong.status, wrong.json], [401, unknown.json])
  assert.equal((await browser().ask('GET', '/user', undefined, basic('ann', 'no'))).status, 401)
  assert.equal((await browser().ask('GET', '/user', undefined, { authorization: 'Digest x' })).status, 401)
})

test('a new password ends every login at once', async (t) => {
  const { browser, make, directory } = await start(t, forEverybody)
  const client = browser()
  await client.login('ann')
  assert.equal((await client.ask('GET', '/user', undefined)).status, 200)
  assert.equal((await browser().ask('GET', '/user', undefined, basic('ann'))).status, 200)
  await make({ set: (await directory.byName('account', 'ann'))?.id ?? '', to: { password: 'other-secret' } })
  // The signal may take a turn.
  for (let turns = 0; turns < 50; turns++) await new Promise(setImmediate)
  assert.equal((await client.ask('GET', '/user')).status, 401)
  assert.equal((await browser().ask('GET', '/user', undefined, basic('ann'))).status, 401)
})

test('with a second factor the password opens nothing by itself', async (t) => {
  const { browser, directory, clock } = await start(t, forEverybody)
  const ann = await directory.byName('account', 'ann')
  const started = await directory.startTotp(ann?.id ?? '', 'test')
  assert.ok('secret' in started)
  await directory.confirmTotp(ann?.id ?? '', codeAt(started.secret, Math.floor(clock.now() / 30_000)), 'test')
  const client = browser()
  const asked = await client.login('ann')
  assert.deepEqual([asked.status, asked.json.needs], [401, 'code'])
  assert.equal((await client.login('ann', { code: '000000' })).status, 401)
  assert.equal((await browser().ask('GET', '/user', undefined, basic('ann'))).status, 401)
  await clock.advance(60_000)
  assert.equal(
    (await client.login('ann', { code: codeAt(started.secret, Math.floor(clock.now() / 30_000)) })).status,
    200,
  )
  assert.equal((await client.ask('GET', '/user')).status, 200)
  const made = await directory.addAppPassword(ann?.id ?? '', { name: 'phone', scopes: ['web'] }, 'test')
  assert.ok('password' in made)
  assert.equal((await browser().ask('GET', '/user', undefined, basic('ann', made.password))).json.user, 'ann')
})

test('a change by cookie is refused unless a page of this server sent it', async (t) => {
  const { browser, port } = await start(t, forEverybody, { origins: ['https://app.here.test'] })
  const client = browser()
  await client.login('ann')
  const from = (headers: Record<string, string>) =>
    client.ask('POST', '/user', {}, { 'sec-fetch-site': '', ...headers })
  assert.equal((await from({})).status, 403)
  assert.equal((await from({ 'sec-fetch-site': 'cross-site' })).status, 403)
  // A form of a page without referrers has the origin `null`.
  assert.equal((await from({ origin: 'null', 'sec-fetch-site': 'cross-site' })).status, 403)
  assert.equal((await from({ origin: 'null', 'sec-fetch-site': 'same-origin' })).status, 200)
  assert.equal((await from({ origin: 'https://evil.test' })).status, 403)
  assert.equal((await from({ origin: 'null' })).status, 403)
  assert.equal((await from({ origin: `http://127.0.0.1:${port}` })).status, 200)
  assert.equal((await from({ origin: 'https://app.here.test' })).status, 200)
  // Basic needs none of it: no browser sends it by itself for another's page.
  assert.equal(
    (await browser().ask('POST', '/user', {}, { 'sec-fetch-site': 'cross-site', ...basic('ann') })).status,
    200,
  )
})

test('addresses and schemes of proxies are believed of trusted ones alone', async (t) => {
  const show = (http: HttpApi) =>
    http.route({
      method: 'GET',
      path: '/from',
      who: 'anyone',
      summary: 'Where from',
      run: ({ remote, origin }) => ({ remote, origin }),
    })
  const headers = {
    'x-forwarded-for': '6.6.6.6, 203.0.113.9, 10.1.1.1',
    'x-forwarded-proto': 'https',
    'x-forwarded-host': 'mail.here.test',
  }
  const behind = await start(t, show, { proxies: ['127.0.0.0/8', '10.0.0.0/8'] })
  assert.deepEqual((await behind.browser().ask('GET', '/from', undefined, headers)).json, {
    remote: '203.0.113.9',
    origin: 'https://mail.here.test',
  })
  const open = await start(t, show)
  assert.deepEqual((await open.browser().ask('GET', '/from', undefined, headers)).json, {
    remote: '127.0.0.1',
    origin: open.base,
  })
})

test('content comes in parts, is not sent again when it is known, and has a name that cannot break out', async (t) => {
  const content = Buffer.from('0123456789')
  const { browser } = await start(t, (http) =>
    http.stream({
      method: 'GET',
      path: '/blob',
      who: 'anyone',
      summary: 'A blob',
      run: () =>
        new Download({
          type: 'application/octet-stream',
          size: 10,
          etag: 'x1',
          name: 'a"\r\nb€.txt',
          async *open(range = { start: 0, end: 10 }) {
            yield content.subarray(range.start, range.end)
          },
        }),
    }),
  )
  const ask = (headers: Record<string, string>) => browser().ask('GET', '/blob', undefined, headers)
  const whole = await ask({})
  assert.equal(whole.text, '0123456789')
  assert.equal(
    whole.headers.get('content-disposition'),
    `attachment; filename="a___b_.txt"; filename*=UTF-8''a%22%0D%0Ab%E2%82%AC.txt`,
  )
  const part = await ask({ range: 'bytes=2-4' })
  assert.deepEqual([part.status, part.text, part.headers.get('content-range')], [206, '234', 'bytes 2-4/10'])
  assert.equal((await ask({ range: 'bytes=-3' })).text, '789')
  assert.equal((await ask({ range: 'bytes=20-' })).status, 416)
  assert.equal((await ask({ range: 'bytes=4-2' })).status, 200)
  assert.equal((await ask({ range: 'bytes=0-1', 'if-range': '"old"' })).text, '0123456789')
  assert.equal((await ask({ 'if-none-match': '"x1"' })).status, 304)
})

test('an upload streams, and one beyond its limit is refused before it is read', async (t) => {
  const { base } = await start(t, (http) =>
    http.stream({
      method: 'POST',
      path: '/upload',
      who: 'anyone',
      summary: 'An upload',
      limit: { body: 1_000_000 },
      async run({ body }) {
        let size = 0
        for await (const chunk of body) size += chunk.length
        return { size }
      },
    }),
  )
  const put = (size: number) =>
    fetch(`${base}/upload`, { method: 'POST', body: Buffer.alloc(size), headers: { 'content-type': 'message/rfc822' } })
  assert.deepEqual(await (await put(900_000)).json(), { size: 900_000 })
  assert.equal((await put(1_000_001)).status, 413)
})

test('an upload without a length is cut off at its limit', async (t) => {
  let read = 0
  const { port } = await start(t, (http) =>
    http.stream({
      method: 'POST',
      path: '/upload',
      who: 'anyone',
      summary: 'An upload',
      limit: { body: 100_000 },
      async run({ body }) {
        for await (const chunk of body) read += chunk.length
        return { read }
      },
    }),
  )
  const socket = connectTcp(port, '127.0.0.1').setEncoding('latin1')
  t.after(() => socket.destroy())
  socket.on('error', () => {})
  socket.write('POST /upload HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\nContent-Type: a/b\r\n\r\n')
  const chunk = `4000\r\n${'x'.repeat(0x4000)}\r\n`
  let answer = ''
  socket.on('data', (text) => {
    answer += text
  })
  const closed = new Promise((resolve) => socket.once('close', resolve))
  for (let count = 0; count < 64 && !socket.destroyed; count++) {
    socket.write(chunk)
    await new Promise(setImmediate)
  }
  socket.end('0\r\n\r\n')
  await closed
  // The connection may end before the client has read why.
  assert.match(answer, /^(?:$|HTTP\/1.1 413 )/)
  assert.ok(read <= 200_000, `${read} octets were read`)
})

test('a page redirects, and a form is read', async (t) => {
  const { base } = await start(t, (http) => {
    http.page({
      method: 'POST',
      path: '/form',
      who: 'anyone',
      summary: 'A form',
      form: z.object({ name: z.string() }),
      run: ({ body }) => new Redirect(`/hello?name=${encodeURIComponent((body as { name: string }).name)}`),
    })
  })
  const body = new URLSearchParams({ name: 'a b' })
  const answer = await fetch(`${base}/form`, { method: 'POST', body, redirect: 'manual' })
  assert.deepEqual([answer.status, answer.headers.get('location')], [303, '/hello?name=a%20b'])
})

test('events arrive as they come, and end with the login', async (t) => {
  let next: (value: string) => void = () => {}
  let isOver = false
  const { base, browser, make, directory } = await start(t, (http) =>
    http.events({
      path: '/events',
      who: 'user',
      summary: 'Events',
      async *run() {
        try {
          for (;;) {
            const data = await new Promise<string>((resolve) => {
              next = resolve
            })
            yield { event: 'said', data }
          }
        } finally {
          isOver = true
        }
      },
    }),
  )
  const client = browser()
  await client.login('ann')
  const response = await fetch(`${base}/events`, { headers: { cookie: client.cookie } })
  assert.equal(response.headers.get('content-type'), 'text/event-stream')
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  assert.equal(Buffer.from((await reader.read()).value ?? []).toString(), ': open\n\n')
  next('line\n2')
  assert.equal(Buffer.from((await reader.read()).value ?? []).toString(), 'event: said\ndata: "line\\n2"\n\n')
  await make({ set: (await directory.byName('account', 'ann'))?.id ?? '', to: { status: 'disabled' } })
  assert.equal((await reader.read()).done, true)
  next('x')
  for (let turns = 0; turns < 10; turns++) await new Promise(setImmediate)
  assert.ok(isOver)
})

const echo = (http: HttpApi) =>
  http.socket({
    path: '/socket',
    who: 'user',
    summary: 'Echoes',
    protocol: 'echo',
    maxMessage: 1000,
    open: (connection, { login }) => ({
      message: (text) => void connection.send(`${login.identity.user}: ${text}`),
    }),
  })

test('a WebSocket: for a login, from a page of this server, bounded, ended with the login', async (t) => {
  const { port, browser, make, directory } = await start(t, echo)
  const client = browser()
  await client.login('ann')
  const origin = `http://127.0.0.1:${port}`
  const open = (headers: Record<string, string>, protocol = 'echo') => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/socket`, protocol, { headers })
    t.after(() => socket.terminate())
    return socket
  }
  const refused = async (headers: Record<string, string>, protocol?: string) => {
    const socket = open(headers, protocol)
    socket.on('error', () => {})
    const [, response] = await once(socket, 'unexpected-response')
    return (response as { statusCode: number }).statusCode
  }
  assert.equal(await refused({}), 401)
  assert.equal(await refused({ cookie: client.cookie }), 403)
  assert.equal(await refused({ cookie: client.cookie, origin: 'https://evil.test' }), 403)
  assert.equal(await refused({ cookie: client.cookie, origin }, 'other'), 400)
  const socket = open({ cookie: client.cookie, origin })
  await once(socket, 'open')
  socket.send('hello')
  assert.equal(String((await once(socket, 'message'))[0]), 'ann: hello')
  const big = open(basic('ann'))
  await once(big, 'open')
  big.send('x'.repeat(2000))
  assert.equal((await once(big, 'close'))[0], 1009)
  const closed = once(socket, 'close')
  await make({ set: (await directory.byName('account', 'ann'))?.id ?? '', to: { status: 'disabled' } })
  assert.equal((await closed)[0], 1008)
})

test('the end of the server answers what was asked, ends what is idle, and asks WebSockets to come back', async (t) => {
  let release: () => void = () => {}
  let arrived: () => void = () => {}
  const isThere = new Promise<void>((resolve) => {
    arrived = resolve
  })
  const here = await start(t, (http) => {
    echo(http)
    http.route({
      method: 'GET',
      path: '/slow',
      who: 'anyone',
      summary: 'Takes its time',
      run: () =>
        new Promise((resolve) => {
          arrived()
          release = () => resolve({ done: true })
        }),
    })
  })
  const idle = connectTcp(here.port, '127.0.0.1')
  await once(idle, 'connect')
  const idleEnded = once(idle.resume(), 'end')
  const socket = new WebSocket(`ws://127.0.0.1:${here.port}/socket`, 'echo', { headers: basic('ann') })
  await once(socket, 'open')
  const left = once(socket, 'close')
  const slow = fetch(`${here.base}/slow`)
  await isThere
  const closing = here.close(AbortSignal.timeout(10_000))
  await idleEnded
  idle.destroy()
  assert.equal((await left)[0], 1012)
  release()
  const answer = await slow
  assert.equal(answer.headers.get('connection'), 'close')
  assert.deepEqual(await answer.json(), { done: true })
  await closing
})

test('what is no single clear request is refused', async (t) => {
  const { port } = await start(t, forEverybody)
  const talk = async (octets: string) => {
    const socket = connectTcp(port, '127.0.0.1').setEncoding('latin1')
    t.after(() => socket.destroy())
    socket.on('error', () => {})
    let answer = ''
    socket.on('data', (text) => {
      answer += text
    })
    socket.write(octets)
    await once(socket, 'close')
    return answer
  }
  const head = 'POST /anyone HTTP/1.1\r\nHost: here\r\nConnection: close\r\n'
  for (const smuggled of [
    'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET',
    'Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!',
    'Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n',
    'Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n',
    'Content-Length: +5\r\n\r\nhello',
    'X: a\nY: b\r\n\r\n',
  ])
    assert.match(await talk(head + smuggled), /^HTTP\/1.1 4\d\d /, smuggled)
  assert.match(await talk(`GET /anyone HTTP/1.1\r\nHost: here\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`), /^HTTP\/1.1 431 /)
  assert.match(await talk('GET /anyone HTTP/1.1\r\nConnection: close\r\n\r\n'), /^HTTP\/1.1 400 /)
  assert.match(await talk('GET /anyone HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n'), /^HTTP\/1.1 400 /)
})

test('a client makes so many requests in a minute', async (t) => {
  const { browser, clock } = await start(t, forEverybody, { limits: { requestsPerMinute: 3 } })
  const statuses: number[] = []
  for (let count = 0; count < 4; count++) statuses.push((await browser().ask('GET', '/anyone')).status)
  assert.deepEqual(statuses, [200, 200, 200, 429])
  await clock.advance(60_000)
  assert.equal((await browser().ask('GET', '/anyone')).status, 200)
})

test('two routes on one path are an error that names both', async (t) => {
  const route = (summary: string, path: string) => (http: HttpApi) =>
    http.route({ method: 'GET', path, who: 'anyone', summary, run: () => undefined })
  await assert.rejects(
    createDirectoryKernel(t, {
      channels: { web: http({ listen: '127.0.0.1:0' }) },
      plugins: [withRoutes(route('First', '/a/:x')), withRoutes(route('Second', '/a/:y'), 'others')],
    }),
    /two routes have GET \/a\/:y: "First" and "Second"/,
  )
})

test('the API describes itself', async (t) => {
  const { browser } = await start(t, (http) =>
    http.route({
      method: 'PUT',
      path: '/api/v1/things/:id',
      who: 'admin',
      summary: 'Sets a thing',
      params: z.object({ id: z.string() }),
      body: z.strictObject({ size: z.number() }),
      run: () => undefined,
    }),
  )
  const { json } = await browser().ask('GET', '/api/openapi.json')
  const { put } = json.paths['/api/v1/things/{id}']
  assert.equal(json.openapi, '3.1.0')
  assert.equal(put.summary, 'Sets a thing')
  assert.deepEqual(put.parameters[0], { name: 'id', in: 'path', required: true, schema: { type: 'string' } })
  assert.deepEqual(put.requestBody.content['application/json'].schema.required, ['size'])
})

test('hosts have routes of their own', async (t) => {
  const { port } = await start(t, (http) => {
    for (const host of ['lists.here.test', 'a.test'])
      http.route({ method: 'GET', path: '/host', host, who: 'anyone', summary: host, run: () => host })
  })
  const ask = async (host: string) => {
    const socket = connectTcp(port, '127.0.0.1').setEncoding('latin1')
    let answer = ''
    socket.on('data', (text) => {
      answer += text
    })
    socket.write(`GET /host HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
    await once(socket, 'close')
    return answer.slice(answer.indexOf('\r\n\r\n') + 4)
  }
  assert.equal(await ask('lists.here.test'), '"lists.here.test"')
  assert.equal(await ask('a.test'), '"a.test"')
  assert.match(await ask('b.test'), /404/)
})

test('HTTP/2 over TLS: chosen by ALPN, with a cookie bound to the host, ended with its requests answered', async (t) => {
  const folder = new URL('../fixtures/tls/', import.meta.url).pathname
  const here = await start(t, forEverybody, { tls: { cert: `${folder}mx.pem`, key: `${folder}mx.key` } })
  const session = connect2(`https://127.0.0.1:${here.port}`, { rejectUnauthorized: false })
  t.after(() => session.destroy())
  const ask = async (headers: Record<string, string>, body?: string) => {
    const stream = session.request(headers)
    if (body !== undefined) stream.end(body)
    const [answer] = (await once(stream, 'response')) as [Record<string, string | string[]>]
    let text = ''
    for await (const chunk of stream.setEncoding('utf8')) text += chunk
    return { answer, text }
  }
  const login = await ask(
    { ':method': 'POST', ':path': '/api/login', 'content-type': 'application/json' },
    JSON.stringify({ username: 'ann', password: 'ann-secret' }),
  )
  const cookie = String(login.answer['set-cookie'])
  assert.match(cookie, /^__Host-iems=.*; Secure$/)
  assert.match(String(login.answer['strict-transport-security']), /^max-age=\d+$/)
  const mine = await ask({ ':path': '/user', cookie: cookie.split(';')[0] ?? '' })
  assert.deepEqual(JSON.parse(mine.text), { user: 'ann' })
  const ended = once(session, 'close')
  await here.close(AbortSignal.timeout(10_000))
  await ended
})

test('HTTP/1.1 over TLS for a client that wants nothing else', async (t) => {
  const folder = new URL('../fixtures/tls/', import.meta.url).pathname
  const { port } = await start(t, forEverybody, { tls: { cert: `${folder}mx.pem`, key: `${folder}mx.key` } })
  const request = getSecurely({ port, path: '/anyone', rejectUnauthorized: false, agent: false })
  const [answer] = await once(request, 'response')
  assert.equal(answer.statusCode, 200)
  answer.resume()
  await once(answer, 'end')
})

test('a client that is slow with its header is cut off', async (t) => {
  const { port } = await start(t, forEverybody, { timeouts: { header: '100 ms' } })
  const socket = connectTcp(port, '127.0.0.1').setEncoding('latin1')
  socket.write('GET /anyone HTTP/1.1\r\nHost: here\r\nX: ')
  let answer = ''
  socket.on('data', (text) => {
    answer += text
  })
  await once(socket, 'close')
  assert.match(answer, /^HTTP\/1.1 408 /)
})

test('files come from their folder alone', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'iems-files-'))
  t.after(() => rm(folder, { recursive: true }))
  await mkdir(join(folder, 'web'))
  await writeFile(join(folder, 'secret.txt'), 'secret')
  await writeFile(join(folder, 'web', 'index.html'), '<p>app')
  await writeFile(join(folder, 'web', 'app-0123abcd.js'), 'run()')
  const { browser, port } = await start(t, (http) =>
    http.files({ path: '/app', folder: join(folder, 'web'), fallback: 'index.html' }),
  )
  const script = await browser().ask('GET', '/app/app-0123abcd.js')
  assert.deepEqual([script.text, script.headers.get('cache-control')], ['run()', 'private, max-age=31536000'])
  assert.equal((await browser().ask('GET', '/app/inbox/12')).text, '<p>app')
  assert.equal((await browser().ask('GET', '/app/none.js')).status, 404)
  for (const path of [
    '/app/../secret.txt',
    '/app/%2e%2e/secret.txt',
    '/app/..%2fsecret.txt',
    '/app/%2e%2e%2fsecret.txt',
    '/app/..%5csecret.txt',
    '/app/%00',
  ]) {
    const socket = connectTcp(port, '127.0.0.1').setEncoding('latin1')
    let answer = ''
    socket.on('data', (text) => {
      answer += text
    })
    socket.write(`GET ${path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n`)
    await once(socket, 'close')
    assert.match(answer, /^HTTP\/1.1 (?:404|400|200) /, path)
    assert.doesNotMatch(answer, /secret$/, path)
  }
})

test('every route of every web plugin refuses those it is not for', async (t) => {
  let found: readonly {
    readonly method: string
    readonly path: string
    readonly who: string
    readonly kind: string
  }[] = []
  const lookAt = definePlugin({
    name: 'look-at',
    config: z.undefined(),
    needs: [Http],
    setup: (_, ctx) => ({
      listen() {
        found = ctx.use(Http).routes()
      },
    }),
  })
  const here = await createDirectoryKernel(t, {
    channels: { web: http({ listen: '127.0.0.1:0' }), look: lookAt(undefined) },
    plugins: [jmap(), withRoutes(forEverybody)],
  })
  await here.make({ add: { kind: 'domain', name: 'here.test' } })
  await here.make({ add: { kind: 'account', name: 'ann', addresses: ['ann@here.test'], password: 'ann-secret' } })
  const base = `http://127.0.0.1:${here.listener('web').port}`
  const guarded = found.filter(({ who, kind }) => who !== 'anyone' && kind !== 'socket')
  assert.ok(guarded.length >= 10)
  for (const { method, path, who } of guarded) {
    const url = base + path.replace(/:\w+/g, 'x')
    const ask = async (headers: Record<string, string>) => (await fetch(url, { method, headers })).status
    assert.equal(await ask({}), 401, `${method} ${path} without a login`)
    assert.equal(await ask(basic('ann', 'wrong')), 401, `${method} ${path} with a wrong password`)
    assert.equal(await ask({ cookie: `iems=${'x'.repeat(43)}` }), 401, `${method} ${path} with an unknown cookie`)
    if (who !== 'user') assert.equal(await ask(basic('ann')), 403, `${method} ${path} of a user`)
  }
})
