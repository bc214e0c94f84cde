/**
 * The servers of a next hop, in order (RFC 5321 section 5.1, RFC 7505).
 *
 * Invariants: MX records never lead mail back to this host; a DNS failure is never taken for "no such domain"; the
 * number of servers is bounded for any zone.
 */
import { isIP, isIPv6 } from 'node:net'
import { both, type Dns, type DnsAnswer, defer, refuse } from 'iems'
import { type Dane, type FoundDane, findDane } from './dane.ts'
import type { Nexthop } from './nexthop.ts'
import type { ServerFailure } from './outcomes.ts'
import { insecure, type TlsPolicy } from './tls.ts'

export type Family = 'ipv4' | 'ipv6'

/** One address of one host. */
export interface Server {
  readonly host: string
  /** An IP address, or the path of a socket. */
  readonly address: string
  readonly port?: number
  /** The domain whose MX record names it. */
  readonly domain?: string
  /** Its TLSA records, if the policy heeds them and there are any. */
  readonly dane?: Dane
}

export interface MxSettings {
  readonly dns: Dns
  readonly hostname: string
  /** Its own name, if different. */
  readonly helo?: string | undefined
  readonly port: number
  readonly families: readonly Family[]
  readonly isOwn: (address: string) => boolean
  /** The administrator configured the next hop, so it may be this host. */
  readonly isChosen: boolean
  readonly mxHosts: number
  /** From 0 to 1, for servers of equal preference. */
  readonly chance: () => number
}

export type FindServers = (nexthop: Nexthop, policy: TlsPolicy) => Promise<readonly Server[] | ServerFailure>

interface MxRecord {
  readonly exchange: string
  readonly priority: number
}

interface Host {
  readonly name: string
  readonly priority: number
  readonly answer: DnsAnswer<string>
  readonly dane?: FoundDane
}

const RECORD_LIMIT = 50
const ADDRESSES_PER_HOST = 4

export function createFindServers(settings: MxSettings): FindServers {
  const { dns, port, families, isOwn, mxHosts } = settings
  const ownNames = [settings.hostname, settings.helo ?? settings.hostname].map((name) => name.toLowerCase())

  async function ofHost(
    name: string,
    givenPort: number | undefined,
    policy: TlsPolicy,
  ): Promise<readonly Server[] | ServerFailure> {
    if (isIP(name)) {
      if (!settings.isChosen && givenPort === undefined && isOwn(name)) return LOOP
      return [{ host: `[${isIPv6(name) ? 'IPv6:' : ''}${name}]`, address: name, port: givenPort ?? port }]
    }
    const answer = await dns.host(name)
    if (answer.kind === 'unavailable') return UNCLEAR
    const dane = policy.dane ? await daneOf(dns, { name, answer }, { port: givenPort ?? port, domain: name }) : 'none'
    if (dane === 'unavailable') return NO_TLSA
    const servers = serversOf({ name, answer, dane }, givenPort ?? port)
    // The administrator configured it, so its absence is an error they can correct.
    return servers.length > 0 ? servers : HOST_UNKNOWN
  }

  async function ofDomain(domain: string, policy: TlsPolicy): Promise<readonly Server[] | ServerFailure> {
    const answer = await dns.ask(domain, 'MX')
    if (answer.kind === 'unavailable') return UNCLEAR
    if (answer.kind === 'absent' && !answer.isName) return NO_DOMAIN
    // RFC 5321 section 5.1: a domain without MX is its own server.
    const records = answer.kind === 'found' ? answer.records : [{ exchange: domain, priority: 0 }]
    if (records.length === 1 && isNull(records[0])) return NULL_MX
    const sorted = shuffled(records.filter((record) => !isNull(record)).slice(0, RECORD_LIMIT), settings.chance)
    const hosts = await Promise.all(sorted.map((record) => hostOf(dns, record, families)))
    const own = hosts.find(
      ({ name, answer }) => ownNames.includes(name) || (answer.kind === 'found' && answer.records.some(isOwn)),
    )
    // Servers with no better preference than this host may be waiting for this host.
    const better = own ? hosts.filter(({ priority }) => priority < own.priority) : hosts
    if (own && better.length === 0) return LOOP
    const isSecure = answer.kind === 'found' && answer.isAuthenticated
    const known = policy.dane
      ? await Promise.all(better.map(async (host) => ({ ...host, dane: await daneOf(dns, host, { port, domain }) })))
      : better
    const { accepts } = policy
    const allowed = accepts
      ? known.filter((one) => (isSecure && hasRecords(one)) || accepts(one.name, isSecure))
      : known
    return allowed.length === 0 && better.length > 0
      ? { ...insecure(policy, '4.7.5', NOT_IN_POLICY), reached: true }
      : usable(allowed, domain)
  }

  function usable(hosts: readonly Host[], domain: string): readonly Server[] | ServerFailure {
    const found = hosts.filter(({ answer }) => answer.kind === 'found').slice(0, mxHosts)
    if (found.length === 0) return hosts.some(({ answer }) => answer.kind === 'unavailable') ? UNCLEAR : NO_HOST
    // RFC 7672 section 2.2: a host whose records cannot be looked up is treated as unreachable.
    const clear = found.filter(({ dane }) => dane !== 'unavailable')
    return clear.length === 0
      ? NO_TLSA
      : clear.flatMap((host) => serversOf(host, port).map((one) => ({ ...one, domain })))
  }

  /** The addresses of a host, alternating between families, so that an unreachable family costs one timeout. */
  function serversOf({ name: host, answer, dane }: Omit<Host, 'priority'>, port: number): Server[] {
    const addresses = answer.kind === 'found' ? answer.records : []
    const byFamily = families.map((family) => {
      const own = addresses.filter((address) => isIPv6(address) === (family === 'ipv6'))
      return shuffled(
        own.map((address) => ({ address, priority: 0 })),
        settings.chance,
      )
    })
    const turns = addresses.flatMap((_, turn) => byFamily.flatMap((own) => own[turn]?.address ?? []))
    const found = typeof dane === 'object' ? { dane } : {}
    return turns.slice(0, ADDRESSES_PER_HOST).map((address) => ({ host, address, port, ...found }))
  }

  return async (nexthop, policy) => {
    if (nexthop.kind === 'socket') return [{ host: 'localhost', address: nexthop.path }]
    return nexthop.kind === 'host' ? ofHost(nexthop.name, nexthop.port, policy) : ofDomain(nexthop.name, policy)
  }
}

