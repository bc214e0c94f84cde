/**
 * Logs browsers in at OpenID Connect providers: authorization code with PKCE (RFC 7636).
 *
 * Invariants: a code counts only in the browser that asked for it (state in its cookie), and an ID token only with the
 * nonce of that request; the page to return to is one of this server.
 */
import { createHash, randomBytes } from 'node:crypto'
import { type Identity, isSameSecret, type Log } from 'iems'
import * as z from 'zod'
import { Answer, type Call, type HttpApi, HttpProblem, html } from '../../web/http/api.ts'
import type { ProviderOptions } from './options.ts'
import type { Provider } from './provider.ts'

export interface BrowserLoginDeps {
  readonly providers: readonly { readonly provider: Provider; readonly options: ProviderOptions }[]
  readonly timeout: number
  readonly log: Log
  /** The account that a provider names; undefined where it may not log in. */
  identify(provider: Provider, name: string): Promise<Identity | undefined>
}

const BASE = '/api/login/oidc'
const COOKIE = 'iems-oidc'
const VALID_SECONDS = 600
const MAX_ANSWER = 200_000
const ATTEMPTS = 30

/** Kept by the browser until it returns. */
const kept = z.strictObject({
  provider: z.coerce.number().int().min(0),
  state: z.string().min(20),
  nonce: z.string().min(20),
  verifier: z.string().min(43),
  to: z.string(),
})
type Kept = z.output<typeof kept>
const answered = z.looseObject({ id_token: z.string() })

const random = () => randomBytes(32).toString('base64url')
/** A path of this server; anything else leads to the first page. */
const ownPath = (path: string | undefined) => (path && /^\/(?![/\\])[\x21-\x7e]*$/.test(path) ? path : '/')
const redirectOf = ({ origin }: Pick<Call, 'origin'>) => `${origin}${BASE}/callback`
const FAILED = 'The login at the provider did not succeed. Try again.'

export function addBrowserLogin(http: HttpApi, deps: BrowserLoginDeps): void {
  for (const [index, { options }] of deps.providers.entries())
    if (options.login) http.loginWay({ title: options.login.title, path: `${BASE}/start/${index}` })
  http.route({
    method: 'GET',
    path: `${BASE}/start/:provider`,
    who: 'anyone',
    summary: 'Leads a browser to an OpenID Connect provider',
    params: z.object({ provider: z.coerce.number().int().min(0) }),
    query: z.object({ to: z.string().max(1000).optional() }),
    limit: { perMinute: ATTEMPTS },
    run: (call) => start(deps, call),
  })
  http.route({
    method: 'GET',
    path: `${BASE}/callback`,
    who: 'anyone',
    summary: 'Receives a browser that an OpenID Connect provider sends back',
    query: z.object({
      code: z.string().max(5000).optional(),
      state: z.string().max(500).optional(),
      iss: z.string().max(1000).optional(),
      error: z.string().max(500).optional(),
    }),
    limit: { perMinute: ATTEMPTS },
    async run(call) {
      const { identity, to } = await finish(deps, call)
      const headers = await http.logIn(call, identity)
      return new Answer(303, undefined, { ...headers, location: `${BASE}/done?to=${encodeURIComponent(to)}` })
    },
  })
  http.page({
    path: `${BASE}/done`,
    who: 'anyone',
    summary: 'Goes on after the login at an OpenID Connect provider',
    query: z.object({ to: z.string().max(1000).optional() }),
    // A page of this server leads on: the cookie does not come with a request that began at another.
    run: ({ query }) => {
      const to = ownPath(query.to)
      return html`<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Signed in</title><meta http-equiv="refresh" content="${`0;url=${to}`}"></head><body><p><a href="${to}">Continue</a></p></body></html>`
    },
  })
}

interface Configured {
  readonly provider: Provider
  readonly login: NonNullable<ProviderOptions['login']>
  readonly client: string
}

function configured({ providers }: BrowserLoginDeps, index: number): Configured {
  const found = providers[index]
  if (!found?.options.login) throw new HttpProblem(404, 'There is no such provider')
  const { login, audience } = found.options
  return { provider: found.provider, login, client: login.clientId ?? (audience[0] as string) }
}

