/** ETRN (RFC 1985) and ATRN (RFC 2645): a client asks for the mail that waits for it. */
import type { Reply } from 'iems'
import type { ClientState } from './client-state.ts'
import type { ListenerContext, TakeReversed } from './listener-context.ts'
import { NO } from './replies.ts'

export interface FetchingSession {
  readonly client: ClientState
  readonly inTransaction: boolean
}

/** A reply, or what takes the connection. */
export async function answerFetch(
  { options, etrn, atrn }: ListenerContext,
  { client, inTransaction }: FetchingSession,
  verb: string,
  argument: string,
): Promise<Reply | TakeReversed> {
  const isAtrn = verb === 'ATRN'
  if (isAtrn ? !atrn : options.etrn.length === 0) return NO.notImplemented
  if (client.helo === undefined) return NO.helloFirst
  if (inTransaction) return NO.inTransaction
  const { identity, remote } = client
  if (!isAtrn || !atrn) return etrn(argument, { address: remote.address, user: identity?.user })
  return identity ? atrn(argument, identity) : NO.authRequired
}
