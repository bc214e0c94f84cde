/**
 * The client's address and origin of a request, also behind trusted proxies, and whether a page of this server sent it.
 *
 * Invariants: forwarding headers are accepted only from trusted proxies; a state-changing request with a cookie is
 * refused unless the browser reports that a page of this server sent it.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { isIP } from 'node:net'

export interface Peer {
  readonly address: string
  readonly isSecure: boolean
}

export interface Origin {
  /** The client's address. */
  readonly remote: string
  readonly isSecure: boolean
  /** `https://mail.example.org`. */
  readonly origin: string
}

const MAX_HOPS = 20
const HOST = /^(?:[a-z0-9._-]{1,255}|\[[0-9a-f:.]{2,45}\])(?::\d{1,5})?$/i

const one = (value: string | readonly string[] | undefined): string | undefined =>
  typeof value === 'string' ? value : value?.[0]

/** The hops of `X-Forwarded-For`, or of `Forwarded` (RFC 7239), the nearest one last. */
function hopsOf(headers: IncomingHttpHeaders): readonly string[] {
  const given = one(headers['x-forwarded-for'])
  const hops =
    given === undefined
      ? (one(headers.forwarded) ?? '').split(',').map((part) => /(?:^|;)\s*for="?([^";]*)/i.exec(part)?.[1] ?? '')
      : given.split(',')
  return hops.slice(-MAX_HOPS).map(addressOf)
}

/** The address of a hop, which may have a port and brackets. */
function addressOf(hop: string): string {
  const text = hop.trim()
  const inBrackets = /^\[([^\]]*)\]/.exec(text)?.[1]
  if (inBrackets !== undefined) return inBrackets
  return isIP(text) ? text : (text.split(':')[0] ?? '')
}

/** Undefined when the Host header is missing or is none. */
export function originOf(
  headers: IncomingHttpHeaders,
  peer: Peer,
  isProxy: (address: string) => boolean,
): Origin | undefined {
  let { address: remote, isSecure } = peer
  let host = one(headers[':authority']) ?? headers.host
  if (isProxy(remote)) {
    for (const hop of hopsOf(headers).toReversed()) {
      if (!isIP(hop)) break
      remote = hop
      if (!isProxy(hop)) break
    }
    const scheme = one(headers['x-forwarded-proto']) ?? /proto="?([a-z]+)/i.exec(one(headers.forwarded) ?? '')?.[1]
    isSecure = scheme === undefined ? isSecure : scheme.trim().toLowerCase() === 'https'
    host = one(headers['x-forwarded-host']) ?? host
  }
  if (host === undefined || !HOST.test(host)) return undefined
  return { remote, isSecure, origin: `${isSecure ? 'https' : 'http'}://${host.toLowerCase()}` }
}

/** Whether a browser sent the request for a page of this server, or of an origin that may use it. */
export function isSameOrigin(headers: IncomingHttpHeaders, own: string, allowed: readonly string[]): boolean {
  const origin = one(headers.origin)
  const site = one(headers['sec-fetch-site'])
  // A form on a page without referrers is sent with the origin `null` (Fetch, section 3.2).
  if (origin === 'null') return site === 'same-origin'
  if (origin !== undefined) return origin === own || allowed.includes(origin)
  return site === 'same-origin' || site === 'none'
}
