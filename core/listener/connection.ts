/**
 * An accepted connection and the layers above its socket: TLS (RFC 8446), DEFLATE (RFC 4978).
 *
 * Invariants: the connection is closed at its topmost layer, so that all written data reaches the client, TLS ends with
 * close_notify, and unread input does not cause a reset; every close has a deadline.
 */
import type { Socket } from 'node:net'
import type { Readable, Writable } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { constants, createDeflateRaw, createInflateRaw } from 'node:zlib'
import type { Clock } from '../api/clock.ts'

/** The two directions of a compressed connection. */
export interface Compressed {
  readonly readable: Readable
  readonly writable: Writable
}

/** Ms that a client may keep its side open after all data was sent. */
const LINGER_MS = 5_000

export class Connection {
  /** The topmost layer that is a socket. */
  #socket: Socket
  /** Where data for the client is written. */
  #writable: Writable
  readonly #clock: Clock

  constructor(socket: Socket, clock: Clock) {
    // A client may send everything, close its side and still read the replies.
    socket.allowHalfOpen = true
    socket.on('error', () => socket.destroy())
    this.#socket = socket
    this.#writable = socket
    this.#clock = clock
  }

  secure(socket: TLSSocket): void {
    socket.on('error', () => socket.destroy())
    this.#socket = socket
    this.#writable = socket
  }

  /** Compresses both directions from here on. */
  compress(): Compressed {
    const socket = this.#socket
    const readable = createInflateRaw()
    const writable = createDeflateRaw({ flush: constants.Z_SYNC_FLUSH })
    socket.pipe(readable)
    writable.pipe(socket)
    // Input that is not valid DEFLATE ends the input; the client still gets its replies.
    readable.on('error', () => socket.unpipe(readable))
    writable.on('error', () => socket.destroy())
    socket.once('close', () => {
      readable.destroy()
      writable.destroy()
    })
    this.#writable = writable
    return { readable, writable }
  }

  /** Closes the connection at once; written data may be lost. */
  cut(): void {
    this.#socket.destroy()
  }

  /** Closes the connection after all written data, which the client must accept within `timeout` ms. */
  async hangUp(timeout: number): Promise<void> {
    const socket = this.#socket
    if (socket.destroyed) return
    const written = new Promise<void>((resolve) => {
      socket.once('finish', resolve).once('close', resolve)
    })
    const cancel = this.#clock.after(timeout, () => socket.destroy())
    // Closing a socket with unread input resets the connection, and the client loses data that it has not read yet.
    socket.unpipe()
    socket.resume()
    this.#writable.end()
    await written
    cancel()
    if (socket.destroyed) return
    socket.once(
      'close',
      this.#clock.after(LINGER_MS, () => socket.destroy()),
    )
  }
}
