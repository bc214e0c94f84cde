/**
 * The `dns` section: name servers, timeouts and cache size.
 */
import { isIP } from 'node:net'
import * as z from 'zod'
import { duration, size } from '../runtime/units.ts'

export interface NameServer {
  readonly address: string
  readonly port: number
}

const DNS_PORT = 53

/** `192.0.2.53`, `192.0.2.53:5353`, `2001:db8::1` or `[2001:db8::1]:5353`; undefined for other text. */
export function parseNameServer(text: string): NameServer | undefined {
  if (isIP(text)) return { address: text, port: DNS_PORT }
  const [, v6, v4, digits] = /^(?:\[([^\]]{1,80})\]|([\d.]{7,15}))(?::(\d{1,5}))?$/.exec(text) ?? []
  const address = v6 ?? v4 ?? ''
  const port = digits === undefined ? DNS_PORT : Number(digits)
  if (isIP(address) !== (v6 === undefined ? 4 : 6) || port < 1 || port > 65_535) return undefined
  return { address, port }
}

export const dnsOptions = z.strictObject({
  servers: z
    .array(
      z
        .string()
        .refine(
          (text) => parseNameServer(text) !== undefined,
          "must be '192.0.2.53', '192.0.2.53:5353' or '[2001:db8::1]:53'",
        ),
    )
    .max(10)
    .optional()
    .describe(
      "Name servers that resolve, as '192.0.2.53' or '[2001:db8::1]:53'; none if the list is empty. Default: those of the system (/etc/resolv.conf). A resolver on the same machine is best: many DNS lists refuse public ones.",
    ),
  timeout: duration()
    .prefault('5 s')
    .describe('For the first answer of a server; each further round waits twice as long.'),
  tries: z.int().min(1).max(10).default(2).describe('Rounds through all servers until a question has no answer.'),
  maxTtl: duration()
    .prefault('1 h')
    .describe(
      'Longest time an answer is kept in the cache; its TTL makes it shorter. A name that does not exist: 5 minutes at most.',
    ),
  cacheSize: size().prefault('32 MB').describe('Memory for answers; the least recent go first.'),
  maxQueries: z.int().min(1).max(10_000).default(250).describe('Questions under way at a time; further ones wait.'),
  trustAd: z
    .boolean()
    .default(false)
    .describe(
      'Trust the AD bit (DNSSEC) of name servers on other machines. Name servers on this machine are always trusted.',
    ),
})
export type DnsOptions = z.output<typeof dnsOptions>
