/**
 * Domain names in the one form in which they are compared.
 *
 * What must stay true: two spellings of one domain (case, U-labels, a dot at the end) have the same form.
 */
import { domainToASCII } from 'node:url'

/** A-labels in lower case, without a dot at the end; undefined for what is no domain. */
export function foldDomain(domain: string): string | undefined {
  return domainToASCII(domain.normalize('NFC').replace(/\.$/, '')) || undefined
}
