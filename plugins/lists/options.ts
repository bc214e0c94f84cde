/**
 * The options for all lists of a server.
 */
import { duration } from 'iems'
import * as z from 'zod'

export const options = z.strictObject({
  site: z
    .string()
    .regex(/^https?:\/\/[^/\s]+$/, 'must be an origin such as https://lists.example.org')
    .optional()
    .describe('Origin under which members reach the pages of the lists. Default: posts name no pages.'),
  hold: duration().prefault('30 days').describe('Time after which held posts and requests are discarded.'),
  confirm: duration().prefault('3 days').describe('Time for which a link or address that confirms something is valid.'),
  batch: z.int().min(1).max(1000).default(100).describe('Recipients of a post that are queued in one message.'),
  repliesPerDay: z.int().min(1).default(10).describe('Automatic replies that one address gets in a day.'),
  forgetBounces: duration()
    .prefault('7 days')
    .describe('Time without a bounce after which the score of a member is 0.'),
  warnings: z.int().min(0).default(3).describe('Warnings that a suspended member gets before removal.'),
  warnEvery: duration().prefault('7 days').describe('Interval of these warnings.'),
})
export type Options = z.output<typeof options>
