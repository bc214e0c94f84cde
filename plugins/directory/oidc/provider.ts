/**
 * An OpenID Connect provider: its keys, and the claims of its tokens. The only file that imports jose.
 *
 * Invariants: a token is valid only with a signature by one of the provider's published keys, for this audience, at
 * this time; an unreachable provider is never reported as an invalid token.
 */
import { createRemoteJWKSet, decodeJwt, errors, type JWTPayload, type JWTVerifyOptions, jwtVerify } from 'jose'
import * as z from 'zod'
import { readAddress } from '../static/api.ts'
import type { Options, ProviderOptions } from './options.ts'

/** Maximum octets of a provider's metadata. */
const MOST = 1_000_000
/** Minimum interval between fetches for unknown keys. */
const COOLDOWN_MS = 30_000

const discovery = z.looseObject({
  issuer: z.string(),
  jwks_uri: z.url(),
  authorization_endpoint: z.url().optional(),
  token_endpoint: z.url().optional(),
})
export type Metadata = z.output<typeof discovery>

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

export interface ProviderDeps {
  readonly provider: ProviderOptions
  readonly options: Options
  now(): number
}

export class Provider {
  readonly issuer: string
  /** Domains of its accounts, folded; undefined for all accounts. */
  readonly domains: ReadonlySet<string> | undefined
  readonly #deps: ProviderDeps
  #keys: Promise<ReturnType<typeof createRemoteJWKSet>> | undefined
  #metadata: Promise<Metadata> | undefined

  constructor(deps: ProviderDeps) {
    const { issuer, domains } = deps.provider
    this.#deps = deps
    this.issuer = issuer
    this.domains = domains && new Set(domains.map((domain) => readAddress(`x@${domain}`)?.domain ?? domain))
  }

  /** Fetched once; again after a failure. */
  metadata(): Promise<Metadata> {
    this.#metadata ??= this.#discover().catch((cause: unknown) => {
      this.#metadata = undefined
      throw cause
    })
    return this.#metadata
  }

  /** The user that a token names; undefined when it is invalid. Throws when the provider is unavailable. */
  async read(token: string): Promise<Shown | undefined> {
    const { provider, options } = this.#deps
    const claims = await this.#verify(token, { audience: provider.audience })
    const has = typeof claims?.scope === 'string' ? claims.scope.split(' ') : []
    if (!claims || !provider.scopes.every((scope) => has.includes(scope))) return undefined
    const name = this.#nameIn(claims)
    return name === undefined ? undefined : { name, expires: (claims.exp as number) * 1000 + options.tolerance }
  }

  /** The user that an ID token for this client names (OpenID Connect Core section 3.1.3.7). */
  async readIdToken(token: string, client: string, nonce: string): Promise<string | undefined> {
    const claims = await this.#verify(token, { audience: client })
    const isMeant = claims?.nonce === nonce && (claims.azp === undefined || claims.azp === client)
    return isMeant ? this.#nameIn(claims) : undefined
  }

  async #find() {
    const { timeout, cache } = this.#deps.options
    const url = this.#deps.provider.keys ?? (await this.metadata()).jwks_uri
    return createRemoteJWKSet(new URL(url), {
      timeoutDuration: timeout,
      cooldownDuration: COOLDOWN_MS,
      cacheMaxAge: cache,
    })
  }

  async #discover(): Promise<Metadata> {
    const url = configurationOf(this.issuer)
    const answer = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(this.#deps.options.timeout) })
    if (!answer.ok) throw new Error(`${url} answers ${answer.status}`)
    const text = await answer.text()
    if (text.length > MOST) throw new Error(`${url} is too long`)
    const said = discovery.parse(JSON.parse(text))
    if (said.issuer !== this.issuer) throw new Error(`${url} is about ${said.issuer}`)
    return said
  }

  #keySet() {
    this.#keys ??= this.#find().catch((cause: unknown) => {
      this.#keys = undefined
      throw cause
    })
    return this.#keys
  }

  #nameIn(claims: JWTPayload): string | undefined {
    const { claim } = this.#deps.provider
    if (claim === 'email' && claims.email_verified === false) return undefined
    const name = claims[claim]
    return typeof name === 'string' && name !== '' ? name : undefined
  }

  /** The claims of a valid token; undefined for an invalid one. */
  async #verify(token: string, wanted: JWTVerifyOptions): Promise<JWTPayload | undefined> {
    const { provider, options, now } = this.#deps
    const set = await this.#keySet()
    try {
      const { payload } = await jwtVerify(token, set, {
        issuer: this.issuer,
        algorithms: provider.algorithms,
        clockTolerance: options.tolerance / 1000,
        currentDate: new Date(now()),
        requiredClaims: ['exp', provider.claim],
        ...wanted,
      })
      return payload
    } catch (cause) {
      if (cause instanceof errors.JOSEError && !(cause instanceof errors.JWKSTimeout) && isOfToken(cause))
        return undefined
      throw cause
    }
  }
}

/** Whether the token is invalid, as opposed to the provider's keys. */
function isOfToken({ code }: errors.JOSEError): boolean {
  return /^ERR_(?:JW[TSE]|JOSE_(?:ALG|NOT))/.test(code) || code === 'ERR_JWKS_NO_MATCHING_KEY'
}
