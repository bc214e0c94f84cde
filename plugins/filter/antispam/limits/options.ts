/**
 * The options of rate limits.
 */
import * as z from 'zod'

const UNITS: Readonly<Record<string, number>> = { s: 1000, min: 60_000, h: 3_600_000, day: 86_400_000 }

export interface Rate {
  readonly count: number
  readonly ms: number
}

/** `'100/h'`. */
const rate = () =>
  z
    .string()
    .regex(/^[1-9]\d{0,8}\/(s|min|h|day)$/, "must be a number per time such as '100/h'")
    .transform((text): Rate => {
      const [count, unit = ''] = text.split('/')
      return { count: Number(count), ms: UNITS[unit] ?? 1000 }
    })

const limit = z.strictObject({
  per: z
    .enum(['client', 'network', 'sender', 'domain', 'account'])
    .describe(
      "What is counted: the client's address (IPv6: its /64), its network (/24, /48), the sender's address, the sender's domain, or the account of authenticated clients.",
    ),
  messages: rate().optional().describe("Such as '100/h'. More are told 450 4.7.1."),
  recipients: rate().optional().describe('The same for recipients.'),
})
export type LimitOptions = z.output<typeof limit>

export const limitOptions = z
  .strictObject({
    rules: z
      .array(limit)
      .max(50)
      .default([])
      .describe('Accounts are limited by rules for accounts alone, strangers by the others, trusted clients by none.'),
    keys: z
      .int()
      .min(100)
      .default(100_000)
      .describe('Most clients, senders and so on that are remembered; the one longest silent is forgotten first.'),
  })
  .prefault({})
  .describe('Limits on the rate of mail, counted in memory; a restart resets the counts.')
