/**
 * The TLS policy of a connection to a next hop: configuration, the domain's MTA-STS policy, REQUIRETLS.
 *
 * Invariants: the configuration for a single next hop overrides the domain's policy; a policy never weakens the
 * channel's requirement; `verified` means a certificate valid for the host's name.
 */
import { isIP } from 'node:net'
import type { ConnectionOptions, SecureContext } from 'node:tls'
import { type Delivery, defer, refuse } from 'iems'
import { type FindPolicy, matchMx } from './mta-sts.ts'
import type { Nexthop } from './nexthop.ts'
import type { TlsMode } from './options.ts'

export interface TlsPolicy {
  readonly mode: TlsMode
  /** RFC 8689: the server must support it too. */
  readonly requireTls: boolean
  /** Hosts that MTA-STS allows; all if absent. */
  readonly accepts?: (host: string) => boolean
  /** Connections of equal policies to the same next hop are interchangeable. */
  readonly key: string
}

export interface TlsSettings {
  readonly mode: TlsMode
  readonly perNexthop: Readonly<Record<string, TlsMode>>
  /** Undefined when MTA-STS is off. */
  readonly findPolicy: FindPolicy | undefined
}

export type DecideTls = (nexthop: Nexthop, delivery: Delivery) => TlsPolicy | Promise<TlsPolicy>

export function createDecideTls({ mode, perNexthop, findPolicy }: TlsSettings): DecideTls {
  const perName = new Map(Object.entries(perNexthop).map(([name, one]) => [name.toLowerCase(), one]))
  const plain: Readonly<Record<TlsMode, TlsPolicy>> = {
    off: policy('off'),
    opportunistic: policy('opportunistic'),
    required: policy('required'),
    verified: policy('verified'),
  }

  async function decide(domain: string, findPolicy: FindPolicy, delivery: Delivery): Promise<TlsPolicy> {
    const sts = await findPolicy(domain)
    if (delivery.message.parameters.requireTls)
      return sts && sts.mode !== 'none' ? { ...REQUIRE_TLS, accepts: matchMx(sts.mx) } : UNVOUCHED
    if (sts?.mode !== 'enforce' || waivesTls(delivery)) return plain[mode]
    return { mode: 'verified', requireTls: false, accepts: matchMx(sts.mx), key: `sts ${sts.mx.join(' ')}` }
  }

  return (nexthop, delivery) => {
    const { requireTls = false } = delivery.message.parameters
    const name = nexthop.kind === 'socket' ? nexthop.path : nexthop.name
    const given = perName.get(delivery.route.nexthop) ?? perName.get(name)
    if (given !== undefined || nexthop.kind !== 'domain') return requireTls ? REQUIRE_TLS : plain[given ?? mode]
    if (findPolicy && (requireTls || mode !== 'off')) return decide(name, findPolicy, delivery)
    return requireTls ? UNVOUCHED : plain[mode]
  }
}

function policy(mode: TlsMode): TlsPolicy {
  return { mode, requireTls: false, key: mode }
}
const REQUIRE_TLS: TlsPolicy = { mode: 'verified', requireTls: true, key: 'requiretls' }
/** RFC 8689 section 4.2.1: without DNSSEC, only MTA-STS or the configuration establishes a domain's servers. */
const UNVOUCHED: TlsPolicy = { ...REQUIRE_TLS, accepts: () => false }

/** RFC 8689 section 5: the sender prefers delivery over protection. */
function waivesTls({ headers }: Delivery): boolean {
  return headers.get('TLS-Required').some((value) => value.trim().toLowerCase() === 'no')
}

/** TLS options of Node for a handshake with this host. */
export function handshakeOptions(host: string, { mode }: TlsPolicy, secureContext: SecureContext): ConnectionOptions {
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
