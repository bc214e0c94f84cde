/**
 * What an admin can set for tokens; the reference in the documentation is generated from this schema.
 */
import { duration } from 'iems'
import * as z from 'zod'

/** A token is as good as the way its keys come: nothing in the clear but on this machine. */
const secureUrl = z
  .url()
  .refine(
    (text) => /^https:|^http:\/\/(?:127\.0\.0\.1|\[::1\]|localhost)(?:[:/]|$)/.test(text),
    'must be an https: URL',
  )

const provider = z.strictObject({
  issuer: secureUrl.describe(
    'Whose tokens are taken, exactly as their `iss` is written; its keys are found from there.',
  ),
  audience: z
    .array(z.string())
    .min(1)
    .describe(
      'A token must be for one of these (`aud`): the ids under which the provider knows this server or its clients.',
    ),
  keys: secureUrl
    .optional()
    .describe('Where its keys are, if it does not say so at `/.well-known/openid-configuration`.'),
  claim: z.string().default('email').describe('The claim that names the account, by its name or an address.'),
  scopes: z.array(z.string()).default([]).describe('A token must have all of these in `scope`.'),
  algorithms: z
    .array(z.enum(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA']))
    .default(['RS256', 'PS256', 'ES256', 'EdDSA'])
    .describe('Signatures that count.'),
})

export const options = z.strictObject({
  providers: z.array(provider).min(1).max(50).describe('OpenID Connect providers.'),
  timeout: duration().prefault('5 s').describe('For an answer of a provider.'),
  cache: duration().prefault('10 min').describe('Time for which keys are valid without being fetched again.'),
  tolerance: duration().prefault('30 s').describe('By how much clocks may differ.'),
})
export type Options = z.output<typeof options>
export type ProviderOptions = Options['providers'][number]
