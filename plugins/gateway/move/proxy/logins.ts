/**
 * Passwords that only the old server knows: a login there proves them, and the directory learns them.
 *
 * Invariants: asked only for accounts that exist here and have no password here; an old server that does not answer is
 * a temporary failure.
 */
import { type Attempt, defer, type Identity, type Log, type Refusal } from 'iems'
import type { AccountsApi } from '../../../directory/static/api.ts'
import type { DirectoryApi } from '../../../directory/store/api.ts'
import { loginOf } from '../commands/accounts.ts'
import type { Server } from '../options.ts'
import { openOldSession } from './login.ts'

const BY = 'move'

export interface LoginDeps {
  readonly accounts: AccountsApi
  readonly directory: DirectoryApi
  readonly server: Server
  readonly log: Log
}

export async function authThere(
  { accounts, directory, server, log }: LoginDeps,
  attempt: Attempt,
): Promise<Identity | Refusal | undefined> {
  if (attempt.kind !== 'password' || attempt.password === '') return undefined
  const account = await accounts.byLogin(attempt.username)
  const entry = account && (await directory.byName('account', account.name))
  if (!account || !entry || entry.hasPassword) return undefined
  const login = loginOf(
    server,
    account,
    { account: account.name, password: attempt.password },
    { password: '', master: undefined },
  )
  try {
    const { stream } = await openOldSession('IMAP', server, login)
    stream.destroy()
  } catch (cause) {
    if (/refuses the login/.test((cause as Error).message)) return undefined
    log.warn('the old server could not be asked for a login', { cause })
    return defer(454, '4.7.0', 'Temporary authentication failure')
  }
  await directory.change([{ set: entry.id, to: { password: attempt.password } }], BY)
  return accounts.identify(account.name)
}
