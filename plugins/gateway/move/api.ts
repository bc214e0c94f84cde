/**
 * The old server during a move: listeners hand the sessions of accounts that are still there over to it.
 */
import type { Duplex } from 'node:stream'
import { defineService } from 'iems'

export type OldProtocol = 'IMAP' | 'POP3' | 'ManageSieve'

/** A session on the old server, logged in as the account. */
export interface OldSession {
  readonly stream: Duplex
  /** Octets that came after the login and belong to the session. */
  readonly rest: Uint8Array
  /** IMAP: the capabilities after login. */
  readonly capabilities?: string
}

export interface OldServerApi {
  /**
   * A session for an account that is still there; undefined for one that is served here. Waits while the account is
   * being switched. Throws when the old server does not answer or refuses.
   */
  sessionOf(protocol: OldProtocol, account: string): Promise<OldSession | undefined>
}

export const OldServer = defineService<OldServerApi>('old-server')
