/**
 * The server side of SASL exchanges (RFC 4422) for every protocol; the listener sends and receives the messages.
 *
 * Invariants: nothing is decided here; malformed data is never credentials; an empty response differs from an absent
 * one; no state outlives the exchange.
 */
import type { Credentials, Identity, Verifier } from '../../api/hooks.ts'
import { type Refusal, refuse } from '../../api/reply.ts'
import type { SaslMechanism, ScramMechanism } from './mechanisms.ts'
import { textOf } from './prepare.ts'
import { challengeFor, prove, readClientFinal, readClientFirst } from './scram.ts'

/**
 * Sends the client a challenge and returns its decoded response; undefined when it cancels or the response is
 * malformed.
 */
export type AskClient = (challenge: string) => Promise<Buffer | undefined>

/** The client's request, and the way to ask it further. */
export interface SaslExchange {
  readonly mechanism: SaslMechanism
  /** Initial response; undefined when absent, which differs from empty. */
  readonly initial: Buffer | undefined
  readonly ask: AskClient
  /** Reads a user name from this protocol's authorization identity (RFC 4513 `u:ann`); default: the text itself. */
  readonly readAuthzid?: (text: string) => string | Promise<string>
}

/** Credentials that are complete in one message. */
export type WholeCredentials = Exclude<Credentials, { kind: 'scram' }>

/** Where clients get valid tokens (RFC 7628 section 3.2.2). */
export interface BearerDiscovery {
  /** Required scopes of a token, separated by spaces. */
  readonly scope?: string
  /** URL of the provider's OpenID configuration. */
  readonly openidConfiguration?: string
}

/** Decides about credentials. */
export interface Authenticate {
  readonly discovery?: BearerDiscovery | undefined
  /** `authzid`: the account to act as, if it differs from the client's own name. */
  judge(credentials: WholeCredentials, authzid?: string): Promise<Identity | Refusal>
  /** Returns the verifier of a proof, also for an unknown user; `conclude` must be called with the result. */
  begin(
    username: string,
    mechanism: 'SCRAM-SHA-1' | 'SCRAM-SHA-256',
    authzid?: string,
  ): Promise<Refusal | { readonly verifier: Omit<Verifier, 'kind' | 'identity'>; conclude: Finish }>
}
export type Finish = (isProven: boolean) => Promise<Identity | Refusal>

/** Decodes a base64 response; undefined when malformed. `=` is an empty one (RFC 4954). */
export function decodeResponse(text: string): Buffer | undefined {
  if (text === '=') return Buffer.alloc(0)
  return /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)
    ? Buffer.from(text, 'base64')
    : undefined
}

/** The only refusal that does not concern the credentials: code 501. */
export const UNREADABLE = refuse(501, '5.5.2', 'No proper response to the challenge')

const NO_TOKEN = refuse(535, '5.7.8', 'Authentication credentials invalid')

/** Runs an exchange to its end. `binding`: channel binding data of the TLS connection (RFC 9266). */
export async function converse(
  { mechanism, initial, ask, readAuthzid = (text) => text }: SaslExchange,
  judge: Authenticate,
  binding: Uint8Array | undefined,
): Promise<Identity | Refusal> {
  switch (mechanism) {
    case 'PLAIN':
      return plain(initial ?? (await ask('')), judge, readAuthzid)
    case 'LOGIN':
      return login(initial, ask, judge)
    case 'OAUTHBEARER':
    case 'XOAUTH2':
      return bearer(mechanism, initial ?? (await ask('')), { ask, judge, readAuthzid })
    default:
      return scram(initial ?? (await ask('')), { mechanism, binding, ask, judge, readAuthzid })
  }
}

type ReadAuthzid = NonNullable<SaslExchange['readAuthzid']>

/** The account that an authzid names; undefined when it is empty or equals the client's own name. */
async function namedBy(authzid: string, username: string, read: ReadAuthzid): Promise<string | undefined> {
  const name = authzid === '' ? username : await read(authzid)
  return name === username ? undefined : name
}

/** RFC 4616: authorization identity, authentication identity, password. */
async function plain(
  response: Buffer | undefined,
  judge: Authenticate,
  readAuthzid: ReadAuthzid,
): Promise<Identity | Refusal> {
  const [authzid = '', username, password, ...more] = response?.toString().split('\0') ?? []
  if (username === undefined || password === undefined || more.length > 0) return UNREADABLE
  return judge.judge({ kind: 'password', username, password }, await namedBy(authzid, username, readAuthzid))
}

