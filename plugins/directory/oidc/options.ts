/**
 * The plugin's options; docs/config.md is generated from this schema.
 */
import { duration } from 'iems'
import * as z from 'zod'

/** Tokens are only as trustworthy as the transport of the keys: no plain text except on this machine. */
const secureUrl = z
  .url()
  .refine(
    (text) => /^https:|^http:\/\/(?:127\.0\.0\.1|\[::1\]|localhost)(?:[:/]|$)/.test(text),
    'must be an https: URL',
  )

const login = z.strictObject({
  title: z.string().min(1).max(100).describe('Text of the button on login pages, such as `Sign in with Example`.'),
  clientId: z.string().optional().describe('Client id of this server at the provider. Default: the first `audience`.'),
  clientSecret: z
    .string()
    .optional()
    .describe('Secret of a confidential client. Default: a public client with PKCE alone.'),
  scopes: z.array(z.string()).default(['email']).describe('Scopes to ask for beside `openid`.'),
})

const provider = z.strictObject({
  domains: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe(
      'Domains of the accounts that this provider authenticates: an account must have an address in one of them. Required with several providers.',
    ),
  issuer: secureUrl.describe('Issuer of the tokens, exactly as in their `iss`; its keys are discovered from there.'),
  audience: z.array(z.string()).min(1).describe('Client ids of which a token must name one in `aud`.'),
  keys: secureUrl
    .optional()
    .describe('URL of the key set. Default: discovered at `/.well-known/openid-configuration`.'),
  claim: z.string().default('email').describe('Claim with the name or an address of the account.'),
  scopes: z.array(z.string()).default([]).describe('Scopes that a token must have.'),
  login: login
    .optional()
    .describe(
      'Logs browsers in at this provider (authorization code with PKCE); needs the http plugin. Register the redirect URI `https://HOST/api/login/oidc/callback`.',
    ),
  algorithms: z
    .array(z.enum(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA']))
    .default(['RS256', 'PS256', 'ES256', 'EdDSA'])
    .describe('Signature algorithms that are accepted.'),
})

export const options = z.strictObject({
  providers: z
    .array(provider)
    .min(1)
    .max(50)
    .refine((all) => new Set(all.map(({ issuer }) => issuer)).size === all.length, 'two providers have one issuer')
    .refine(
      (all) => all.length === 1 || all.every(({ domains }) => domains !== undefined),
      'need domains each, as one provider could name accounts of another otherwise',
    )
    .describe('OpenID Connect providers.'),
  timeout: duration().prefault('5 s').describe('Time for an answer of a provider.'),
  cache: duration().prefault('10 min').describe('Time for which keys are cached.'),
  tolerance: duration().prefault('30 s').describe('Tolerated difference between clocks.'),
})
export type Options = z.output<typeof options>
export type ProviderOptions = Options['providers'][number]
