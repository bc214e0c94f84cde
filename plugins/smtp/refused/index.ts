/**
 * The channel of a server that sends no mail to other servers: it routes every recipient that no other channel serves
 * to itself, and refuses them with the reason.
 *
 * Invariants: nothing leaves the server; the sender learns it at RCPT or from a report.
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
    // Mail that an administrator rerouted here from another channel is returned to its sender.
    deliver: async ({ recipients }) =>
      recipients.map((recipient) => ({ recipient, status: 'failed' as const, reply: REFUSAL.reply })),
  }),
})
