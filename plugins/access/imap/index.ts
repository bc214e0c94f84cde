/**
 * IMAP4rev2 and IMAP4rev1 over the message store.
 *
 * This file assembles the parts: session.ts is a client's session, commands/ the commands, grammar/ their syntax.
 */
import { type Client, createListener, definePlugin, type SetupContext, serveLines } from 'iems'
import { Accounts } from '../../directory/static/api.ts'
import { OldServer } from '../../gateway/move/api.ts'
import { Mailsort } from '../../mailbox/mailsort/api.ts'
import { Quotas } from '../../mailbox/quota/api.ts'
import { MailQuery, MailStore } from '../../mailbox/store/api.ts'
import { capabilities } from './capabilities.ts'
import type { SessionDeps } from './context.ts'
import { createKeywords } from './keywords.ts'
import { type Options, options } from './options.ts'
import { Session } from './session.ts'
import { createUnseen } from './unseen.ts'

export const imap = definePlugin({
  name: 'imap',
  config: options,
  needs: [Accounts, MailStore, MailQuery],
  wants: [Quotas, Mailsort, OldServer],
  hooks: { 'imap:command': 'bail', 'imap:changed': 'parallel' },
  async setup(config, ctx) {
    const kept = { keywords: createKeywords(), unseen: createUnseen() }
    return createListener(config, ctx, {
      label: 'IMAP',
      full: '* BYE Too many connections\r\n',
      serve: (client, signal) => serve(config, ctx, { client, signal, kept }),
    })
  },
})

interface Serving {
  readonly client: Client
  readonly signal: AbortSignal
  /** Shared by sessions. */
  readonly kept: Pick<SessionDeps, 'keywords' | 'unseen'>
}

const serve = (config: Options, ctx: SetupContext, { kept, ...served }: Serving): Promise<void> =>
  serveLines(
    ctx,
    served,
    { protocol: 'IMAP', timeouts: config.timeouts, refusal: (text) => `* BYE ${text}\r\n` },
    async (lines) => {
      const { remote } = served.client
      const session = new Session({
        ...lines,
        options: config,
        log: ctx.log,
        mail: ctx.use(MailStore),
        query: ctx.use(MailQuery),
        accounts: ctx.use(Accounts),
        quotas: ctx.find(Quotas),
        hasEvents: ctx.find(Mailsort)?.hasEvents === true,
        ...kept,
        oldSession: async (account) => ctx.find(OldServer)?.sessionOf('IMAP', account),
        hostname: ctx.hostname,
        now: () => ctx.clock.now(),
        judge: async (command) => (await ctx.call('imap:command', { remote, ...command })) ?? undefined,
        tellPlugins: async (change) => void (await ctx.call('imap:changed', { remote, ...change })),
      })
      await session.run(`* OK [CAPABILITY ${capabilities(session)}] ${ctx.hostname} is ready`)
    },
  )
