/**
 * AUTH (RFC 4954 section 4): whether it is allowed now, and its argument.
 */
import { decodeResponse, type Reply, type SaslExchange, type ServerSession } from 'iems'
import type { ClientState } from './client-state.ts'
import type { Options } from './options.ts'
import { NO } from './replies.ts'

/** State of the session at the command. */
export interface AuthSituation {
  readonly auth: Options['auth']
  readonly client: ClientState
  readonly inTransaction: boolean
  mechanisms(): ReturnType<ServerSession['mechanisms']>
}

/** Returns the mechanism and its initial response, or the refusal. */
export function readAuth(argument: string, now: AuthSituation): Pick<SaslExchange, 'mechanism' | 'initial'> | Reply {
  const refusal = refusalNow(now)
  if (refusal) return refusal
  const [name = '', response, ...more] = argument.split(' ')
  const mechanism = now.mechanisms().find((offered) => offered === name.toUpperCase())
  if (!mechanism) return NO.authMechanism
  const initial = response === undefined ? undefined : decodeResponse(response)
  if (more.length > 0 || (response !== undefined && !initial)) return NO.authSyntax
  return { mechanism, initial }
}

function refusalNow({ auth, client, inTransaction }: AuthSituation): Reply | undefined {
  if (auth === 'off') return NO.notImplemented
  if (client.helo === undefined) return client.helloFirst
  if (!client.mayAuthenticate) return NO.authNeedsTls
  if (client.identity) return NO.authAlready
  return inTransaction ? NO.inTransaction : undefined
}
