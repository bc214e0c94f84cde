/**
 * The plugin's options.
 */
import { network } from 'iems'
import * as z from 'zod'

export const options = z.strictObject({
  path: z
    .string()
    .regex(/^\/[\w/.-]*$/, 'must be a path such as /metrics')
    .default('/metrics')
    .describe('Path of the metrics.'),
  from: z
    .array(network())
    .default(['127.0.0.1', '::1'])
    .describe('Clients that may read metrics without a login; others need the permission `metrics:read`.'),
})
export type Options = z.output<typeof options>
