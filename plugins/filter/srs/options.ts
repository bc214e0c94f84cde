/**
 * The plugin's options; the reference documentation is generated from this schema.
 */
import { secretValue } from 'iems'
import * as z from 'zod'

const domain = () => z.string().regex(/^[^\s@=.]+(\.[^\s@=.]+)*$/, 'must be a domain such as srs.example.org')
const pattern = z
  .string()
  .regex(/^\.?[^\s@=.]+(\.[^\s@=.]+)*$/, 'must be example.org, or .example.org for all below it')

/** The configuration check reports a missing secret. */
function lengthOf(secret: { reveal(): string }): number {
  try {
    return secret.reveal().length
  } catch {
    return Number.POSITIVE_INFINITY
  }
}

const secret = secretValue().refine((value) => lengthOf(value) >= 16, 'must have 16 characters or more')

export const options = z.strictObject({
  domain: domain().describe('The domain of rewritten senders; its MX leads here, and no other addresses are in it.'),
  secrets: z
    .array(secret)
    .min(1)
    .max(10)
    .describe('The first makes addresses, all are good for reading: a new one is put in front of the old.'),
  domains: z
    .array(pattern)
    .default([])
    .describe('Your domains, `.example.org` for all below one: their senders stay as they are.'),
  days: z.int().min(1).max(1000).default(21).describe('For so many days reports to a rewritten sender are taken.'),
  hashLength: z
    .int()
    .min(4)
    .max(27)
    .default(6)
    .describe('Letters of the hash in an address; shorter ones are refused. Other implementations have 4.'),
  accept: z
    .enum(['reports', 'anyone'])
    .default('reports')
    .describe("Mail to a rewritten sender that is taken: 'reports' is mail from the null sender."),
})
export type Options = z.output<typeof options>
