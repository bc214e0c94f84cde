/**
 * The channel that delivers by SMTP or LMTP: to the servers of each domain, or to one next hop.
 *
 * What must stay true: `deliver` answers once for each recipient and does nothing else: it never retries later, never
 * bounces, never queues. This file only wires; start reading at deliver.ts.
 */
import { readFile } from 'node:fs/promises'
import { networkInterfaces } from 'node:os'
import { createSecureContext, rootCertificates } from 'node:tls'
import { createDns, definePlugin, inNetworks, type SetupContext } from 'iems'
import { createDeliver } from './deliver.ts'
import { createOpen } from './hello.ts'
import { createFindPolicy } from './mta-sts.ts'
import { createFindServers } from './mx.ts'
import { domainOf, matchDomains, parseNexthop } from './nexthop.ts'
import { type Options, options } from './options.ts'
import { Pool } from './pool.ts'
import { createDecideTls } from './tls.ts'

export const smtpOut = definePlugin({
  name: 'smtp-out',
  config: options,
  async setup(config, ctx) {
    const pool = new Pool(config.keep)
    const takes = matchDomains(config.domains)
    return {
      hooks: {
        route: {
          stage: 'last',
          handler({ to }) {
            const domain = domainOf(to.address)
            // What cannot be a next hop is refused now rather than kept until it is given up.
            if (domain === undefined || !takes(domain) || !parseNexthop(domain)) return undefined
            return { channel: ctx.name, nexthop: config.nexthop ?? domain }
          },
        },
      },
      deliver: await createDelivery(config, ctx, pool),
      close: () => pool.close(),
    }
  },
})

async function createDelivery(config: Options, ctx: SetupContext, pool: Pool) {
  const { auth, mtaSts, tls = auth ? 'verified' : 'opportunistic' } = config
  const { now } = ctx.clock
  const port = config.port ?? (config.protocol === 'lmtp' ? 24 : 25)
  const ca = config.ca === undefined ? undefined : [...rootCertificates, await readFile(config.ca, 'utf8')]
  const dns = config.dns ? createDns(config.dns, now) : ctx.dns
  const findPolicy = createFindPolicy({
    dns,
    now,
    ca,
    port: typeof mtaSts === 'object' ? mtaSts.port : 443,
    signal: ctx.signal,
    warn: (domain, why) => ctx.log.warn('MTA-STS policy not fetched', { domain, why }),
  })
  return createDeliver({
    ...config,
    pool,
    decideTls: createDecideTls({
      mode: tls,
      perNexthop: config.tlsPolicy,
      findPolicy: mtaSts === false ? undefined : findPolicy,
    }),
    findServers: createFindServers({
      ...config,
      dns,
      port,
      hostname: ctx.hostname,
      isOwn: inNetworks(config.ownAddresses ?? (port === 25 ? machineAddresses() : [])),
      chance: Math.random,
    }),
    open: createOpen({
      ...config,
      secureContext: createSecureContext(ca ? { ca } : {}),
      helo: config.helo ?? ctx.hostname,
    }),
  })
}

function machineAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((addresses) => addresses?.map(({ address }) => address) ?? [])
}
