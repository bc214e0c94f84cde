/**
 * IP addresses as text: canonical form, reversed form, and loopback (RFC 1122 section 3.2.1.3, RFC 4291 section 2.5).
 *
 * Invariants: all spellings of an address are equal; IPv4 wrapped in IPv6 is IPv4; other text is never taken for an
 * address.
 */
import { isIP, isIPv4 } from 'node:net'

/** The 16-bit groups of an IPv6 address. */
export function groupsOf(address: string): number[] {
  const tail = /(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(address)
  const whole = tail
    ? `${address.slice(0, tail.index)}${((Number(tail[1]) << 8) | Number(tail[2])).toString(16)}:${((Number(tail[3]) << 8) | Number(tail[4])).toString(16)}`
    : address
  const [before = '', after] = whole.split('::')
  const groups = (text = '') => (text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16)))
  const [first, last] = [groups(before), groups(after)]
  return after === undefined ? first : [...first, ...new Array(8 - first.length - last.length).fill(0), ...last]
}

/** The address without a zone, and as IPv4 when an IPv6 address wraps one (mapped, compatible, NAT64). */
export function plainAddress(address: string): string {
  const bare = address.replace(/%[\s\S]*/, '')
  if (isIP(bare) !== 6) return bare
  const groups = groupsOf(bare)
  const [high = 0, low = 0] = groups.slice(6)
  const prefix = groups.slice(0, 6).join(':')
  const isMapped = prefix === '0:0:0:0:0:65535'
  const isNat64 = prefix === `${0x64}:${0xff9b}:0:0:0:0`
  // `::` and `::1` look like compatible addresses but are not.
  const isCompatible = prefix === '0:0:0:0:0:0' && (high !== 0 || low > 1)
  return isMapped || isNat64 || isCompatible ? [high >> 8, high & 255, low >> 8, low & 255].join('.') : bare
}

/** The labels of an address reversed, as in in-addr.arpa, ip6.arpa and DNS lists; undefined for other text. */
export function reversed(address: string): string | undefined {
  if (isIPv4(address)) return address.split('.').reverse().join('.')
  if (isIP(address) === 0) return undefined
  const hex = groupsOf(address.replace(/%[\s\S]*/, '')).map((group) => group.toString(16).padStart(4, '0'))
  return [...hex.join('')].reverse().join('.')
}

/** Whether an address denotes the local host, whatever its interfaces are: 0/8, 127/8, `::`, `::1`. */
export function isLoopback(address: string): boolean {
  const plain = plainAddress(address)
  if (isIPv4(plain)) return plain.startsWith('127.') || plain.startsWith('0.')
  if (isIP(plain) === 0) return false
  const groups = groupsOf(plain)
  return groups.slice(0, 7).every((group) => group === 0) && (groups[7] ?? 2) <= 1
}
