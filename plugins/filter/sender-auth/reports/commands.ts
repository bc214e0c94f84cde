/**
 * `iems dmarc …`: sends due reports, and lists sent and received ones.
 */
import type { Clock, Command, CommandOutput, Range, Store } from 'iems'
import type { KeptReport } from './receive.ts'
import { dayOf, decode, receivedSince, type SentReport, sentSince } from './records.ts'

export interface CommandDeps {
  readonly store: Store
  readonly clock: Clock
  sendDue(): AsyncIterable<SentReport>
}

const DAY_MS = 86_400_000
const DAYS_SHOWN = 30

export function createCommands({ store, clock, sendDue }: CommandDeps): Readonly<Record<string, Command>> {
  async function* valuesOf<T>(range: Range): AsyncGenerator<T> {
    for await (const [, value] of store.scan(range)) yield decode<T>(value)
  }

  async function* list(options: Readonly<Record<string, string | true>>): AsyncGenerator<CommandOutput> {
    const days = Number(options.days ?? DAYS_SHOWN)
    if (!(days > 0 && days < 10_000)) throw new Error('--days must be a number of days')
    const since = dayOf(clock.now() - days * DAY_MS)
    const isAbout = ({ domain }: { readonly domain: string }) => [undefined, domain].includes(options.domain as string)
    if (!options.sent)
      for await (const report of valuesOf<KeptReport>(receivedSince(since)))
        if (isAbout(report)) yield { text: receivedLine(report), value: { kind: 'received', ...report } }
    if (!options.received)
      for await (const report of valuesOf<SentReport>(sentSince(since)))
        if (isAbout(report)) yield { text: sentLine(report), value: { kind: 'sent', ...report } }
  }

  async function* send(): AsyncGenerator<CommandOutput> {
    let count = 0
    for await (const report of sendDue()) {
      count++
      yield { text: sentLine(report), value: report }
    }
    yield { text: count === 1 ? '1 report' : `${count} reports` }
  }

  return {
    'dmarc send': { summary: 'send the aggregate reports that are due now', run: send },
    'dmarc reports': {
      summary: 'aggregate reports received and sent',
      options: {
        '--received': 'only those received',
        '--sent': 'only those sent',
        '--domain <domain>': 'only those about a domain',
        '--days <days>': `of so many days; default: ${DAYS_SHOWN}`,
      },
      run: ({ options }) => list(options),
    },
  }
}

function sentLine({ day, domain, messages, to }: SentReport): string {
  const where = to.map(({ address, outcome }) => `${address} ${outcome}`).join(', ')
  return `sent      ${day}  ${domain}  ${messages} messages  ${where || 'to no address'}`
}

function receivedLine({ begin, domain, organization, messages, passed, dmarc }: KeptReport): string {
  const day = dayOf(Math.min(begin * 1000, 8.64e15))
  const share = `${messages} messages, ${messages - passed} failed`
  return `received  ${day}  ${domain}  ${share}  by ${organization}${dmarc === 'pass' ? '' : ` (unverified: dmarc=${dmarc})`}`
}
