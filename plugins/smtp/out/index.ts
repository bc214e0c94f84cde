/**
 * The channel that delivers by SMTP or LMTP: to the servers of each domain, or to one next hop.
 *
 * Invariants: `deliver` returns one outcome for each recipient and does nothing else: it never retries later, bounces
 * or queues. This file assembles the parts; start reading at deliver.ts.
 */
import { createSecureContext, rootCertificates } from 'node:tls'
import {
  createDns,
  type DeliverContext,
  type Delivery,
  type Dns,
  definePlugin,
  inNetworks,
  isThisHost,
  type Problem,
  plainAddress,
  readAuthorities,
  type SetupContext,
} from 'iems'
import { Deliverer } from './deliver.ts'
import { Handshake } from './handshake.ts'
import { createFindPolicy, sweepPolicies } from './mta-sts.ts'
import { createFindServers } from './mx.ts'
import { domainOf, matchDomains, parseNexthop } from './nexthop.ts'
import { DANE_PROBE, type Options, options } from './options.ts'
import { Pool } from './pool.ts'
import { createDecideTls } from './tls.ts'
import { createReport } from './tls-results.ts'

const SWEEP_MS = 6 * 3_600_000

export const smtpOut = definePlugin({
  name: 'smtp-out',
  config: options,
  events: { 'smtp-out.tls': 'debug' },
  async setup(config, ctx) {
    const pool = new Pool(config.keep)
    const takes = matchDomains(config.domains)
    const dns = config.dns ? createDns(config.dns, ctx.clock.now) : ctx.dns
    const ca = config.ca === undefined ? undefined : await readAuthorities(config.ca)
    return {
      hooks: {
        route: {
          stage: 'last',
          handler({ to }) {
            const domain = domainOf(to.address)
            // An invalid next hop is refused now instead of queued until it expires.
            if (domain === undefined || !takes(domain) || !parseNexthop(domain)) return undefined
            return { channel: ctx.name, nexthop: config.nexthop ?? domain }
          },
        },
      },
      deliver: await createDelivery(config, ctx, { pool, ca, dns }),
      health: () => problemsOf(config, dns),
      refresh: async () => config.ca === undefined || (await readAuthorities(config.ca)) === ca,
      close: () => pool.close(),
    }
  },
})

interface Opened {
  readonly pool: Pool
  /** The administrator's own CA certificates (PEM). */
  readonly ca: string | undefined
  readonly dns: Dns
}

async function createDelivery(config: Options, ctx: SetupContext, { pool, ca: own, dns }: Opened) {
  const { auth, mtaSts, dane, tls = auth ? 'verified' : 'opportunistic' } = config
  const { now } = ctx.clock
  const port = config.port ?? (config.protocol === 'lmtp' ? 24 : 25)
  const ca = own === undefined ? undefined : [...rootCertificates, own]
  const isOwn = ownAddresses(config)
  const report = createReport(ctx)
  const findPolicy = createFindPolicy({
    dns,
    store: ctx.store,
    isOwn,
    now,
    ca,
    port: typeof mtaSts === 'object' ? mtaSts.port : 443,
    signal: ctx.signal,
    warn(domain, why, failure) {
      ctx.log.warn('MTA-STS policy not fetched', { domain, why })
      report({ domain, policyType: 'sts', policy: [], mx: [], failure, why })
    },
  })
  ctx.schedule({ name: 'sweep', every: SWEEP_MS, run: () => sweepPolicies({ store: ctx.store, now }) })
  const deliverer = new Deliverer({
    ...config,
    pool,
    decideTls: createDecideTls({
      mode: tls,
      perNexthop: config.tlsPolicy,
      findPolicy: mtaSts === false ? undefined : findPolicy,
      dane: dane !== false,
    }),
    findServers: createFindServers({
      ...config,
      dns,
      port,
      hostname: ctx.hostname,
      isOwn,
      isChosen: config.nexthop !== undefined,
      chance: Math.random,
    }),
    handshake: new Handshake({
      ...config,
      secureContext: createSecureContext(ca ? { ca } : {}),
      helo: config.helo ?? ctx.hostname,
      now,
      report,
    }),
  })
  return (delivery: Delivery, context: DeliverContext) => deliverer.deliver(delivery, context)
}

/** Addresses that mail is never sent to unless configured: this host and `ownAddresses`. */
function ownAddresses({ ownAddresses: given = [], localMx }: Options): (address: string) => boolean {
  const isGiven = inNetworks(given)
  return (address) => (!localMx && isThisHost(address)) || isGiven(plainAddress(address))
}

/** Without validation by the name servers, no TLSA record counts. */
async function problemsOf({ dane }: Options, dns: Dns): Promise<Problem[]> {
  if (dane === false) return []
  const { probe } = dane === true ? { probe: DANE_PROBE } : dane
  const answer = await dns.ask(probe, 'NS')
  if (answer.kind === 'found' && answer.isAuthenticated) return []
  const text = answer.kind === 'unavailable' ? answer.why : 'the answer is not marked as validated'
  return [
    {
      id: 'dane',
      text: `DANE is not in effect: the name servers do not validate ${probe} NS (${text})`,
      cure: 'Set dns.servers to a resolver on this machine that validates DNSSEC, such as unbound.',
      isGrave: false,
    },
  ]
}
