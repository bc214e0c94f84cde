/**
 * DANE for SMTP (RFC 7672): finds the TLSA records of a host and authenticates its certificate by them.
 *
 * Invariants: only records that the resolver has validated (DNSSEC) count; records that exist and do not match are never
 * outweighed by anything else; a lookup that fails is never taken for "no records".
 */
import { createHash, X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import type { Dns, DnsAnswer, DnsRecords } from 'iems'

type Tlsa = DnsRecords['TLSA']

/** Requirements for a host's certificate. */
export interface Dane {
  /** The TLSA base domain, which is also the name for SNI, then further names that the certificate may have. */
  readonly names: readonly [string, ...string[]]
  /** Records of usages DANE-TA and DANE-EE; none: TLS is required, and any certificate will do (section 2.2). */
  readonly records: readonly Tlsa[]
  /** All of its records, as zone files have them. */
  readonly texts: readonly string[]
}

export type FoundDane = Dane | 'none' | 'unavailable'

const DANE_TA = 2
const DANE_EE = 3
const MAX_ALIASES = 8
const MAX_CHAIN = 10

/**
 * Section 2.2.2: records of a host are looked up only if its addresses are secure, or its alias is. An alias is
 * followed while it is secure, and the name where it ends is tried before the host's own.
 */
export async function findDane(dns: Dns, { host, port, addresses, domain }: HostForDane): Promise<FoundDane> {
  const end = await secureEnd(dns, host)
  if (end === undefined) return 'unavailable'
  const isSecure = addresses.kind === 'found' && addresses.isAuthenticated
  if (!isSecure && end === host) return 'none'
  for (const base of new Set(isSecure ? [end, host] : [host])) {
    const answer = await dns.ask(`_${port}._tcp.${base}`, 'TLSA')
    if (answer.kind === 'unavailable') return 'unavailable'
    if (answer.kind === 'found' && answer.isAuthenticated)
      return {
        names: [base, ...[host, domain].filter((name) => name !== base)],
        records: answer.records.filter(isUsable),
        texts: answer.records.map(textOf),
      }
  }
  return 'none'
}

export interface HostForDane {
  readonly host: string
  readonly port: number
  readonly addresses: DnsAnswer<string>
  /** The next hop, whose name the certificate may have instead (section 3.2.2). */
  readonly domain: string
}

/** The name at which the secure part of a host's aliases ends. */
async function secureEnd(dns: Dns, host: string): Promise<string | undefined> {
  let name = host
  for (let hops = 0; hops < MAX_ALIASES; hops++) {
    const alias = await dns.ask(name, 'CNAME')
    if (alias.kind === 'unavailable') return undefined
    const [target] = alias.kind === 'found' && alias.isAuthenticated ? alias.records : []
    if (target === undefined) break
    name = target.toLowerCase().replace(/\.$/, '')
  }
  return name
}

const textOf = ({ usage, selector, matchingType, certificate }: Tlsa) =>
  `${usage} ${selector} ${matchingType} ${Buffer.from(certificate).toString('hex')}`

/** Section 3.1.3: usages 0 and 1 are not used with SMTP. RFC 7671 section 5: unknown values make a record unusable. */
function isUsable({ usage, selector, matchingType, certificate }: Tlsa): boolean {
  const length = [certificate.length, 32, 64][matchingType]
  return (
    (usage === DANE_TA || usage === DANE_EE) && selector <= 1 && certificate.length > 0 && length === certificate.length
  )
}

/** Why the certificate of this connection does not match; undefined if it does. */
export function daneFault(socket: TLSSocket, { names, records }: Dane, now: number): string | undefined {
  if (records.length === 0) return undefined
  const chain = chainOf(socket)
  const [leaf] = chain
  if (!leaf) return 'there is no certificate'
  // Section 3.1.1: neither names nor dates matter for DANE-EE.
  if (records.some((record) => record.usage === DANE_EE && matches(leaf, record))) return undefined
  const anchors = records.filter(({ usage }) => usage === DANE_TA)
  if (!hasAnchor(chain, anchors, now)) return 'the certificate does not match the TLSA records'
  return names.some((name) => leaf.checkHost(name) !== undefined) ? undefined : `the certificate is not for ${names[0]}`
}

function chainOf(socket: TLSSocket): X509Certificate[] {
  const chain: X509Certificate[] = []
  let next = socket.getPeerCertificate(true)
  while (next?.raw && chain.length < MAX_CHAIN) {
    chain.push(new X509Certificate(next.raw))
    if (next.issuerCertificate === next) break
    next = next.issuerCertificate
  }
  return chain
}

function matches(certificate: X509Certificate, { selector, matchingType, certificate: wanted }: Tlsa): boolean {
  const data = selector === 0 ? certificate.raw : certificate.publicKey.export({ type: 'spki', format: 'der' })
  const octets =
    matchingType === 0
      ? data
      : createHash(matchingType === 1 ? 'sha256' : 'sha512')
          .update(data)
          .digest()
  return octets.equals(wanted)
}

/** Section 3.1.2: whether the chain leads from the server's certificate to one that a record names. */
function hasAnchor(chain: readonly X509Certificate[], anchors: readonly Tlsa[], now: number): boolean {
  const isValid = ({ validFrom, validTo }: X509Certificate) =>
    Date.parse(validFrom) <= now && now <= Date.parse(validTo)
  const whole = anchors.flatMap(anchorOf)
  for (const [depth, certificate] of chain.entries()) {
    if (!isValid(certificate)) return false
    const issuers = [...chain.slice(depth + 1, depth + 2), ...whole].filter(
      (issuer) =>
        mayIssue(issuer, depth) &&
        certificate.checkIssued(issuer) &&
        certificate.verify(issuer.publicKey) &&
        isValid(issuer),
    )
    if (issuers.some((issuer) => anchors.some((anchor) => matches(issuer, anchor)))) return true
    if (issuers.length === 0) return false
  }
  return false
}

/** RFC 7671 section 5.2.2: a record with a whole certificate anchors a chain that lacks it. */
function anchorOf({ selector, matchingType, certificate }: Tlsa): X509Certificate[] {
  if (selector !== 0 || matchingType !== 0) return []
  try {
    return [new X509Certificate(certificate)]
  } catch {
    return []
  }
}

/** Extensions by the DER of their ids: basicConstraints (2.5.29.19) and nameConstraints (2.5.29.30). */
const BASIC_CONSTRAINTS = Buffer.from('0603551d13', 'hex')
const NAME_CONSTRAINTS = Buffer.from('0603551d1e', 'hex')
/** cA and pathLenConstraint, after the optional mark "critical". */
const PATH_LENGTH = /^0603551d13(?:0101ff)?04..30060101ff0201(..)/

/**
 * Whether it is an authority that may have so many others below it. One with name constraints is refused, because they
 * cannot be checked here.
 */
function mayIssue({ ca, raw }: X509Certificate, below: number): boolean {
  const at = raw.indexOf(BASIC_CONSTRAINTS)
  const [, limit] = PATH_LENGTH.exec(raw.subarray(at, at + 32).toString('hex')) ?? []
  return ca && raw.indexOf(NAME_CONSTRAINTS) < 0 && (limit === undefined || below <= Number.parseInt(limit, 16))
}
