/**
 * Parses and formats envelope addresses, and matches local domains. Pure.
 */
import { foldDomain } from 'iems'

export interface Address {
  /** Without quotes. */
  readonly local: string
  /** As received. */
  readonly domain: string
}

/** Undefined for the null reverse-path and for an address without a domain. */
export function readAddress(text: string): Address | undefined {
  const at = text.lastIndexOf('@')
  const domain = text.slice(at + 1)
  if (at < 1 || domain === '' || domain.endsWith('"')) return undefined
  const local = text.slice(0, at)
  return { local: /^".*"$/s.test(local) ? local.slice(1, -1).replace(/\\(.)/gs, '$1') : local, domain }
}

export function writeAddress({ local, domain }: Address): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these require quotes
  const isPlain = /^[^\s"(),:;<>@[\\\]\x00-\x1f\x7f]+$/.test(local)
  return `${isPlain ? local : `"${local.replace(/["\\]/g, '\\$&')}"`}@${domain}`
}

/** Folded for comparison; an invalid domain is compared as text. */
export const comparable = (domain: string): string => foldDomain(domain) ?? domain.toLowerCase()

/** Whether a domain matches one of `example.org` and `.example.org`, which means all its subdomains. */
export function matchDomains(patterns: readonly string[]): (domain: string) => boolean {
  const fold = (pattern: string) => (pattern.startsWith('.') ? `.${comparable(pattern.slice(1))}` : comparable(pattern))
  const known = new Set(patterns.map(fold))
  return (text) => {
    const domain = comparable(text)
    if (known.has(domain)) return true
    for (let dot = domain.indexOf('.'); dot >= 0; dot = domain.indexOf('.', dot + 1))
      if (known.has(domain.slice(dot))) return true
    return false
  }
}
