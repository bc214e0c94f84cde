/**
 * A forwarding server with srs, and strangers that talk to it: without a socket.
 */
import type { TestContext } from 'node:test'
import { definePlugin, type Reply, secret } from 'iems'
import { srs } from 'iems/plugins/srs'
import {
  clientChannel,
  createTestKernel,
  type Delivered,
  deliveredTo,
  type TestKernelOptions,
  textOf,
} from 'iems/testing'
import * as z from 'zod'

export type SrsOptions = NonNullable<Parameters<typeof srs>[0]>
export const SECRET = 'not known to anybody'
export const DAY = 86_400_000

/** Where mail for addresses of ours goes. */
const FORWARDS: Readonly<Record<string, readonly string[]>> = {
  'ann@ours.test': ['ann@far.test'],
  'both@ours.test': ['bob@ours.test', 'bob@far.test'],
  'inner@ours.test': ['bob@ours.test'],
}

/** Turns addresses of ours into where their mail goes. */
export const forwarding = definePlugin({
  name: 'forwarding',
  config: z.undefined(),
  setup: () => ({
    hooks: { expand: ({ to }) => FORWARDS[to.address]?.map((address) => ({ ...to, address })) },
  }),
})

export interface Settings {
  readonly options?: Partial<SrsOptions>
  readonly kernel?: Pick<TestKernelOptions, 'clock' | 'deliver'>
}

export async function startForwarder(t: Pick<TestContext, 'after'>, { options, kernel: given }: Settings = {}) {
  const sent: Delivered[] = []
  /** `local` for ours.test, `out` for the world and only for those who may relay. */
  const channel = (takes: (domain: string) => boolean) =>
    definePlugin({
      name: 'channel',
      config: z.undefined(),
      setup: (_, { name }) => ({
        hooks: {
          route({ to }) {
            const domain = to.address.slice(to.address.lastIndexOf('@') + 1).toLowerCase()
            return takes(domain) ? { channel: name, nexthop: domain } : undefined
          },
        },
        async deliver(delivery, ctx) {
          const outcomes = (await given?.deliver?.(delivery, ctx)) ?? deliveredTo(delivery)
          sent.push({
            from: delivery.from,
            to: delivery.recipients.map(({ address }) => address),
            ...delivery.route,
            attempt: delivery.attempt,
            content: await textOf(delivery.open()),
            message: delivery.message.id,
          })
          return outcomes
        },
      }),
    })
  const kernel = await createTestKernel(t, {
    ...(given?.clock ? { clock: given.clock } : {}),
    channels: {
      in: clientChannel({ trusts: ['10.0.0.0/8'] }),
      local: channel((domain) => domain === 'ours.test')(undefined, { accepts: 'anyone' }),
      out: channel((domain) => domain !== 'ours.test')(),
    },
    plugins: [
      srs({ domain: 'srs.ours.test', domains: ['ours.test'], secrets: [secret.value(SECRET)], ...options }),
      forwarding(),
    ],
  })

  /** Hands a message in as a stranger would, and says what was sent because of it. */
  async function send(from: string, to: string, address = '192.0.2.1'): Promise<{ reply: Reply; sent: Delivered[] }> {
    const before = sent.length
    const session = kernel.session({ remote: { address } })
    const { reply } = await session.submit({ from, to: [to] })
    session.close()
    await kernel.deliver()
    return { reply, sent: sent.slice(before) }
  }

  return { ...kernel, send, sent }
}
