/**
 * The plugin's options; docs/config.md is generated from this schema.
 */
import { duration, size } from 'iems'
import * as z from 'zod'

const domain = z.string().regex(/^\.?[^\s@]+$/, 'must be a domain, or .example.org for all below one')
const lower = z
  .string()
  .min(1)
  .transform((text) => text.toLowerCase())

const rule = z
  .strictObject({
    name: z
      .string()
      .regex(/^[^\r\n]{1,60}$/)
      .describe('Name in findings and in the notes for recipients.'),
    extensions: z.array(lower).optional().describe('Extensions without a dot: `exe`.'),
    names: z.array(lower).optional().describe('Names with `*` and `?`: `invoice*.htm?`.'),
    types: z
      .array(lower)
      .optional()
      .describe('Media types that the message states: `application/x-msdownload`, `video/*`.'),
    content: z
      .array(lower)
      .optional()
      .describe('Kinds that the first octets show, as extensions or media types: `exe`, `elf`, `application/zip`.'),
    encrypted: z.boolean().default(false).describe('Encrypted archives and documents.'),
    unreadable: z
      .boolean()
      .default(false)
      .describe(
        'Archives that are damaged, larger than `limits.maxArchive`, nested too deep, or of a kind without a list of files, such as RAR.',
      ),
    inArchives: z.boolean().default(true).describe('Apply extensions, names and content to files in archives too.'),
    minSize: size().optional().describe('Least size. Default: any.'),
    senders: z.array(domain).optional().describe('Domains of the envelope sender. Default: all.'),
    action: z
      .enum(['refuse', 'quarantine', 'rename', 'strip', 'link'])
      .describe(
        '`rename` adds `.blocked`; `strip` leaves a note; `link` keeps the file on this server and leaves a link.',
      ),
    ifSigned: z
      .enum(['leave', 'refuse', 'quarantine'])
      .default('leave')
      .describe(
        'What happens instead of a change to messages that are signed or encrypted by their author, and to reports.',
      ),
  })
  .describe('Applies to attachments that any of its kinds names, and to all without a kind.')

const links = z
  .strictObject({
    url: z.url().describe('Address of the http plugin from outside: `https://mail.example.org`.'),
    keep: duration().prefault('30 days').describe('Time until a link expires.'),
    quota: size()
      .prefault('10 GB')
      .describe('Size of all linked files together; beyond it attachments stay in messages.'),
    senderQuota: size().prefault('1 GB').describe('Size of the linked files of one sender together.'),
  })
  .describe('Files behind links. Required for rules with the action `link`.')

const form = z
  .strictObject({
    form: z
      .enum(['mime', 'uuencode', 'binhex', 'applesingle', 'appledouble'])
      .describe('`uuencode` makes one plain text of the message; the Macintosh forms replace each attachment.'),
    recipients: z.array(domain).optional().describe('Domains of recipients. Default: all.'),
    channels: z.array(z.string()).optional().describe('Channels to which the message goes. Default: all.'),
  })
  .describe('The first entry that names a recipient applies.')

export const options = z.strictObject({
  read: z
    .array(z.enum(['tnef', 'uuencode', 'yenc', 'binhex', 'applesingle']))
    .default(['tnef', 'uuencode', 'yenc', 'binhex', 'applesingle'])
    .describe('Formats that become MIME parts.'),
  resourceForks: z
    .enum(['keep', 'drop'])
    .default('keep')
    .describe('`drop` leaves of Macintosh files the data alone, with type and creator as parameters.'),
  rules: z
    .array(rule)
    .max(100)
    .default([])
    .describe('Actions on attachments. The first rule that applies to a file counts.'),
  unreadable: z
    .enum(['pass', 'refuse'])
    .default('pass')
    .describe(
      '`refuse` answers 554 to a message whose structure is ambiguous or exceeds the limits; `pass` leaves it as it is.',
    ),
  write: z.array(form).max(100).default([]).describe('Forms that the far side needs. Default: MIME.'),
  links: links.optional(),
  partial: z
    .strictObject({
      channels: z.array(z.string()).min(1).describe('Channels on which fragments are collected.'),
      keep: duration()
        .prefault('3 days')
        .describe('Time after which the fragments of an incomplete message are delivered as they are.'),
      maxSize: size().prefault('50 MB').describe('Size of a message that is put together.'),
      maxOctets: size()
        .prefault('1 GB')
        .describe('Size of all waiting fragments; beyond it fragments are delivered as they are.'),
    })
    .optional()
    .describe(
      'Put messages together that were sent in fragments (message/partial). Default: fragments are delivered as they are.',
    ),
  limits: z
    .strictObject({
      maxFile: size()
        .prefault('32 MiB')
        .describe('Size of a part that is read from or written in another format; larger ones stay.'),
      maxArchive: size().prefault('32 MiB').describe('Size of an archive whose list of files is read.'),
      maxParts: z
        .number()
        .int()
        .min(1)
        .max(10_000)
        .default(1000)
        .describe('Parts and files of a message; a message with more stays as it is.'),
    })
    .prefault({}),
})
export type Options = z.output<typeof options>
export type RuleOptions = Options['rules'][number]
export type Form = Options['write'][number]['form']