async function login(initial: Buffer | undefined, ask: AskClient, judge: Authenticate): Promise<Identity | Refusal> {
  const username = initial ?? (await ask('Username:'))
  const password = username && (await ask('Password:'))
  if (!username || !password) return UNREADABLE
  return judge.judge({ kind: 'password', username: username.toString(), password: password.toString() })
}

interface Asking {
  readonly ask: AskClient
  readonly judge: Authenticate
  readonly readAuthzid: ReadAuthzid
}

async function bearer(
  mechanism: 'OAUTHBEARER' | 'XOAUTH2',
  response: Buffer | undefined,
  { ask, judge, readAuthzid }: Asking,
): Promise<Identity | Refusal> {
  const { token, authzid } = readBearer(mechanism, (response && textOf(response)) ?? '') ?? {}
  if (token === undefined) return UNREADABLE
  const username = authzid && (await readAuthzid(authzid))
  // An empty token asks for the discovery data (RFC 7628 section 4.3) and does not count as a failure.
  const answer =
    token === '' ? NO_TOKEN : await judge.judge({ kind: 'bearer', token, ...(username ? { username } : {}) })
  // RFC 7628 section 3.2.3: the client acknowledges the error with any response, and then the exchange fails.
  if (answer.kind === 'refuse' && answer.reply.code >= 500) await ask(errorFor(mechanism, judge.discovery))
  return answer
}

/** RFC 7628 section 3.2.2; XOAUTH2 uses Google's format. */
function errorFor(mechanism: 'OAUTHBEARER' | 'XOAUTH2', { scope, openidConfiguration }: BearerDiscovery = {}): string {
  const status = mechanism === 'XOAUTH2' ? { status: '401', schemes: 'bearer' } : { status: 'invalid_token' }
  return JSON.stringify({ ...status, scope, 'openid-configuration': openidConfiguration })
}

interface ShownBearer {
  /** Empty when the client asks for the error. */
  readonly token: string
  readonly authzid: string
}

/** RFC 7628 section 3.1; XOAUTH2 sends the user as one of the pairs. */
function readBearer(mechanism: 'OAUTHBEARER' | 'XOAUTH2', text: string): ShownBearer | undefined {
  const [head = '', ...pairs] = mechanism === 'XOAUTH2' ? ['', ...text.split('\x01')] : text.split('\x01')
  if (pairs.splice(-2).some((rest) => rest !== '')) return undefined
  const values = new Map(pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]))
  const [isAuth, token = ''] = /^(?:bearer(?: +([\w.~+/-]+=*))?)? *$/i.exec(values.get('auth') ?? '-') ?? []
  // This mechanism has no channel binding, so `p` is invalid. RFC 7628 section 4.4 itself writes `user=` for `a=`.
  const [isHead, authorize = ''] = /^[ny],(?:(?:a|user)=([^,]+))?,$/.exec(head) ?? []
  if (isAuth === undefined || (mechanism === 'OAUTHBEARER' && isHead === undefined)) return undefined
  const name = authorize.replaceAll('=2C', ',').replaceAll('=3D', '=')
  return { token, authzid: mechanism === 'XOAUTH2' ? (values.get('user') ?? '') : name }
}

interface Proving extends Asking {
  readonly mechanism: ScramMechanism
  readonly binding: Uint8Array | undefined
}

async function scram(
  response: Buffer | undefined,
  { mechanism, binding, ask, judge, readAuthzid }: Proving,
): Promise<Identity | Refusal> {
  const first = response && readClientFirst(response, { mechanism, binding })
  if (!first) return UNREADABLE
  const plainMechanism = mechanism.replace('-PLUS', '') as 'SCRAM-SHA-1' | 'SCRAM-SHA-256'
  const authzid = await namedBy(first.authzid, first.username, readAuthzid)
  const begun = await judge.begin(first.username, plainMechanism, authzid)
  if ('kind' in begun) return begun
  const { verifier, conclude } = begun
  const challenge = challengeFor(first, verifier)
  const answer = await ask(challenge.text)
  const final = answer && readClientFinal(answer)
  if (!final) return UNREADABLE
  const proof = prove(first, challenge, final, { ...verifier, mechanism, binding })
  const identity = await conclude(proof !== undefined)
  // The server's proof is the last challenge; a client that accepts it sends an empty response.
  if (identity.kind === 'identity' && proof !== undefined && (await ask(proof)) === undefined) return UNREADABLE
  return identity
}
