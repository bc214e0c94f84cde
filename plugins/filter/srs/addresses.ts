/**
 * Addresses of envelopes taken apart and put together, and whose domain is ours. Pure.
 */
import { domainToASCII } from 'node:url'

export interface Address {
  /** Without the quotes it may have needed. */
  readonly local: string
  /** As it was sent. */
  readonly domain: string
}

/** Undefined for the null sender and for what has no domain. */
export function readAddress(text: string): Address | undefined {
  const at = text.lastIndexOf('@')
  const domain = text.slice(at + 1)
  if (at < 1 || domain === '' || domain.endsWith('"')) return undefined
  const local = text.slice(0, at)
  return { local: /^".*"$/s.test(local) ? local.slice(1, -1).replace(/\\(.)/gs, '$1') : local, domain }
}

export function writeAddress({ local, domain }: Address): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what needs quotes
  const isPlain = /^[^\s"(),:;<>@[\\\]\x00-\x1f\x7f]+$/.test(local)
  return `${isPlain ? local : `"${local.replace(/["\\]/g, '\\$&')}"`}@${domain}`
}

/** As domains are compared: lower case, A-labels. */
export function foldDomain(domain: string): string {
  return domainToASCII(domain) || domain.toLowerCase()
}

/** Whether a domain is among `example.org` and `.example.org`, which is all below it. */
export function matchDomains(patterns: readonly string[]): (domain: string) => boolean {
  const fold = (pattern: string) => (pattern.startsWith('.') ? `.${foldDomain(pattern.slice(1))}` : foldDomain(pattern))
  const known = new Set(patterns.map(fold))
  return (text) => {
    const domain = foldDomain(text)
    if (known.has(domain)) return true
    for (let dot = domain.indexOf('.'); dot >= 0; dot = domain.indexOf('.', dot + 1))
      if (known.has(domain.slice(dot))) return true
    return false
  }
}
