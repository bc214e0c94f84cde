/**
 * SPF, DKIM, DMARC, ARC and BIMI of incoming mail: verification, enforcement and reports.
 *
 * This file assembles the parts; start reading at check.ts, then verify.ts and policy.ts.
 */
import { createDns, type Dns, definePlugin, format, type SetupContext } from 'iems'
import { Webmail } from '../../web/mail/api.ts'
import { createBanner } from './banner.ts'
import { createCheck } from './check.ts'
import { createModify } from './modify.ts'
import { type Options, options } from './options.ts'
import { createCommands } from './reports/commands.ts'
import { createReceiveReports } from './reports/receive.ts'
import { ReportSender } from './reports/send.ts'
import { StoredTally } from './reports/tally.ts'

/** Intervals at which counts are written and due reports are checked. */
const FLUSH_MS = 60_000
const DUE_MS = 3_600_000
/** Time for parsing and computation, in addition to DNS. */
const COMPUTING_MS = 40_000

export const senderAuth = definePlugin({
  name: 'sender-auth',
  config: options,
  wants: [Webmail],
  setup(config, ctx) {
    const authservId = config.authservId ?? ctx.hostname
    const { now } = ctx.clock
    ctx.find(Webmail)?.add('message.banner', createBanner(authservId))
    const dns = config.dns ? createDns(config.dns, now) : ctx.dns
    const { tally, send } = createReports(config, ctx, dns)
    const check = createCheck({ config, authservId, dns, now, chance: Math.random, tally })
    const receive = createReceiveReports({
      ...config.reports,
      ...ctx,
      addresses: config.reports.receiveAt,
      perDay: config.reports.receivedPerDay,
    })
    ctx.schedule({
      name: 'dmarc-reports',
      every: DUE_MS,
      async run() {
        for await (const { domain, day } of send.sendDue()) ctx.log.info('DMARC report sent', { domain, day })
        await send.sweep()
      },
    })
    if (tally) ctx.repeat(FLUSH_MS, 'the counting for DMARC reports', () => tally.flush())
    return {
      hooks: {
        check: { handler: check, stage: 'early', timeout: config.timeout + COMPUTING_MS },
        modify: { handler: createModify({ ...config, authservId }), stage: 'late' },
        queued: { handler: receive, timeout: COMPUTING_MS },
      },
      commands: createCommands({ store: ctx.store, clock: ctx.clock, sendDue: () => send.sendDue() }),
      check: () => unreachable(config.reports.receiveAt, ctx),
      close: () => tally?.flush(),
    }
  },
})

function createReports({ reports, timeout }: Options, ctx: SetupContext, dns: Dns) {
  const { from, organization = ctx.hostname, contact } = reports
  const tally = from === undefined ? undefined : new StoredTally({ ...reports, ...ctx, now: ctx.clock.now })
  const send = new ReportSender({
    ...ctx,
    dns,
    by: from === undefined ? undefined : { organization, email: from, contact },
    destinations: reports.destinations,
    timeoutMs: timeout,
    keepMs: reports.keep,
    flush: async () => tally?.flush(),
  })
  return { tally, send }
}

/** Report addresses that do not accept mail. */
async function* unreachable(addresses: readonly string[], { openSession }: SetupContext): AsyncGenerator<string> {
  for (const address of addresses) {
    const session = openSession({ protocol: 'LOCAL', remote: { address: '127.0.0.1' } })
    const refusal = (await session.mail('', {})) ?? (await session.rcpt({ address }))
    session.close()
    if (refusal) yield `reports.receiveAt ${address} gets no mail: ${format(refusal.reply)}`
  }
}
