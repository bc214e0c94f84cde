/**
 * Domains and addresses of the pages that a message points to.
 *
 * What must stay true: linear time; however many there are, so many are looked at and no more, from both ends of the
 * message, so that decoys at its top hide nothing below.
 */
import { isIPv4 } from 'node:net'
import { isHostName, registeredDomain } from '../dns/names.ts'

/** What follows a scheme or begins a page's name, up to the path. */
const HOST = /(?:\bhttps?:|["'=(\s])\/\/([^\s/<>"'()?#\\]{1,300})|\b(www\.[^\s/<>"'()?#\\:]{1,250})/gi
/** Pages of one message that are looked at before equal domains are taken together. */
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

/** As a browser would read it: without user and port, percent signs and numbers undone. */
function domainOf(host: string): string | undefined {
  const url = URL.parse(`http://${host}/`)
  if (!url) return undefined
  const name = url.hostname.replace(/\.$/, '')
  if (isIPv4(name)) return name
  return isHostName(name) ? registeredDomain(name) : undefined
}
