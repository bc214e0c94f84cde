/**
 * Hosts that fetch their mail: On-Demand Mail Relay (RFC 2645) on both sides, and this server's own ETRN on a schedule.
 *
 * This file only wires: provider.ts is the side that keeps mail, fetching.ts the side that asks for it. Invariants: a
 * login gives access to the mail of its own domains, and to nothing else.
 */
import { type CommandOutput, definePlugin, foldDomain, key, type SetupContext } from 'iems'
import { createSmtpListener, smtpInOptions } from '../in/api.ts'
import { customerSession } from './customer-session.ts'
import { type FetchingDeps, fetchMail } from './fetching.ts'
import { type Options, options, type Source } from './options.ts'
import { Provider } from './provider.ts'

/** Ms between two looks at the times of day. */
const LOOK_MS = 60_000

export const odmr = definePlugin({
  name: 'odmr',
  config: options.prefault({}),
  // Mail for the domains of customers is for anyone to send, as to an MX.
  accepts: 'anyone',
  records: { last: { version: 1 } },
  async setup(config, ctx) {
    const { hostname, queue, clock, log, name: channel } = ctx
    const provider = new Provider({ channel, hostname, queue, clock, log, options: config })
    const { listener, inner } = await createListeners(config, ctx, provider)
    const fetching: FetchingDeps = { ctx, listener: inner }
    return {
      hooks: {
        route: {
          stage: 'early',
          handler({ to }) {
            const domain = foldDomain(to.address.slice(to.address.lastIndexOf('@') + 1)) ?? ''
            return provider.takes(domain) ? { channel, nexthop: domain } : undefined
          },
        },
      },
      deliver: (delivery, context) => provider.deliver(delivery, context),
      commands: {
        'odmr fetch': {
          summary: 'Fetch mail from all providers now',
          run: () => fetchAll(config.fetch, fetching, ctx.signal),
        },
      },
      async listen() {
        await listener?.ready()
        for (const address of config.listen ? [config.listen].flat() : [])
          await ctx.port(address, 'ODMR', (socket) => listener?.server.accept(socket))
        for (const [index, source] of config.fetch.entries()) scheduleFetch(ctx, fetching, source, index)
      },
      refresh: async () => (await listener?.refresh()) ?? true,
      async close(signal) {
        provider.close()
        await Promise.all([listener?.server.drain(signal), inner.server.drain(signal)])
      },
    }
  },
})

/** The listener for customers, and the server that receives what is fetched. */
async function createListeners(config: Options, ctx: SetupContext, provider: Provider) {
  const { listen, tls, authWithoutTls, maxSize } = config
  const given = { listen: listen ?? '127.0.0.1:0', maxSize: `${maxSize} B` }
  const inner = await createSmtpListener(smtpInOptions.parse({ ...given, clientNameTimeout: '0 s' }), ctx)
  if (!listen) return { inner, listener: undefined }
  const parsed = { ...smtpInOptions.parse({ ...given, auth: 'required', authWithoutTls: true }), authWithoutTls }
  // The certificates have been read by this plugin's own schema.
  const chosen = { ...parsed, submission: false, ...(tls ? { tls } : {}) }
  const { customers } = config
  const deps = { customers, hostname: ctx.hostname, now: ctx.clock.now }
  const lent: SetupContext = { ...ctx, openSession: (facts) => customerSession(ctx.openSession(facts), deps) }
  const listener = await createSmtpListener(chosen, lent, (argument, identity) => provider.atrn(argument, identity))
  return { inner, listener }
}

function scheduleFetch(ctx: SetupContext, deps: FetchingDeps, source: Source, index: number): void {
  const run = async (signal: AbortSignal) => {
    ctx.log.info('fetching mail', { provider: source.server, said: await fetchMail(deps, source, signal) })
  }
  const name = `fetch ${index} ${source.server}`
  if (source.at.length === 0) {
    ctx.schedule({ name, every: source.every, first: 0, run })
    return
  }
  const last = key('last', name)
  ctx.schedule({
    name,
    every: LOOK_MS,
    async run(signal) {
      const now = ctx.clock.now()
      const known = await ctx.store.get(last)
      const before = known ? Number(Buffer.from(known).toString()) : now
      const isTime = source.at.some((time) => isBetween(time, before, now))
      await ctx.store.commit([{ put: last, value: Buffer.from(String(now)) }])
      if (isTime) await run(signal)
    },
  })
}

/** Whether that time of day lies after one moment and not after the other, by the clock of the server. */
function isBetween(time: string, after: number, now: number): boolean {
  const day = new Date(now)
  const minutes = Number(time.slice(0, 2)) * 60 + Number(time.slice(3))
  return [0, 1].some((days) => {
    const at = new Date(day.getFullYear(), day.getMonth(), day.getDate() - days, 0, minutes).getTime()
    return after < at && at <= now
  })
}

async function* fetchAll(
  sources: readonly Source[],
  deps: FetchingDeps,
  signal: AbortSignal,
): AsyncGenerator<CommandOutput> {
  for (const source of sources) {
    const said = await fetchMail(deps, source, signal).catch((cause: unknown) => String((cause as Error).message))
    yield { text: `${source.server}: ${said}`, value: { server: source.server, said } }
  }
}
