/**
 * Whether an author's domain asks receivers to reject or quarantine modified mail.
 *
 * Invariants: a DNS failure is neither yes nor no: the post waits.
 */
import type { Dns, RawField, ReadableMessage } from 'iems'
import { NotNow } from './mailing.ts'

/** Questions for one domain (RFC 9989 section 4.10). */
const MAX_QUESTIONS = 8

const tag = (record: string, name: string) =>
  record
    .split(';')
    .map((one) => one.split('='))
    .find(([key = '']) => key.trim().toLowerCase() === name)?.[1]
    ?.trim()
    .toLowerCase()

/** Asks the domain, then those above it. Throws when the DNS does not answer. */
async function policyOf(dns: Dns, domain: string): Promise<string | undefined> {
  let labels = domain.split('.')
  for (let asked = 0; labels.length > 1 && asked < MAX_QUESTIONS; asked++) {
    const answer = await dns.ask(`_dmarc.${labels.join('.')}`, 'TXT')
    if (answer.kind === 'unavailable')
      throw new NotNow(`the DMARC policy of ${domain} cannot be asked for now: ${answer.why}`)
    const records = answer.kind === 'found' ? answer.records.map((parts) => parts.join('')) : []
    const record = records.find((text) => /^v\s*=\s*DMARC1\s*(?:;|$)/i.test(text))
    if (record !== undefined) return (asked > 0 ? tag(record, 'sp') : undefined) ?? tag(record, 'p') ?? 'none'
    // Long names are cut to their last seven labels after the first question.
    labels = labels.slice(Math.max(1, labels.length - 7))
  }
  return undefined
}

const isStrict = (policy: unknown) => policy === 'reject' || policy === 'quarantine'

/** Whether one domain is the other, or above it. */
const aligned = (signing: string, author: string) =>
  signing === author || author.endsWith(`.${signing}`) || signing.endsWith(`.${author}`)

/** Names in the h= tags of the signatures of a domain. */
function signedNames(fields: readonly RawField[], domain: string): ReadonlySet<string> {
  const names = new Set<string>()
  for (const { name, value } of fields) {
    if (name.toLowerCase() !== 'dkim-signature') continue
    const text = value.replace(/\s/g, '')
    if (!aligned(tag(text, 'd') ?? '', domain)) continue
    for (const one of (tag(text, 'h') ?? '').split(':')) names.add(one)
  }
  return names
}

/**
 * Whether the list changes a field that a signature of the author's domain covers: one that it sets or removes, or adds
 * although the signature says that there is none (RFC 6376 section 8.15).
 */
export function changesSigned(author: string, before: readonly RawField[], after: readonly RawField[]): boolean {
  const values = (fields: readonly RawField[], name: string) =>
    fields.flatMap((one) => (one.name.toLowerCase() === name ? [one.value.trim()] : [])).join('\n')
  const domain = author.slice(author.lastIndexOf('@') + 1)
  return [...signedNames(before, domain)].some((name) => values(before, name) !== values(after, name))
}

/**
 * Whether From must be rewritten: the policy is strict, and no signature of the author's domain survives. `isChanged`:
 * the list changes what signatures cover.
 */
export async function needsRewriting(
  dns: Dns,
  { findings }: Pick<ReadableMessage, 'findings'>,
  author: string,
  isChanged: boolean,
): Promise<boolean> {
  const domain = author.slice(author.lastIndexOf('@') + 1)
  const found = (name: string) => findings.find((one) => one.name === name)?.value
  const isSigned = String(found('dkim-domains') ?? '')
    .split(' ')
    .some((one) => one !== '' && aligned(one, domain))
  if (isSigned && !isChanged) return false
  // sender-auth's finding includes parent domains; without a finding the DNS is queried.
  return isStrict(found('dmarc-policy') ?? (await policyOf(dns, domain)))
}
