/**
 * What a client shows who it is by SASL (RFC 4422), the same for every protocol: the exchange here, the words around it
 * there.
 *
 * What must stay true: nothing is decided here; what cannot be read is no credentials, and an empty response is not the
 * same as none.
 */
import type { Credentials } from './hooks.ts'

export const SASL_MECHANISMS = ['PLAIN', 'LOGIN'] as const
export type SaslMechanism = (typeof SASL_MECHANISMS)[number]

/** Shows the client a challenge and answers its response, decoded; undefined when it gives up. */
export type AskClient = (challenge: string) => Promise<Buffer | undefined>

export function isSaslMechanism(name: string): name is SaslMechanism {
  return SASL_MECHANISMS.includes(name as SaslMechanism)
}

/** A base64 response as protocols have it; undefined for what is none. `=` is an empty one (RFC 4954). */
export function decodeResponse(text: string): Buffer | undefined {
  if (text === '=') return Buffer.alloc(0)
  return /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)
    ? Buffer.from(text, 'base64')
    : undefined
}

/** Undefined: the client gave up, or what it said cannot be read. */
export async function readCredentials(
  mechanism: SaslMechanism,
  initial: Buffer | undefined,
  ask: AskClient,
): Promise<Credentials | undefined> {
  return mechanism === 'PLAIN' ? plain(initial ?? (await ask(''))) : login(initial, ask)
}

/** RFC 4616: who it wants to act as, who it is, and the password. */
function plain(response: Buffer | undefined): Credentials | undefined {
  const [authorize, username, password, ...more] = response?.toString().split('\0') ?? []
  if (username === undefined || password === undefined || more.length > 0) return undefined
  // Nobody acts for somebody else here.
  return authorize === '' || authorize === username ? { kind: 'password', username, password } : undefined
}

async function login(initial: Buffer | undefined, ask: AskClient): Promise<Credentials | undefined> {
  const username = initial ?? (await ask('Username:'))
  const password = username && (await ask('Password:'))
  return username && password && { kind: 'password', username: username.toString(), password: password.toString() }
}
