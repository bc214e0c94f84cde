/**
 * A client for line-based protocols (SMTP, POP3, ManageSieve …) with control over every octet: it sends exactly what it
 * is given and returns the server's lines one by one.
 *
 * Invariants: every wait ends with a line, the end of the connection, or an error that shows the input so far; text
 * received before a TLS handshake is dropped.
 */
import { once } from 'node:events'
import { connect, type NetConnectOpts, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import type { Scope } from './scope.ts'

export interface LineClientOptions {
  /** Starts with a TLS handshake. The server's certificate is not checked. */
  readonly tls?: { readonly servername?: string }
  /** Called with each line of the server, without CRLF; throws if the line breaks the protocol's grammar. */
  readonly check?: (line: string) => void
  /** Line timeout in ms. Default 5000. */
  readonly timeout?: number
}

export interface LineClient {
  readonly socket: Socket
  /** Sends octets unchanged; text as UTF-8. */
  send(octets: string | Uint8Array): void
  /** The next line without CRLF, one character per octet; undefined when the server has closed the connection. */
  line(): Promise<string | undefined>
  /** All input until the server closes the connection, unchecked. */
  rest(): Promise<string>
  /** Starts TLS on the connection. */
  startTls(servername?: string): Promise<TLSSocket>
  /** Closes the sending side and continues to read. */
  end(): void
  destroy(): void
}

/** Collects received data and wakes one reader. */
class Inbox {
  text = ''
  isOver = false
  #wake = () => {}

  listen(socket: Socket): void {
    socket.on('data', (chunk) => {
      this.text += chunk.toString('latin1')
      this.#wake()
    })
    for (const event of ['end', 'close', 'error'])
      socket.on(event, () => {
        this.isOver = true
        this.#wake()
      })
  }

  async until(isThere: () => boolean, timeout: number): Promise<void> {
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      this.#wake()
    }, timeout)
    while (!isThere() && !this.isOver && !isLate)
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    clearTimeout(timer)
    if (isLate) throw new Error(`nothing more came after ${JSON.stringify(this.text)}`)
  }

  take(length = this.text.length): string {
    const taken = this.text.slice(0, length)
    this.text = this.text.slice(length)
    return taken
  }
}

/** Connects to a port on 127.0.0.1, or as `net.connect` does. The connection is closed when the scope ends. */
export async function connectLineClient(
  t: Scope,
  to: NetConnectOpts | number,
  { tls, check = () => {}, timeout = 5000 }: LineClientOptions = {},
): Promise<LineClient> {
  const plain = connect(typeof to === 'number' ? { port: to, host: '127.0.0.1', allowHalfOpen: true } : to)
  t.after(() => void plain.destroy())
  let socket: Socket = plain
  const inbox = new Inbox()
  async function startTls(servername?: string): Promise<TLSSocket> {
    socket.removeAllListeners('data')
    inbox.take()
    const secure = connectTls({ socket: plain, rejectUnauthorized: false, ...(servername ? { servername } : {}) })
    await once(secure, 'secureConnect')
    socket = secure
    inbox.listen(secure)
    return secure
  }
  if (tls) await startTls(tls.servername)
  else inbox.listen(plain)
  return {
    get socket() {
      return socket
    },
    send: (octets) => void socket.write(octets),
    async line() {
      await inbox.until(() => inbox.text.includes('\n'), timeout)
      const end = inbox.text.indexOf('\n')
      if (end < 0 && inbox.text === '') return undefined
      const whole = end < 0 ? inbox.take() : inbox.take(end + 1)
      if (!whole.endsWith('\r\n')) throw new Error(`a line that does not end with CRLF: ${JSON.stringify(whole)}`)
      const line = whole.slice(0, -2)
      check(line)
      return line
    },
    async rest() {
      await inbox.until(() => false, timeout)
      return inbox.take()
    },
    startTls,
    end: () => void socket.end(),
    destroy: () => void socket.destroy(),
  }
}
