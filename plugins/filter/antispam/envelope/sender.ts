/**
 * Checks whether replies can reach the domain of MAIL FROM.
 */
import { type Dns, foldDomain } from 'iems'
import { isHostName } from '../dns/names.ts'

/** In lower case and ASCII; undefined for the null reverse-path, address literals and invalid domains. */
export function domainOf(address: string): string | undefined {
  const at = address.lastIndexOf('@')
  if (at < 0) return undefined
  const domain = foldDomain(address.slice(at + 1))
  return domain !== undefined && isHostName(domain) ? domain : undefined
}

export async function judgeSender(dns: Dns, domain: string): Promise<'fine' | 'unknown' | 'noMail'> {
  const exchanges = await dns.ask(domain, 'MX')
  if (exchanges.kind === 'found') {
    const names = exchanges.records.map(({ exchange }) => exchange)
    // RFC 7505: a single record with the root as exchange.
    return names.length === 1 && names[0] === '' ? 'noMail' : 'fine'
  }
  if (exchanges.kind === 'unavailable') return 'fine'
  const [v4, v6] = await Promise.all([dns.ask(domain, 'A'), dns.ask(domain, 'AAAA')])
  return v4.kind === 'absent' && v6.kind === 'absent' ? 'unknown' : 'fine'
}
