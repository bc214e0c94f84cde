/**
 * The input of an SMTP session: its connection, facts about the client, and what all sessions of a listener share.
 * Types only.
 */
import type { Socket } from 'node:net'
import type { Clock, ConnectionInfo, Identity, Log, Reply, ServerSession } from 'iems'
import type { NameOf } from './client-name.ts'
import type { Etrn } from './etrn.ts'
import type { Options } from './options.ts'
import type { ContentWire } from './transaction.ts'

/** The session's control over its connection. */
export interface Connection extends ContentWire {
  /** Sends queued replies, then starts the handshake; `secured` is called when TLS is established. */
  startTls(): void
  /** Sends queued replies and closes the connection. */
  close(): void
  /** Sends what is queued and gives the socket away; nothing of it is read here any more. */
  release(): Socket
}

/** Takes a connection whose roles are reversed (RFC 2645). */
export type TakeReversed = (socket: Socket) => void

/** Answers ATRN of a client that has logged in: a refusal, or what takes the connection. */
export type Atrn = (argument: string, identity: Identity) => Promise<Reply | TakeReversed>

/** Shared by all sessions of a listener. */
export interface ListenerContext {
  readonly options: Options
  readonly hostname: string
  readonly log: Log
  readonly etrn: Etrn
  /** Absent where ATRN is not offered. */
  readonly atrn?: Atrn | undefined
  readonly mayXclient: (address: string) => boolean
  readonly clock: Clock
  readonly nameOf: NameOf
  openSession(facts: ConnectionInfo): ServerSession
  /** Moves the connection's count to another address; false when that one has too many. */
  recount(from: string, to: string): boolean
}

/** The connection's facts about its client. */
export type Client = Pick<ConnectionInfo, 'remote' | 'local' | 'tls'>
