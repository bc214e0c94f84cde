/**
 * The channel of a server that sends no mail to other servers: it takes the route of every recipient that no other
 * channel serves, and refuses that recipient with a text that says why.
 *
 * What must stay true: nothing leaves the server; a sender learns at RCPT, or from a report, that it will not.
 */
import { definePlugin, refuse } from 'iems'
import * as z from 'zod'

const REFUSAL = refuse(550, '5.7.1', 'Mail to other servers is switched off on this server')

export const outgoingRefused = definePlugin({
  name: 'outgoing-refused',
  config: z.strictObject({}).prefault({}),
  setup: (_, { name }) => ({
    hooks: {
      route: { stage: 'last', handler: () => ({ channel: name, nexthop: 'none' }) },
      rcpt: ({ routed }) => (routed.some(({ route }) => route.channel === name) ? REFUSAL : undefined),
    },
    // What was queued for another channel, and routed here by an administrator, is returned to its sender.
    deliver: async ({ recipients }) =>
      recipients.map((recipient) => ({ recipient, status: 'failed' as const, reply: REFUSAL.reply })),
  }),
})
