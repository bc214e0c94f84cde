/** Facts about a client, from its connection. */
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { tlsInfo } from 'iems'
import type { Client } from './listener-context.ts'

export interface ConnectionFacts {
  readonly _socket: Socket
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localAddress: string
  readonly localPort: number
}

export function clientOf({
  _socket: socket,
  remoteAddress,
  remotePort,
  localAddress,
  localPort,
}: ConnectionFacts): Client {
  return {
    remote: { address: remoteAddress || 'unix', ...(remotePort ? { port: remotePort } : {}) },
    ...(localAddress ? { local: { address: localAddress, port: localPort } } : {}),
    ...(socket instanceof TLSSocket ? { tls: tlsInfo(socket) } : {}),
  }
}
