/**
 * The plugin's options; docs/config.md is generated from this schema.
 */
import * as z from 'zod'
import { unknownVariables, VARIABLES } from './variables.ts'

const domain = z
  .string()
  .toLowerCase()
  .regex(/^\.?[^\s@=]+$/, 'must be example.org, or .example.org for all below it')
const words = () =>
  z.union([
    z
      .string()
      .min(1)
      .refine(
        (text) => unknownVariables(text).length === 0,
        `variables are ${VARIABLES.map((one) => `{{${one}}}`).join(', ')}`,
      ),
    z.strictObject({ file: z.string().describe('A UTF-8 file, which a reload reads again.') }),
  ])

const rule = z
  .strictObject({
    name: z
      .string()
      .regex(/^[\w.-]{1,64}$/)
      .describe('Name in the trace and the preview.'),
    channels: z.array(z.string()).optional().describe('Channels on which the message arrived. Default: all.'),
    senders: z
      .array(domain)
      .optional()
      .describe('Domains of the sender; `.example.org` for all below one. Default: all.'),
    groups: z
      .array(z.string())
      .optional()
      .describe('Groups of the directory, one of which the authenticated sender belongs to. Default: all senders.'),
    recipients: z.array(domain).optional().describe('Domains of the recipients that receive the text. Default: all.'),
    directions: z
      .array(z.enum(['in', 'out', 'internal']))
      .optional()
      .describe(
        'Directions: `out` from a client of this server to another domain, `internal` to one of `domains`, `in` from strangers. Default: all.',
      ),
    text: words().optional().describe('Plain text, or { file }. Default: made from `html`.'),
    html: words().optional().describe('HTML without html and body tags, or { file }. Default: made from `text`.'),
    images: z
      .array(
        z.strictObject({
          id: z
            .string()
            .regex(/^[\w.-]{1,64}$/)
            .describe('Name by which `html` shows the image: `<img src="cid:logo">`.'),
          file: z.string().describe('PNG, JPEG, GIF or WebP file of at most 1 MiB, which a reload reads again.'),
        }),
      )
      .max(20)
      .optional()
      .describe('Images that `html` shows.'),
    firstContact: z
      .boolean()
      .default(false)
      .describe('Only for recipients to whom the author is new, as the finding `first-contact` of antispam says.'),
    place: z.enum(['top', 'bottom']).default('bottom').describe('Place in the message.'),
    quotation: z
      .enum(['above', 'below'])
      .default('below')
      .describe('Side of a quoted message at which a text at the bottom stands.'),
    oncePerThread: z
      .boolean()
      .default(true)
      .describe('Leave messages alone that contain the text already, such as in a quotation.'),
    intoSigned: z
      .boolean()
      .default(false)
      .describe('Change messages with a DKIM signature too, which then fails to verify.'),
    intoLists: z.boolean().default(false).describe('Change messages of mailing lists too.'),
  })
  .refine(({ text, html }) => text !== undefined || html !== undefined, 'give text, html or both')

export const options = z.strictObject({
  domains: z
    .array(domain)
    .default([])
    .describe('Your domains, `.example.org` for all below one. They decide between `out` and `internal`.'),
  rules: z.array(rule).min(1).max(100).describe('Texts, and the messages that receive them.'),
})
export type Options = z.output<typeof options>
export type RuleOptions = Options['rules'][number]
