/**
 * The plugin's options: the partners, the transports of batches to them, and the mail that they may send;
 * docs/config.md is generated from this schema.
 */
import { readFileSync } from 'node:fs'
import { duration, network, secretValue, size } from 'iems'
import * as z from 'zod'
import { readPublic } from './identity.ts'

const WORD = /^[\w.-]{1,64}$/

const transport = z.union([
  z.strictObject({ mail: z.string().min(3).describe('Address of the partner that takes batches as mail.') }),
  z.strictObject({
    folder: z.string().min(1).describe('Folder into which batches are written, such as that of a disk.'),
    manifest: z
      .boolean()
      .default(false)
      .describe('Keep a file MANIFEST in the folder, with the SHA-256, size and name of each batch.'),
  }),
  z.strictObject({
    command: z
      .array(z.string())
      .min(1)
      .describe(
        'Program with its arguments that takes a batch on standard input; exit code 0 means that it was taken.',
      ),
    timeout: duration().prefault('1 h').describe('Time for the program to end.'),
  }),
  z.strictObject({
    url: z
      .string()
      .regex(/^https?:\/\//, 'must be an http or https URL')
      .describe('Endpoint of the partner that takes a batch by POST.'),
    timeout: duration().prefault('1 h').describe('Time for the endpoint to answer.'),
  }),
])

const gather = z
  .strictObject({
    messages: z.int().min(1).max(10_000).default(1000).describe('Messages that make a batch full.'),
    size: size().prefault('20 MB').describe('Octets of content that make a batch full.'),
    wait: duration().prefault('15 min').describe('Time for which the oldest message waits for others.'),
    at: z
      .array(z.string().regex(/^(?:[01]\d|2[0-3]):[0-5]\d$/, "must be a time of day such as '02:00'"))
      .default([])
      .describe('Times of day at which everything that waits is sent; if given, only full batches go at other times.'),
    urgent: z.boolean().default(true).describe('Send a batch at once when it contains an urgent message.'),
  })
  .prefault({})
  .describe('When waiting messages become a batch. `iems bsmtp send` makes one at any time.')

const accepted = z
  .strictObject({
    senders: z
      .array(z.string())
      .optional()
      .describe(
        "Senders that batches may have: addresses, domains, '.example.org', '*'. Default: `domains`, and `<>`.",
      ),
    recipients: z
      .array(z.string())
      .default(['*'])
      .describe('Recipients that batches may have. Without `relay` only those that any client may write to.'),
    relay: z.boolean().default(false).describe('Batches may send to every destination, like an authenticated client.'),
    unsigned: z
      .boolean()
      .default(false)
      .describe(
        'Accept batches without a signature, by ways that identify the partner: `users`, `networks`, `folder`.',
      ),
    users: z.array(z.string()).default([]).describe('Logins whose mail and HTTP requests count as from this partner.'),
    networks: z
      .array(network())
      .default([])
      .describe('Networks from which mail with batches counts as from this partner.'),
    folder: z.string().optional().describe('Folder that is watched for batches of this partner.'),
    size: size().prefault('10 GB').describe('Octets that a batch may unpack to; a larger one is cut off there.'),
    messages: z.int().min(1).max(1_000_000).default(100_000).describe('Maximum number of messages in a batch.'),
  })
  .prefault({})
  .describe('What may come from this partner.')

const dictionary = z.string().transform((path, check) => {
  try {
    return readFileSync(path)
  } catch {
    check.addIssue({ code: 'custom', message: `the file ${path} cannot be read` })
    return z.NEVER
  }
})

const partner = z.strictObject({
  domains: z
    .array(z.string().min(1))
    .default([])
    .describe(
      "Recipients' domains whose mail goes to this partner: 'example.org', '.example.org' (all below it), '*'.",
    ),
  name: z
    .string()
    .regex(WORD)
    .optional()
    .describe('Name under which the partner signs its batches. Default: the name it has here.'),
  key: z
    .string()
    .refine(isPublicKey, 'must be the public key that `iems bsmtp key` prints on the partner’s server')
    .optional()
    .describe('Public key of the partner, printed there by `iems bsmtp key`.'),
  to: transport.optional().describe('Where batches for this partner go; absent: none are sent.'),
  format: z
    .enum(['sealed', 'rfc2442', 'rfc2442-signed'])
    .default('sealed')
    .describe(
      "'sealed' is for another IEMS: compressed, signed, in parts, acknowledged. 'rfc2442' is application/batch-SMTP for every other system, whose batches count as delivered once they are handed over; '-signed' adds a detached signature.",
    ),
  extensions: z
    .array(z.string().regex(/^[A-Z0-9-]+$/))
    .default(['SIZE', '8BITMIME', 'DSN'])
    .describe('EHLO keywords that an RFC 2442 partner knows; those a batch needs are named in `required-extensions`.'),
  gather,
  encrypt: z
    .boolean()
    .default(false)
    .describe('Encrypt sealed batches for the key of the partner (X25519, AES-256-GCM).'),
  compress: z.enum(['zstd', 'gzip', 'none']).default('zstd').describe('Compression of sealed batches.'),
  level: z.int().min(1).max(19).default(12).describe('Effort of the compression.'),
  dictionary: dictionary
    .optional()
    .describe('File that both sides have, with text like that of the mail; zstd refers to it instead of sending it.'),
  partSize: size().prefault('5 MB').describe('Octets of one part of a sealed batch; parts arrive in any order.'),
  resend: duration()
    .prefault('6 h')
    .describe('Time after which a batch, or the missing parts of it, is sent again if it has not been acknowledged.'),
  acknowledge: duration()
    .prefault('1 min')
    .describe('Time for which an acknowledgement waits for a batch to travel with, or for further parts.'),
  outstanding: z
    .int()
    .min(1)
    .max(10_000)
    .default(100)
    .describe('Batches under way; further messages wait in the queue.'),
  oneWay: z
    .strictObject({
      copies: z.int().min(1).max(100).default(3).describe('Number of times that each batch is sent.'),
      every: duration().prefault('1 h').describe('Time between two copies.'),
    })
    .optional()
    .describe('For links without a way back: batches are repeated instead of acknowledged.'),
  accept: accepted,
})

export const options = z
  .strictObject({
    name: z
      .string()
      .regex(WORD)
      .optional()
      .describe('Name under which this server signs its batches. Default: the hostname.'),
    key: secretValue()
      .optional()
      .describe("The server's own secret key, made by `iems bsmtp key`: secret.file('/path')."),
    address: z
      .string()
      .min(3)
      .optional()
      .describe('Address of this server that takes batches as mail; batches sent as mail come from it.'),
    path: z
      .string()
      .regex(/^\/[\w/.-]+$/)
      .default('/bsmtp')
      .describe('Path at which batches are taken by POST, where the http plugin is configured.'),
    look: duration()
      .prefault('10 s')
      .describe('Interval at which folders, waiting batches and schedules are looked at.'),
    settle: duration()
      .prefault('2 s')
      .describe('A file in a watched folder is taken when it has not changed for so long.'),
    partners: z
      .record(z.string().regex(WORD), partner)
      .default({})
      .describe('Systems with which batches are exchanged.'),
  })
  .superRefine(({ key, address, partners }, check) => {
    const issue = (name: string, message: string) =>
      check.addIssue({ code: 'custom', path: ['partners', name], message })
    for (const [name, { to, format, encrypt, key: theirs, accept, oneWay, acknowledge, resend }] of Object.entries(
      partners,
    )) {
      if (to && format !== 'rfc2442' && !key) issue(name, "needs the server's own key for signed batches")
      if (to && 'mail' in to && !address) issue(name, 'needs `address`, from which batches are sent as mail')
      if (encrypt && !theirs) issue(name, "needs the partner's key for encryption")
      if (accept.unsigned && accept.relay && accept.networks.some((one) => one.endsWith('/0')))
        issue(name, 'would be an open relay')
      if (!oneWay && acknowledge >= resend) issue(name, '`acknowledge` must be shorter than `resend`')
    }
  })
export type Options = z.output<typeof options>
export type Partner = z.output<typeof partner>

function isPublicKey(text: string): boolean {
  try {
    readPublic(text)
    return true
  } catch {
    return false
  }
}
