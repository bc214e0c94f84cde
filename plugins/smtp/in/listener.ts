/** A listener put together: the server of server.ts with its certificates, limits and rules, for the channel that has it. */
import {
  CERTIFICATES_LOOK_MS,
  createAdmissionState,
  createConnectionLimits,
  inNetworks,
  readCertificates,
  type SetupContext,
} from 'iems'
import { createNameOf } from './client-name.ts'
import { createEtrn } from './etrn.ts'
import type { Atrn } from './listener-context.ts'
import type { Options } from './options.ts'
import { IemsSmtpServer } from './server.ts'

export interface SmtpListener {
  readonly server: IemsSmtpServer
  /** Before the first connection: certificates of plugins are there now. */
  ready(): Promise<void>
  refresh(): Promise<boolean>
}

export async function createSmtpListener(options: Options, ctx: SetupContext, atrn?: Atrn): Promise<SmtpListener> {
  const { hostname, log, clock, queue } = ctx
  const certificates = options.tls && (await readCertificates(options.tls, ctx))
  const server = new IemsSmtpServer({
    options,
    hostname,
    log,
    clock,
    certificates,
    admission: createConnectionLimits(options.limits, ctx.lasting('connections', createAdmissionState)),
    atrn,
    etrn: createEtrn(options.etrn, { queue, log }),
    nameOf: createNameOf(ctx.dns, options.clientNameTimeout),
    mayXclient: inNetworks(options.xclientFrom),
    openSession: (facts) => ctx.openSession(facts),
  })
  const take = async () => {
    const isOther = (await certificates?.refresh()) ?? false
    if (isOther) server.takeCertificates()
    return isOther
  }
  const refresh = async () => {
    if (await take()) log.info('other certificates are used from now on')
    return true
  }
  if (certificates) ctx.repeat(CERTIFICATES_LOOK_MS, 'the look for other certificates', refresh)
  return { server, refresh, ready: async () => void (await take()) }
}
