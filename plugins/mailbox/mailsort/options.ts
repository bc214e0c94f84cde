/**
 * The plugin's options.
 */
import { duration, size } from 'iems'
import * as z from 'zod'

export const options = z.strictObject({
  limits: z
    .strictObject({
      scriptSize: size().prefault('128 KiB').describe('Maximum size of one script.'),
      scripts: z.int().positive().default(32).describe('Maximum number of scripts of one account.'),
      totalSize: size().prefault('1 MiB').describe('Maximum size of all scripts of one account.'),
      actions: z.int().positive().default(32).describe('Maximum number of actions that one script takes on a message.'),
      redirects: z.int().nonnegative().default(5).describe('Maximum number of redirects of one message by a script.'),
      steps: z
        .int()
        .positive()
        .default(10_000)
        .describe('Maximum number of tests and commands that run for one message.'),
      includes: z.int().positive().default(10).describe('Maximum depth of scripts that include each other.'),
    })
    .prefault({})
    .describe('Limits for scripts. A script that exceeds one at delivery leaves the message in INBOX.'),
  vacation: z
    .strictObject({
      enabled: z.boolean().default(true).describe('Send vacation replies.'),
      minInterval: duration().prefault('1 day').describe('Minimum time between two replies to one sender.'),
      domains: z
        .array(z.string())
        .default([])
        .describe('Replies are sent only to senders in these domains. Empty: to all senders.'),
    })
    .prefault({})
    .describe('Automatic replies (RFC 5230).'),
  imapEvents: z
    .boolean()
    .default(false)
    .describe('Run scripts when IMAP clients append, copy, move or flag messages (RFC 6785).'),
  notify: z.boolean().default(true).describe('Send messages for the action notify (RFC 5436).'),
  separator: z.string().min(1).default('+').describe('Characters that divide a local part from its detail (RFC 5233).'),
  spamScore: z
    .number()
    .positive()
    .default(10)
    .describe('The spam score of antispam that the test spamtest sees as 10 (RFC 5235).'),
})
export type Options = z.output<typeof options>
