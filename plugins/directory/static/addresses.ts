/**
 * Folds addresses for account lookups: case, quotes and the form of the domain make no difference.
 */
import { domainToASCII } from 'node:url'
import { isPlainLine } from 'iems'

export interface LocalAddress {
  readonly local: string
  readonly domain: string
}

/** The folded form; undefined for text that is not an address. */
export function readAddress(address: string): LocalAddress | undefined {
  const at = address.lastIndexOf('@')
  const domain = readDomain(address.slice(at + 1))
  if (at < 1 || domain === undefined) return undefined
  const local = address.slice(0, at)
  // RFC 5321 section 4.1.2: quoting does not change the mailbox.
  const plain = /^".*"$/s.test(local) ? local.slice(1, -1).replace(/\\(.)/gs, '$1') : local
  return { local: plain.normalize('NFC').toLowerCase(), domain }
}

export function readDomain(domain: string): string | undefined {
  return domainToASCII(domain.normalize('NFC')) || undefined
}

/** RFC 5321 section 4.1.2 with RFC 6531 section 3.3: a Dot-string or a Quoted-string of one line. */
const ATOM = "(?:[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]|(?!\\p{Z})[\\u0080-\\u{10ffff}])+"
const LOCAL = new RegExp(`^(?:${ATOM}(?:\\.${ATOM})*|"(?:[^"\\\\]|\\\\.)*")$`, 'u')
/** RFC 1035 section 2.3.1, with the underscore that is used in practice. */
const LABEL = /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/
const DOMAIN_LENGTH = 253

/** Whether a domain may be configured, judged by its A-labels. */
export function isDomain(domain: string): boolean {
  const ascii = isPlainLine(domain) && !/\s/.test(domain) ? readDomain(domain) : undefined
  return ascii !== undefined && ascii.length <= DOMAIN_LENGTH && ascii.split('.').every((label) => LABEL.test(label))
}

/** Whether an address may be configured: RFC 5321 grammar, without characters that hide or reorder others. */
export function isAddress(address: string): boolean {
  const at = address.lastIndexOf('@')
  const local = address.slice(0, at)
  // A space is allowed only within quotes.
  return at > 0 && isPlainLine(address) && LOCAL.test(local) && isDomain(address.slice(at + 1))
}

/** The part behind the separator, in the sender's case, because it may name a mailbox: `lists` of `ann+lists@a.test`. */
export function detailOf(address: string, separator: string): string {
  const local = address.slice(0, address.lastIndexOf('@')).replace(/^"|"$/g, '')
  return local.slice(local.indexOf(separator) + separator.length).normalize('NFC')
}
