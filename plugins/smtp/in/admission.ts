/**
 * Handles a connection before it gets a session.
 */
import type { Socket } from 'node:net'
import { type Reply, receiveProxyHeader } from 'iems'
import { line } from './replies.ts'

/** The client on whose behalf a proxy connects. */
export interface ProxiedClient {
  readonly remoteAddress?: string
  readonly remotePort?: number
  readonly localAddress?: string
  readonly localPort?: number
}

/** Reads the PROXY header; undefined when there is no valid one. */
export async function receiveProxied(socket: Socket): Promise<ProxiedClient | undefined> {
  const header = await receiveProxyHeader(socket)
  if (!header) return undefined
  const { from, to } = header
  return {
    ...(from ? { remoteAddress: from.address, remotePort: from.port } : {}),
    ...(to ? { localAddress: to.address, localPort: to.port } : {}),
  }
}

/** Replies and closes a connection that gets no session. */
export function turnAway(socket: Socket, reply: Reply): void {
  socket.on('error', () => socket.destroy())
  socket.write(`${line(reply)}\r\n`)
  socket.destroySoon()
}
