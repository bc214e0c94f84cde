/**
 * TLS reports in JSON (RFC 8460 section 4.4): written, and read leniently. Pure.
 *
 * Invariants: a parsed report has the schema's types, and its lists and texts are bounded.
 */
import * as z from 'zod'

const MAX_POLICIES = 1000
const MAX_FAILURES = 10_000
const text = z.string().transform((value) => value.slice(0, 1000))
const count = z.coerce.number().int().min(0).catch(0)

const failure = z.object({
  'result-type': text,
  'sending-mta-ip': text.optional(),
  'receiving-ip': text.optional(),
  'receiving-mx-hostname': text.optional(),
  'receiving-mx-helo': text.optional(),
  'failed-session-count': count,
  'additional-information': text.optional(),
  'failure-reason-code': text.optional(),
})
const policy = z.object({
  policy: z.object({
    'policy-type': text,
    'policy-string': z.array(text).max(MAX_POLICIES).optional(),
    'policy-domain': text,
    // Section 4.4 names a list; some senders write one text.
    'mx-host': z.union([z.array(text).max(MAX_POLICIES), text]).optional(),
  }),
  summary: z.object({
    'total-successful-session-count': count,
    'total-failure-session-count': count,
  }),
  'failure-details': z.array(failure).max(MAX_FAILURES).optional(),
})
const report = z.object({
  'organization-name': text,
  'date-range': z.object({ 'start-datetime': text, 'end-datetime': text }),
  'contact-info': text.optional(),
  'report-id': text,
  policies: z.array(policy).max(MAX_POLICIES),
})
export type TlsReport = z.output<typeof report>

/** Throws when it is no report. A byte order mark and null for an absent member are accepted. */
export function readReport(json: string): TlsReport {
  return report.parse(JSON.parse(json.replace(/^\ufeff/, ''), (_, value) => value ?? undefined))
}

/** Sums over all policies. */
export function totals({ policies }: TlsReport): { readonly succeeded: number; readonly failed: number } {
  const sum = (of: (summary: TlsReport['policies'][number]['summary']) => number) =>
    policies.reduce((total, { summary }) => total + of(summary), 0)
  return {
    succeeded: sum((one) => one['total-successful-session-count']),
    failed: sum((one) => one['total-failure-session-count']),
  }
}
