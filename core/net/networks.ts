/**
 * Sets of addresses as administrators write them: `127.0.0.1`, `10.0.0.0/8`, `fd00::/8`.
 */
import { BlockList, isIP } from 'node:net'
import * as z from 'zod'

/** One address or network. */
export const network = () =>
  z.string().refine(isNetwork, { error: "must be an address or a network such as '10.0.0.0/8' or 'fd00::/8'" })

function isNetwork(text: string): boolean {
  const [address = '', bits, rest] = text.split('/')
  const most = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1
  return rest === undefined && most >= 0 && (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= most))
}

/** Returns a predicate for addresses; IPv4 addresses in IPv6 form equal their IPv4 form. */
export function inNetworks(networks: readonly string[]): (address: string) => boolean {
  const list = new BlockList()
  for (const text of networks) {
    const [address = '', bits] = text.split('/')
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
    list.addSubnet(address, Number(bits ?? (family === 'ipv6' ? 128 : 32)), family)
  }
  return (address) => {
    const family = isIP(address)
    return family !== 0 && list.check(address, family === 6 ? 'ipv6' : 'ipv4')
  }
}
