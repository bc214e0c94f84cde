/**
 * Parses next hops: `example.org` is a domain with MX records; a port or brackets denote one host, `[192.0.2.1]` and
 * `[IPv6:2001:db8::1]` an address, `unix:/path` a socket. Also matches the domains of a channel. Pure.
 */
import { isIP } from 'node:net'
import { domainToASCII } from 'node:url'

export type Nexthop =
  | { readonly kind: 'domain'; readonly name: string }
  | { readonly kind: 'host'; readonly name: string; readonly port?: number }
  | { readonly kind: 'socket'; readonly path: string }

/** Undefined if it has none of these forms. */
export function parseNexthop(text: string): Nexthop | undefined {
  if (text.startsWith('unix:')) return text.length > 5 ? { kind: 'socket', path: text.slice(5) } : undefined
  if (isIP(text)) return { kind: 'host', name: text }
  const [, inside, plain, digits] = /^(?:\[([^\]]+)\]|([^[\]:]+))(?::(\d{1,5}))?$/.exec(text) ?? []
  const name = hostName(inside?.replace(/^ipv6:/i, '') ?? plain ?? '')
  const port = digits === undefined ? {} : { port: Number(digits) }
  if (!name || port.port === 0 || Number(port.port ?? 0) > 65_535) return undefined
  return inside === undefined && digits === undefined ? { kind: 'domain', name } : { kind: 'host', name, ...port }
}

function hostName(text: string): string | undefined {
  if (isIP(text)) return text
  const name = toAscii(text)
  return name !== undefined && /^[\w-]+(\.[\w-]+)*\.?$/.test(name) ? name.replace(/\.$/, '') : undefined
}

/** A domain in lower case as A-labels; undefined if there is no such form. */
export function toAscii(domain: string): string | undefined {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: matches all of ASCII
  const ascii = /^[\x00-\x7f]*$/.test(domain) ? domain.toLowerCase() : domainToASCII(domain)
  return ascii === '' ? undefined : ascii
}

/** The domain of an address as a next hop; undefined if it has none. */
export function domainOf(address: string): string | undefined {
  const at = address.lastIndexOf('@')
  // An at sign within a quoted local part that nothing follows is no domain.
  return at < 0 || address.indexOf('"', at) >= 0 ? undefined : toAscii(address.slice(at + 1))
}

/** Whether a domain is among `example.org`, `.example.org` (all below it) and `*`. */
export function matchDomains(patterns: readonly string[]): (domain: string) => boolean {
  if (patterns.includes('*')) return () => true
  const exact = new Set(patterns.map((pattern) => toAscii(pattern)))
  return (domain) => {
    if (exact.has(domain)) return true
    for (let dot = domain.indexOf('.', 1); dot >= 0; dot = domain.indexOf('.', dot + 1))
      if (exact.has(domain.slice(dot))) return true
    return false
  }
}
