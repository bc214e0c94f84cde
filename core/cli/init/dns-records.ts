/**
 * The DNS records of a mail domain, as zone file lines.
 */
import type { Answers } from './answers.ts'

export interface DnsRecord {
  readonly name: string
  readonly type: 'MX' | 'A' | 'TXT' | 'SRV' | 'CNAME'
  readonly value: string
  readonly why: string
}

/** Hosts at which mail programs look for their settings: the plugin clients. */
export const settingsHosts = (domain: string) => [`autoconfig.${domain}`, `autodiscover.${domain}`]

/** `dkim`: the record as `iems dkim add` prints it. */
export function recordsFor(answers: Answers, hasTls: boolean): DnsRecord[] {
  const { domain, hostname, account, ports, outgoing } = answers
  const sends = outgoing === 'internet' ? 'mx' : outgoing === 'none' ? '' : `mx a:${outgoing.replace(/:\d+$/, '')}`
  const records: DnsRecord[] = [
    { name: hostname, type: 'A', value: 'THE PUBLIC ADDRESS OF THIS MACHINE', why: 'where the server is' },
    { name: domain, type: 'MX', value: `10 ${hostname}.`, why: 'which server takes its mail' },
    {
      name: domain,
      type: 'TXT',
      value: `"v=spf1${sends && ` ${sends}`} -all"`,
      why: 'SPF: which servers send its mail',
    },
    {
      name: `_dmarc.${domain}`,
      type: 'TXT',
      value: `"v=DMARC1; p=quarantine; rua=mailto:${account}@${domain}"`,
      why: 'DMARC: what others do with forged mail; change p=quarantine to p=none while you watch',
    },
  ]
  if (!hasTls || ports !== 'standard') return records
  const services = { _submissions: 465, _imaps: 993, _pop3s: 995 }
  return [
    ...records,
    ...settingsHosts(domain).map(
      (name): DnsRecord => ({
        name,
        type: 'CNAME',
        value: `${hostname}.`,
        why: 'mail programs find their settings (Thunderbird, Outlook)',
      }),
    ),
    ...Object.entries(services).map(
      ([service, port]): DnsRecord => ({
        name: `${service}._tcp.${domain}`,
        type: 'SRV',
        value: `0 1 ${port} ${hostname}.`,
        why: 'mail programs find the server (RFC 6186, RFC 8314)',
      }),
    ),
  ]
}

export const zoneLine = ({ name, type, value, why }: DnsRecord) => `${name}. IN ${type} ${value}  ; ${why}`
