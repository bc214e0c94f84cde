/**
 * Settings of the kernel for each plugin, and those for channels.
 *
 * They are the second argument of every plugin's factory. No plugin reimplements one of these.
 */
import * as z from 'zod'
import { network } from '../net/networks.ts'
import { duration, size } from './units.ts'

export const pluginSettings = z.strictObject({
  as: z
    .string()
    .regex(/^[a-z][a-z0-9-]*$/)
    .optional()
    .describe('Another name, for a second instance of the same plugin. Under channels the key is the name.'),
  nodes: z
    .array(z.string().min(1))
    .min(1)
    .readonly()
    .optional()
    .describe(
      'Servers, by `node`, on which its listeners, deliveries, jobs and background work run; its hooks run on every server. Default: all.',
    ),
  onError: z
    .enum(['defer', 'skip'])
    .default('defer')
    .describe('A fault of the plugin defers the message, or skips the plugin.'),
  from: z.array(z.string()).readonly().optional().describe('Only for messages that came in by these channels.'),
  to: z
    .array(z.string())
    .readonly()
    .optional()
    .describe('Only for recipients, deliveries, and messages of which any part goes to these channels.'),
})

const retry = z.strictObject({
  first: duration().prefault('5 min').describe('Wait before the second attempt.'),
  factor: z.number().min(1).max(10).default(1.5).describe('By how much each wait is longer than the one before.'),
  max: duration().prefault('4 h').describe('Maximum wait between attempts.'),
  for: duration().prefault('5 days').describe('After this time the message is returned to its sender.'),
  warnAfter: duration()
    .prefault('4 h')
    .describe("Time after which the sender receives a report of the delay; '0 s' for never."),
})

/** `'100/min'`: a count per unit of time; the schema converts it to ms between two. */
const rate = z
  .string()
  .regex(/^\d+\/(s|min|h)$/, "must be a number per time such as '100/min'")
  .transform((text) => {
    const [count, unit] = text.split('/')
    return Math.ceil(
      ({ s: 1000, min: 60_000, h: 3_600_000 }[unit as 's' | 'min' | 'h'] ?? 0) / Math.max(1, Number(count)),
    )
  })

/** `'02:00-03:30'`: minutes since midnight after the schema. */
const dayWindow = z
  .string()
  .regex(/^(?:[01]\d|2[0-3]):[0-5]\d-(?:[01]\d|2[0-3]):[0-5]\d$/, "must be two times of day such as '02:00-03:30'")
  .transform((text) => {
    const [from = 0, to = 0] = text.split('-').map((time) => Number(time.slice(0, 2)) * 60 + Number(time.slice(3)))
    return { from, to }
  })
/** Times of day as people write them: '22:00-07:00', or a list of these. */
export const dayWindows = () => z.union([dayWindow.transform((one) => [one]), z.array(dayWindow).min(1)])
const onlineRule = z.union([
  dayWindows().transform((at) => ({ at })),
  z.strictObject({
    at: dayWindows().describe("Times of day: '02:00-03:30', or a list of these."),
    octets: size().optional().describe('Octets of content that one window carries at most.'),
    time: duration().optional().describe('Time after the first delivery in a window in which others may begin.'),
  }),
])
const online = z.union([onlineRule.transform((rule) => ({ '*': rule })), z.record(z.string(), onlineRule)])

export const channelSettings = pluginSettings.extend({
  accepts: z
    .enum(['anyone', 'authorised'])
    .default('authorised')
    .describe(
      "Senders whose mail this channel takes: 'anyone' (local mail, lists) or 'authorised' (relays), so that no open relay is made by omission. The default of mailstore is 'anyone', since its mail does not leave the server.",
    ),
  trusts: z
    .array(network())
    .readonly()
    .default([])
    .describe('Networks whose clients count as authorised where this channel listens.'),
  concurrency: z.number().int().min(1).max(10_000).default(100).describe('Deliveries at a time.'),
  perNextHop: z.number().int().min(1).max(10_000).default(20).describe('Deliveries at a time to one next hop.'),
  rate: rate.optional().describe("Most deliveries to one next hop, such as '100/min'; no limit if absent."),
  online: online
    .optional()
    .describe(
      "Delivery windows: times of day, by the server's clock, at which mail goes to next hops: '02:00-03:30', a list of these, an object with a budget ({ at, octets, time }), or one of these for each next hop ({ 'mx.example.org': …, '*': … }). Waiting mail goes when the window opens, urgent mail first. A flush or ETRN opens a next hop for 15 minutes. Default: always.",
    ),
  retry: retry.prefault({}).describe('Times of further attempts after a temporary failure.'),
  lease: duration()
    .prefault('10 min')
    .describe('A delivery that is silent for so long is presumed dead and given to another.'),
})

export type Settings = z.input<typeof channelSettings>
export type PluginSettings = z.output<typeof pluginSettings>
export type ChannelSettings = z.output<typeof channelSettings>
