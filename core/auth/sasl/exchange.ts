/**
 * What a client shows who it is by SASL (RFC 4422), the same for every protocol: the exchange here, the words around it
 * with whoever listens.
 *
 * What must stay true: nothing is decided here; what cannot be read is no credentials, and an empty response is not the
 * same as none; nothing of an exchange outlives it.
 */
import type { Credentials, Identity, Verifier } from '../../api/hooks.ts'
import { type Refusal, refuse } from '../../api/reply.ts'
import type { SaslMechanism, ScramMechanism } from './mechanisms.ts'
import { textOf } from './prepare.ts'
import { challengeFor, prove, readClientFinal, readClientFirst } from './scram.ts'

/** Shows the client a challenge and answers its response, decoded; undefined when it gives up or cannot be read. */
export type AskClient = (challenge: string) => Promise<Buffer | undefined>

/** What a client asks for, and how it can be asked. */
export interface SaslExchange {
  readonly mechanism: SaslMechanism
  /** What came with the command; undefined for nothing, which is not the same as an empty one. */
  readonly initial: Buffer | undefined
  readonly ask: AskClient
  /** The name that an authorization identity of this protocol means (RFC 4513 `u:ann`); default: the text itself. */
  readonly readAuthzid?: (text: string) => string | Promise<string>
}

/** Credentials that say it all. */
export type WholeCredentials = Exclude<Credentials, { kind: 'scram' }>

/** Where clients get tokens that count here (RFC 7628 section 3.2.2). */
export interface BearerDiscovery {
  /** Scopes that a token must have, with spaces between. */
  readonly scope?: string
  /** The URL of the provider's OpenID configuration. */
  readonly openidConfiguration?: string
}

/** Who decides. */
export interface Authenticate {
  readonly discovery?: BearerDiscovery | undefined
  /** `authzid`: the name of the account to act as, where it is not the client's own as it wrote it. */
  judge(credentials: WholeCredentials, authzid?: string): Promise<Identity | Refusal>
  /** By what a proof is checked, for a user who may be nobody; `conclude` has to be told what came of it. */
  begin(
    username: string,
    mechanism: 'SCRAM-SHA-1' | 'SCRAM-SHA-256',
    authzid?: string,
  ): Promise<Refusal | { readonly verifier: Omit<Verifier, 'kind' | 'identity'>; conclude: Finish }>
}
export type Finish = (isProven: boolean) => Promise<Identity | Refusal>

/** A base64 response as protocols have it; undefined for what is none. `=` is an empty one (RFC 4954). */
export function decodeResponse(text: string): Buffer | undefined {
  if (text === '=') return Buffer.alloc(0)
  return /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)
    ? Buffer.from(text, 'base64')
    : undefined
}

/** The one refusal that says nothing about credentials: code 501. */
export const UNREADABLE = refuse(501, '5.5.2', 'No proper response to the challenge')

const NO_TOKEN = refuse(535, '5.7.8', 'Authentication credentials invalid')

/** Runs an exchange to its end. `binding`: RFC 9266, what there is of the TLS connection to bind to. */
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

/** The account that an authzid names; undefined where it is empty or only repeats the client's own name. */
async function namedBy(authzid: string, username: string, read: ReadAuthzid): Promise<string | undefined> {
  const name = authzid === '' ? username : await read(authzid)
  return name === username ? undefined : name
}

/** RFC 4616: who it wants to act as, who it is, and the password. */
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
  // An empty token asks where to get one (RFC 7628 section 4.3); it is no guess.
  const answer =
    token === '' ? NO_TOKEN : await judge.judge({ kind: 'bearer', token, ...(username ? { username } : {}) })
  // RFC 7628 section 3.2.3: the client acknowledges the error, in whatever words, and then the exchange fails.
  if (answer.kind === 'refuse' && answer.reply.code >= 500) await ask(errorFor(mechanism, judge.discovery))
  return answer
}

/** RFC 7628 section 3.2.2; XOAUTH2 has Google's form of it. */
function errorFor(mechanism: 'OAUTHBEARER' | 'XOAUTH2', { scope, openidConfiguration }: BearerDiscovery = {}): string {
  const status = mechanism === 'XOAUTH2' ? { status: '401', schemes: 'bearer' } : { status: 'invalid_token' }
  return JSON.stringify({ ...status, scope, 'openid-configuration': openidConfiguration })
}

interface ShownBearer {
  /** Empty where the client asks for an error. */
  readonly token: string
  readonly authzid: string
}

/** RFC 7628 section 3.1; XOAUTH2 has the user as one of the pairs. */
function readBearer(mechanism: 'OAUTHBEARER' | 'XOAUTH2', text: string): ShownBearer | undefined {
  const [head = '', ...pairs] = mechanism === 'XOAUTH2' ? ['', ...text.split('\x01')] : text.split('\x01')
  if (pairs.splice(-2).some((rest) => rest !== '')) return undefined
  const values = new Map(pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]))
  const [isAuth, token = ''] = /^(?:bearer(?: +([\w.~+/-]+=*))?)? *$/i.exec(values.get('auth') ?? '-') ?? []
  // There is no binding in this mechanism: `p` cannot be meant. RFC 7628 section 4.4 itself writes `user=` for `a=`.
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
  // Our own proof is the last challenge, which a client that believes it answers with nothing.
  if (identity.kind === 'identity' && proof !== undefined && (await ask(proof)) === undefined) return UNREADABLE
  return identity
}
