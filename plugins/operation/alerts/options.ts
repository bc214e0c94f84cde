/** The plugin's options; docs/config.md is generated from this schema. */
import { dayWindows, duration, secretValue } from 'iems'
import * as z from 'zod'

const email = z.strictObject({
  to: z.array(z.email()).min(1).describe('Recipients, best at another provider: this server may be what fails.'),
  from: z.email().optional().describe('Sender of alerts. Default: alerts@ and the host name.'),
  server: secretValue()
    .optional()
    .describe(
      "Server that takes the mail: 'smtps://user:password@mail.example.org'. Default: the mail exchangers of each recipient's domain.",
    ),
})

const webhook = z.strictObject({
  url: z.url({ protocol: /^https?$/ }).describe('Address that gets a POST with JSON.'),
  key: secretValue()
    .optional()
    .describe('Key of the HMAC-SHA256 over the body, sent in hexadecimal as `X-Iems-Signature`. Default: unsigned.'),
})

export const options = z
  .strictObject({
    email: email.optional().describe('Alerts by mail, sent directly and not through the queue.'),
    webhook: webhook.optional().describe('Alerts by HTTP.'),
    every: duration().prefault('1 min').describe('Interval of looks at the status.'),
    after: duration().prefault('2 min').describe('Time that a problem must last before it is reported.'),
    quiet: dayWindows()
      .optional()
      .describe("Times of day when only grave problems are reported, such as '22:00-07:00'. Default: none."),
    timeout: duration().prefault('30 s').describe('Longest time for sending one alert.'),
  })
  .refine(({ email, webhook }) => email ?? webhook, 'must have `email`, `webhook` or both')
export type Options = z.output<typeof options>