async function hostOf(dns: Dns, { exchange, priority }: MxRecord, families: readonly Family[]): Promise<Host> {
  const name = exchange.toLowerCase().replace(/\.$/, '')
  const types = families.map((family) => dns.ask(name, family === 'ipv4' ? 'A' : 'AAAA'))
  return { name, priority, answer: both(await Promise.all(types)) }
}

function daneOf(
  dns: Dns,
  { name: host, answer: addresses }: Pick<Host, 'name' | 'answer'>,
  where: { readonly port: number; readonly domain: string },
): Promise<FoundDane> | FoundDane {
  return addresses.kind === 'found' ? findDane(dns, { host, addresses, ...where }) : 'none'
}

function trouble(refusal: ReturnType<typeof refuse>, status: ServerFailure['status']): ServerFailure {
  return { status, reply: refusal.reply, reached: true }
}
const UNCLEAR = trouble(defer(451, '4.4.3', 'The name servers of the destination do not answer'), 'deferred')
const NO_TLSA = trouble(defer(451, '4.7.5', 'The TLSA records of the destination cannot be looked up'), 'deferred')
const NO_DOMAIN = trouble(refuse(550, '5.1.2', 'The domain does not exist'), 'failed')
const NO_HOST = trouble(refuse(550, '5.4.4', 'The domain has no server for mail'), 'failed')
const HOST_UNKNOWN = trouble(defer(451, '4.4.4', 'The next hop has no address'), 'deferred')
const NULL_MX = trouble(refuse(556, '5.1.10', 'The domain does not accept mail'), 'failed')
const NOT_IN_POLICY = 'No server of the domain is in its MTA-STS policy'
const LOOP = trouble(refuse(554, '5.4.6', 'Mail for this domain loops back to this server'), 'failed')

const hasRecords = ({ dane }: Host) => typeof dane === 'object' && dane.records.length > 0

/** RFC 7505: the root domain. */
function isNull(record: MxRecord | undefined): boolean {
  return record?.exchange === ''
}

/** By preference; in random order among equals, to share the load. */
function shuffled<T extends { readonly priority: number }>(records: readonly T[], chance: () => number): T[] {
  const drawn = records.map((record) => ({ record, lot: chance() }))
  return drawn.sort((a, b) => a.record.priority - b.record.priority || a.lot - b.lot).map(({ record }) => record)
}
