/**
 * What a client shows who it is by SASL (RFC 4422), the same for every protocol: the exchange here, the words around it
 * with whoever listens.
 *
 * What must stay true: nothing is decided here; what cannot be read is no credentials, and an empty response is not the
 * same as none; nothing of an exchange outlives it.
 */
import type { Credentials, Identity, Verifier } from '../hooks.ts'
import { type Refusal, refuse } from '../reply.ts'
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
}

/** Credentials that say it all. */
export type WholeCredentials = Exclude<Credentials, { kind: 'scram' }>

/** Who decides. */
export interface Judge {
  judge(credentials: WholeCredentials): Promise<Identity | Refusal>
  /** By what a proof is checked, for a user who may be nobody; `conclude` has to be told what came of it. */
  begin(
    username: string,
    mechanism: 'SCRAM-SHA-1' | 'SCRAM-SHA-256',
  ): Promise<Refusal | { readonly verifier: Omit<Verifier, 'kind' | 'identity'>; conclude: Conclude }>
}
export type Conclude = (isProven: boolean) => Promise<Identity | Refusal>

/** A base64 response as protocols have it; undefined for what is none. `=` is an empty one (RFC 4954). */
export function decodeResponse(text: string): Buffer | undefined {
  if (text === '=') return Buffer.alloc(0)
  return /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)
    ? Buffer.from(text, 'base64')
    : undefined
}

/** The one refusal that says nothing about credentials: code 501. */
export const UNREADABLE = refuse(501, '5.5.2', 'No proper response to the challenge')

/** Runs an exchange to its end. `binding`: RFC 9266, what there is of the TLS connection to bind to. */
export async function converse(
  { mechanism, initial, ask }: SaslExchange,
  judge: Judge,
  binding: Uint8Array | undefined,
): Promise<Identity | Refusal> {
  switch (mechanism) {
    case 'PLAIN':
      return decided(plain(initial ?? (await ask(''))), judge)
    case 'LOGIN':
      return decided(await login(initial, ask), judge)
    case 'OAUTHBEARER':
    case 'XOAUTH2':
      return bearer(mechanism, initial ?? (await ask('')), { ask, judge })
    default:
      return scram(initial ?? (await ask('')), { mechanism, binding, ask, judge })
  }
}

async function decided(credentials: WholeCredentials | undefined, { judge }: Judge): Promise<Identity | Refusal> {
  return credentials ? judge(credentials) : UNREADABLE
}

/** RFC 4616: who it wants to act as, who it is, and the password. */
function plain(response: Buffer | undefined): WholeCredentials | undefined {
  const [authorize, username, password, ...more] = response?.toString().split('\0') ?? []
  if (username === undefined || password === undefined || more.length > 0) return undefined
  // Nobody acts for somebody else here.
  return authorize === '' || authorize === username ? { kind: 'password', username, password } : undefined
}

async function login(initial: Buffer | undefined, ask: AskClient): Promise<WholeCredentials | undefined> {
  const username = initial ?? (await ask('Username:'))
  const password = username && (await ask('Password:'))
  return username && password && { kind: 'password', username: username.toString(), password: password.toString() }
}

interface Asking {
  readonly ask: AskClient
  readonly judge: Judge
}

async function bearer(
  mechanism: 'OAUTHBEARER' | 'XOAUTH2',
  response: Buffer | undefined,
  { ask, judge }: Asking,
): Promise<Identity | Refusal> {
  const credentials = readBearer(mechanism, (response && textOf(response)) ?? '')
  if (!credentials) return UNREADABLE
  const answer = await judge.judge(credentials)
  if (answer.kind === 'refuse' && answer.reply.code >= 500) {
    // RFC 7628 section 3.2.3: the client is told why, says that it has heard it, and fails. What it says is of no interest.
    await ask(
      JSON.stringify(mechanism === 'XOAUTH2' ? { status: '401', schemes: 'bearer' } : { status: 'invalid_token' }),
    )
  }
  return answer
}

/** RFC 7628 section 3.1; XOAUTH2 has the user as one of the pairs. */
function readBearer(mechanism: 'OAUTHBEARER' | 'XOAUTH2', text: string): WholeCredentials | undefined {
  const [head = '', ...pairs] = mechanism === 'XOAUTH2' ? ['', ...text.split('\x01')] : text.split('\x01')
  if (pairs.splice(-2).some((rest) => rest !== '')) return undefined
  const values = new Map(pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]))
  const [, token] = /^bearer +([\w.~+/-]+=*) *$/i.exec(values.get('auth') ?? '') ?? []
  // There is no binding in this mechanism: `p` cannot be meant.
  const [isHead, authorize = ''] = /^[ny],(?:a=([^,]+))?,$/.exec(head) ?? []
  if (token === undefined || (mechanism === 'OAUTHBEARER' && isHead === undefined)) return undefined
  const username =
    mechanism === 'XOAUTH2' ? values.get('user') : authorize.replaceAll('=2C', ',').replaceAll('=3D', '=')
  return { kind: 'bearer', token, ...(username ? { username } : {}) }
}

interface Proving extends Asking {
  readonly mechanism: ScramMechanism
  readonly binding: Uint8Array | undefined
}

async function scram(
  response: Buffer | undefined,
  { mechanism, binding, ask, judge }: Proving,
): Promise<Identity | Refusal> {
  const first = response && readClientFirst(response, { mechanism, binding })
  if (!first) return UNREADABLE
  const begun = await judge.begin(first.username, mechanism.replace('-PLUS', '') as 'SCRAM-SHA-1' | 'SCRAM-SHA-256')
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
