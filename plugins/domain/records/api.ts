/**
 * The Domains service: the DNS records that a mail domain should have, and whether it has them.
 */
import { type DnsRecords, defineService, type RecordType } from 'iems'

export type Purpose = 'mx' | 'spf' | 'dkim' | 'dmarc' | 'mta-sts' | 'tls-rpt' | 'tlsa' | 'bimi' | 'clients'

/** All records with one name and type. */
export interface WantedRecord<K extends RecordType = RecordType> {
  readonly purpose: Purpose
  readonly name: string
  readonly type: K
  readonly records: readonly DnsRecords[K][]
  /** Lines of a zone file. */
  readonly lines: readonly string[]
  /** A sentence on its use. */
  readonly why: string
  /** Mail works without it. */
  readonly isOptional: boolean
}

/** `unclear`: it could not be examined now. */
export type State = 'ok' | 'missing' | 'wrong' | 'unclear'

export interface Finding {
  readonly topic: Purpose | 'address' | 'reverse' | 'port' | 'certificate' | 'policy'
  /** The subject: `_dmarc.example.org TXT`, `mail.example.org:993`. */
  readonly subject: string
  readonly state: State
  /** A sentence for people. */
  readonly text: string
  /** A remedy; absent when all is well. */
  readonly cure?: string
  /** False when mail works in spite of it. */
  readonly isGrave: boolean
}

export interface DomainCheck {
  readonly domain: string
  /** Milliseconds since 1970. */
  readonly at: number
  readonly findings: readonly Finding[]
}

export interface DomainsApi {
  /** The mail domains, in order. */
  domains(): Promise<readonly string[]>
  records(domain: string): Promise<readonly WantedRecord[]>
  /** Asks the DNS, and connects to the ports; takes seconds. */
  check(domain: string): Promise<DomainCheck>
  /** The result of the last daily check. */
  lastCheck(domain: string): Promise<DomainCheck | undefined>
  /** Publishes records that are missing or wrong. Returns those it changed. Throws when the zone cannot be changed. */
  publish(domain: string): Promise<readonly WantedRecord[]>
}
export const Domains = defineService<DomainsApi>('domains')