async function start(
  deps: BrowserLoginDeps,
  call: Call<{ provider: number }, { to?: string | undefined }, undefined>,
): Promise<Answer> {
  const { provider, login, client } = configured(deps, call.params.provider)
  const { authorization_endpoint: endpoint } = await provider.metadata().catch((cause: unknown) => {
    deps.log.warn('a provider of logins cannot be asked', { issuer: provider.issuer, cause })
    throw new HttpProblem(503, 'The provider cannot be reached at this moment')
  })
  if (!endpoint) throw new HttpProblem(503, 'The provider has no page for logins')
  const state: Kept = {
    provider: call.params.provider,
    state: random(),
    nonce: random(),
    verifier: random(),
    to: ownPath(call.query.to),
  }
  const url = new URL(endpoint)
  const asked = {
    response_type: 'code',
    client_id: client,
    redirect_uri: redirectOf(call),
    scope: ['openid', ...login.scopes].join(' '),
    state: state.state,
    nonce: state.nonce,
    code_challenge: createHash('sha256').update(state.verifier).digest('base64url'),
    code_challenge_method: 'S256',
  }
  for (const [name, value] of Object.entries(asked)) url.searchParams.set(name, value)
  const fields = new URLSearchParams({ ...state, provider: String(state.provider) })
  const value = Buffer.from(fields.toString()).toString('base64url')
  return new Answer(303, undefined, { location: url.href, 'set-cookie': cookie(call, value, VALID_SECONDS) })
}

/** Lax: the provider leads the browser back. */
const cookie = ({ origin }: Pick<Call, 'origin'>, value: string, seconds: number) =>
  `${COOKIE}=${value}; Path=${BASE}; HttpOnly; SameSite=Lax; Max-Age=${seconds}${origin.startsWith('https:') ? '; Secure' : ''}`

function keptOf(call: Pick<Call, 'header'>): Kept {
  for (const part of (call.header('cookie') ?? '').split(';')) {
    const [name = '', value = ''] = part.trim().split('=')
    if (name !== COOKIE) continue
    try {
      const fields = new URLSearchParams(Buffer.from(value, 'base64url').toString())
      return kept.parse(Object.fromEntries(fields))
    } catch {
      break
    }
  }
  throw new HttpProblem(400, 'This login was not begun in this browser, or too long ago. Try again.')
}

interface Returned {
  readonly code?: string | undefined
  readonly state?: string | undefined
  readonly iss?: string | undefined
  readonly error?: string | undefined
}

async function finish(
  deps: BrowserLoginDeps,
  call: Call<undefined, Returned, undefined>,
): Promise<{ readonly identity: Identity; readonly to: string }> {
  const state = keptOf(call)
  const { code, state: given = '', iss, error } = call.query
  if (!isSameSecret(given, state.state)) throw new HttpProblem(400, FAILED)
  const { provider, login, client } = configured(deps, state.provider)
  // RFC 9207: the answer of another provider.
  if (iss !== undefined && iss !== provider.issuer) throw new HttpProblem(400, FAILED)
  if (error !== undefined || code === undefined) throw new HttpProblem(401, FAILED)
  try {
    const form = {
      grant_type: 'authorization_code',
      code,
      redirect_uri: redirectOf(call),
      client_id: client,
      code_verifier: state.verifier,
      ...(login.clientSecret === undefined ? {} : { client_secret: login.clientSecret }),
    }
    const token = await exchange(provider, form, deps.timeout)
    const name = token === undefined ? undefined : await provider.readIdToken(token, client, state.nonce)
    const identity = name === undefined ? undefined : await deps.identify(provider, name)
    if (identity) return { identity, to: ownPath(state.to) }
  } catch (cause) {
    deps.log.warn('a provider of logins cannot be asked', { issuer: provider.issuer, cause })
    throw new HttpProblem(503, 'The provider cannot be reached at this moment')
  }
  throw new HttpProblem(401, FAILED)
}

/** The ID token for a code; undefined when the provider refuses the code. */
async function exchange(
  provider: Provider,
  form: Readonly<Record<string, string>>,
  timeout: number,
): Promise<string | undefined> {
  const { token_endpoint: endpoint } = await provider.metadata()
  if (!endpoint) throw new Error(`${provider.issuer} has no token endpoint`)
  const answer = await fetch(endpoint, {
    method: 'POST',
    body: new URLSearchParams(form),
    headers: { accept: 'application/json' },
    redirect: 'error',
    signal: AbortSignal.timeout(timeout),
  })
  const text = await answer.text()
  if (answer.status >= 400 && answer.status < 500) return undefined
  if (!answer.ok || text.length > MAX_ANSWER) throw new Error(`${endpoint} answers ${answer.status}`)
  return answered.parse(JSON.parse(text)).id_token
}
