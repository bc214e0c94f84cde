/**
 * POP3 over the message store.
 *
 * This file assembles the parts; session.ts is the protocol.
 */
import { Cache, type Client, createListener, definePlugin, LineReader, LineWriter, type SetupContext } from 'iems'
import { MailStore } from '../../mailbox/store/api.ts'
import { statusLine } from './lines.ts'
import { type Options, options } from './options.ts'

import { Session } from './session.ts'

export const pop3 = definePlugin({
  name: 'pop3',
  config: options,
  needs: [MailStore],
  async setup(config, ctx) {
    const mayLogIn = createDelay(config.loginDelay, {
      now: () => ctx.clock.now(),
      last: ctx.lasting('logins', () => new Cache<number>({ max: REMEMBERED })),
    })
    return createListener(config, ctx, {
      label: 'POP3',
      full: '-ERR [SYS/TEMP] Too many connections\r\n',
      serve: (client, signal) => serve(config, ctx, { client, signal, mayLogIn }),
    })
  },
})

/** Maximum accounts whose last login is remembered. */
const REMEMBERED = 100_000

/** RFC 2449 section 6.5: LOGIN-DELAY. */
function createDelay(
  ms: number,
  { now, last }: { now(): number; readonly last: Cache<number> },
): (account: string) => boolean {
  return (account) => {
    if (ms === 0) return true
    const isTooSoon = now() - (last.get(account) ?? Number.NEGATIVE_INFINITY) < ms
    if (isTooSoon) return false
    last.set(account, now())
    return true
  }
}

interface Served {
  readonly client: Client
  readonly signal: AbortSignal
  mayLogIn(account: string): boolean
}

async function serve(config: Options, ctx: SetupContext, { client, signal, mayLogIn }: Served): Promise<void> {
  const { remote, local, tls } = client
  const kernel = ctx.openSession({ protocol: 'POP3', brings: 'nothing', remote, local, ...(tls ? { tls } : {}) })
  const input = new LineReader(config.timeouts.login)
  const output = new LineWriter(config.timeouts.write)
  let isSecure = tls !== undefined
  input.attach(client.socket)
  output.attach(client.socket)
  try {
    const refusal = await kernel.connect()
    if (refusal) {
      output.line(statusLine(`-ERR ${refusal.reply.text}`))
      return await output.flush()
    }
    await new Session({
      input,
      output,
      options: config,
      log: ctx.log,
      mail: ctx.use(MailStore),
      hostname: ctx.hostname,
      isSecure: () => isSecure,
      hasTls: () => client.mayStartTls,
      open: kernel,
      mayLogIn,
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
