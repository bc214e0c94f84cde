/**
 * Requests to URLs from remote parties, such as push endpoints and images: only to public addresses.
 *
 * Invariants: the address that was checked is the one that is connected to; redirects are not followed; size and time
 * are bounded.
 */
import { request as requestPlain } from 'node:http'
import { request as requestSecure } from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import { both, type Dns, inNetworks } from 'iems'

/** Everything but global unicast addresses (IANA special-purpose registries). */
const isSpecial = inNetworks([
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/3',
])
const isGlobal6 = inNetworks(['2000::/3'])
const isSpecial6 = inNetworks(['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'])

/** Whether an address belongs to the public Internet. */
export function isPublicAddress(address: string): boolean {
  if (isIP(address) === 4) return !isSpecial(address)
  return isIP(address) === 6 && isGlobal6(address) && !isSpecial6(address)
}

export interface OutgoingRequest {
  readonly url: string
  readonly method?: 'GET' | 'POST'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  /** Octets of the answer that are read; more is an error. */
  readonly maxAnswer: number
  /** ms for the whole request. */
  readonly timeout: number
  /** Networks that may be asked though they are not public; they need no TLS. */
  readonly allow?: readonly string[]
}

export interface OutgoingAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
}

/** Throws for an address that is not public, for a redirection of more than `maxAnswer`, and when time is up. */
export function requestPublic(given: OutgoingRequest, dns: Dns): Promise<OutgoingAnswer> {
  const url = new URL(given.url)
  const isAllowed = inNetworks(given.allow ?? [])
  const mayReach = (address: string) => isPublicAddress(address) || isAllowed(address)
  const host = url.hostname.replace(/^\[|\]$/g, '')
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isAllowed(host)))
    return Promise.reject(new Error('only https is allowed'))
  if (isIP(host) && !mayReach(host)) return Promise.reject(new Error(`${host} is no public address`))
  const send = url.protocol === 'https:' ? requestSecure : requestPlain
  return new Promise((resolve, reject) => {
    const request = send(
      url,
      {
        method: given.method ?? 'GET',
        headers: { ...given.headers },
        lookup: guardedLookup(dns, mayReach),
        signal: AbortSignal.timeout(given.timeout),
        agent: false,
      },
      (response) => {
        const chunks: Buffer[] = []
        let size = 0
        response.on('data', (chunk: Buffer) => {
          size += chunk.length
          chunks.push(chunk)
          if (size > given.maxAnswer) response.destroy(new Error(`the answer has more than ${given.maxAnswer} octets`))
        })
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
        )
        response.on('error', reject)
      },
    )
    request.on('error', reject)
    request.end(given.body)
  })
}

/** Only addresses that may be reached come out of it, so that no second answer of the DNS leads elsewhere. */
function guardedLookup(dns: Dns, mayReach: (address: string) => boolean): LookupFunction {
  async function look(hostname: string): Promise<readonly string[]> {
    const answer = both(await Promise.all([dns.ask(hostname, 'A'), dns.ask(hostname, 'AAAA')]))
    return answer.kind === 'found' ? answer.records.filter(mayReach) : []
  }
  return (hostname, options, done) => {
    void look(hostname).then((addresses) => {
      const found = addresses.map((address) => ({ address, family: isIP(address) }))
      const [first] = found
      if (!first) {
        const fault = Object.assign(new Error(`${hostname} has no public address`), { code: 'EADDRNOTAVAIL' })
        done(fault, '', 0)
      } else if (options.all) done(null, found)
      else done(null, first.address, first.family)
    })
  }
}
