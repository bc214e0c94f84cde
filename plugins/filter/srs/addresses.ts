/**
 * Addresses of envelopes taken apart and put together, and whose domain is ours. Pure.
 */
import { foldDomain } from 'iems'

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

/** As domains are compared; what is no domain is compared as text. */
export const comparable = (domain: string): string => foldDomain(domain) ?? domain.toLowerCase()

/** Whether a domain is among `example.org` and `.example.org`, which is all below it. */
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
