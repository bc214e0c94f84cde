/** Metrics as Prometheus reads them, and the health addresses as a container manager asks them. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { http } from 'iems/plugins/http'
import { metrics } from 'iems/plugins/metrics'
import { smtpIn } from 'iems/plugins/smtp-in'
import { runProgram } from 'iems/testing'
import { createDirectoryKernel } from '../support/directory.ts'
import { talk } from '../support/smtp-talk.ts'

async function start(t: TestContext, options: Parameters<typeof metrics>[0] = {}) {
  const here = await createDirectoryKernel(t, {
    channels: { web: http({ listen: '127.0.0.1:0' }), mx: smtpIn({ listen: '127.0.0.1:0' }) },
    plugins: [metrics(options)],
  })
  await here.make({ add: { kind: 'domain', name: 'here.test' } })
  for (const [name, roles] of [
    ['ann', []],
    ['root', ['admin']],
  ] as const)
    await here.make({
      add: { kind: 'account', name, addresses: [`${name}@here.test`], password: `${name}-secret`, roles: [...roles] },
    })
  const base = `http://127.0.0.1:${here.listener('web').port}`
  const get = async (path: string, name?: string) => {
    const authorization = `Basic ${Buffer.from(`${name}:${name}-secret`).toString('base64')}`
    const response = await fetch(base + path, name === undefined ? {} : { headers: { authorization } })
    return { status: response.status, type: response.headers.get('content-type'), text: await response.text() }
  }
  return { ...here, get }
}

async function bring(t: TestContext, port: number) {
  const client = await talk(t, port)
  await client.reply()
  for (const line of ['EHLO c.test', 'MAIL FROM:<a@far.test>', 'RCPT TO:<ann@here.test>', 'DATA'])
    assert.match(await client.ask(line), /^[23]/m)
  assert.match(await client.ask('Subject: x\r\n\r\nHello\r\n.'), /^250/m)
}

const promtool = await runProgram('promtool', ['--version']).then(
  ({ code }) => code === 0,
  () => false,
)

test('metrics tell of listeners, channels, plugins and hooks', async (t) => {
  const { get, listener, deliver } = await start(t)
  await bring(t, listener('mx').port)
  await deliver()
  const { status, type, text } = await get('/metrics')
  assert.equal(status, 200)
  assert.equal(type, 'text/plain; version=0.0.4; charset=utf-8')
  for (const line of [
    /^# TYPE iems_hook_seconds histogram$/m,
    /^iems_connections_total\{plugin="mx",listener="[^"]+"\} 1$/m,
    /^iems_message_bytes_count\{channel="mx"\} 1$/m,
    /^iems_message_bytes_bucket\{channel="mx",le="\+Inf"\} 1$/m,
    /^iems_deliveries_total\{channel="[^"]+",status="delivered"\} 1$/m,
    /^iems_hook_seconds_count\{.*hook="rcpt"|^iems_hook_seconds_count\{.*hook="route"/m,
    /^iems_component_running\{component="mx\/listen",kind="listener"\} 1$/m,
  ])
    assert.match(text, line)
})

test('promtool finds no fault with them', { skip: !promtool && 'promtool is not installed' }, async (t) => {
  const { get, listener, deliver } = await start(t)
  await bring(t, listener('mx').port)
  await deliver()
  const { text } = await get('/metrics')
  const { code, out, err } = await runProgram('promtool', ['check', 'metrics'], { input: text })
  assert.equal(out + err, '')
  assert.equal(code, 0)
})

test('clients that are not named need a login with the permission', async (t) => {
  const { get } = await start(t, { from: ['203.0.113.0/24'], path: '/internal/metrics' })
  assert.equal((await get('/metrics')).status, 404)
  assert.equal((await get('/internal/metrics')).status, 403)
  assert.equal((await get('/internal/metrics', 'ann')).status, 403)
  assert.equal((await get('/internal/metrics', 'root')).status, 200)
})

test('the health addresses say whether the server is well, and nothing else', async (t) => {
  const { get } = await start(t)
  assert.deepEqual([(await get('/health/live')).status, (await get('/health/live')).text], [200, '{"status":"ok"}'])
  assert.deepEqual([(await get('/health/ready')).status, (await get('/health/ready')).text], [200, '{"status":"ok"}'])
})
