/**
 * Canonical domain names, for comparison.
 *
 * Invariants: two spellings of one domain (case, U-labels, trailing dot) have the same form.
 */
import { domainToASCII } from 'node:url'

/** A-labels in lower case without a trailing dot; undefined for text that is not a domain. */
export function foldDomain(domain: string): string | undefined {
  return domainToASCII(domain.normalize('NFC').replace(/\.$/, '')) || undefined
}
