/**
 * The TLS policy of a connection to a next hop: configuration, DANE, the domain's MTA-STS policy, REQUIRETLS.
 *
 * Invariants: the configuration for a single next hop overrides the domain's policy; a policy never weakens the
 * channel's requirement; `verified` means a certificate valid for the host's name; TLSA records of a host take the place
 * of every other check of its certificate, and nothing outweighs their failure (RFC 8461 section 2).
 */
import { isIP } from 'node:net'
import type { ConnectionOptions, SecureContext } from 'node:tls'
import { type Delivery, defer, refuse } from 'iems'
import type { Dane } from './dane.ts'
import { type FindPolicy, matchMx, type StsPolicy } from './mta-sts.ts'
import type { Nexthop } from './nexthop.ts'
import type { TlsMode } from './options.ts'

export interface TlsPolicy {
  /** `dane`: the certificate must match the host's TLSA records. */
  readonly mode: TlsMode | 'dane'
  /** RFC 8689: the server must support it too. */
  readonly requireTls: boolean
  /** Hosts that MTA-STS or REQUIRETLS allows; all if absent. `isSecure`: DNSSEC protects the domain's MX records. */
  readonly accepts?: (host: string, isSecure: boolean) => boolean
  /** Heed TLSA records of hosts. */
  readonly dane: boolean
  /** The domain's MTA-STS policy, even if it only tests. */
  readonly sts?: StsPolicy
  /** Connections of equal policies to the same next hop are interchangeable. */
  readonly key: string
}

export interface TlsSettings {
  readonly mode: TlsMode
  readonly perNexthop: Readonly<Record<string, TlsMode>>
  /** Undefined when MTA-STS is off. */
  readonly findPolicy: FindPolicy | undefined
  readonly dane: boolean
}

export type DecideTls = (nexthop: Nexthop, delivery: Delivery) => TlsPolicy | Promise<TlsPolicy>

export function createDecideTls({ mode, perNexthop, findPolicy, dane }: TlsSettings): DecideTls {
  const perName = new Map(Object.entries(perNexthop).map(([name, one]) => [name.toLowerCase(), one]))
  const plain: Readonly<Record<TlsMode, TlsPolicy>> = {
    off: policy('off'),
    opportunistic: policy('opportunistic'),
    required: policy('required'),
    verified: policy('verified'),
  }
  // The administrator's own choice of certificates stands.
  const usual = dane && (mode === 'opportunistic' || mode === 'required') ? withDane(plain[mode]) : plain[mode]
  const requireTlsHere = dane ? withDane(REQUIRE_TLS) : REQUIRE_TLS
  const unvouched = { ...requireTlsHere, accepts: (_: string, isSecure: boolean) => dane && isSecure }

  async function decide(domain: string, findPolicy: FindPolicy, delivery: Delivery): Promise<TlsPolicy> {
    const sts = await findPolicy(domain)
    if (delivery.message.parameters.requireTls)
      return sts && sts.mode !== 'none' ? { ...requireTlsHere, accepts: matchMx(sts.mx), sts } : unvouched
    if (waivesTls(delivery)) return plain[mode]
    if (sts?.mode !== 'enforce') return sts?.mode === 'testing' ? { ...usual, sts } : usual
    return { mode: 'verified', requireTls: false, dane, sts, accepts: matchMx(sts.mx), key: `sts ${sts.mx.join(' ')}` }
  }

  return (nexthop, delivery) => {
    const { requireTls = false } = delivery.message.parameters
    const name = nexthop.kind === 'socket' ? nexthop.path : nexthop.name
    const given = perName.get(delivery.route.nexthop) ?? perName.get(name)
    if (given !== undefined) return requireTls ? REQUIRE_TLS : plain[given]
    const own = waivesTls(delivery) ? plain[mode] : usual
    if (nexthop.kind !== 'domain') return requireTls ? requireTlsHere : own
    if (findPolicy && (requireTls || mode !== 'off')) return decide(name, findPolicy, delivery)
    return requireTls ? unvouched : own
  }
}

function policy(mode: TlsMode): TlsPolicy {
  return { mode, requireTls: false, dane: false, key: mode }
}
const withDane = (one: TlsPolicy): TlsPolicy => ({ ...one, dane: true, key: `${one.key} dane` })
/** RFC 8689 section 4.2.1: DNSSEC, MTA-STS or the configuration must establish a domain's servers. */
const REQUIRE_TLS: TlsPolicy = { mode: 'verified', requireTls: true, dane: false, key: 'requiretls' }

/** The policy for one host: its TLSA records decide, if they are heeded and there are any. */
export function policyFor(policy: TlsPolicy, dane: Dane | undefined): TlsPolicy {
  if (!dane) return policy
  // RFC 7672 section 2.2: with unusable records alone, TLS is required and the certificate is not checked.
  if (dane.records.length === 0) return policy.mode === 'verified' ? policy : { ...policy, mode: 'required' }
  return { ...policy, mode: 'dane' }
}

/** RFC 8689 section 5: the sender prefers delivery over protection. */
function waivesTls({ headers }: Delivery): boolean {
  return headers.get('TLS-Required').some((value) => value.trim().toLowerCase() === 'no')
}

/** TLS options of Node for a handshake with this host. */
export function handshakeOptions(
  { host: given, dane }: { readonly host: string; readonly dane?: Dane },
  { mode }: TlsPolicy,
  secureContext: SecureContext,
): ConnectionOptions {
  // RFC 7672 section 8.1: SNI names the TLSA base domain.
  const host = mode === 'dane' && dane ? dane.names[0] : given
  const name = host.replace(/^\[(?:ipv6:)?(.*)\]$/i, '$1')
  return {
    // Node verifies this name, even if it is an address.
    host: name,
    ...(isIP(name) ? {} : { servername: name }),
    rejectUnauthorized: mode === 'verified',
    secureContext,
  }
}

/**
 * The outcome when no server provides the required protection. RFC 8689 section 4.2.1: REQUIRETLS mail is returned
 * rather than queued.
 */
export function insecure({ requireTls }: TlsPolicy, enhanced: '4.7.4' | '4.7.5', text: string) {
  const refusal = refuse(550, '5.7.30', 'REQUIRETLS is not supported by the next server')
  return requireTls
    ? ({ status: 'failed', reply: refusal.reply } as const)
    : ({ status: 'deferred', reply: defer(451, enhanced, text).reply } as const)
}
