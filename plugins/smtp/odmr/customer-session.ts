/**
 * A customer's session with the kernel: it logs in and asks for its mail, and does nothing else (RFC 2645 section 5).
 *
 * RFC 2645 requires CRAM-MD5 (RFC 2195) of every provider. It needs the password itself, so the server offers it for
 * customers with a password in the configuration. Invariants: digests are compared in constant time; an unknown name
 * takes as long as a known one.
 */
import { createHmac, randomBytes } from 'node:crypto'
import {
  type Identity,
  isSameSecret,
  type Refusal,
  refuse,
  type SaslExchange,
  type SaslMechanism,
  type ServerSession,
} from 'iems'
import type { Options } from './options.ts'

/** Not one of the kernel's mechanisms. */
const CRAM = 'CRAM-MD5' as SaslMechanism
const WRONG = refuse(535, '5.7.8', 'Authentication credentials invalid')
const GIVEN_UP = refuse(501, '5.7.0', 'Authentication cancelled')
const NO_MAIL = refuse(502, '5.5.1', 'Command not implemented')

export interface CustomerSessionDeps {
  readonly customers: Options['customers']
  readonly hostname: string
  readonly now: () => number
}

export function customerSession(session: ServerSession, deps: CustomerSessionDeps): ServerSession {
  const hasCram = deps.customers.some(({ password }) => password !== undefined)
  const own: Partial<ServerSession> = {
    mechanisms: () => [...session.mechanisms(), ...(hasCram ? [CRAM] : [])],
    authenticate: (exchange) => (exchange.mechanism === CRAM ? cram(exchange, deps) : session.authenticate(exchange)),
    mail: async () => NO_MAIL,
  }
  return new Proxy(session, {
    get(target, name) {
      const value: unknown = own[name as keyof ServerSession] ?? Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

async function cram(
  { ask }: SaslExchange,
  { customers, hostname, now }: CustomerSessionDeps,
): Promise<Identity | Refusal> {
  const challenge = `<${randomBytes(12).toString('hex')}.${now()}@${hostname}>`
  const response = (await ask(challenge))?.toString('utf8')
  if (response === undefined) return GIVEN_UP
  const space = response.lastIndexOf(' ')
  const user = response.slice(0, Math.max(0, space))
  const password = customers.find(({ users }) => users.includes(user))?.password
  const digest = createHmac('md5', password?.reveal() ?? randomBytes(16))
    .update(challenge)
    .digest('hex')
  const isRight = isSameSecret(response.slice(space + 1).toLowerCase(), digest)
  return isRight && password ? { kind: 'identity', user, mayRelay: false } : WRONG
}
