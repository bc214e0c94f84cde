/**
 * Sends content to an external filter over a socket and reads its response.
 *
 * Invariants: a response is limited; a peer that stops reading or disconnects ends the exchange.
 */

import { connect, type Socket } from 'node:net'
import type { Writable } from 'node:stream'
import type { BackendAddress } from 'iems'

/** Maximum octets of a response. */
export const MAX_ANSWER = 1_048_576

/** Sends content at the peer's pace until the end or a disconnect. */
export async function send(to: Writable, content: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const chunk of content) {
    if (to.destroyed) return
    if (!to.write(chunk)) await drained(to)
  }
  to.end()
}

function drained(to: Writable): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      to.off('drain', done)
      to.off('close', done)
      resolve()
    }
    to.on('drain', done)
    to.on('close', done)
  })
}

export interface Question {
  readonly head: string
  readonly content: AsyncIterable<Uint8Array>
  readonly signal: AbortSignal
}

/** Sends head and content, closes the sending side, and reads the response to its end. */
export async function exchange(server: BackendAddress, { head, content, signal }: Question): Promise<Buffer> {
  signal.throwIfAborted()
  const socket = connect({ ...server, allowHalfOpen: true, noDelay: true })
  const stop = () => socket.destroy(new Error('no answer in time'))
  signal.addEventListener('abort', stop, { once: true })
  try {
    const answer = readAll(socket)
    socket.write(head, 'latin1')
    // The peer may respond before it has read everything.
    send(socket, content).catch((cause) => socket.destroy(cause as Error))
    return await answer
  } finally {
    signal.removeEventListener('abort', stop)
    socket.destroy()
  }
}

function readAll(socket: Socket): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      size += chunk.length
      if (size > MAX_ANSWER) socket.destroy(new Error('its answer is too long'))
    })
    socket.on('end', () => resolve(Buffer.concat(chunks)))
    socket.on('error', reject)
    socket.on('close', () => reject(new Error('the connection broke')))
  })
}
