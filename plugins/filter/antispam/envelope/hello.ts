/**
 * Checks the name in HELO or EHLO against that of a proper mail server (RFC 5321 section 4.1.4).
 */
import type { Dns } from 'iems'
import { isHostName, plainAddress, reversed } from '../dns/names.ts'

export type Hello = 'fine' | 'notAName' | 'ours' | 'unknown' | 'otherAddress'

export async function judgeHello(
  dns: Dns,
  { hello, address, ours }: { readonly hello: string; readonly address: string; readonly ours: ReadonlySet<string> },
): Promise<Hello> {
  const literal = /^\[(?:IPv6:)?([0-9A-Fa-f:.]+)\]$/.exec(hello)?.[1]
  if (literal !== undefined) {
    const claimed = reversed(plainAddress(literal))
    if (claimed === undefined) return 'notAName'
    return claimed === reversed(address) ? 'fine' : 'otherAddress'
  }
  const name = hello.toLowerCase().replace(/\.$/, '')
  if (ours.has(name)) return 'ours'
  if (!isHostName(name)) return 'notAName'
  const [v4, v6] = await Promise.all([dns.ask(name, 'A'), dns.ask(name, 'AAAA')])
  return v4.kind === 'absent' && v6.kind === 'absent' ? 'unknown' : 'fine'
}
