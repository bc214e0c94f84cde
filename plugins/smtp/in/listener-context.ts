/**
 * What one SMTP session is given: its connection, what is known of the client, and what all sessions of a listener
 * share. Types only.
 */
import type { Clock, ConnectionInfo, Log, ServerSession } from 'iems'
import type { NameOf } from './client-name.ts'
import type { Etrn } from './etrn.ts'
import type { Options } from './options.ts'
import type { ContentWire } from './transaction.ts'

/** What the session can do to its connection. */
export interface Connection extends ContentWire {
  /** Sends what is queued, then does the handshake; `secured` is called when TLS is up. */
  startTls(): void
  /** Sends what is queued and hangs up. */
  close(): void
}

/** What all sessions of a listener share. */
export interface ListenerContext {
  readonly options: Options
  readonly hostname: string
  readonly log: Log
  readonly etrn: Etrn
  readonly mayXclient: (address: string) => boolean
  readonly clock: Clock
  readonly nameOf: NameOf
  openSession(facts: ConnectionInfo): ServerSession
  /** Counts a connection for another address than before; false when that one has too many. */
  recount(from: string, to: string): boolean
}

/** What the connection knows of its client. */
export type Client = Pick<ConnectionInfo, 'remote' | 'local' | 'tls'>
