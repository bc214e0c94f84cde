/**
 * The plugin's options; the reference documentation is generated from this schema.
 */
import { secretValue } from 'iems'
import * as z from 'zod'

const domain = z.string().regex(/^[^\s@=;.]+(\.[^\s@=;.]+)+$/, 'must be a domain such as example.org')
const selector = z
  .string()
  .regex(/^[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(\.[a-zA-Z0-9-]{1,63})*$/, 'must be a selector such as mail2026')

const SIGNED = ['from', 'sender', 'reply-to', 'to', 'cc', 'subject', 'date', 'message-id', 'in-reply-to', 'references']
const MIME = ['mime-version', 'content-type', 'content-transfer-encoding', 'content-disposition']
const LISTS = ['list-id', 'list-help', 'list-unsubscribe', 'list-unsubscribe-post', 'list-post', 'list-owner']

const fields = (defaults: readonly string[]) =>
  z
    .array(
      z
        .string()
        .regex(/^[!-9;-~]+$/)
        .toLowerCase(),
    )
    .default([...defaults])

export const options = z.strictObject({
  keys: z
    .array(
      z.strictObject({
        domain,
        selector,
        key: secretValue().describe('The private key in PEM form, RSA or Ed25519.'),
      }),
    )
    .default([])
    .describe('Keys that you keep elsewhere. Those made by `iems dkim add` are in the store.'),
  networks: z
    .boolean()
    .default(true)
    .describe('Mail of clients that the channel trusts is signed, as is that of who has logged in and our own.'),
  oversign: fields([...SIGNED, ...MIME]).describe(
    'Fields signed once more than they occur, so that adding one breaks the signature.',
  ),
  sign: fields([...LISTS, 'auto-submitted']).describe('Fields that are signed if they are there.'),
  expires: z
    .int()
    .min(0)
    .max(365)
    .default(0)
    .describe('Days until a signature is no longer valid; 0: it never says so.'),
  header: z
    .int()
    .min(10_000)
    .max(10_000_000)
    .default(1_000_000)
    .describe('Octets of a header; longer ones are not signed.'),
  arc: z
    .strictObject({
      domain: domain.describe('Domain whose RSA key seals.'),
      channels: z
        .array(z.string().min(1))
        .min(1)
        .describe(
          'Channels to the outside, and the channel of the lists, whose posts are sealed again when they leave.',
        ),
      authservId: z
        .string()
        .min(1)
        .optional()
        .describe("Name in this server's Authentication-Results, as in sender-auth. Default: the hostname."),
    })
    .optional()
    .describe(
      'Seal mail of others that leaves again, such as forwards and posts to lists (ARC, RFC 8617). Needs sender-auth.',
    ),
  retired: z
    .int()
    .min(1)
    .max(365)
    .default(7)
    .describe(
      'Days after which the record of a key that no longer signs may go: mail that it signed is then delivered.',
    ),
})
export type Options = z.output<typeof options>
