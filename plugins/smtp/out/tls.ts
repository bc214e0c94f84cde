/**
 * How a connection to a next hop is to be protected: the admin's setting, the domain's MTA-STS policy, REQUIRETLS.
 *
 * What must stay true: the admin's word for a single next hop stands above the domain's; a policy never lowers what the
 * channel demands; `verified` means a certificate that is valid for the host's name.
 */
import { isIP } from 'node:net'
import type { ConnectionOptions, SecureContext } from 'node:tls'
import { type Delivery, defer, refuse } from 'iems'
import { type FindPolicy, matchMx } from './mta-sts.ts'
import type { Nexthop } from './nexthop.ts'
import type { TlsMode } from './options.ts'

export interface TlsPolicy {
  readonly mode: TlsMode
  /** RFC 8689: the server must promise it too. */
  readonly requireTls: boolean
  /** The hosts that MTA-STS allows; all if absent. */
  readonly accepts?: (host: string) => boolean
  /** Connections of equal policies to the same next hop can stand in for each other. */
  readonly key: string
}

export interface TlsSettings {
  readonly mode: TlsMode
  readonly perNexthop: Readonly<Record<string, TlsMode>>
  /** Undefined when MTA-STS is not heeded. */
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
/** RFC 8689 section 4.2.1: without DNSSEC, only MTA-STS or the admin says which servers are a domain's own. */
const UNVOUCHED: TlsPolicy = { ...REQUIRE_TLS, accepts: () => false }

/** RFC 8689 section 5: the sender would rather have it delivered than protected. */
function waivesTls({ headers }: Delivery): boolean {
  return headers.get('TLS-Required').some((value) => value.trim().toLowerCase() === 'no')
}

/** What Node is told for a handshake with this host. */
export function handshakeOptions(host: string, { mode }: TlsPolicy, secureContext: SecureContext): ConnectionOptions {
  const name = host.replace(/^\[(?:ipv6:)?(.*)\]$/i, '$1')
  return {
    // The name is checked as it stands here, also where it is an address.
    host: name,
    ...(isIP(name) ? {} : { servername: name }),
    rejectUnauthorized: mode === 'verified',
    secureContext,
  }
}

/**
 * What to say of servers that do not give the protection demanded. RFC 8689 section 4.2.1: what the sender forbade to
 * send otherwise is returned rather than kept.
 */
export function insecure({ requireTls }: TlsPolicy, enhanced: '4.7.4' | '4.7.5', text: string) {
  const refusal = refuse(550, '5.7.30', 'REQUIRETLS is not supported by the next server')
  return requireTls
    ? ({ status: 'failed', reply: refusal.reply } as const)
    : ({ status: 'deferred', reply: defer(451, enhanced, text).reply } as const)
}
