/**
 * ManageSieve for the scripts of mailsort.
 *
 * This file assembles the parts; session.ts is the protocol.
 */
import { type Client, createListener, definePlugin, LineReader, LineWriter, type SetupContext } from 'iems'
import { Mailsort } from '../../mailbox/mailsort/api.ts'
import { type Options, options } from './options.ts'
import { Session } from './session.ts'

export const managesieve = definePlugin({
  name: 'managesieve',
  config: options,
  needs: [Mailsort],
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

async function serve(config: Options, ctx: SetupContext, { client, signal }: Served): Promise<void> {
  const { remote, local, tls } = client
  const kernel = ctx.openSession({ protocol: 'SIEVE', brings: 'nothing', remote, local, ...(tls ? { tls } : {}) })
  const input = new LineReader(config.timeouts.login)
  const output = new LineWriter(config.timeouts.write)
  let isSecure = tls !== undefined
  input.attach(client.socket)
  output.attach(client.socket)
  try {
    const refusal = await kernel.connect()
    if (refusal) {
      output.write(Buffer.from(`BYE "${refusal.reply.text.replace(/["\\]/g, '\\$&')}"\r\n`))
      return await output.flush()
    }
    await new Session({
      input,
      output,
      options: config,
      log: ctx.log,
      sort: ctx.use(Mailsort),
      isSecure: () => isSecure,
      hasTls: () => client.mayStartTls,
      open: kernel,
      signal: AbortSignal.any([signal, kernel.revoked]),
      async startTls() {
        input.detach()
        const { socket, tls } = await client.startTls()
        isSecure = true
        kernel.update({ tls })
        input.attach(socket)
        output.attach(socket)
      },
    }).run()
  } finally {
    kernel.close()
  }
}
