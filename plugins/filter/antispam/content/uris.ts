/**
 * Domains and addresses of the URLs in a message.
 *
 * Invariants: linear time; a limited number is examined, from both ends of the message, so that decoys at the top hide
 * nothing below.
 */
import { isIPv4 } from 'node:net'
import { isHostName, registeredDomain } from '../dns/names.ts'

/** The text after a scheme, or a www host, up to the path. */
const HOST = /(?:\bhttps?:|["'=(\s])\/\/([^\s/<>"'()?#\\]{1,300})|\b(www\.[^\s/<>"'()?#\\:]{1,250})/gi
/** Maximum URLs of a message before deduplication. */
const MOST = 2_000

export function urisOf(texts: readonly string[], most: number): string[] {
  if (most === 0) return []
  const hosts = new Set<string>()
  let seen = 0
  for (const text of texts) {
    for (const [, after, www] of text.matchAll(HOST)) {
      if (++seen > MOST) break
      hosts.add((after ?? www ?? '').toLowerCase())
    }
  }
  const found = new Set<string>()
  for (const host of hosts) {
    const domain = domainOf(host)
    if (domain !== undefined) found.add(domain)
  }
  const all = [...found]
  if (all.length <= most) return all
  const first = Math.ceil(most / 2)
  return [...all.slice(0, first), ...(most > first ? all.slice(first - most) : [])]
}

/** As a browser reads it: without user and port, with percent-encoding and numbers decoded. */
function domainOf(host: string): string | undefined {
  const url = URL.parse(`http://${host}/`)
  if (!url) return undefined
  const name = url.hostname.replace(/\.$/, '')
  if (isIPv4(name)) return name
  return isHostName(name) ? registeredDomain(name) : undefined
}
