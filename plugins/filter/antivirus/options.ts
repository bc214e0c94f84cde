/**
 * What an admin can set against viruses; the reference in the documentation is generated from this schema.
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
    .describe("Where clamd listens, such as 'unix:/run/clamav/clamd.ctl' or '127.0.0.1:3310'; the first that answers."),
  timeout: duration()
    .prefault('60 s')
    .describe("For connecting and for the whole scan. Longer than clamd's MaxScanTime, clamd itself gives up first."),
  failures: z.int().min(1).default(3).describe('After so many failures in a row a server is left alone for a while.'),
  pause: duration().prefault('30 s').describe('How long.'),
  concurrency: z.int().min(1).max(1000).default(10).describe("Scans at a time; not above clamd's MaxThreads."),
  whenDown: z
    .enum(['defer', 'skip'])
    .default('defer')
    .describe('What happens to messages while none answers: senders try later (451), or they go on with a finding.'),
  maxSize: size()
    .prefault('25 MB')
    .describe("Larger messages are not given to clamd and count as oversize. Not above clamd's StreamMaxLength."),
  virus: action('refuse').describe(
    "What is done with a virus. 'bounce' accepts it and tells the sender, who may be forged.",
  ),
  encrypted: action('tag').describe(
    'The same for what is encrypted: archives, documents, S/MIME and OpenPGP messages; more if clamd has AlertEncrypted.',
  ),
  oversize: action('tag').describe(
    "What is larger than `maxSize`, or beyond clamd's own limits if it has AlertExceedsMax.",
  ),
  unreadable: action('quarantine').describe(
    'The same for archives that clamd cannot open: cut off, broken, or of a kind or compression that it does not know.',
  ),
  unscannable: action('quarantine').describe(
    'What clamd cannot read, is a fragment of a message, or is nested absurdly.',
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
      keep: duration().prefault('10 min').describe('How long; no longer than until clamd has new signatures.'),
    })
    .prefault({})
    .describe('Results of what has been scanned, for the same content again.'),
  headers: z
    .enum(['always', 'found', 'never'])
    .default('always')
    .describe('When X-Virus-Scanned and X-Virus-Status are added. Those that came in are removed whatever this says.'),
  keep: duration().prefault('90 days').describe('How long what was taken back from mailboxes is kept.'),
})
export type Options = z.output<typeof options>
