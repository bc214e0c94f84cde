/**
 * The author's domain, from the From field. Pure.
 *
 * What must stay true: what could be read in two ways is no author: a message is not signed rather than signed for
 * somebody else.
 */
import { foldDomain, type RawField } from 'iems'
import { authorsIn } from 'iems/mime'

/** Undefined when there is not exactly one domain in exactly one From field. */
export function authorDomain(fields: readonly RawField[]): string | undefined {
  const [from, ...more] = fields.filter(({ name }) => name.toLowerCase() === 'from')
  if (!from || more.length > 0) return undefined
  const { authors, isAmbiguous } = authorsIn(from.value)
  const domains = new Set(authors.map(({ domain }) => signingDomain(domain)))
  const [domain] = domains
  return !isAmbiguous && domains.size === 1 && domain ? domain : undefined
}

/** As domains are compared; latin1 text is the octets of UTF-8. */
export const signingDomain = (domain: string): string =>
  foldDomain(Buffer.from(domain, 'latin1').toString()) ?? domain.toLowerCase()
