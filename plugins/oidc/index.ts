/**
 * Mail programs log in with a token of the organisation's OpenID Connect provider (OAUTHBEARER, XOAUTH2).
 *
 * What must stay true: a token is for one account, and a client that names another gets nothing; a provider that cannot
 * be reached is "later".
 */
import { defer, definePlugin } from 'iems'
import { Accounts } from '../accounts/api.ts'
import { options } from './options.ts'
import { createProvider, issuerOf } from './provider.ts'

const LATER = defer(454, '4.7.0', 'Tokens cannot be checked at this moment')

export const oidc = definePlugin({
  name: 'oidc',
  config: options,
  needs: [Accounts],
  setup(config, ctx) {
    const accounts = ctx.use(Accounts)
    const providers = new Map(config.providers.map((one) => [one.issuer, createProvider(one, config, ctx.clock.now)]))
    return {
      hooks: {
        auth: {
          mechanisms: ['OAUTHBEARER'],
          async handler(attempt, { log }) {
            if (attempt.kind !== 'bearer') return undefined
            const provider = providers.get(issuerOf(attempt.token) ?? '')
            if (!provider) return undefined
            let name: string | undefined
            try {
              name = await provider.read(attempt.token)
            } catch (cause) {
              log.warn('a provider of tokens cannot be asked', { issuer: provider.issuer, cause })
              return LATER
            }
            const identity = name === undefined ? undefined : await accounts.identify(name)
            if (!identity || attempt.username === undefined) return identity
            const named = await accounts.identify(attempt.username)
            return named?.account === identity.account ? identity : undefined
          },
        },
      },
    }
  },
})
