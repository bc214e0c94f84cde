/**
 * Sends the reports of past days to the destinations that domains name in the DNS (RFC 8460 section 3).
 *
 * Invariants: a crash repeats nothing that was accepted and loses nothing that is due; a report that cannot be sent is
 * retried for a day and then dropped.
 */
import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { classOf, decodeRecord, encodeRecord, format, type Key, key, type Op, type SetupContext, unkey } from 'iems'
import { requestPublic } from '../../web/http/api.ts'
import { writeMail } from './mail.ts'
import type { Options } from './options.ts'
import type { TlsReport } from './report.ts'
import { type CountedPolicy, dayOf, endOf, startOf } from './tally.ts'

export interface SentTo {
  readonly to: string
  readonly outcome: 'accepted' | 'refused'
  readonly reply: string
}

export interface SentReport {
  readonly day: string
  readonly domain: string
  readonly at: number
  readonly succeeded: number
  readonly failed: number
  readonly to: readonly SentTo[]
}

export interface SendingDeps extends Pick<SetupContext, 'store' | 'clock' | 'log' | 'hostname' | 'dns' | 'submit'> {
  readonly options: Options
  flush(): Promise<void>
}

const DAY_MS = 86_400_000
/** After midnight, until the last counts of the day are written. */
const SETTLED_MS = 10 * 60_000
const GIVE_UP_MS = DAY_MS
const POST_MS = 30_000
const MAX_ANSWER = 64 * 1024
const MAX_DESTINATIONS = 5
const MAX_POLICIES = 100

export class Sending {
  readonly #deps: SendingDeps

  constructor(deps: SendingDeps) {
    this.#deps = deps
  }

  /** Sends what is due and yields each report. */
  async *sendDue(): AsyncGenerator<SentReport> {
    const { store, clock, log, options } = this.#deps
    await this.#deps.flush()
    if (options.from === undefined) return
    const today = dayOf(clock.now() - SETTLED_MS)
    const due = new Map<string, { day: string; counted: CountedPolicy[]; keys: Key[] }>()
    for await (const [at, value] of store.scan({ from: key('count'), to: key('count', today) })) {
      const counted = decodeRecord<CountedPolicy>(value)
      const day = String(unkey(at)[1])
      const group = due.get(`${day} ${counted.domain}`) ?? { day, counted: [], keys: [] }
      if (group.counted.length < MAX_POLICIES) group.counted.push(counted)
      group.keys.push(at)
      due.set(`${day} ${counted.domain}`, group)
    }
    for (const { day, counted, keys } of due.values()) {
      const domain = counted[0]?.domain as string
      try {
        const sent = await this.#sendOne(day, domain, counted)
        if (sent === 'later') continue
        const ops: Op[] = keys.map((at) => ({ del: at }))
        if (sent) ops.push({ put: key('sent', day, domain), value: encodeRecord(sent) })
        await store.commit(ops)
        if (sent) yield sent
      } catch (cause) {
        log.warn('a TLS report was not sent', { domain, day, cause })
      }
    }
  }

