/**
 * The mail domains of this server: their records, checks and publication.
 *
 * Invariants: nothing is published that was not found missing or wrong just before.
 */
import { decodeRecord, encodeRecord, key, type Problem, type RecordChange, type SetupContext } from 'iems'
import type { ZonesApi } from '../zones/api.ts'
import type { DomainCheck, DomainsApi, Finding, WantedRecord } from './api.ts'
import { compare, TAGS, textOf } from './compare.ts'
import { policyText } from './policy.ts'
import { examineHost, examinePolicy, type ProbeDeps } from './probes.ts'
import { mxOf, type WantedDeps, wantedRecords } from './wanted.ts'

export interface DomainsDeps extends Pick<SetupContext, 'store' | 'dns' | 'clock' | 'log'> {
  readonly wanted: WantedDeps
  readonly probes: ProbeDeps
  readonly zones: ZonesApi | undefined
  names(): Promise<readonly string[]>
}

const TTL_S = 3600
/** Problems of one domain in `iems status`. */
const MAX_SHOWN = 5

const checkKey = (domain: string) => key('check', domain)

export class MailDomains implements DomainsApi {
  readonly #deps: DomainsDeps

  constructor(deps: DomainsDeps) {
    this.#deps = deps
  }

  domains(): Promise<readonly string[]> {
    return this.#deps.names()
  }

  records(domain: string): Promise<readonly WantedRecord[]> {
    return wantedRecords(domain, this.#deps.wanted)
  }

  /** The MTA-STS policy of a domain; undefined when there is none. */
  async policy(domain: string): Promise<string | undefined> {
    const { options } = this.#deps.wanted
    if (!options.mtaSts || !(await this.domains()).includes(domain)) return undefined
    return policyText(
      options.mtaSts,
      mxOf(this.#deps.wanted).map(({ host }) => host),
    )
  }

  async check(domain: string): Promise<DomainCheck> {
    const { dns, clock, probes, wanted } = this.#deps
    const findings: Finding[] = []
    for (const record of await this.records(domain)) findings.push(await compare(dns, record))
    for (const { host } of mxOf(wanted)) findings.push(...(await Array.fromAsync(examineHost(host, probes))))
    const policy = await this.policy(domain)
    if (policy !== undefined) findings.push(await examinePolicy(domain, policy, probes))
    return { domain, at: clock.now(), findings }
  }

  async lastCheck(domain: string): Promise<DomainCheck | undefined> {
    const value = await this.#deps.store.get(checkKey(domain))
    return value && decodeRecord<DomainCheck>(value)
  }

  async publish(domain: string): Promise<readonly WantedRecord[]> {
    const { zones, dns } = this.#deps
    if (!zones) throw new Error('publishing needs the plugin zones')
    const changed: WantedRecord[] = []
    for (const record of await this.records(domain)) {
      const { state } = await compare(dns, record)
      if (state !== 'missing' && state !== 'wrong') continue
      await zones.change(await this.#changesFor(record))
      changed.push(record)
    }
    return changed
  }

  async #changesFor(record: WantedRecord): Promise<RecordChange[]> {
    const { name, type, records, purpose } = record
    const change = { name, type, ttl: TTL_S, records }
    if (type !== 'TXT') return [{ ...change, action: 'replace' }]
    // Other texts at the name, such as proofs of ownership, stay.
    const answer = await this.#deps.dns.ask(name, 'TXT', { fresh: true })
    const old = answer.kind === 'found' ? answer.records.filter((data) => TAGS[purpose]?.test(textOf(data))) : []
    const removal: RecordChange[] = old.length > 0 ? [{ ...change, action: 'remove', records: old }] : []
    return [...removal, { ...change, action: 'add' }]
  }

  /** Checks every domain, and publishes when the administrator allows it. */
  async daily(): Promise<void> {
    const { store, log, wanted } = this.#deps
    for (const domain of await this.domains()) {
      try {
        if (wanted.options.publish)
          for (const { name, type } of await this.publish(domain))
            log.info('a DNS record was published', { name, type })
      } catch (cause) {
        log.warn('the DNS records of a domain were not published', { domain, cause })
      }
      const check = await this.check(domain)
      await store.commit([{ put: checkKey(domain), value: encodeRecord(check) }])
      const faults = check.findings.filter(({ state }) => state === 'missing' || state === 'wrong')
      log.info('a domain was checked', { domain, faults: faults.length })
    }
  }

  /** The faults that the last checks found. */
  async problems(): Promise<Problem[]> {
    const problems: Problem[] = []
    for (const domain of await this.domains()) {
      const { findings = [] } = (await this.lastCheck(domain)) ?? {}
      const faults = findings.filter(
        ({ state, cure }) => (state === 'missing' || state === 'wrong') && cure !== undefined,
      )
      for (const { subject, text, cure = '', isGrave } of faults.slice(0, MAX_SHOWN))
        problems.push({ id: `domain:${domain}:${subject}`, text: `${domain}: ${text}`, cure, isGrave })
      if (faults.length > MAX_SHOWN)
        problems.push({
          id: `domain:${domain}`,
          text: `${domain}: ${faults.length - MAX_SHOWN} more faults`,
          cure: `Run iems domain check ${domain}.`,
          isGrave: false,
        })
    }
    return problems
  }
}
