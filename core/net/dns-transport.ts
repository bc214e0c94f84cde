/**
 * One question to one name server: by UDP from a port of its own, by TCP when the answer does not fit.
 *
 * What must stay true: only datagrams from that server count, and few wrong ones are borne (another host guesses); nothing
 * waits longer than the time given; a socket never outlives its question.
 */
import { createSocket } from 'node:dgram'
import { connect, isIPv6 } from 'node:net'
import type { NameServer } from './dns-options.ts'

export interface Exchange<T> {
  readonly server: NameServer
  readonly query: Buffer
  readonly timeoutMs: number
  /** What a message says; undefined if it is not the answer. */
  read(message: Buffer): T | undefined
}

/** Wrong datagrams after which the resolver assumes an attacker who guesses, and asks by TCP. */
const MAX_STRAYS = 20

export class NoReply extends Error {}

/** `'guessed'` when too many datagrams were not the answer. Throws NoReply, or the error of the socket. */
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
  // Connected, the kernel passes on only what this server sends, and reports when no server listens there.
  socket.connect(server.port, server.address, (error?: Error) => {
    if (error) reject(error)
    else socket.send(query, (failure) => failure && reject(failure))
  })
  return promise.finally(() => {
    clearTimeout(timer)
    socket.close()
  })
}

/** Throws NoReply, or the error of the socket. */
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
  // The prefix bounds what is gathered: 65,535 octets, and one chunk.
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
