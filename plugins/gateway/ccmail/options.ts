/** The options of the plugin; their descriptions become docs/config.md. */

import { duration, size } from 'iems'
import { codePage } from 'iems/mime'
import * as z from 'zod'
import { isDomain } from '../../directory/static/api.ts'

const domain = z.string().refine(isDomain, 'must be a domain')
const page = z.string().refine((name) => codePage(name) !== undefined, 'must be a code page, such as cp850')
const zone = z.string().refine(isZone, 'must be a time zone, such as Europe/Vienna')

function isZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en-US', { timeZone: name }) !== undefined
  } catch {
    return false
  }
}

export const options = z.strictObject({
  folder: z
    .string()
    .optional()
    .describe(
      'Folder with the exchange folders in, out, bad and und; without it there are only the migration commands',
    ),
  domain: domain.describe('Domain of the addresses of cc:Mail users.'),
  separator: z.enum(['_', '.']).default('_').describe('Separator of the words of a name in an address.'),
  order: z
    .enum(['first', 'last'])
    .default('first')
    .describe('Name that an address begins with, the first or the last.'),
  withoutPostOffice: z.boolean().default(false).describe('Addresses leave out the post office.'),
  gateway: z
    .string()
    .min(1)
    .max(64)
    .default('internet')
    .describe('Name of the gateway post office, to which cc:Mail users write as user@example.org at internet.'),
  codePage: page.default('cp850').describe('Code page of the post office.'),
  dateOrder: z.enum(['mdy', 'dmy', 'ymd']).default('mdy').describe('Order of day, month and year in dates of cc:Mail.'),
  zone: zone.default('UTC').describe('Time zone of the post office.'),
  files: z
    .enum(['auto', 'hex', 'raw'])
    .default('auto')
    .describe(
      'Form of file items: auto reads MacBinary II and octets, hex the lines of /FILES/HEX too, raw octets alone.',
    ),
  attachments: z
    .enum(['keep', 'native', 'apple'])
    .default('keep')
    .describe(
      'Form of files: native drops resource forks and Macintosh headers, apple adds a type and creator to each.',
    ),
  shortNames: z.boolean().default(false).describe('Names of files have eight letters and three, for old clients.'),
  columns: z.int().min(0).max(20).default(0).describe('Columns of size lines, which are padded with spaces.'),
  supposedLabels: z
    .boolean()
    .default(false)
    .describe('Writes also the labels for priority, receipt and folder, whose names are not documented.'),
  interval: duration().prefault('10 s').describe('Time between two looks into the exchange folders.'),
  quiet: duration().prefault('5 s').describe('Time for which a file must not have changed before it is read.'),
  maxSize: size().prefault('32 MiB').describe('Largest message to cc:Mail.'),
})

export type Options = z.output<typeof options>