  /** Undefined: the domain wants no reports. */
  async #sendOne(
    day: string,
    domain: string,
    counted: readonly CountedPolicy[],
  ): Promise<SentReport | 'later' | undefined> {
    const isOld = this.#deps.clock.now() - endOf(day) > GIVE_UP_MS
    const record = await this.#deps.dns.ask(`_smtp._tls.${domain}`, 'TXT')
    if (record.kind === 'unavailable') return isOld ? undefined : 'later'
    const wishes = record.kind === 'found' ? destinationsIn(record.records.map((strings) => strings.join(''))) : []
    if (wishes.length === 0) return undefined
    const report = this.#reportOf(day, domain, counted)
    const gzipped = gzipSync(JSON.stringify(report))
    const to: SentTo[] = []
    for (const wish of wishes) {
      const sent = await this.#sendTo(wish, report, gzipped, { day, domain })
      if (sent) to.push(sent)
      else if (!isOld) return 'later'
    }
    const sum = (of: (one: CountedPolicy) => number) => counted.reduce((total, one) => total + of(one), 0)
    const at = this.#deps.clock.now()
    return { day, domain, at, succeeded: sum((one) => one.succeeded), failed: sum((one) => one.failed), to }
  }

  /** Undefined for a temporary failure. */
  async #sendTo(
    wish: string,
    report: TlsReport,
    gzipped: Buffer,
    { day, domain }: { readonly day: string; readonly domain: string },
  ): Promise<SentTo | undefined> {
    const { dns, options, hostname, submit } = this.#deps
    if (wish.startsWith('https:')) {
      const headers = { 'content-type': 'application/tlsrpt+gzip', 'content-length': String(gzipped.length) }
      const given = {
        url: wish,
        method: 'POST' as const,
        headers,
        body: gzipped,
        maxAnswer: MAX_ANSWER,
        timeout: POST_MS,
      }
      const { status } = await requestPublic({ ...given, allow: options.allow }, dns)
      if (status >= 500) return undefined
      return { to: wish, outcome: status < 300 ? 'accepted' : 'refused', reply: String(status) }
    }
    const address = decodeURIComponent(wish.slice('mailto:'.length).split('?')[0] ?? '')
    const from = options.from as string
    const mail = { from, organization: options.organization ?? hostname, to: address, hostname, domain }
    const { reply } = await submit({
      from,
      to: [{ address, notify: ['NEVER'] }],
      content: writeMail({ ...mail, id: report['report-id'], begin: startOf(day), end: endOf(day) }, gzipped),
      once: `tls ${day} ${domain} ${address}`,
    })
    if (classOf(reply) === 'temporary') return undefined
    return { to: wish, outcome: classOf(reply) === 'success' ? 'accepted' : 'refused', reply: format(reply) }
  }

  #reportOf(day: string, domain: string, counted: readonly CountedPolicy[]): TlsReport {
    const { options, hostname } = this.#deps
    const id = createHash('sha256').update(`${hostname} ${domain} ${day}`).digest('hex').slice(0, 24)
    const iso = (ms: number) => new Date(ms).toISOString().replace('.000', '')
    return {
      'organization-name': options.organization ?? hostname,
      'date-range': { 'start-datetime': iso(startOf(day)), 'end-datetime': iso(endOf(day)) },
      'contact-info': options.contact ?? options.from,
      'report-id': `${id}@${hostname}`,
      policies: counted.map(policyOf),
    }
  }

  async sweep(): Promise<void> {
    const { store, clock, options } = this.#deps
    const oldest = dayOf(clock.now() - options.keep)
    const useless = dayOf(clock.now() - DAY_MS - 2 * GIVE_UP_MS)
    for (const [kind, day] of [
      ['sent', oldest],
      ['received', oldest],
      ['count', useless],
    ] as const) {
      const ops: Op[] = []
      for await (const [at] of store.scan({ from: key(kind), to: key(kind, day), limit: 500 })) ops.push({ del: at })
      if (ops.length > 0) await store.commit(ops)
    }
  }
}

function policyOf(one: CountedPolicy): TlsReport['policies'][number] {
  return {
    policy: {
      'policy-type': one.policyType,
      ...(one.policy.length > 0 ? { 'policy-string': [...one.policy] } : {}),
      'policy-domain': one.domain,
      ...(one.mx.length > 0 ? { 'mx-host': [...one.mx] } : {}),
    },
    summary: { 'total-successful-session-count': one.succeeded, 'total-failure-session-count': one.failed },
    ...(one.failures.length === 0
      ? {}
      : {
          'failure-details': one.failures.map(({ type, host, address, local, why, count }) => ({
            'result-type': type,
            ...(local === '' ? {} : { 'sending-mta-ip': local }),
            ...(host === '' ? {} : { 'receiving-mx-hostname': host }),
            ...(address === '' ? {} : { 'receiving-ip': address }),
            'failed-session-count': count,
            'failure-reason-code': why,
          })),
        }),
  }
}

/** Section 3: one record; `rua` is a comma-separated list of mailto and https URIs. */
export function destinationsIn(texts: readonly string[]): string[] {
  const [record, second] = texts.filter((text) => /^v=TLSRPTv1\s*;/.test(text))
  if (record === undefined || second !== undefined) return []
  const rua =
    record
      .split(';')
      .find((part) => part.trim().startsWith('rua='))
      ?.trim()
      .slice('rua='.length) ?? ''
  const isUsable = (uri: string) =>
    /^mailto:[^@\s]{1,64}@[^@\s]{1,253}$/.test(uri) || (URL.canParse(uri) && /^https:/.test(uri))
  return rua
    .split(',')
    .map((uri) => uri.trim())
    .filter(isUsable)
    .slice(0, MAX_DESTINATIONS)
}
