/**
 * POP3 over the message store.
 *
 * This file assembles the parts; session.ts is the protocol.
 */
import { Cache, type Client, createListener, definePlugin, type SetupContext, serveLines } from 'iems'
import { OldServer } from '../../gateway/move/api.ts'
import { MailStore } from '../../mailbox/store/api.ts'
import { statusLine } from './lines.ts'
import { type Options, options } from './options.ts'
import { Session } from './session.ts'

export const pop3 = definePlugin({
  name: 'pop3',
  config: options,
  needs: [MailStore],
  wants: [OldServer],
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

const serve = (config: Options, ctx: SetupContext, { mayLogIn, ...served }: Served): Promise<void> =>
  serveLines(
    ctx,
    served,
    { protocol: 'POP3', timeouts: config.timeouts, refusal: (text) => `${statusLine(`-ERR ${text}`)}\r\n` },
    (session) =>
      new Session({
        ...session,
        options: config,
        log: ctx.log,
        mail: ctx.use(MailStore),
        oldSession: async (account) => ctx.find(OldServer)?.sessionOf('POP3', account),
        hostname: ctx.hostname,
        mayLogIn,
      }).run(),
  )
