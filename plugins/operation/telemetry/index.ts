/**
 * Traces for OpenTelemetry: one span for each plugin at each hook and one for each delivery, sent to a collector.
 *
 * Invariants: memory is bounded and mail never waits: spans beyond the limit, and those that the collector does not
 * take, are counted and dropped.
 */
import { definePlugin, type Span } from 'iems'
import { type Options, options } from './options.ts'
import { isSampled, otlpRequest, otlpSpan } from './otlp.ts'

const MAX_WAITING = 4096
/** Spans in one request. */
const BATCH = 512

export const telemetry = definePlugin({
  name: 'telemetry',
  config: options,
  setup(config, ctx) {
    const dropped = ctx.metrics.counter('spans_dropped_total', 'Spans that were not exported')
    const sent = ctx.metrics.counter('spans_sent_total', 'Spans that the collector took')
    const resource = { 'service.name': config.service, 'host.name': ctx.hostname }
    let waiting: Span[] = []
    ctx.spans((span) => {
      if (!isSampled(span, config.ratio)) return
      if (waiting.length < MAX_WAITING) waiting.push(span)
      else dropped.add()
    })
    async function flush(): Promise<void> {
      const spans = waiting
      waiting = []
      for (let at = 0; at < spans.length; at += BATCH) {
        const batch = spans.slice(at, at + BATCH)
        try {
          await post(config, otlpRequest(batch.map(otlpSpan), resource))
          sent.add({}, batch.length)
        } catch (cause) {
          dropped.add({}, spans.length - at)
          throw cause
        }
      }
    }
    ctx.repeat(config.every, 'sending spans', flush)
    return { close: () => flush().catch(() => {}) }
  },
})

async function post({ endpoint, headers, timeout }: Options, body: object): Promise<void> {
  const fields = Object.entries(headers).map(([name, value]) => [name, value.reveal()] as const)
  const answer = await fetch(`${endpoint.replace(/\/$/, '')}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...Object.fromEntries(fields) },
    body: JSON.stringify(body),
    redirect: 'error',
    signal: AbortSignal.timeout(timeout),
  })
  await answer.body?.cancel()
  if (!answer.ok) throw new Error(`the collector answered ${answer.status}`)
}
