/**
 * Spans in the JSON form of OTLP 1 (opentelemetry-proto, ExportTraceServiceRequest).
 *
 * Invariants: the id of a trace comes from the id of the message, so that spans of one message belong together whichever
 * server and whichever day they come from; a span without a message is a trace of its own.
 */
import { createHash, randomBytes } from 'node:crypto'
import type { Span } from 'iems'

/** SPAN_KIND_INTERNAL and SPAN_KIND_CLIENT. */
const KINDS = { hook: 1, deliver: 3 } as const
const ERROR = 2

const traceOf = ({ message }: Span): string =>
  message === undefined
    ? randomBytes(16).toString('hex')
    : createHash('sha256').update(message).digest('hex').slice(0, 32)

/** Nanoseconds since 1970, as text, because they exceed what a number can hold. */
const nanoseconds = (ms: number) => `${BigInt(Math.round(ms * 1000)) * 1000n}`

const attribute = (key: string, value: string | number) => ({
  key,
  value: typeof value === 'number' ? { intValue: String(value) } : { stringValue: value },
})

/** Whether the spans of a message are among the share that is traced: the same on every server. */
export function isSampled({ message }: Span, ratio: number): boolean {
  if (ratio >= 1 || message === undefined) return ratio >= 1
  return createHash('sha256').update(message).digest().readUInt32BE(28) < ratio * 2 ** 32
}

export function otlpSpan(span: Span) {
  const { kind, name, plugin, message, start, ms, fault, facts = {} } = span
  const about = { 'iems.plugin': plugin, ...(message === undefined ? {} : { 'iems.message': message }), ...facts }
  return {
    traceId: traceOf(span),
    spanId: randomBytes(8).toString('hex'),
    name: kind === 'hook' ? `${name} ${plugin}` : `deliver ${name}`,
    kind: KINDS[kind],
    startTimeUnixNano: nanoseconds(start),
    endTimeUnixNano: nanoseconds(start + ms),
    attributes: Object.entries(about).map(([key, value]) => attribute(key, value)),
    ...(fault === undefined ? {} : { status: { code: ERROR, message: fault } }),
  }
}

export function otlpRequest(spans: readonly ReturnType<typeof otlpSpan>[], resource: Readonly<Record<string, string>>) {
  const attributes = Object.entries(resource).map(([key, value]) => attribute(key, value))
  return { resourceSpans: [{ resource: { attributes }, scopeSpans: [{ scope: { name: 'iems' }, spans }] }] }
}
