/**
 * Reports on TLS (RFC 8460): results of smtp-out are counted and reported to other domains every day; reports of others
 * are received by mail and HTTPS, kept and shown.
 *
 * This file assembles the parts: tally.ts counts, sending.ts reports, receiving.ts keeps.
 */
import { definePlugin, type KernelEvent } from 'iems'
import type { TlsResult } from '../../smtp/out/api.ts'
import { Http } from '../../web/http/api.ts'
import { createCommands } from './commands.ts'
import { options } from './options.ts'
import { Receiving } from './receiving.ts'
import { Sending } from './sending.ts'
import { Tally } from './tally.ts'

const FLUSH_MS = 60_000
const DUE_MS = 3_600_000
const RECEIVE_MS = 40_000

export const tlsReports = definePlugin({
  name: 'tls-reports',
  config: options.prefault({}),
  wants: [Http],
  setup(config, ctx) {
    const { store, clock, log } = ctx
    const tally = new Tally(store, clock, config.domains)
    const sending = new Sending({ ...ctx, options: config, flush: () => tally.flush() })
    const receiving = new Receiving({ store, clock, log, options: config })
    const http = ctx.find(Http)
    if (http) receiving.addRoute(http)
    if (config.from !== undefined) ctx.repeat(FLUSH_MS, 'the counting for TLS reports', () => tally.flush())
    ctx.schedule({
      name: 'send',
      every: DUE_MS,
      async run() {
        for await (const { domain, day } of sending.sendDue()) log.info('a TLS report was sent', { domain, day })
        await sending.sweep()
      },
    })
    return {
      hooks: {
        event(event) {
          if (event.name === 'smtp-out.tls' && config.from !== undefined) tally.add(event as KernelEvent & TlsResult)
        },
        queued: { handler: (message) => receiving.fromMail(message), timeout: RECEIVE_MS },
      },
      commands: createCommands({ store, clock, sendDue: () => sending.sendDue() }),
      close: () => tally.flush(),
    }
  },
})
