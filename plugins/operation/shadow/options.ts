/** The options of the plugin; their descriptions become docs/config.md. */
import { duration, size } from 'iems'
import * as z from 'zod'

export const options = z.strictObject({
  config: z.string().min(1).describe('Configuration that runs in the shadow; relative to the running one.'),
  fields: z
    .array(z.string().regex(/^[!-9;-~]+$/))
    .max(20)
    .default(['X-Spam-Flag'])
    .describe('Header fields that are part of the fate of an accepted message.'),
  size: size().prefault('10 MB').describe('Maximum size of a message that is compared.'),
  waiting: z
    .int()
    .positive()
    .default(100)
    .describe('Maximum number of messages that wait for the shadow; further ones are not compared.'),
  keep: duration().prefault('30 days').describe('Time for which changed fates are kept.'),
})
export type Options = z.output<typeof options>
