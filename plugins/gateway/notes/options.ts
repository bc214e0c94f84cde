/** The options of the plugin; their descriptions become docs/config.md. */
import * as z from 'zod'
import { isDomain } from '../../directory/static/api.ts'

const domain = z.string().refine(isDomain, 'must be a domain')

export const options = z.strictObject({
  domain: domain
    .default('notes.invalid')
    .describe('Domain of the addresses that stand for Notes names which the directory does not know.'),
})

export type Options = z.output<typeof options>
