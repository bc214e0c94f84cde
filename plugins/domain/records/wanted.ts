/**
 * The DNS records that a mail domain of this server should have. Pure, except for what it is given to ask.
 *
 * Invariants: every text is valid in a zone file; the order is that in which an administrator should publish them.
 */
import { createHash, X509Certificate } from 'node:crypto'
import type { DnsRecords, RecordType } from 'iems'
import type { SrvRecord } from '../clients/api.ts'
import type { Purpose, WantedRecord } from './api.ts'
import { EVIDENCE_PATH, LOGO_PATH, logoUrl } from './logo.ts'
import type { Options } from './options.ts'
import { policyId, policyText } from './policy.ts'

export interface WantedDeps {
  readonly options: Options
  readonly hostname: string
  /** Records of keys that sign or are about to: name without the domain, and text. */
  dkim(domain: string): Promise<readonly { readonly selector: string; readonly record: string }[]>
  /** The certificate that SMTP presents, PEM. */
  certificate(): string | Buffer | undefined
  /** SRV records and names for mail programs. */
  clients(domain: string): { readonly srv: readonly SrvRecord[]; readonly hosts: readonly string[] }
}

export function mxOf({ options, hostname }: Pick<WantedDeps, 'options' | 'hostname'>) {
  return options.mx ?? [{ host: hostname.toLowerCase(), priority: 10 }]
}

export async function wantedRecords(domain: string, deps: WantedDeps): Promise<WantedRecord[]> {
  const { options } = deps
  const mx = mxOf(deps)
  const records: WantedRecord[] = [
    make(
      'mx',
      domain,
      'MX',
      mx.map(({ host, priority }) => ({ exchange: host, priority })),
      'Servers that take its mail.',
    ),
    text('spf', domain, spfOf(options), 'Servers that send its mail.'),
  ]
  for (const { selector, record } of await deps.dkim(domain))
    records.push(text('dkim', `${selector}._domainkey.${domain}`, record, 'The key that signs its mail.'))
  records.push(text('dmarc', `_dmarc.${domain}`, dmarcOf(options), 'What receivers do with forged mail.'))
  if (options.mtaSts) {
    const id = policyId(
      policyText(
        options.mtaSts,
        mx.map(({ host }) => host),
      ),
    )
    records.push(
      optional(
        text('mta-sts', `_mta-sts.${domain}`, `v=STSv1; id=${id}`, 'Senders fetch its TLS policy when the id changes.'),
      ),
      optional(alias('mta-sts', `mta-sts.${domain}`, deps.hostname, 'Where the TLS policy is fetched.')),
    )
  }
  if (options.tlsReports.length > 0)
    records.push(
      optional(
        text(
          'tls-rpt',
          `_smtp._tls.${domain}`,
          `v=TLSRPTv1; rua=${options.tlsReports.join(',')}`,
          'Where reports on TLS go.',
        ),
      ),
    )
  return [...records, ...tlsaOf(deps), ...bimiOf(domain, deps), ...clientRecords(domain, deps)]
}

const spfOf = ({ spf }: Options) => ['v=spf1', 'mx', ...spf.also, spf.others].join(' ')

function dmarcOf({ dmarc: { policy, reports } }: Options): string {
  const rua = reports.length > 0 ? `; rua=${reports.map((address) => `mailto:${address}`).join(',')}` : ''
  return `v=DMARC1; p=${policy}${rua}`
}

/** RFC 7672 section 3.1: the key of the certificate, which stays at renewal. */
function tlsaOf(deps: WantedDeps): WantedRecord[] {
  const pem = deps.options.tlsa ? deps.certificate() : undefined
  if (pem === undefined) return []
  const certificate = new X509Certificate(pem)
  const key = certificate.publicKey.export({ type: 'spki', format: 'der' })
  const data = { usage: 3, selector: 1, matchingType: 1, certificate: createHash('sha256').update(key).digest() }
  return mxOf(deps)
    .filter(({ host }) => certificate.checkHost(host) !== undefined)
    .map(({ host }) => optional(make('tlsa', `_25._tcp.${host}`, 'TLSA', [data], 'The key of the server (DANE).')))
}

function bimiOf(domain: string, { options: { bimi }, hostname }: WantedDeps): WantedRecord[] {
  if (!bimi) return []
  const logo = logoUrl(bimi.logo, LOGO_PATH, hostname)
  const evidence = bimi.evidence === undefined ? '' : `; a=${logoUrl(bimi.evidence, EVIDENCE_PATH, hostname)}`
  return [optional(text('bimi', `default._bimi.${domain}`, `v=BIMI1; l=${logo}${evidence}`, 'The logo of the domain.'))]
}

function clientRecords(domain: string, deps: WantedDeps): WantedRecord[] {
  const { srv, hosts } = deps.clients(domain)
  return [
    ...hosts.map((host) => optional(alias('clients', host, deps.hostname, 'Where mail programs find their settings.'))),
    ...srv.map(({ service, port, target, priority, weight }) =>
      optional(
        make(
          'clients',
          `${service}.${domain}`,
          'SRV',
          [{ priority, weight, port, name: target }],
          'Mail programs find the server.',
        ),
      ),
    ),
  ]
}

const optional = (record: WantedRecord): WantedRecord => ({ ...record, isOptional: true })

const text = (purpose: Purpose, name: string, value: string, why: string) =>
  make(purpose, name, 'TXT', [value.match(/.{1,255}/gs) ?? []], why)

const alias = (purpose: Purpose, name: string, target: string, why: string) =>
  make(purpose, name, 'CNAME', [target.toLowerCase()], why)

function make<K extends RecordType>(
  purpose: Purpose,
  name: string,
  type: K,
  records: readonly DnsRecords[K][],
  why: string,
): WantedRecord {
  const lines = records.map((data) => `${name}. IN ${type} ${dataText(type, data)}`)
  return { purpose, name, type, records, lines, why, isOptional: false }
}

/** A record's data in a zone file. */
export function dataText(type: RecordType, data: unknown): string {
  switch (type) {
    case 'MX': {
      const { exchange, priority } = data as DnsRecords['MX']
      return `${priority} ${exchange}.`
    }
    case 'SRV': {
      const { priority, weight, port, name } = data as DnsRecords['SRV']
      return `${priority} ${weight} ${port} ${name}.`
    }
    case 'TXT':
      return (data as DnsRecords['TXT']).map((part) => `"${part.replace(/["\\]/g, '\\$&')}"`).join(' ')
    case 'TLSA': {
      const { usage, selector, matchingType, certificate } = data as DnsRecords['TLSA']
      return `${usage} ${selector} ${matchingType} ${Buffer.from(certificate).toString('hex')}`
    }
    case 'CNAME':
      return `${data}.`
    default:
      return String(data)
  }
}
