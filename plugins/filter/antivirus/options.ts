/**
 * The plugin's options; the reference documentation is generated from this schema.
 */
import { BACKEND_ADDRESS, duration, size } from 'iems'
import * as z from 'zod'

const ACTIONS = ['refuse', 'bounce', 'discard', 'quarantine', 'tag'] as const
export type Action = (typeof ACTIONS)[number]

const action = (standard: Action) => z.enum(ACTIONS).default(standard)

const clamd = z.string().regex(BACKEND_ADDRESS, "must be such as 'unix:/run/clamav/clamd.ctl' or '127.0.0.1:3310'")

export const options = z.strictObject({
  servers: z
    .array(clamd)
    .min(1)
    .max(20)
    .default(['unix:/run/clamav/clamd.ctl'])
    .describe(
      "Addresses of clamd, such as 'unix:/run/clamav/clamd.ctl' or '127.0.0.1:3310'; the first that answers is used.",
    ),
  timeout: duration()
    .prefault('60 s')
    .describe("For connecting and for the whole scan. Longer than clamd's MaxScanTime, clamd itself gives up first."),
  failures: z.int().min(1).default(3).describe('After so many failures in a row a server is left alone for a while.'),
  pause: duration().prefault('30 s').describe('Time for which a server that failed is not used.'),
  concurrency: z.int().min(1).max(1000).default(10).describe("Scans at a time; not above clamd's MaxThreads."),
  whenDown: z
    .enum(['defer', 'skip'])
    .default('defer')
    .describe(
      'Handling of messages while no server answers: senders try later (451), or the messages pass with a finding.',
    ),
  maxSize: size()
    .prefault('25 MB')
    .describe("Larger messages are not given to clamd and count as oversize. Not above clamd's StreamMaxLength."),
  virus: action('refuse').describe(
    "Action for an infected message. 'bounce' accepts it and reports to the sender, whose address may be forged.",
  ),
  encrypted: action('tag').describe(
    'The same for what is encrypted: archives, documents, S/MIME and OpenPGP messages; more if clamd has AlertEncrypted.',
  ),
  oversize: action('tag').describe(
    "Action for content larger than `maxSize`, or beyond clamd's own limits if it has AlertExceedsMax.",
  ),
  unreadable: action('quarantine').describe(
    'The same for archives that clamd cannot open: cut off, broken, or of a kind or compression that it does not know.',
  ),
  unscannable: action('quarantine').describe(
    'Action for content that clamd cannot read, fragments of messages, and extreme nesting.',
  ),
  levels: z.int().min(10).max(1000).default(100).describe('A message nested deeper than this is unscannable.'),
  parts: z
    .int()
    .min(1)
    .max(10_000)
    .default(1000)
    .describe('With more parts and files in them than this a message is unscannable.'),
  cache: z
    .strictObject({
      entries: z.int().min(0).max(1_000_000).default(10_000).describe('Most results remembered; 0 for none.'),
      keep: duration()
        .prefault('10 min')
        .describe('Time for which results are cached; new signatures of clamd end it early.'),
    })
    .prefault({})
    .describe('Results of what has been scanned, for the same content again.'),
  headers: z
    .enum(['always', 'found', 'never'])
    .default('always')
    .describe(
      'Messages that get X-Virus-Scanned and X-Virus-Status. Fields of these names in incoming mail are always removed.',
    ),
  keep: duration()
    .prefault('90 days')
    .describe('Time for which messages taken back from mailboxes are kept in quarantine.'),
})
export type Options = z.output<typeof options>
