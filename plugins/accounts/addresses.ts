/**
 * Addresses as accounts are found by them: what differs only in case, quotes or the form of the domain is the same.
 */
import { domainToASCII } from 'node:url'

export interface LocalAddress {
  readonly local: string
  readonly domain: string
}

/** In the form in which it is compared; undefined for what is no address. */
export function readAddress(address: string): LocalAddress | undefined {
  const at = address.lastIndexOf('@')
  const domain = readDomain(address.slice(at + 1))
  if (at < 1 || domain === undefined) return undefined
  const local = address.slice(0, at)
  // RFC 5321 section 4.1.2: quotes say nothing about which mailbox is meant.
  const plain = /^".*"$/s.test(local) ? local.slice(1, -1).replace(/\\(.)/gs, '$1') : local
  return { local: plain.normalize('NFC').toLowerCase(), domain }
}

export function readDomain(domain: string): string | undefined {
  return domainToASCII(domain.normalize('NFC')) || undefined
}
