/**
 * Authenticates clients with tokens of OpenID Connect providers (OAUTHBEARER, XOAUTH2), and logs browsers in there.
 *
 * Invariants: a token is for one account, and a provider for accounts of its own domains; a session lasts no longer than
 * its token; a provider that cannot be reached is a temporary failure.
 */
import { defer, definePlugin } from 'iems'
import { Http } from '../../web/http/api.ts'
import { Accounts, readAddress } from '../static/api.ts'
import { addBrowserLogin } from './browser-login.ts'
import { options, type ProviderOptions } from './options.ts'
import { configurationOf, issuerOf, Provider, type Shown } from './provider.ts'

const LATER = defer(454, '4.7.0', 'Tokens cannot be checked at this moment')

export const oidc = definePlugin({
  name: 'oidc',
  config: options,
  needs: [Accounts],
  wants: [Http],
  setup(config, ctx) {
    const accounts = ctx.use(Accounts)
    const providers = new Map(
      config.providers.map((provider) => [
        provider.issuer,
        new Provider({ provider, options: config, now: ctx.clock.now }),
      ]),
    )
    /** A provider must not authenticate accounts of another. */
    async function isIn(domains: ReadonlySet<string> | undefined, login: string): Promise<boolean> {
      if (!domains) return true
      const account = await accounts.byLogin(login)
      return account?.addresses.some((address) => domains.has(readAddress(address)?.domain ?? '')) ?? false
    }
    if (config.providers.some(({ login }) => login)) {
      const http = ctx.find(Http)
      if (!http) throw new Error('the option `login` of a provider needs the http plugin')
      addBrowserLogin(http, {
        providers: config.providers.map((options) => ({
          options,
          provider: providers.get(options.issuer) as Provider,
        })),
        timeout: config.timeout,
        log: ctx.log,
        identify: async ({ domains }, name) => ((await isIn(domains, name)) ? accounts.identify(name) : undefined),
      })
    }
    return {
      hooks: {
        auth: {
          mechanisms: ['OAUTHBEARER'],
          discovery: discoveryOf(config.providers[0] as ProviderOptions),
          async handler(attempt, { log }) {
            if (attempt.kind !== 'bearer') return undefined
            const provider = providers.get(issuerOf(attempt.token) ?? '')
            if (!provider) return undefined
            let shown: Shown | undefined
            try {
              shown = await provider.read(attempt.token)
            } catch (cause) {
              log.warn('a provider of tokens cannot be asked', { issuer: provider.issuer, cause })
              return LATER
            }
            if (!shown) return undefined
            if (!(await isIn(provider.domains, shown.name))) return undefined
            const identity = await accounts.identify(shown.name)
            return identity && { ...identity, expires: shown.expires }
          },
        },
      },
    }
  },
})

/** Discovery data for clients without a token; with several providers, the first one's. */
function discoveryOf({ issuer, scopes }: ProviderOptions) {
  return {
    scope: ['openid', ...scopes.filter((scope) => scope !== 'openid')].join(' '),
    openidConfiguration: configurationOf(issuer),
  }
}
