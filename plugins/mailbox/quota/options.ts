/**
 * The plugin's options; docs/config.md is generated from this schema.
 */
import { duration, size } from 'iems'
import * as z from 'zod'

const limits = {
  octets: size().optional().describe('Maximum size of all messages together. Default: no limit.'),
  messages: z.int().nonnegative().optional().describe('Maximum number of messages. Default: no limit.'),
}
const own = {
  ...limits,
  mailboxes: z
    .int()
    .positive()
    .optional()
    .describe('Maximum number of mailboxes. Default: as many as the mail store allows.'),
}
const pool = z.strictObject(limits)
const address = z.string().regex(/^[^\s<>@]+@[^\s<>@]+$/, 'must be an address such as postmaster@example.org')

export const options = z.strictObject({
  default: z.strictObject(own).prefault({}).describe('Limits of accounts that have no other.'),
  classes: z
    .array(z.strictObject({ group: z.string().describe('A group of the directory.'), ...own }))
    .default([])
    .describe(
      'Limits by group; the first group that an account belongs to counts. A quota in the directory comes first.',
    ),
  mailboxes: z
    .record(z.string(), pool)
    .default({})
    .describe("Limits of single mailboxes of each account by name, such as { Trash: { octets: '100 MB' } }."),
  domains: z
    .record(z.string().toLowerCase(), pool)
    .default({})
    .describe('Limits of all accounts of a domain together. The domain is that of the first address of an account.'),
  total: pool.prefault({}).describe('Limits of all accounts together.'),
  grace: z
    .strictObject({
      octets: size().prefault('0 B').describe('Size by which accounts, domains and the total may exceed their limit.'),
      time: duration()
        .prefault('7 days')
        .describe('Time for which an account may stay above its limit before it loses the grace size.'),
    })
    .prefault({})
    .describe('Size and time by which a limit may be exceeded.'),
  whenFull: z
    .enum(['defer', 'refuse'])
    .default('defer')
    .describe("Reply for a full account: 'defer' is 452 4.2.2, and the sender tries again; 'refuse' is 552 5.2.2."),
  warnings: z
    .strictObject({
      at: z
        .array(z.int().min(1).max(100))
        .max(10)
        .default([80, 95])
        .describe('Percentages of a limit at which the owner receives a mail; an empty list for none.'),
      language: z.enum(['en', 'de']).default('en').describe('Language of warnings and reports.'),
      languages: z
        .record(z.string(), z.enum(['en', 'de']))
        .default({})
        .describe(
          "Language by domain of the account or by group, such as { 'example.de': 'de' }, for accounts whose holder has not chosen one.",
        ),
      administrators: z
        .array(address)
        .default([])
        .describe('Addresses that receive the warnings about domains and the total.'),
    })
    .prefault({})
    .describe(
      'Mails at thresholds: one when a threshold is passed, and one when the usage is below all of them again.',
    ),
  report: z
    .strictObject({
      every: duration().prefault('7 days').describe('Time between two reports by mail.'),
      to: z.array(address).default([]).describe('Addresses that receive the report; an empty list for none.'),
      domains: z
        .record(z.string().toLowerCase(), z.array(address))
        .default({})
        .describe('Addresses that receive the report about one domain.'),
      top: z.int().min(1).max(1000).default(20).describe('Maximum number of rows in each table.'),
      idleAfter: duration().prefault('90 days').describe('Accounts without a login for so long are listed as idle.'),
    })
    .prefault({})
    .describe('Reports of usage.'),
})
export type Options = z.output<typeof options>
