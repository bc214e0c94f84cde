/**
 * Destinations of a domain's aggregate reports, and their consent (RFC 9990 section 4).
 *
 * Invariants: an external destination gets reports only if its own DNS consents; a DNS failure is neither consent nor
 * refusal.
 */
import type { Resolve } from '../dns.ts'
import type { PublishedPolicy } from './records.ts'

export interface Destination {
  readonly address: string
  /** Maximum message size in octets, if the (old) record limits it. */
  readonly most?: number
}

export type Confirmed =
  | { readonly kind: 'wanted'; readonly destination: Destination }
  | { readonly kind: 'unwanted'; readonly destination: Destination }
  | { readonly kind: 'unclear' }

const MAILTO = /^mailto:([^?!]+)(?:\?[^!]*)?(?:!(\d{1,12})([kmgt]?))?$/i
const ADDRESS = /^[^\s@"<>(),:;\\[\]]+@([a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)$/i
const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 }

/** The mailto URIs of a `rua` tag, in order, without duplicates, up to a limit. */
export function destinationsOf(record: string, most: number): Destination[] {
  const rua = /(?:^|;)[ \t]*rua[ \t]*=([^;]*)/i.exec(record)?.[1] ?? ''
  const found = new Map<string, Destination>()
  for (const uri of rua.slice(0, 4096).split(',')) {
    const [, path = '', amount, unit = ''] = MAILTO.exec(uri.trim()) ?? []
    const address = decoded(path)
    if (found.size >= most || address === undefined || address.length > 254 || !ADDRESS.test(address)) continue
    const limit = amount === undefined ? {} : { most: Number(amount) * (UNITS[unit.toLowerCase()] ?? 1) }
    if (!found.has(address)) found.set(address, { address, ...limit })
  }
  return [...found.values()]
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    // Not a URI, so not a destination.
    return undefined
  }
}

function hostOf(address: string): string {
  return address.slice(address.lastIndexOf('@') + 1).toLowerCase()
}

/** Whether the destination consents, and its preferred address. */
export async function confirm(policy: PublishedPolicy, destination: Destination, resolve: Resolve): Promise<Confirmed> {
  const host = hostOf(destination.address)
  if (host === policy.organization || host.endsWith(`.${policy.organization}`)) return { kind: 'wanted', destination }
  let records: readonly unknown[]
  try {
    records = await resolve(`${policy.domain}._report._dmarc.${host}`, 'TXT')
  } catch (cause) {
    const { code } = cause as { code?: string }
    const isAbsent = code === 'ENOTFOUND' || code === 'ENODATA' || code === 'EBADNAME'
    return isAbsent ? { kind: 'unwanted', destination } : { kind: 'unclear' }
  }
  const texts = records.map((record) => (Array.isArray(record) ? record.join('') : `${record}`))
  const agreed = texts.find((text) => /^v[ \t]*=[ \t]*DMARC1[ \t]*(?:;|$)/i.test(text))
  if (agreed === undefined) return { kind: 'unwanted', destination }
  if (!/;[ \t]*rua[ \t]*=/i.test(agreed)) return { kind: 'wanted', destination }
  const [instead] = destinationsOf(agreed, 1)
  // Step 9: a different host invalidates both.
  return instead && hostOf(instead.address) === host
    ? { kind: 'wanted', destination: instead }
    : { kind: 'unwanted', destination }
}
