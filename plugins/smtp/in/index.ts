/**
 * The listening end for SMTP and LMTP: takes connections, speaks the protocol, hands messages to the kernel.
 *
 * This file only wires: `options.ts` says what can be set, `server.ts` is the network, `session.ts` and
 * `transaction.ts` the protocol. What must stay true: no message is answered 250 here unless the kernel said so.
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
