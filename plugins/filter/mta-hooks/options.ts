/** The options of the plugin; their descriptions become docs/config.md. */
import { duration, secretValue, size } from 'iems'
import * as z from 'zod'

const hook = z.strictObject({
  name: z
    .string()
    .regex(/^[\w-]+$/)
    .describe('Name in findings and in the log.'),
  url: z.url({ protocol: /^https?$/ }).describe('URL of the filter.'),
  user: z.string().optional().describe('User name for HTTP Basic authentication.'),
  password: secretValue().optional().describe("Its password: secret.env('NAME') or secret.file('/path')."),
  timeout: duration().prefault('30 s').describe('Time for a response.'),
  whenDown: z
    .enum(['defer', 'skip'])
    .default('defer')
    .describe('Effect of a filter that fails: senders try later (451), or mail goes on without it.'),
})
export type CalledHook = z.output<typeof hook>

export const options = z.strictObject({
  hooks: z.array(hook).max(20).default([]).describe('Filters that are called with each message, in this order.'),
  serve: z
    .strictObject({
      path: z.string().startsWith('/').default('/mta-hooks').describe('Path of the endpoint.'),
      size: size().prefault('64 MB').describe('Maximum size of a request.'),
    })
    .optional()
    .describe(
      'Serve the plugins of this server to other mail servers. Their user needs the permission `mta-hooks` (option `roles` of `http`).',
    ),
})
export type Options = z.output<typeof options>
