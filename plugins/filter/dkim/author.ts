/**
 * The author's domain, from the From field. Pure.
 *
 * What must stay true: what could be read in two ways is no author: a message is not signed rather than signed for
 * somebody else.
 */
import { domainToASCII } from 'node:url'
import type { RawField } from 'iems'
import { tokensOf } from 'iems/mime'

/** Undefined when there is not exactly one domain in exactly one From field. */
export function authorDomain(fields: readonly RawField[]): string | undefined {
  const [from, ...more] = fields.filter(({ name }) => name.toLowerCase() === 'from')
  if (!from || more.length > 0) return undefined
  const domains = domainsIn(from.value)
  const [domain] = domains ?? []
  return domains?.size === 1 && domain ? domain : undefined
}

/** Whatever follows an @; undefined for a field that others may take apart in another way. */
function domainsIn(field: string): ReadonlySet<string> | undefined {
  const domains: string[] = []
  let isDomain = false
  for (const token of tokensOf(field)) {
    if (token.kind === 'comment') continue
    if (token.kind === 'unclosed') return undefined
    const last = domains.at(-1) ?? ''
    if (token.kind === 'mark') {
      isDomain = token.text === '@' || (isDomain && token.text === '.')
      if (token.text === '@') domains.push('')
      else if (isDomain) domains.push(`${domains.pop()}.`)
    } else if (!token.quoted && /[)\\]/.test(token.text)) return undefined
    else if (isDomain && token.quoted) return undefined
    else if (isDomain && token.spaced && last !== '' && !last.endsWith('.')) isDomain = false
    else if (isDomain) domains.push(`${domains.pop()}${token.text}`)
  }
  return new Set(domains.map(foldDomain))
}

/** As domains are compared: lower case, A-labels; latin1 text is the octets of UTF-8. */
export function foldDomain(domain: string): string {
  return domainToASCII(Buffer.from(domain, 'latin1').toString()) || domain.toLowerCase()
}
