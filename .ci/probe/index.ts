/**
 * A plugin of the kind that the guide's recipes describe: a channel that delivers into files, a webhook after each
 * delivery, a service for other plugins, and a command.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { accept, defineCommand, definePlugin, defineService } from 'iems'
import * as z from 'zod'

export interface CounterApi {
  readonly count: number
}
export const Counter = defineService<CounterApi>('probe-counter')

export const packedProbe = definePlugin({
  name: 'packed-probe',
  config: z.strictObject({
    domain: z.string().describe('Domain whose mail it writes.'),
    folder: z.string().describe('Folder of the files.'),
    webhook: z.url().optional().describe('Address that gets a POST after each delivery.'),
  }),
  accepts: 'anyone',
  offers: [Counter],
  setup({ domain, folder, webhook }, ctx) {
    let count = 0
    ctx.offer(Counter, {
      get count() {
        return count
      },
    })
    return {
      hooks: {
        route: ({ to }) => (to.address.endsWith(`@${domain}`) ? { channel: ctx.name, nexthop: domain } : undefined),
        async settled({ delivery, outcomes }, { signal }) {
          if (webhook === undefined) return
          const body = JSON.stringify({ id: delivery.message.id, statuses: outcomes.map(({ status }) => status) })
          await fetch(webhook, { method: 'POST', signal, body })
        },
      },
      async deliver(delivery) {
        await writeFile(join(folder, `${delivery.message.id}.eml`), delivery.open())
        count++
        return delivery.recipients.map((recipient) => ({
          recipient,
          status: 'delivered' as const,
          reply: accept(250, '2.0.0', 'Written'),
        }))
      },
      commands: {
        'probe count': defineCommand({
          summary: 'count the messages that were written',
          fields: z.strictObject({}),
          async *run() {
            yield { text: `${count} written`, value: { count } }
          },
        }),
      },
    }
  },
})
