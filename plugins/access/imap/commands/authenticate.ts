/**
 * LOGIN and AUTHENTICATE.
 */
import { type AskClient, decodeResponse, type Identity, type Refusal } from 'iems'
import type { OldSession } from '../../../gateway/move/api.ts'
import { capabilities } from '../capabilities.ts'
import type { Call, CommandDefinition } from '../command.ts'
import type { CommandContext } from '../context.ts'
import { bad, no, ok, RESPONDED, type TaggedResponse } from '../responses.ts'

const RESPONSE_LIMIT = 12_288
const IMPROPER = bad('Invalid SASL response')

/** Hands the session of an account that is still on the old server over to it. */
async function passOn(session: CommandContext, tag: string, account: string): Promise<TaggedResponse | undefined> {
  const { parts, output } = session
  let there: OldSession | undefined
  try {
    there = await parts.oldSession(account)
  } catch (cause) {
    parts.log.warn('no session on the old server', { account, cause })
    return no('Mailbox temporarily unavailable', 'UNAVAILABLE')
  }
  if (!there) return undefined
  output.line(`${tag} OK [CAPABILITY ${there.capabilities}] Logged in`)
  session.end()
  await parts.relay(there.stream, there.rest)
  return RESPONDED
}

async function logIn(session: CommandContext, tag: string, answer: Identity | Refusal) {
  const { parts } = session
  if (answer.kind === 'identity' && answer.account !== undefined) {
    const passed = await passOn(session, tag, answer.account)
    if (passed) return passed
  }
  if (answer.kind === 'identity' && (await session.logIn(answer)))
    return ok('Logged in', `CAPABILITY ${capabilities(session)}`)
  session.failedLogins++
  if (session.failedLogins >= parts.options.limits.authAttempts) {
    session.output.line('* BYE Too many authentication failures')
    session.end()
  }
  const isTemporary = answer.kind === 'refuse' && answer.reply.code < 500
  // RFC 5530: the response must not reveal whether the name or the password is wrong.
  return isTemporary
    ? no('Temporary authentication failure', 'UNAVAILABLE')
    : no('Invalid credentials', 'AUTHENTICATIONFAILED')
}

const mayLogIn = ({ parts }: CommandContext) => parts.isSecure() || parts.options.authWithoutTls

export const login: CommandDefinition = {
  state: 'before',
  async run(session, { cursor, tag }) {
    cursor.space()
    const username = cursor.astring()
    cursor.space()
    const password = cursor.astring()
    cursor.end()
    if (!mayLogIn(session)) return no('Authentication requires TLS', 'PRIVACYREQUIRED')
    return logIn(session, tag, await session.parts.open.auth({ kind: 'password', username, password }))
  },
}

/** One round of a SASL exchange. */
const asking =
  ({ parts, output }: CommandContext): AskClient =>
  async (challenge) => {
    output.line(`+ ${Buffer.from(challenge).toString('base64')}`)
    await output.flush()
    const line = (await parts.input.line(RESPONSE_LIMIT)).toString('latin1')
    return line === '*' ? undefined : decodeResponse(line)
  }

export const authenticate: CommandDefinition = {
  state: 'before',
  async run(session, { cursor, tag }: Call) {
    cursor.space()
    const name = cursor.atom('a mechanism').toUpperCase()
    const text = cursor.takes(' ') ? cursor.need(/[A-Za-z0-9+/=]+/y, 'a response') : undefined
    cursor.end()
    if (!mayLogIn(session)) return no('Authentication requires TLS', 'PRIVACYREQUIRED')
    const { open } = session.parts
    const mechanism = open.mechanisms().find((offered) => offered === name)
    if (!mechanism) return no('Unsupported authentication mechanism', 'CANNOT')
    const initial = text === undefined ? undefined : decodeResponse(text)
    if (text !== undefined && !initial) return IMPROPER
    const answer = await open.authenticate({ mechanism, initial, ask: asking(session) })
    return answer.kind === 'refuse' && answer.reply.code === 501 ? IMPROPER : logIn(session, tag, answer)
  },
}
