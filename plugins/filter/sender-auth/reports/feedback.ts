/**
 * Aggregate reports: written as in RFC 9990, parsed as in RFC 9990 or RFC 7489.
 *
 * Invariants: parsed text is bounded and has no control characters, because people see it; numbers are validated; a
 * report without required parts is an error, not an empty report.
 */
import { setImmediate } from 'node:timers/promises'
import { type CountedRow, type DayRecord, type Row, secondsOf } from './records.ts'
import { child, type Element, element, readXml } from './xml.ts'

// --- writing ------------------------------------------------------------------------------

export interface Reporter {
  readonly organization: string
  readonly email: string
  readonly contact?: string | undefined
}

export interface Outgoing {
  readonly id: string
  readonly day: string
  readonly policy: DayRecord
  readonly rows: readonly CountedRow[]
  readonly by: Reporter
}

/** A tag of a DMARC record, if its value is allowed. */
function tagOf(record: string, name: string, allowed: RegExp): string | undefined {
  const tags = record
    .toLowerCase()
    .split(';')
    .slice(1)
    .map((tag) => tag.split('='))
  const value = tags
    .find(([key = '']) => key.trim() === name)?.[1]
    ?.trim()
    .split(/[ \t]/)[0]
  return value !== undefined && allowed.test(value) ? value : undefined
}

export function writeFeedback({ id, day, policy, rows, by }: Outgoing): string {
  const { begin, end } = secondsOf(day)
  const { record, published, domain, missed } = policy
  const isPolicy = /^(none|quarantine|reject)$/
  const metadata = element('report_metadata', [
    element('org_name', by.organization),
    element('email', by.email),
    element('extra_contact_info', by.contact),
    element('report_id', id),
    element('date_range', [element('begin', begin), element('end', end)]),
    element('error', missed > 0 ? `${missed} more messages were seen than are told in the records` : undefined),
    element('generator', 'IEMS'),
  ])
  const publishedPolicy = element('policy_published', [
    element('domain', domain),
    element('discovery_method', 'treewalk'),
    element('p', published),
    element('sp', tagOf(record, 'sp', isPolicy)),
    element('np', tagOf(record, 'np', isPolicy)),
    element('fo', tagOf(record, 'fo', /^[01ds:]{1,7}$/)),
    element('adkim', tagOf(record, 'adkim', /^[rs]$/) ?? 'r'),
    element('aspf', tagOf(record, 'aspf', /^[rs]$/) ?? 'r'),
    element('testing', tagOf(record, 't', /^[yn]$/) ?? 'n'),
  ])
  const all = [element('version', '1.0'), metadata, publishedPolicy, ...rows.map(writeRecord)].join('')
  return `<?xml version="1.0" encoding="UTF-8"?>\n<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0">\n${all}</feedback>\n`
}

function writeRecord({ row, count }: CountedRow): string {
  const { ip, disposition, isDkimAligned, isSpfAligned, override, from, envelopeFrom, dkim, spf } = row
  return element('record', [
    element('row', [
      element('source_ip', ip),
      element('count', count),
      element('policy_evaluated', [
        element('disposition', disposition),
        element('dkim', isDkimAligned ? 'pass' : 'fail'),
        element('spf', isSpfAligned ? 'pass' : 'fail'),
        override ? element('reason', [element('type', override.type), element('comment', override.comment)]) : '',
      ]),
    ]),
    element('identifiers', [element('header_from', from), element('envelope_from', envelopeFrom)]),
    element('auth_results', [
      ...dkim.map(({ domain, selector, result }) =>
        element('dkim', [element('domain', domain), element('selector', selector), element('result', result)]),
      ),
      writeSpf(spf),
    ]),
  ])
}

/** RFC 9990: only the MAIL FROM identity is reported. */
function writeSpf({ scope, domain, result }: Row['spf']): string {
  if (scope !== 'mfrom') return ''
  return element('spf', [element('domain', domain), element('scope', 'mfrom'), element('result', result)])
}

// --- reading ------------------------------------------------------------------------------

export interface ReceivedRow {
  readonly ip: string
  readonly count: number
  readonly disposition: string
  readonly dkim: string
  readonly spf: string
  readonly reasons: readonly string[]
  readonly from: string
  readonly envelopeFrom: string
  /** `pass example.org selector`. */
  readonly signatures: readonly string[]
  /** `fail example.org`. */
  readonly senders: readonly string[]
}

