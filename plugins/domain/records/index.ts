/**
 * Mail domains as the world sees them: their DNS records, made, checked daily and published; the MTA-STS policy.
 *
 * This file assembles the parts; start reading at domains.ts.
 */
import { isDeepStrictEqual } from 'node:util'
import { CertificateService, definePlugin, readAuthorities, type SetupContext } from 'iems'
import { Directory } from '../../directory/store/api.ts'
import { Dkim } from '../../filter/dkim/api.ts'
import { Http } from '../../web/http/api.ts'
import { ClientSettings } from '../clients/api.ts'
import { Zones } from '../zones/api.ts'
import { Domains } from './api.ts'
import { createCommands } from './commands.ts'
import { MailDomains } from './domains.ts'
import { readLogo, serveLogo } from './logo.ts'
import { type Options, options } from './options.ts'
import { servePolicy } from './policy.ts'

export * from './api.ts'

const DAY_MS = 86_400_000
/** After the start, when listeners and certificates are there. */
const FIRST_MS = 10 * 60_000

export const domain = definePlugin({
  name: 'domain',
  config: options.prefault({}),
  offers: [Domains],
  wants: [CertificateService, ClientSettings, Directory, Dkim, Http, Zones],
  async setup(config, ctx) {
    const { store, dns, clock, log, hostname, signal } = ctx
    const ca = config.ca === undefined ? undefined : await readAuthorities(config.ca)
    const domains = new MailDomains({
      store,
      dns,
      clock,
      log,
      zones: ctx.find(Zones),
      probes: { dns, signal, hostname, clock, options: config, ca },
      wanted: wantedDeps(config, ctx),
      names: () => namesOf(config, ctx),
    })
    ctx.offer(Domains, domains)
    const http = ctx.find(Http)
    const logo = await readLogo(config)
    if (http) {
      servePolicy(http, (name) => domains.policy(name))
      serveLogo(http, logo)
    }
    ctx.schedule({ name: 'check', every: DAY_MS, first: FIRST_MS, run: () => domains.daily() })
    return {
      health: () => domains.problems(),
      commands: createCommands(domains),
      refresh: async () =>
        (config.ca === undefined || (await readAuthorities(config.ca)) === ca) &&
        isDeepStrictEqual(await readLogo(config), logo),
    }
  },
})

function wantedDeps(config: Options, ctx: SetupContext) {
  const dkim = ctx.find(Dkim)
  const clients = ctx.find(ClientSettings)
  const certificates = ctx.find(CertificateService)
  return {
    options: config,
    hostname: ctx.hostname,
    dkim: async (name: string) => ((await dkim?.keysOf(name)) ?? []).filter(({ state }) => state !== 'retired'),
    certificate: () => certificates?.current().cert,
    clients: (name: string) => ({ srv: clients?.srv() ?? [], hosts: clients?.hosts(name) ?? [] }),
  }
}

async function namesOf({ domains }: Options, ctx: SetupContext): Promise<readonly string[]> {
  const directory = ctx.find(Directory)
  if (domains || !directory) return domains ?? []
  return (await Array.fromAsync(directory.list('domain'))).map(({ name }) => name)
}
