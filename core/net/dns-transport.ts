/**
 * Sends one query to one name server: over UDP from a random port, and over TCP when the answer does not fit.
 *
 * Invariants: only datagrams from that server count, and only a few wrong ones are tolerated (another host may be
 * guessing); no query exceeds its timeout; a socket never outlives its query.
 */
import { createSocket } from 'node:dgram'
import { connect, isIPv6 } from 'node:net'
import type { NameServer } from './dns-options.ts'

export interface Exchange<T> {
  readonly server: NameServer
  readonly query: Buffer
  readonly timeoutMs: number
  /** Decodes a message; undefined if it is not the response. */
  read(message: Buffer): T | undefined
}

/** Wrong datagrams after which the resolver assumes a guessing attacker and switches to TCP. */
const MAX_STRAYS = 20

class NoReply extends Error {}

/** `'guessed'` after too many wrong datagrams. Throws NoReply, or the socket's error. */
export function askByUdp<T>({ server, query, timeoutMs, read }: Exchange<T>): Promise<T | 'guessed'> {
  const socket = createSocket(isIPv6(server.address) ? 'udp6' : 'udp4')
  let strays = 0
  let timer: NodeJS.Timeout | undefined
  const { promise, resolve, reject } = Promise.withResolvers<T | 'guessed'>()
  timer = setTimeout(() => reject(new NoReply('timeout')), timeoutMs)
  socket.on('error', reject)
  socket.on('message', (message) => {
    const reply = read(message)
    if (reply !== undefined) resolve(reply)
    else if (++strays >= MAX_STRAYS) resolve('guessed')
  })
  // On a connected socket the operating system filters other senders and reports when no server listens.
  socket.connect(server.port, server.address, (error?: Error) => {
    if (error) reject(error)
    else socket.send(query, (failure) => failure && reject(failure))
  })
  return promise.finally(() => {
    clearTimeout(timer)
    socket.close()
  })
}

/** Throws NoReply, or the socket's error. */
export function askByTcp<T>({ server, query, timeoutMs, read }: Exchange<T>): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>()
  const socket = connect({ host: server.address, port: server.port })
  const timer = setTimeout(() => reject(new NoReply('timeout')), timeoutMs)
  const chunks: Buffer[] = []
  let length = 0
  let needed = 2
  socket.on('error', reject)
  socket.on('close', () => reject(new NoReply('connection closed')))
  socket.on('connect', () => {
    const prefix = Buffer.alloc(2)
    prefix.writeUInt16BE(query.length)
    socket.write(Buffer.concat([prefix, query]))
  })
  // The length prefix bounds the buffer: 65,535 octets and one chunk.
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    length += chunk.length
    if (length < needed) return
    const all = Buffer.concat(chunks)
    needed = 2 + all.readUInt16BE(0)
    if (length < needed) return
    const reply = read(all.subarray(2, needed))
    if (reply === undefined) reject(new NoReply('an answer to another question'))
    else resolve(reply)
  })
  return promise.finally(() => {
    clearTimeout(timer)
    socket.destroy()
  })
}
