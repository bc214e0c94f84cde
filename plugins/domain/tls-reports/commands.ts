/**
 * `iems tls …`: reports received and sent.
 */
import { type Clock, type Command, decodeRecord, defineCommand, escapeLine, key, type Store } from 'iems'
import * as z from 'zod'
import type { KeptReport } from './receiving.ts'
import { type TlsReport, totals } from './report.ts'
import type { SentReport } from './sending.ts'
import { dayOf } from './tally.ts'

const row = z.object({
  kind: z.enum(['received', 'sent']),
  day: z.string(),
  domains: z.array(z.string()),
  organization: z.string().describe('Reporter; for sent ones, their destinations'),
  succeeded: z.number(),
  failed: z.number(),
  failures: z.array(z.string()).describe('Result type, server and count of each failure'),
})
type Row = z.output<typeof row>

const DAY_MS = 86_400_000

export interface CommandDeps {
  readonly store: Pick<Store, 'scan'>
  readonly clock: Clock
  sendDue(): AsyncIterable<SentReport>
}

export function createCommands({ store, clock, sendDue }: CommandDeps): Readonly<Record<string, Command>> {
  async function* since<T>(kind: string, days: number): AsyncGenerator<T> {
    const from = key(kind, dayOf(clock.now() - days * DAY_MS))
    for await (const [, value] of store.scan({ from, to: key(kind, Number.MAX_SAFE_INTEGER) }))
      yield decodeRecord<T>(value)
  }

  return {
    'tls reports': defineCommand({
      summary: 'reports on TLS (RFC 8460) received and sent',
      fields: z.strictObject({
        domain: z.string().toLowerCase().optional().describe('Only those about this domain'),
        days: z.coerce.number().int().min(1).max(3650).default(30).describe('Of so many days'),
      }),
      row,
      async *run({ values: { domain, days } }) {
        const isAbout = ({ domains }: Row) => domain === undefined || domains.includes(domain)
        for await (const kept of since<KeptReport>('received', days)) {
          const one = receivedRow(kept)
          if (isAbout(one)) yield { text: lineOf(one), value: one }
        }
        for await (const sent of since<SentReport>('sent', days)) {
          const one = sentRow(sent)
          if (isAbout(one)) yield { text: lineOf(one), value: one }
        }
      },
    }),
    'tls send': defineCommand({
      summary: 'sends the reports that are due now',
      fields: z.strictObject({}),
      row,
      async *run() {
        for await (const sent of sendDue()) {
          const one = sentRow(sent)
          yield { text: lineOf(one), value: one }
        }
      },
    }),
  }
}

function receivedRow({ report, way, by }: KeptReport): Row {
  return {
    kind: 'received',
    day: report['date-range']['start-datetime'].slice(0, 10),
    domains: [...new Set(report.policies.map(({ policy }) => policy['policy-domain'].toLowerCase()))],
    organization: `${report['organization-name']} (${way}, ${by})`,
    ...totals(report),
    failures: failuresIn(report),
  }
}

function failuresIn({ policies }: TlsReport): string[] {
  return policies.flatMap((one) =>
    (one['failure-details'] ?? []).map(
      (failure) =>
        `${failure['result-type']} ${failure['receiving-mx-hostname'] ?? ''} ${failure['failed-session-count']}`,
    ),
  )
}

function sentRow({ day, domain, succeeded, failed, to }: SentReport): Row {
  const organization = to.map((one) => `${one.to} ${one.outcome}`).join(', ')
  return { kind: 'sent', day, domains: [domain], organization, succeeded, failed, failures: [] }
}

function lineOf({ kind, day, domains, organization, succeeded, failed, failures }: Row): string {
  const details = failures.map((one) => `\n          ${escapeLine(one)}`).join('')
  const head = `${kind.padEnd(8)}  ${day}  ${domains.join(' ')}  ${succeeded} succeeded, ${failed} failed`
  return `${escapeLine(head)}  ${escapeLine(organization)}${details}`
}
