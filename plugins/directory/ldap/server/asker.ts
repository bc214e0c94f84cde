/**
 * The context of an operation: parts of the listener, and the client of the connection.
 */
import type { Clock, Identity, LineWriter, SaslMechanism } from 'iems'
import type { DirectoryApi } from '../../store/api.ts'
import type { Access } from './access.ts'
import type { Login } from './login.ts'
import type { Options } from './options.ts'
import type { Searching } from './search.ts'
import type { Tree } from './tree.ts'
import type { Writing } from './writing.ts'

export interface OperationsDeps {
  readonly directory: DirectoryApi
  readonly tree: Tree
  readonly access: Access
  readonly searching: Searching
  readonly writing: Writing
  readonly options: Options
  readonly clock: Pick<Clock, 'now'>
}

/** The client of one connection. */
export interface Asker {
  readonly output: LineWriter
  readonly login: Login
  identity(): Identity | undefined
  mayStartTls(): boolean
  isSecure(): boolean
  mechanisms(): readonly SaslMechanism[]
  /** Whether this is the account's own password, not an application password. */
  isOwnPassword(account: string, name: string, password: string): Promise<boolean>
  /** Makes the change and keeps the session authenticated: RFC 3062 does not end the requesting session. */
  changeOwnPassword(change: () => Promise<unknown>, name: string, password: string): Promise<void>
}
