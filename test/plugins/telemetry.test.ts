/** Spans, as an OpenTelemetry collector gets them. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { definePlugin, secret } from 'iems'
import { telemetry } from 'iems/plugins/telemetry'
import { createTestKernel } from 'iems/testing'
import * as z from 'zod'

interface Given {
  readonly traceId: string
  readonly spanId: string
  readonly name: string
  readonly kind: number
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly attributes: readonly { readonly key: string; readonly value: { stringValue?: string; intValue?: string } }[]
  readonly status?: { readonly code: number; readonly message: string }
}

async function collector(t: TestContext, status = 200) {
  const spans: Given[] = []
  const tokens = new Set<unknown>()
  const server = createServer(async (request, response) => {
    const parts = await Array.fromAsync(request as AsyncIterable<Buffer>)
    assert.equal(`${request.method} ${request.url}`, 'POST /v1/traces')
    tokens.add(request.headers['x-token'])
    const { resourceSpans } = JSON.parse(Buffer.concat(parts).toString())
    assert.deepEqual(resourceSpans[0].resource.attributes[0], { key: 'service.name', value: { stringValue: 'mail' } })
    if (status === 200) spans.push(...resourceSpans[0].scopeSpans[0].spans)
    response.writeHead(status).end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return { endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, spans, tokens }
}

const faulty = definePlugin({
  name: 'faulty',
  config: z.undefined(),
  setup: () => ({
    hooks: {
      rcpt: () => undefined,
      check: (message) => {
        if (message.headers.get('Subject')[0]?.includes('fault')) throw new Error('it broke')
      },
    },
  }),
})

async function start(t: TestContext, { endpoint, ratio = 1 }: { endpoint: string; ratio?: number }) {
  return createTestKernel(t, {
    plugins: [telemetry({ endpoint, service: 'mail', ratio, headers: { 'x-token': secret.value('abc') } }), faulty()],
    expectsFaults: true,
    deliver: ({ recipients }) =>
      recipients.map((recipient) => ({
        recipient,
        status: 'delivered',
        reply: { code: 250, enhanced: '2.0.0', text: 'OK' },
      })),
  })
}

test('each hook and each delivery is a span, and those of one message are one trace', async (t) => {
  const { endpoint, spans, tokens } = await collector(t)
  const kernel = await start(t, { endpoint })
  const before = Date.now()
  await kernel.submit({ from: 'a@a.test', to: ['b@b.test'], content: 'Subject: x\r\n\r\n' })
  await kernel.deliver()
  await kernel.submit({ from: 'a@a.test', to: ['b@b.test'], content: 'Subject: fault\r\n\r\n' })
  await kernel.close()
  const names = (...wanted: string[]) => spans.filter(({ name }) => wanted.includes(name))
  const [delivery] = names('deliver out')
  assert.ok(delivery, JSON.stringify(spans.map(({ name }) => name)))
  const [check, broken] = names('check faulty')
  assert.equal(delivery.traceId, check?.traceId)
  assert.notEqual(broken?.traceId, check?.traceId)
  assert.deepEqual(broken?.status, { code: 2, message: 'it broke' })
  assert.ok(delivery.attributes.some(({ key, value }) => key === 'delivered' && value.intValue === '1'))
  for (const { traceId, spanId, startTimeUnixNano, endTimeUnixNano } of spans) {
    assert.match(`${traceId} ${spanId}`, /^[0-9a-f]{32} [0-9a-f]{16}$/)
    assert.ok(BigInt(startTimeUnixNano) <= BigInt(endTimeUnixNano))
    assert.ok(Number(BigInt(startTimeUnixNano) / 1_000_000n) >= before - 60_000)
  }
  assert.doesNotMatch(JSON.stringify(spans), /@/, 'no address')
  assert.deepEqual([...tokens], ['abc'])
})

test('without a share nothing is sent, and a collector that is away costs counted spans but no mail', async (t) => {
  const none = await collector(t)
  const kernel = await start(t, { endpoint: none.endpoint, ratio: 0 })
  await kernel.submit({ from: 'a@a.test', to: ['b@b.test'] })
  await kernel.close()
  assert.deepEqual(none.spans, [])
  const away = await collector(t, 503)
  const other = await start(t, { endpoint: away.endpoint })
  const answer = await other.submit({ from: 'a@a.test', to: ['b@b.test'] })
  assert.equal(answer.reply.code, 250)
  await other.close()
  const metrics = await other.kernel.administration.as({ user: 'root', roles: ['admin'] }).metrics()
  const dropped = metrics.find(({ name }) => name === 'telemetry_spans_dropped_total')?.series[0]?.value ?? 0
  assert.ok(dropped > 0)
})
