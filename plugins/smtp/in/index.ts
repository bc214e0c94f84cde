/**
 * The listening channel for SMTP and LMTP: accepts connections, speaks the protocol, passes messages to the kernel.
 *
 * This file assembles the parts: `options.ts` defines the options, `server.ts` is the network, `session.ts` and
 * `transaction.ts` are the protocol. Invariants: a message gets 250 only if the kernel accepted it.
 */
import { definePlugin } from 'iems'
import { createSmtpListener } from './listener.ts'
import { options as schema } from './options.ts'

export const smtpIn = definePlugin({
  name: 'smtp-in',
  config: schema,
  async setup(options, ctx) {
    const { server, refresh, ready } = await createSmtpListener(options, ctx)
    const label = `${options.protocol.toUpperCase()}${options.tls?.mode === 'implicit' ? ' with TLS' : ''}`
    return {
      async listen() {
        await ready()
        for (const address of [options.listen].flat()) await ctx.port(address, label, (socket) => server.accept(socket))
      },
      refresh,
      close: (signal) => server.drain(signal),
    }
  },
})
