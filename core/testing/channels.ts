/**
 * Channels for tests: one records deliveries, one admits clients without a socket.
 */
import * as z from 'zod'
import type { Delivery, Outcome } from '../api/hooks.ts'
import { type DeliverContext, definePlugin, type PluginEntry } from '../api/plugin.ts'
import { accept } from '../api/reply.ts'
import type { ChannelSettings } from '../runtime/settings.ts'

/** A delivery as the channel `out` received it. */
export interface Delivered {
  readonly from: string
  readonly to: readonly string[]
  readonly nexthop: string
  readonly channel: string
  readonly attempt: number
  /** One character per octet. */
  readonly content: string
  /** The message's id. */
  readonly message: string
}

export type DeliverAnswer = (
  delivery: Delivery,
  ctx: DeliverContext,
) => readonly Outcome[] | Promise<readonly Outcome[]>

/** A channel that routes every recipient to itself, by domain, and records deliveries in `into`. */
export function captureChannel(into: Delivered[], answer: DeliverAnswer | undefined): PluginEntry {
  const capture = definePlugin({
    name: 'capture',
    config: z.undefined(),
    setup: (_, { name }) => ({
      hooks: {
        route: {
          stage: 'last',
          handler: ({ to }) => ({
            channel: name,
            nexthop: to.address.slice(to.address.lastIndexOf('@') + 1).toLowerCase(),
          }),
        },
      },
      async deliver(delivery, ctx) {
        const content = await textOf(delivery.open())
        const outcomes = await (answer?.(delivery, ctx) ?? deliveredTo(delivery))
        const to = delivery.recipients.map(({ address }) => address)
        into.push({
          from: delivery.from,
          to,
          ...delivery.route,
          attempt: delivery.attempt,
          content,
          message: delivery.message.id,
        })
        return outcomes
      },
    }),
  })
  return capture(undefined, { accepts: 'anyone' })
}

/**
 * A listening channel without a socket, for `kernel.session({ channel })`. Needed when settings name the channel
 * (`from: ['mx']`), or to trust networks: `clientChannel({ trusts: ['10.0.0.0/8'] })`.
 */
export const clientChannel = (settings: Pick<Partial<ChannelSettings>, 'trusts'> = {}): PluginEntry =>
  definePlugin({ name: 'client', config: z.undefined(), setup: () => ({ listen() {} }) })(undefined, settings)

/** Outcomes of a delivery that succeeds for every recipient. */
export function deliveredTo({ recipients }: Delivery): Outcome[] {
  return recipients.map((recipient) => ({ recipient, status: 'delivered', reply: accept(250, '2.0.0', 'Taken') }))
}

/** Reads a stream to its end, one character per octet. */
export async function textOf(source: AsyncIterable<Uint8Array>): Promise<string> {
  let text = ''
  for await (const chunk of source) text += Buffer.from(chunk).toString('latin1')
  return text
}
