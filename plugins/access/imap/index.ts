/**
 * IMAP4rev2 and IMAP4rev1 over the message store.
 *
 * This file assembles the parts: session.ts is a client's session, commands/ the commands, grammar/ their syntax.
 */
import { type Client, createListener, definePlugin, LineReader, LineWriter, type SetupContext } from 'iems'
import { Accounts } from '../../directory/static/api.ts'
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
  wants: [Quotas, Mailsort],
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

async function serve(config: Options, ctx: SetupContext, { client, signal, kept }: Serving): Promise<void> {
  const { remote, local, tls } = client
  const kernel = ctx.openSession({ protocol: 'IMAP', brings: 'nothing', remote, local, ...(tls ? { tls } : {}) })
  const input = new LineReader(config.timeouts.login)
  const output = new LineWriter(config.timeouts.write)
  let isSecure = tls !== undefined
  try {
    input.attach(client.socket)
    output.attach(client.socket)
    const refusal = await kernel.connect()
    if (refusal) {
      output.line(`* BYE ${refusal.reply.text}`)
      return await output.flush()
    }
    const session = new Session({
      input,
      output,
      options: config,
      log: ctx.log,
      mail: ctx.use(MailStore),
      query: ctx.use(MailQuery),
      accounts: ctx.use(Accounts),
      quotas: ctx.find(Quotas),
      hasEvents: ctx.find(Mailsort)?.hasEvents === true,
      ...kept,
      hostname: ctx.hostname,
      now: () => ctx.clock.now(),
      isSecure: () => isSecure,
      hasTls: () => client.mayStartTls,
      open: kernel,
      judge: async (command) => (await ctx.call('imap:command', { remote, ...command })) ?? undefined,
      tellPlugins: async (change) => void (await ctx.call('imap:changed', { remote, ...change })),
      signal: AbortSignal.any([signal, kernel.revoked]),
      async startTls() {
        input.detach()
        const { socket, tls } = await client.startTls()
        isSecure = true
        kernel.update({ tls })
        input.attach(socket)
        output.attach(socket)
      },
      compress() {
        input.detach()
        const { readable, writable } = client.compress()
        input.attach(readable)
        output.attach(writable)
      },
    })
    await session.run(`* OK [CAPABILITY ${capabilities(session)}] ${ctx.hostname} is ready`)
  } finally {
    kernel.close()
  }
}
