/** The options that plugins share which send and receive daily reports, as for DMARC and TLS. */
import * as z from 'zod'
import { duration, size } from './units.ts'

export interface ReportDefaults {
  /** Maximum octets of a received report, as a size. */
  readonly maxSize: string
  /** The command that shows received reports. */
  readonly command: string
}

const address = () => z.string().regex(/^[^\s@"<>]+@[A-Za-z0-9.-]+$/, 'must be an address')

export function reportOptions({ maxSize, command }: ReportDefaults) {
  return {
    from: address().optional().describe('Address from which reports are sent. Default: none are sent.'),
    organization: z
      .string()
      .min(1)
      .max(100)
      .optional()
      .describe("Organisation named in reports. Default: the server's hostname."),
    contact: z.string().max(200).optional().describe('Address or page for questions about reports. Default: `from`.'),
    receiveAt: z
      .array(address())
      .default([])
      .describe(`Addresses to which others send their reports; \`${command}\` shows them.`),
    maxSize: size().prefault(maxSize).describe('Maximum octets of a received report, expanded.'),
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
  }
}
