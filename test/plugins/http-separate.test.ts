/** Listeners of http of their own: the administration is served by one socket and by no other, in every form of a path. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { connect } from 'node:http2'
import { connect as connectTcp } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { definePlugin, selfSigned } from 'iems'
import { admin } from 'iems/plugins/admin'
import { Http, http } from 'iems/plugins/http'
import { WebSocket } from 'ws'
import * as z from 'zod'
import { createDirectoryKernel } from '../support/directory.ts'
import { tempFolder } from '../support/running-server.ts'

const BASIC = `Basic ${Buffer.from('root:root-secret').toString('base64')}`

/** A plugin with a WebSocket below the administration and a page elsewhere. */
const more = definePlugin({
  name: 'more',
  config: z.undefined(),
  needs: [Http],
  setup(_, ctx) {
    const routes = ctx.use(Http)
    routes.socket({
      path: '/admin/socket',
      who: 'admin',
      summary: 'Echo',
      protocol: 'echo',
      open: (connection) => ({ message: (said) => void connection.send(said) }),
    })
    routes.route({
      method: 'GET',
      path: '/administrators',
      who: 'anyone',
      summary: 'Others',
      run: () => ({ is: 'here' }),
    })
    return {}
  },
})

test('paths of a separate listener are served by it alone, over HTTP/1.1, HTTP/2 and WebSocket', async (t) => {
  const folder = await tempFolder(t)
  const { cert, key } = selfSigned(['localhost'])
  const tls = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }
  await writeFile(tls.cert, cert)
  await writeFile(tls.key, key)
  const own = { listen: '127.0.0.1:0', tls, paths: ['/admin', '/api/v1'] }
  const here = await createDirectoryKernel(t, {
    channels: { web: http({ listen: '127.0.0.1:0', separate: [own] }) },
    plugins: [admin(), more()],
  })
  await here.make({ add: { kind: 'account', name: 'root', password: 'root-secret', roles: ['admin'] } })
  const [open, closed] = here.kernel.listeners.filter(({ plugin }) => plugin === 'web').map(({ port }) => port)
  const headers = { authorization: BASIC }
  const ask = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${open}${path}`, { headers, redirect: 'manual' })
    return { status: response.status, text: await response.text() }
  }
  const client = connect(`https://127.0.0.1:${closed}`, { rejectUnauthorized: false })
  t.after(() => client.close())
  const askOwn = async (path: string) => {
    const request = client.request({ ':path': path, ...headers })
    const [answer] = await once(request, 'response')
    request.resume()
    return answer[':status']
  }

  const absent = await ask('/api/nothing')
  assert.equal(absent.status, 404)
  for (const path of ['/admin', '/admin/', '/admin/index.html', '/api/v1/status', '/api/v1/me', '/api/v1/log'])
    assert.deepEqual(await ask(path), absent, `${path} is as if it did not exist`)
  assert.deepEqual(
    [await askOwn('/api/v1/status'), await askOwn('/api/v1/me'), await askOwn('/admin')],
    [200, 200, 303],
  )
  // Logins and everything else are served by both.
  for (const path of ['/api/login', '/administrators', '/api/openapi.json'])
    assert.deepEqual([(await ask(path)).status, await askOwn(path)], [200, 200], path)

  // Forms of a path that a client does not normalise.
  for (const path of [
    '/api/%761/status',
    '/%61pi/v1/status',
    '/api/v1/status?x=/',
    '/api//v1/status',
    '/x/../api/v1/status',
  ]) {
    const socket = connectTcp(Number(open), '127.0.0.1')
    socket.end(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${BASIC}\r\nConnection: close\r\n\r\n`)
    assert.match(await text(socket), /^HTTP\/1\.1 40[04] /, path)
  }

  const upgrade = async (url: string) => {
    const socket = new WebSocket(url, 'echo', { headers, rejectUnauthorized: false })
    const status = await new Promise<number | undefined>((resolve) => {
      socket.once('open', () => resolve(101))
      socket.once('unexpected-response', (_, response) => resolve(response.statusCode))
    })
    socket.on('error', () => undefined)
    socket.terminate()
    return status
  }
  assert.equal(await upgrade(`ws://127.0.0.1:${open}/admin/socket`), 404)
  assert.equal(await upgrade(`wss://127.0.0.1:${closed}/admin/socket`), 101)
})

test('a separate path without a route is refused at the start', async (t) => {
  await assert.rejects(
    createDirectoryKernel(t, {
      channels: {
        web: http({ listen: '127.0.0.1:0', separate: [{ listen: '127.0.0.1:0', paths: ['/amdin'] }] }),
      },
      plugins: [admin()],
    }),
    /separate names \/amdin, where no plugin has a route/,
  )
})
