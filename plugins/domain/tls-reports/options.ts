/**
 * The options of the plugin; the reference documentation is generated from this schema.
 */
import { duration, network, size } from 'iems'
import * as z from 'zod'

export const options = z.strictObject({
  from: z.email().optional().describe('Address from which reports are sent. Default: none are sent.'),
  organization: z
    .string()
    .min(1)
    .max(100)
    .optional()
    .describe("Organisation named in reports. Default: the server's hostname."),
  contact: z.string().max(200).optional().describe('Address or page for questions about reports. Default: `from`.'),
  receiveAt: z
    .array(z.email())
    .default([])
    .describe('Addresses to which others send their reports; `iems tls reports` shows them.'),
  path: z
    .string()
    .regex(/^\/[\w/-]*$/)
    .default('/tls-reports')
    .describe('Path of the http plugin to which others post their reports.'),
  maxSize: size().prefault('5 MB').describe('Maximum octets of a received report, expanded.'),
  receivedPerDay: z
    .int()
    .min(1)
    .max(100_000)
    .default(1000)
    .describe('Maximum number of received reports kept for a day.'),
  domains: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(10_000)
    .describe('Maximum number of domains that are reported on in a day.'),
  keep: duration().prefault('90 d').describe('Time for which sent and received reports are kept.'),
  allow: z
    .array(network())
    .default([])
    .describe('Networks to which reports may be posted though they are not public, for tests.'),
})
export type Options = z.output<typeof options>
