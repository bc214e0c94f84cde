/**
 * The listening channel for SMTP and LMTP: accepts connections, speaks the protocol, passes messages to the kernel.
 *
 * This file assembles the parts: `options.ts` defines the options, `server.ts` is the network, `session.ts` and
 * `transaction.ts` are the protocol. Invariants: a message gets 250 only if the kernel accepted it.
 */
import {
  CERTIFICATES_LOOK_MS,
  createAdmissionState,
  createConnectionLimits,
  definePlugin,
  inNetworks,
  readCertificates,
} from 'iems'
import { createNameOf } from './client-name.ts'
import { createEtrn } from './etrn.ts'
import { options as schema } from './options.ts'
import { IemsSmtpServer } from './server.ts'

export const smtpIn = definePlugin({
  name: 'smtp-in',
  config: schema,
  async setup(options, ctx) {
    const { hostname, log, clock, queue } = ctx
    const certificates = options.tls && (await readCertificates(options.tls))
    const server = new IemsSmtpServer({
      options,
      hostname,
      log,
      clock,
      certificates,
      admission: createConnectionLimits(options.limits, ctx.lasting('connections', createAdmissionState)),
      etrn: createEtrn(options.etrn, { queue, log }),
      nameOf: createNameOf(ctx.dns, options.clientNameTimeout),
      mayXclient: inNetworks(options.xclientFrom),
      openSession: (facts) => ctx.openSession(facts),
    })
    const refresh = async () => {
      if (!(await certificates?.refresh())) return true
      server.takeCertificates()
      log.info('other certificates are used from now on')
      return true
    }
    if (certificates) ctx.repeat(CERTIFICATES_LOOK_MS, 'the look for other certificates', refresh)
    const label = `${options.protocol.toUpperCase()}${options.tls?.mode === 'implicit' ? ' with TLS' : ''}`
    return {
      async listen() {
        for (const address of [options.listen].flat()) await ctx.port(address, label, (socket) => server.accept(socket))
      },
      refresh,
      close: (signal) => server.drain(signal),
    }
  },
})
