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
