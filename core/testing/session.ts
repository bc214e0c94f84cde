/**
 * A client of a test kernel, with any address, protocol, TLS state and identity, without a socket.
 *
 * Invariants: its commands run the same hooks as a listener's, in the same order; it is trusted only if the channel's
 * settings trust it.
 */
import type { Identity, MailParameters } from '../api/hooks.ts'
import type { ContentSource, Submission, Submitted } from '../api/plugin.ts'
import type { ConnectionInfo, ServerSession } from '../api/session.ts'
import { chunksOf, submitTo } from '../inbound/submit.ts'

/** Facts about a client. Default: an unauthenticated ESMTP client at 192.0.2.1, without TLS. */
export interface TestClient extends Partial<ConnectionInfo> {
  /** The channel it connects to; default `in`. The channel's `trusts` apply if it is configured. */
  readonly channel?: string
  /** Default `client.test`. */
  readonly helo?: string
  /** The authenticated identity. To test `auth` hooks, call `session.auth`. */
  readonly identity?: Identity
}

export interface ClientMessage extends Omit<Submission, 'content' | 'once' | 'submission'> {
  /** As the channel passes it to the kernel: with CRLF line endings, without dot-stuffing. */
  readonly content?: ContentSource
  /** Instead of `content`: the body of a message with a simple header. */
  readonly body?: string
  /** Parameters of MAIL FROM. */
  readonly parameters?: MailParameters
}

export interface TestSession extends ServerSession {
  /**
   * Runs `connect` (once), HELO, MAIL, RCPT for each recipient, and the content if a recipient was accepted. `reply` is
   * the last reply, or the refusal that ended the transaction.
   */
  submit(message: ClientMessage): Promise<Submitted>
}

const plainMessage = ({ from, to }: ClientMessage, body: string) =>
  `From: <${from}>\r\nTo: ${to.map((one) => (typeof one === 'string' ? one : one.address)).join(', ')}\r\nSubject: test\r\n\r\n${body}\r\n`

/** The content of a message, built from its body if necessary. */
export const contentOf = (message: ClientMessage): ContentSource =>
  message.content ?? plainMessage(message, message.body ?? 'Hello.')

export function testSession(
  open: (channel: string, facts: ConnectionInfo) => ServerSession,
  { channel = 'in', helo = 'client.test', identity, ...facts }: TestClient,
): TestSession {
  const session = open(channel, { protocol: 'ESMTP', remote: { address: '192.0.2.1', port: 25 }, ...facts })
  const connect = session.connect.bind(session)
  const mail = session.mail.bind(session)
  let isConnected = false
  let isIntroduced = false
  const introduce = () => {
    if (!isIntroduced) session.update({ helo, ...(identity ? { identity } : {}) })
    isIntroduced = true
  }
  return Object.assign(session, {
    async connect() {
      isConnected = true
      return connect.call(session)
    },
    mail(from: string, parameters: MailParameters) {
      introduce()
      return mail.call(session, from, parameters)
    },
    async submit(message: ClientMessage): Promise<Submitted> {
      const refusal = isConnected ? undefined : await session.connect()
      if (refusal) return { reply: refusal.reply, refused: [] }
      return submitTo(session, { ...message, content: chunksOf(contentOf(message)) })
    },
  })
}
