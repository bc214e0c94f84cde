/**
 * ManageSieve for the scripts of mailsort.
 *
 * This file assembles the parts; session.ts is the protocol.
 */
import { type Client, createListener, definePlugin, type SetupContext, serveLines } from 'iems'
import { OldServer } from '../../gateway/move/api.ts'
import { Mailsort } from '../../mailbox/mailsort/api.ts'
import { type Options, options } from './options.ts'
import { Session } from './session.ts'

export const managesieve = definePlugin({
  name: 'managesieve',
  config: options,
  needs: [Mailsort],
  wants: [OldServer],
  setup: (config, ctx) =>
    createListener(config, ctx, {
      label: 'ManageSieve',
      full: 'BYE (TRYLATER) "Too many connections"\r\n',
      serve: (client, signal) => serve(config, ctx, { client, signal }),
    }),
})

interface Served {
  readonly client: Client
  readonly signal: AbortSignal
}

const serve = (config: Options, ctx: SetupContext, served: Served): Promise<void> =>
  serveLines(
    ctx,
    served,
    {
      protocol: 'SIEVE',
      timeouts: config.timeouts,
      refusal: (text) => `BYE "${text.replace(/["\\]/g, '\\$&')}"\r\n`,
    },
    (session) =>
      new Session({
        ...session,
        options: config,
        log: ctx.log,
        sort: ctx.use(Mailsort),
        oldSession: async (account) => ctx.find(OldServer)?.sessionOf('ManageSieve', account),
      }).run(),
  )
