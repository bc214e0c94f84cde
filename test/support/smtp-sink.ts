/**
 * A scripted SMTP server for tests: says what the script tells it to, at any point refuses, falls silent or hangs up,
 * and records what it heard. Without a script it takes everything.
 *
 * It is not an MTA: it has no opinion but its script's, and its own parsing is as simple as that allows.
 */
import { type AddressInfo, createServer, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { createSecureContext, TLSSocket } from 'node:tls'

/** Besides a reply (lines without CRLF), what may happen. */
export type Answer = string | readonly string[] | 'stall' | 'drop'

export interface SinkOptions {
  /** Keywords after EHLO; STARTTLS is added when there is a certificate. */
  readonly ehlo?: readonly string[]
  readonly lmtp?: boolean
  readonly tls?: { readonly cert: string | Buffer; readonly key: string | Buffer; readonly implicit?: boolean }
  /**
   * Answers instead of the default. The command is as it was said, or 'CONNECT' for the greeting, 'CONTENT' for the
   * first octets of content, 'END' for its end.
   */
  readonly answer?: (command: string, session: SinkSession) => Answer | undefined
  /** Default: any free one on 127.0.0.1. */
  readonly listen?: { readonly host?: string; readonly port?: number; readonly path?: string }
}

export interface SinkMessage {
  readonly from: string
  readonly to: readonly string[]
  /** As it came, dots and all, without the end. */
  readonly raw: string
  readonly secure: boolean
}

export interface SinkSession {
  readonly commands: string[]
  /** What came in one piece, as far as one can tell. */
  readonly flights: string[]
  readonly socket: Socket
  secure: boolean
}

export interface Sink {
  readonly port: number
  /** `127.0.0.1:port`, for `nexthop`. */
  readonly nexthop: string
  readonly sessions: readonly SinkSession[]
  readonly messages: readonly SinkMessage[]
  /** All commands of all sessions. */
  readonly commands: readonly string[]
  close(): Promise<void>
}

export const USUAL = ['PIPELINING', 'SIZE 100000000', '8BITMIME', 'SMTPUTF8', 'ENHANCEDSTATUSCODES', 'DSN', 'CHUNKING']

export async function startSink(t: Pick<TestContext, 'after'>, options: SinkOptions = {}): Promise<Sink> {
  const sessions: SinkSession[] = []
  const messages: SinkMessage[] = []
  const server = createServer({ noDelay: true }, (socket) => serve(socket, options, { sessions, messages }))
  await new Promise<void>((listening) =>
    server.listen(options.listen?.path ? options.listen : { host: '127.0.0.1', port: 0, ...options.listen }, listening),
  )
  const close = async () => {
    for (const { socket } of sessions) socket.destroy()
    await new Promise((closed) => server.close(closed))
  }
  t.after(close)
  const port = options.listen?.path === undefined ? (server.address() as AddressInfo).port : 0
  return {
    port,
    nexthop: `${options.listen?.host ?? '127.0.0.1'}:${port}`,
    sessions,
    messages,
    get commands() {
      return sessions.flatMap(({ commands }) => commands)
    },
    close,
  }
}

function serve(plain: Socket, options: SinkOptions, record: { sessions: SinkSession[]; messages: SinkMessage[] }) {
  const { tls, lmtp = false, ehlo = USUAL } = options
  let socket = plain
  let input = ''
  let mode: 'command' | 'content' | 'stalled' | { readonly binary: number } = 'command'
  let content = ''
  let from = ''
  let to: string[] = []
  const session: SinkSession = { commands: [], flights: [], socket: plain, secure: false }
  record.sessions.push(session)

  function say(answer: Answer) {
    if (answer === 'stall') mode = 'stalled'
    else if (answer === 'drop') socket.destroy()
    else {
      const lines = typeof answer === 'string' ? [answer] : answer
      if (lines.length > 0 && socket.writable) socket.write(`${lines.join('\r\n')}\r\n`, 'latin1')
    }
  }

  const scripted = (command: string) => options.answer?.(command, session)

  function listen() {
    socket.on('error', () => {
      // The other side may hang up as it likes.
    })
    socket.on('data', (chunk: Buffer) => {
      session.flights.push(chunk.toString('latin1'))
      input += chunk.toString('latin1')
      work()
    })
  }

  function work() {
    for (let before = ''; before !== input && mode !== 'stalled' && !socket.destroyed; ) {
      before = input
      if (mode === 'command') command()
      else readContent()
    }
  }

  function command() {
    const end = input.indexOf('\r\n')
    if (end < 0) return
    const line = input.slice(0, end)
    input = input.slice(end + 2)
    session.commands.push(line)
    const answer = scripted(line) ?? usual(line)
    say(answer)
    const code = (typeof answer === 'string' ? answer : (answer[0] ?? ''))[0]
    const verb = line.slice(0, 4).toUpperCase()
    if (verb === 'MAIL' && code === '2') {
      from = line
      to = []
    }
    if (verb === 'RSET') to = []
    if (verb === 'RCPT' && code === '2') to.push(line)
    if (verb === 'DATA' && code === '3') mode = 'content'
    if (verb === 'BDAT') mode = { binary: Number(line.split(' ')[1]) }
    if (verb === 'STAR' && code === '2' && tls) secure()
    if (verb === 'QUIT') socket.end()
  }

  function readContent() {
    if (input !== '' && content === '') {
      const answer = scripted('CONTENT')
      if (answer) return say(answer)
    }
    const size = typeof mode === 'object' ? mode.binary : undefined
    const end = size ?? (input.startsWith('.\r\n') && content === '' ? 0 : input.indexOf('\r\n.\r\n') + 2)
    if (size === undefined ? end === 1 : input.length < size) return
    content = input.slice(0, end)
    input = input.slice(end + (size === undefined ? 3 : 0))
    record.messages.push({ from, to, raw: content, secure: session.secure })
    content = ''
    mode = 'command'
    session.commands.push('END')
    say(scripted('END') ?? (lmtp ? to.map((_, index) => `250 2.1.5 Kept ${index}`) : '250 2.0.0 Taken'))
  }

  function secure() {
    const secured = new TLSSocket(plain, {
      isServer: true,
      secureContext: createSecureContext({ cert: tls?.cert, key: tls?.key }),
    })
    plain.removeAllListeners('data')
    socket = secured
    session.secure = true
    input = ''
    listen()
  }

  function usual(line: string): Answer {
    const verb = line.split(' ')[0]?.toUpperCase()
    if (verb === 'EHLO' || verb === 'LHLO') {
      const keywords = [...ehlo, ...(tls && !tls.implicit && !session.secure ? ['STARTTLS'] : [])]
      return ['sink.test', ...keywords].map((text, index, all) => `250${index === all.length - 1 ? ' ' : '-'}${text}`)
    }
    if (verb === 'DATA') return to.length > 0 ? '354 Go ahead' : '503 5.5.1 No recipients'
    if (verb === 'STARTTLS') return '220 2.0.0 Ready'
    if (verb === 'QUIT') return '221 2.0.0 Bye'
    return verb === 'BDAT' ? [] : '250 2.0.0 Fine'
  }

  if (tls?.implicit) secure()
  else listen()
  const greeting = scripted('CONNECT') ?? '220 sink.test ESMTP'
  say(greeting)
}

/** Waits for a condition that a test expects, a minute at most. */
export async function until(condition: () => boolean, what = 'what was waited for'): Promise<void> {
  for (const end = Date.now() + 60_000; !condition(); ) {
    if (Date.now() > end) throw new Error(`${what} did not happen`)
    await new Promise((again) => setTimeout(again, 5))
  }
}
