/**
 * The options of external filters.
 */
import { BACKEND_ADDRESS, duration, size } from 'iems'
import * as z from 'zod'

const port = (standard: number) =>
  z
    .array(z.string().regex(BACKEND_ADDRESS, `must be such as '127.0.0.1:${standard}' or 'unix:/path'`))
    .max(20)
    .default([])
    .describe(
      `Addresses such as '127.0.0.1:${standard}' or 'unix:/path'; the first that answers is used. Empty: the scanner is not used.`,
    )

const asked = {
  timeout: duration().prefault('10 s').describe('For connecting and for the whole answer.'),
  maxSize: size().prefault('2 MB').describe('Larger messages are not given to it.'),
  weight: z.number().min(0).max(100).default(1).describe('By what its score is multiplied before it is added to ours.'),
  failures: z.int().min(1).default(3).describe('After so many failures in a row a server is left alone for a while.'),
  pause: duration().prefault('30 s').describe('Time for which a server that failed is not used.'),
  whenDown: z
    .enum(['skip', 'defer'])
    .default('skip')
    .describe(
      'Handling of messages while no server answers: the built-in checks decide alone, or senders try later (451).',
    ),
} as const
export type ScannerOptions = z.output<z.ZodObject<typeof asked>> & { readonly servers: readonly string[] }

const action = (standard: 'refuse' | 'quarantine' | 'junk' | 'tag' | 'none') =>
  z.enum(['refuse', 'quarantine', 'junk', 'tag', 'none']).default(standard)

export const rspamdOptions = z
  .strictObject({
    servers: port(11333),
    ...asked,
    password: z.string().optional().describe('Sent to it, if it asks for one.'),
    settings: z
      .record(z.string(), z.unknown())
      .default({ groups_disabled: ['spf', 'dkim', 'dmarc', 'arc'] })
      .describe('Settings for the scan of a message that sender-auth has checked: what is done is not done again.'),
    reject: action('refuse').describe('Weakest action for a message that it rejects.'),
    addHeader: action('junk').describe("The same for 'add header' and 'rewrite subject'."),
  })
  .prefault({})
  .describe(
    "Rspamd, by /checkv2. Its 'soft reject' defers (451), its 'greylist' greylists unless `greylist.for` is 'nobody'.",
  )

export const spamassassinOptions = z
  .strictObject({
    servers: port(783),
    ...asked,
    user: z
      .string()
      .regex(/^[\w.-]{1,64}$/)
      .optional()
      .describe('User whose preferences spamd applies.'),
    spam: action('junk').describe('Weakest action for a message that it classifies as spam.'),
  })
  .prefault({})
  .describe('SpamAssassin, by the protocol of spamc.')
export type RspamdOptions = z.output<typeof rspamdOptions>
export type SpamassassinOptions = z.output<typeof spamassassinOptions>
