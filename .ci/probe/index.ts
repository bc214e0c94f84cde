/**
 * A plugin of the kind that the guide's recipes describe: a channel that delivers into files, a webhook after each
 * delivery, a service for other plugins, a command, and additions to the web mail.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { accept, defineCommand, definePlugin, defineService } from 'iems'
import { Webmail } from 'iems/plugins/webmail'
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
  wants: [Webmail],
  setup({ domain, folder, webhook }, ctx) {
    let count = 0
    ctx.offer(Counter, {
      get count() {
        return count
      },
    })
    const webmail = ctx.find(Webmail)
    const module = { name: 'probe', title: { en: 'Probe it' }, module: new URL('./web.js', import.meta.url) }
    webmail?.add('message.aside', module)
    webmail?.add('compose.action', module)
    webmail?.add('message.banner', {
      name: 'probe',
      show: () => ({ tone: 'quiet', text: { en: 'Seen by the probe' } }),
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
