/**
 * Names and networks in the DNS: reversed addresses, registered domains, host names.
 */
import { isIP, isIPv4 } from 'node:net'
import { groupsOf } from 'iems'

export { groupsOf, plainAddress, reversed } from 'iems'

/** An address's network, for counting and greylisting. */
export function networkOf(address: string, bits: { readonly ipv4: number; readonly ipv6: number }): string {
  if (isIPv4(address)) return `${masked(address.split('.').map(Number), 8, bits.ipv4).join('.')}/${bits.ipv4}`
  if (isIP(address) === 0) return address
  const groups = masked(groupsOf(address), 16, bits.ipv6)
  return `${groups.map((group) => group.toString(16)).join(':')}/${bits.ipv6}`
}

function masked(parts: readonly number[], width: number, bits: number): number[] {
  return parts.map((part, index) => {
    const kept = Math.max(0, Math.min(width, bits - index * width))
    return part & (((1 << kept) - 1) << (width - kept))
  })
}

/** Whether an address is not public and therefore never listed. */
export function isInternal(address: string): boolean {
  return /^(?:0|10|127)\.|^192\.168\.|^172\.(?:1[6-9]|2\d|3[01])\.|^169\.254\.|^100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|^::1?$|^f[cd]|^fe[89ab]/i.test(
    address,
  )
}

const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?$/i

/** Two or more labels, the last of which is not a number. */
export function isHostName(name: string): boolean {
  const labels = name.replace(/\.$/, '').split('.')
  return (
    name.length <= 253 &&
    labels.length >= 2 &&
    labels.every((one) => LABEL.test(one)) &&
    !/^\d+$/.test(labels.at(-1) ?? '')
  )
}

/** Second-level domains below which registries register. */
const SECOND = new Set(
  'ac asn biz co com conf ed edu gen go gob gouv gov gv id info int ltd me mil mod muni ne net nhs nic nom or org plc police pro sch web'.split(
    ' ',
  ),
)

/**
 * The registered domain of a host name, by a heuristic instead of the public suffix list: three labels below a
 * country's com, co, org and so on, otherwise two.
 */
export function registeredDomain(name: string): string {
  const labels = name.toLowerCase().replace(/\.$/, '').split('.')
  const [top = '', second = ''] = labels.toReversed()
  return labels.slice(top.length === 2 && SECOND.has(second) ? -3 : -2).join('.')
}
