/**
 * The options of the plugin; the reference documentation is generated from this schema.
 */
import { network, reportOptions } from 'iems'
import * as z from 'zod'

export const options = z.strictObject({
  ...reportOptions({ maxSize: '5 MB', command: 'iems tls reports' }),
  path: z
    .string()
    .regex(/^\/[\w/-]*$/)
    .default('/tls-reports')
    .describe('Path of the http plugin to which others post their reports.'),
  allow: z
    .array(network())
    .default([])
    .describe('Networks to which reports may be posted though they are not public, for tests.'),
})
export type Options = z.output<typeof options>
