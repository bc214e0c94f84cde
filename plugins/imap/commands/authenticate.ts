/**
 * Logging in, by LOGIN and by SASL.
 */
import type { Credentials } from 'iems'
import { bad, no, ok } from '../answers.ts'
import { capabilities } from '../capabilities.ts'
import type { Call, CommandDefinition } from '../command.ts'
import type { Session } from '../session.ts'

/** Failed logins of each session. */
const failures = new WeakMap<Session, number>()

const RESPONSE_LIMIT = 12_288

async function logIn(session: Session, credentials: Credentials) {
  const { parts } = session
  const answer = await parts.authenticate(credentials)
  if (answer.kind === 'identity' && (await session.logIn(answer)))
    return ok('Logged in', `CAPABILITY ${capabilities(session)}`)
  const count = (failures.get(session) ?? 0) + 1
  failures.set(session, count)
  if (count >= parts.options.limits.authAttempts) {
    session.output.line('* BYE Too many failed logins')
    session.end()
  }
  const isTemporary = answer.kind === 'refuse' && answer.reply.code < 500
  // RFC 5530: whether it is the name or the password is nobody's business.
  return isTemporary
    ? no('Logins cannot be checked now', 'UNAVAILABLE')
    : no('Wrong name or password', 'AUTHENTICATIONFAILED')
}

const mayLogIn = ({ parts }: Session) => parts.isSecure() || parts.options.authWithoutTls

export const login: CommandDefinition = {
  state: 'before',
  async run(session, { cursor }) {
    cursor.space()
    const username = cursor.astring()
    cursor.space()
    const password = cursor.astring()
    cursor.end()
    if (!mayLogIn(session)) return no('Not without TLS', 'PRIVACYREQUIRED')
    return logIn(session, { kind: 'password', username, password })
  },
}

async function ask(session: Session, challenge: string): Promise<Buffer | undefined> {
  session.output.line(`+ ${challenge}`)
  await session.output.flush()
  const line = (await session.parts.input.line(RESPONSE_LIMIT)).toString('latin1')
  return line === '*' ? undefined : Buffer.from(line, 'base64')
}

async function plain(session: Session, initial: Buffer | undefined): Promise<Credentials | undefined> {
  const response = initial ?? (await ask(session, ''))
  // RFC 4616: authorization identity, name, password.
  const [authorize, username, password, ...more] = response?.toString().split('\0') ?? []
  if (username === undefined || password === undefined || more.length > 0) return undefined
  return authorize === '' || authorize === username ? { kind: 'password', username, password } : undefined
}

async function loginMechanism(session: Session, initial: Buffer | undefined): Promise<Credentials | undefined> {
  const username = initial ?? (await ask(session, 'VXNlcm5hbWU6'))
  const password = username && (await ask(session, 'UGFzc3dvcmQ6'))
  return username && password && { kind: 'password', username: username.toString(), password: password.toString() }
}

export const authenticate: CommandDefinition = {
  state: 'before',
  async run(session, { cursor }: Call) {
    cursor.space()
    const mechanism = cursor.atom('a mechanism').toUpperCase()
    let initial: Buffer | undefined
    if (cursor.takes(' '))
      initial = cursor.takes('=') ? Buffer.alloc(0) : Buffer.from(cursor.atom('a response'), 'base64')
    cursor.end()
    if (!mayLogIn(session)) return no('Not without TLS', 'PRIVACYREQUIRED')
    if (mechanism !== 'PLAIN' && mechanism !== 'LOGIN') return no('There is no such mechanism', 'CANNOT')
    const credentials = await (mechanism === 'PLAIN' ? plain : loginMechanism)(session, initial)
    return credentials ? logIn(session, credentials) : bad('That was no proper response')
  },
}