export interface ReceivedReport {
  readonly organization: string
  readonly email: string
  readonly id: string
  /** Seconds since 1970. */
  readonly begin: number
  readonly end: number
  readonly domain: string
  readonly policy: { readonly p: string; readonly sp: string; readonly adkim: string; readonly aspf: string }
  readonly messages: number
  /** Number of messages that passed DMARC. */
  readonly passed: number
  readonly rows: readonly ReceivedRow[]
  /** Rows that count only in the totals. */
  readonly rowsLeftOut: number
}

/** Throws the error in the text. */
export async function readFeedback(xml: string, maxRows: number): Promise<ReceivedReport> {
  const feedback = await readXml(xml)
  if (feedback.name !== 'feedback') throw new Error('not an aggregate report')
  const metadata = child(feedback, 'report_metadata')
  const policy = child(feedback, 'policy_published')
  const domain = textOf(policy, 'domain').toLowerCase()
  const id = textOf(metadata, 'report_id')
  if (domain === '' || id === '') throw new Error('an aggregate report without its domain or id')
  const records = feedback.children.filter(({ name }) => name === 'record')
  const counts = await inTurns(records, readCount)
  const rows = await inTurns(records.slice(0, maxRows), readRecord)
  return {
    organization: textOf(metadata, 'org_name'),
    email: textOf(metadata, 'email'),
    id,
    begin: numberOf(metadata, 'date_range', 'begin'),
    end: numberOf(metadata, 'date_range', 'end'),
    domain,
    policy: {
      p: textOf(policy, 'p'),
      sp: textOf(policy, 'sp'),
      adkim: textOf(policy, 'adkim'),
      aspf: textOf(policy, 'aspf'),
    },
    messages: counts.reduce((total, { count }) => total + count, 0),
    passed: counts.reduce((total, { count, hasPassed }) => total + (hasPassed ? count : 0), 0),
    rows,
    rowsLeftOut: Math.max(0, records.length - maxRows),
  }
}

/** Records parsed between two yields. */
const RECORDS_AT_ONCE = 100

async function inTurns<T>(records: readonly Element[], read: (record: Element) => T): Promise<T[]> {
  const results: T[] = []
  for (const record of records) {
    results.push(read(record))
    if (results.length % RECORDS_AT_ONCE === 0) await setImmediate()
  }
  return results
}

function readCount(record: Element): { readonly count: number; readonly hasPassed: boolean } {
  const evaluated = child(record, 'row', 'policy_evaluated')
  const hasPassed = textOf(evaluated, 'dkim') === 'pass' || textOf(evaluated, 'spf') === 'pass'
  return { count: numberOf(record, 'row', 'count'), hasPassed }
}

/** Maximum results per record; RFC 9990 suggests a hundred. */
const MAX_RESULTS = 100

function readRecord(record: Element): ReceivedRow {
  const evaluated = child(record, 'row', 'policy_evaluated')
  const identifiers = child(record, 'identifiers')
  const results = child(record, 'auth_results')
  const all = (of: Element | undefined, name: string) =>
    (of?.children ?? []).filter((one) => one.name === name).slice(0, MAX_RESULTS)
  const partsOf = (of: Element, ...names: readonly string[]) =>
    names
      .map((name) => textOf(of, name))
      .join(' ')
      .trim()
  return {
    ip: textOf(record, 'row', 'source_ip'),
    count: numberOf(record, 'row', 'count'),
    disposition: textOf(evaluated, 'disposition'),
    dkim: textOf(evaluated, 'dkim'),
    spf: textOf(evaluated, 'spf'),
    reasons: all(evaluated, 'reason').map((one) => partsOf(one, 'type', 'comment')),
    from: textOf(identifiers, 'header_from').toLowerCase(),
    envelopeFrom: textOf(identifiers, 'envelope_from').toLowerCase(),
    signatures: all(results, 'dkim').map((one) => partsOf(one, 'result', 'domain', 'selector')),
    senders: all(results, 'spf').map((one) => partsOf(one, 'result', 'domain')),
  }
}

function textOf(of: Element | undefined, ...path: readonly string[]): string {
  const text = child(of, ...path)?.text.slice(0, 1000) ?? ''
  return text
    .replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ')
    .trim()
    .slice(0, 255)
}

function numberOf(of: Element | undefined, ...path: readonly string[]): number {
  const number = Number(textOf(of, ...path))
  return Number.isSafeInteger(number) && number >= 0 ? number : 0
}
