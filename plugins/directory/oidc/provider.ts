/**
 * An OpenID Connect provider: its keys, and the claims of its tokens. The only file that imports jose.
 *
 * Invariants: a token is valid only with a signature by one of the provider's published keys, for this audience, at
 * this time; an unreachable provider is never reported as an invalid token.
 */
import { createRemoteJWKSet, decodeJwt, errors, type JWTPayload, jwtVerify } from 'jose'
import * as z from 'zod'
import { readAddress } from '../static/api.ts'
import type { Options, ProviderOptions } from './options.ts'

/** Maximum octets of a provider's metadata. */
const MOST = 1_000_000
/** Minimum interval between fetches for unknown keys. */
const COOLDOWN_MS = 30_000

const discovery = z.looseObject({ issuer: z.string(), jwks_uri: z.url() })

export type Provider = ReturnType<typeof createProvider>

/** The user that a token names, and its expiry in ms since 1970. */
export interface Shown {
  readonly name: string
  readonly expires: number
}

/** URL of a provider's metadata (OpenID Connect Discovery 1.0 section 4). */
export const configurationOf = (issuer: string) => `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`

/** The unverified issuer of a token; undefined when malformed. */
export function issuerOf(token: string): string | undefined {
  try {
    return decodeJwt(token).iss
  } catch {
    return undefined
  }
}

export function createProvider(
  { issuer, audience, keys, claim, scopes, algorithms, domains }: ProviderOptions,
  { timeout, cache, tolerance }: Options,
  now: () => number,
) {
  let found: Promise<ReturnType<typeof createRemoteJWKSet>> | undefined

  async function find() {
    const url = keys ?? (await discover())
    return createRemoteJWKSet(new URL(url), {
      timeoutDuration: timeout,
      cooldownDuration: COOLDOWN_MS,
      cacheMaxAge: cache,
    })
  }

  async function discover(): Promise<string> {
    const url = configurationOf(issuer)
    const answer = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(timeout) })
    if (!answer.ok) throw new Error(`${url} answers ${answer.status}`)
    const text = await answer.text()
    if (text.length > MOST) throw new Error(`${url} is too long`)
    const said = discovery.parse(JSON.parse(text))
    if (said.issuer !== issuer) throw new Error(`${url} is about ${said.issuer}`)
    return said.jwks_uri
  }

  function keySet() {
    found ??= find().catch((cause: unknown) => {
      found = undefined
      throw cause
    })
    return found
  }

  function nameIn(claims: JWTPayload): string | undefined {
    const has = typeof claims.scope === 'string' ? claims.scope.split(' ') : []
    if (!scopes.every((scope) => has.includes(scope))) return undefined
    if (claim === 'email' && claims.email_verified === false) return undefined
    const name = claims[claim]
    return typeof name === 'string' && name !== '' ? name : undefined
  }

  return {
    issuer,
    /** Domains of its accounts, folded; undefined for all accounts. */
    domains: domains && new Set(domains.map((domain) => readAddress(`x@${domain}`)?.domain ?? domain)),
    /** The user that a token names; undefined when it is invalid. Throws when the provider is unavailable. */
    async read(token: string): Promise<Shown | undefined> {
      const set = await keySet()
      try {
        const { payload } = await jwtVerify(token, set, {
          issuer,
          audience,
          algorithms,
          clockTolerance: tolerance / 1000,
          currentDate: new Date(now()),
          requiredClaims: ['exp', claim],
        })
        const name = nameIn(payload)
        return name === undefined ? undefined : { name, expires: (payload.exp as number) * 1000 + tolerance }
      } catch (cause) {
        if (cause instanceof errors.JOSEError && !(cause instanceof errors.JWKSTimeout) && isOfToken(cause))
          return undefined
        throw cause
      }
    },
  }
}

/** Whether the token is invalid, as opposed to the provider's keys. */
function isOfToken({ code }: errors.JOSEError): boolean {
  return /^ERR_(?:JW[TSE]|JOSE_(?:ALG|NOT))/.test(code) || code === 'ERR_JWKS_NO_MATCHING_KEY'
}
