/**
 * A connection to a filter: packets out, responses in.
 *
 * Invariants: every wait has a timeout; responses are limited; unexpected input ends the connection.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { BackendAddress } from 'iems'
import { numbers, OFFERED, type Packet, ProtocolFault, packet, readTerms, type Terms, VERSION } from './protocol.ts'

/** Maximum octets of one response; a chunk of a new body is the longest. */
const MOST = 1_100_000

export interface Waits {
  /** Timeout in ms for connecting and option negotiation. */
  readonly connect: number
  /** Timeout in ms for a response. */
  readonly answer: number
}

export class Connection {
  readonly #socket: Socket
  #held = Buffer.alloc(0)
  #wake: (() => void) | undefined
  #fault: Error | undefined

  constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk) => {
      this.#held = Buffer.concat([this.#held, chunk])
      if (this.#held.length > MOST) this.close(new ProtocolFault('its answer is too long'))
      this.#wake?.()
    })
    socket.on('error', (error) => this.close(error))
    socket.on('close', () => this.close(new Error('it closed the connection')))
  }

  /** Throws the reason for a failure. */
  static async open(to: BackendAddress, waits: Waits): Promise<{ connection: Connection; terms: Terms }> {
    const socket = connect(to)
    const connection = new Connection(socket)
    socket.unref()
    try {
      await once(socket, 'connect', { signal: AbortSignal.timeout(waits.connect) })
      connection.send(packet('O', numbers(VERSION, OFFERED.actions, OFFERED.steps)))
      const terms = readTerms(await connection.receive(waits.connect))
      return { connection, terms }
    } catch (cause) {
      connection.close()
      throw cause
    }
  }

  send(octets: Uint8Array): void {
    if (!this.#socket.destroyed) this.#socket.write(octets)
  }

  /** Waits while the filter does not read. */
  async drained(ms: number): Promise<void> {
    if (this.#fault) throw this.#fault
    if (this.#socket.writableNeedDrain) await once(this.#socket, 'drain', { signal: AbortSignal.timeout(ms) })
  }

  /** The next packet. */
  async receive(ms: number): Promise<Packet> {
    const late = setTimeout(() => this.close(new Error(`it did not answer within ${ms} ms`)), ms)
    try {
      for (;;) {
        const found = this.#next()
        if (found) return found
        if (this.#fault) throw this.#fault
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
    } finally {
      clearTimeout(late)
    }
  }

  #next(): Packet | undefined {
    if (this.#held.length < 5) return undefined
    const length = this.#held.readUInt32BE()
    if (length < 1 || length > MOST) throw new ProtocolFault('it does not speak the milter protocol')
    if (this.#held.length < 4 + length) return undefined
    const body = this.#held.subarray(5, 4 + length)
    const letter = this.#held.toString('latin1', 4, 5)
    this.#held = this.#held.subarray(4 + length)
    return { letter, body }
  }

  /** Sends QUIT unless there is a fault. */
  close(fault?: Error): void {
    if (this.#fault) return
    this.#fault = fault ?? new Error('the connection is closed')
    if (fault) this.#socket.destroy()
    else this.#socket.end(packet('Q'))
    this.#wake?.()
  }
}
