/**
 * Certificates by ACME (RFC 8555) for every listener whose option `tls` names no files.
 *
 * This file assembles the parts: renewal.ts decides and orders, authority.ts speaks the protocol, proofs.ts answers
 * challenges, holder.ts is what listeners present. Invariants: account keys and certificates are records, so that all
 * servers and workers on the store have the same; new ones are used for new connections, and open sessions go on.
 */
import { readFile } from 'node:fs/promises'
import { isDeepStrictEqual } from 'node:util'
import { CertificateService, createListener, definePlugin, type PluginInstance, type SetupContext } from 'iems'
import * as z from 'zod'
import { Download, Http, type HttpApi, HttpProblem } from '../../web/http/api.ts'
import { Zones } from '../zones/api.ts'
import { createCommands } from './commands.ts'
import { Holder } from './holder.ts'
import { CHALLENGE_PATH, createHttp01, TOKEN } from './http01.ts'
import { type Options, options } from './options.ts'
import { CHANGED, Proofs } from './proofs.ts'
import { Renewal } from './renewal.ts'

const RENEW_MS = 3_600_000
/** How often the authority is asked when to renew. */
const TIMES_MS = 6 * 3_600_000
/** How often the store is read, in case a signal was lost. */
const READ_MS = 60_000
const ALPN = 'acme-tls/1'

export const acme = definePlugin({
  name: 'acme',
  config: options,
  offers: [CertificateService],
  wants: [Http, Zones],
  records: { account: { version: 1 }, certificate: { version: 1 } },
  async setup(config, ctx) {
    const { store, log, hostname, signals, signal, dns } = ctx
    const http = ctx.find(Http)
    const zones = ctx.find(Zones)
    const proofs = new Proofs({ store, signals, signal, dns, log, zones, dnsDelayMs: config.dnsDelay })
    const holder = new Holder({ store, log, hostname, certificates: config.certificates })
    const authorities = await read(config)
    const renewal = new Renewal({
      store,
      log,
      signals,
      signal,
      options: config,
      proofs,
      authorities,
    })
    const load = async () => {
      await holder.loadCertificates()
      await holder.loadChallenges()
    }
    await load()
    signals.subscribe(CHANGED, () => {
      load().catch((cause: unknown) => log.warn('the certificates could not be read', { cause }))
    })
    ctx.repeat(READ_MS, 'the look for other certificates', load)
    ctx.offer(CertificateService, holder)
    if (http) addRoute(http, proofs)
    scheduleJobs(ctx, renewal, proofs)
    const listeners = await createListeners(config, ctx, proofs)
    return {
      async listen() {
        for (const listener of listeners) await listener.listen()
      },
      close: async (end) => void (await Promise.all(listeners.map((listener) => listener.close(end)))),
      health: () => renewal.problems(),
      refresh: async () => isDeepStrictEqual(await read(config), authorities),
      commands: createCommands(renewal),
    }
  },
})

/** The authorities with the files that they name. */
function read({ authorities, email }: Options) {
  return Promise.all(
    authorities.map(async ({ directory, ca, externalAccount }) => ({
      directory,
      email,
      ca: ca === undefined ? undefined : await readFile(ca, 'utf8'),
      externalAccount: externalAccount && { id: externalAccount.id, key: externalAccount.key.reveal() },
    })),
  )
}

function addRoute(http: HttpApi, proofs: Proofs): void {
  http.stream({
    method: 'GET',
    path: `${CHALLENGE_PATH}:token`,
    who: 'anyone',
    summary: 'ACME challenges',
    params: z.object({ token: z.string().regex(TOKEN) }),
    async run({ params }) {
      const answer = await proofs.answerTo(params.token)
      if (answer === undefined) throw new HttpProblem(404, 'There is no such challenge')
      return new Download({
        type: 'application/octet-stream',
        open: async function* () {
          yield Buffer.from(answer)
        },
      })
    },
  })
}

function scheduleJobs({ schedule, log }: SetupContext, renewal: Renewal, proofs: Proofs): void {
  schedule({
    name: 'renew',
    every: RENEW_MS,
    first: 0,
    async run() {
      await proofs.sweep()
      if (!(await renewal.renew())) log.info('another server or worker orders certificates now')
    },
  })
  schedule({ name: 'renewal-times', every: TIMES_MS, run: () => renewal.refreshTimes() })
}

type Listener = Required<Pick<PluginInstance, 'listen' | 'close'>>

/** The listeners of its own. */
async function createListeners(
  { listenHttp, listenTls, ...limits }: Options,
  ctx: SetupContext,
  proofs: Proofs,
): Promise<Listener[]> {
  const listeners: Listener[] = []
  if (listenHttp !== undefined) {
    const server = createHttp01((token) => proofs.answerTo(token), ctx.log)
    listeners.push({
      async listen() {
        for (const address of [listenHttp].flat())
          await ctx.port(address, 'ACME http-01', (socket) => server.emit('connection', socket))
      },
      async close() {
        server.closeAllConnections()
      },
    })
  }
  if (listenTls !== undefined) {
    const tls = { mode: 'implicit' as const, others: [], minVersion: 'TLSv1.2' as const }
    const protocol = { label: 'ACME tls-alpn-01', full: '', alpn: [ALPN], async serve() {} }
    listeners.push(await createListener({ ...limits, listen: listenTls, tls }, ctx, protocol))
  }
  return listeners
}
