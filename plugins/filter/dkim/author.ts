/**
 * The author's domain, from the From field. Pure.
 *
 * Invariants: an ambiguous field has no author: the message is left unsigned rather than signed for the wrong domain.
 */
import { foldDomain, type RawField } from 'iems'
import { authorsIn } from 'iems/mime'

/** Of From, or of Sender. Undefined unless there is exactly one such field with exactly one domain. */
export function authorDomain(fields: readonly RawField[], of: 'from' | 'sender' = 'from'): string | undefined {
  const [from, ...more] = fields.filter(({ name }) => name.toLowerCase() === of)
  if (!from || more.length > 0) return undefined
  const { authors, isAmbiguous } = authorsIn(from.value)
  const domains = new Set(authors.map(({ domain }) => signingDomain(domain)))
  const [domain] = domains
  return !isAmbiguous && domains.size === 1 && domain ? domain : undefined
}

/** Folded for comparison; the latin1 text holds octets of UTF-8. */
export const signingDomain = (domain: string): string =>
  foldDomain(Buffer.from(domain, 'latin1').toString()) ?? domain.toLowerCase()
