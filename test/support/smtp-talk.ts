/**
 * A raw SMTP client for tests: sends exactly the octets it is told to, reads whole replies.
 *
 * Every reply is checked against the grammar (RFC 5321 section 4.2). Every wait ends: with what was waited for, the end of the connection, or a failure after `patienceMs`.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type NetConnectOpts, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { smtpReplyFaults } from './reply-grammar.ts'

const PATIENCE_MS = 5000

export interface Talk {
  readonly socket: Socket
  /** Octets as they are; text is UTF-8. */
  send(octets: string | Uint8Array): void
  /** One line with CRLF, then the whole reply to it. */
  ask(line: string): Promise<string>
  /** The next reply, its lines joined by LF, without the last CRLF; '' when the server has closed. */
  reply(): Promise<string>
  /** All that comes until the server closes. */
  rest(): Promise<string>
  /** Shakes hands; nothing that was received in plain text is kept. */
  startTls(servername?: string): Promise<TLSSocket>
  /** Says that nothing more will come, but goes on reading. */
  end(): void
  destroy(): void
}

export async function talk(
  t: Pick<TestContext, 'after'>,
  to: NetConnectOpts | number,
  tls?: { servername?: string },
): Promise<Talk> {
  const plain = connect(typeof to === 'number' ? { port: to, host: '127.0.0.1', allowHalfOpen: true } : to)
  t.after(() => plain.destroy())
  let socket: Socket = plain
  let text = ''
  let ended = false
  let wake = () => {}
  const listen = () => {
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      wake()
    })
    for (const event of ['end', 'close', 'error'])
      socket.on(event, () => {
        ended = true
        wake()
      })
  }

  async function until(isThere: () => boolean): Promise<void> {
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      wake()
    }, PATIENCE_MS)
    while (!isThere() && !ended && !isLate)
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    clearTimeout(timer)
    if (isLate) throw new Error(`nothing more came after ${JSON.stringify(text)}`)
  }

  const self: Talk = {
    get socket() {
      return socket
    },
    send: (octets) => void socket.write(octets),
    ask(line) {
      socket.write(`${line}\r\n`)
      return self.reply()
    },
    async reply() {
      const whole = /^(?:\d{3}-[^\n]*\n)*\d{3}(?: [^\n]*)?\r\n/
      await until(() => whole.test(text))
      const [reply = ''] = whole.exec(text) ?? []
      text = text.slice(reply.length)
      if (reply !== '') assert.deepEqual(smtpReplyFaults(reply), [], reply)
      return reply.slice(0, -2).replaceAll('\r\n', '\n')
    },
    async rest() {
      await until(() => false)
      const all = text
      text = ''
      return all
    },
    async startTls(servername) {
      socket.removeAllListeners('data')
      const secure = connectTls({ socket: plain, rejectUnauthorized: false, ...(servername ? { servername } : {}) })
      await once(secure, 'secureConnect')
      socket = secure
      listen()
      return secure
    },
    end: () => void socket.end(),
    destroy: () => void socket.destroy(),
  }
  if (tls) await self.startTls(tls.servername)
  else listen()
  return self
}
