/**
 * An accepted connection and the layers above its socket: TLS (RFC 8446), DEFLATE (RFC 4978).
 *
 * What must stay true: the connection ends at its topmost layer, so that whatever was written reaches the client, TLS
 * ends with close_notify, and unread input does not turn the end into a reset; every end has a deadline.
 */
import type { Socket } from 'node:net'
import type { Readable, Writable } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { constants, createDeflateRaw, createInflateRaw } from 'node:zlib'
import type { Clock } from '../api/clock.ts'

/** The two directions above a compressed connection. */
export interface Compressed {
  readonly readable: Readable
  readonly writable: Writable
}

/** How long a client may keep its side open after it has been sent everything. */
const LINGER_MS = 5_000

export class Connection {
  /** The socket of the highest layer that is one. */
  #socket: Socket
  /** Where the next octets for the client go. */
  #writable: Writable
  readonly #clock: Clock

  constructor(socket: Socket, clock: Clock) {
    // A client may send all it has to say, close its side and still read the answers.
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

  /** Compresses both directions from now on. */
  compress(): Compressed {
    const socket = this.#socket
    const readable = createInflateRaw()
    const writable = createDeflateRaw({ flush: constants.Z_SYNC_FLUSH })
    socket.pipe(readable)
    writable.pipe(socket)
    // Input that is not compressed ends the input; the client still gets its answers.
    readable.on('error', () => socket.unpipe(readable))
    writable.on('error', () => socket.destroy())
    socket.once('close', () => {
      readable.destroy()
      writable.destroy()
    })
    this.#writable = writable
    return { readable, writable }
  }

  /** Ends the connection at once; what has been written may be lost. */
  cut(): void {
    this.#socket.destroy()
  }

  /** Ends the connection after what has been written, which the client has `patience` ms to take. */
  async hangUp(patience: number): Promise<void> {
    const socket = this.#socket
    if (socket.destroyed) return
    const written = new Promise<void>((resolve) => {
      socket.once('finish', resolve).once('close', resolve)
    })
    const cancel = this.#clock.after(patience, () => socket.destroy())
    // Closing a socket with unread input resets the connection, and the client loses what it has not read yet.
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
