/**
 * A client of a test kernel: any address, protocol, TLS state and identity, without a socket.
 *
 * What must stay true: its commands run the same hooks as a listener's, in the same order; nothing is trusted that the
 * channel's settings do not trust.
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
  /** The client has authenticated as this. For the `auth` hooks themselves call `session.auth`. */
  readonly identity?: Identity
}

export interface ClientMessage extends Omit<Submission, 'content' | 'once' | 'submission'> {
  /** As the channel hands it to the kernel: with CRLF line ends, without dot-stuffing. */
  readonly content?: ContentSource
  /** Instead of `content`: the body of a message with a plain header. */
  readonly body?: string
  /** Of MAIL. */
  readonly parameters?: MailParameters
}

export interface TestSession extends ServerSession {
  /**
   * `connect` (once), HELO, MAIL, RCPT for each recipient, and the content if a recipient was accepted. `reply` is the
   * last of them, or the refusal that ended the transaction.
   */
  submit(message: ClientMessage): Promise<Submitted>
}

const plainMessage = ({ from, to }: ClientMessage, body: string) =>
  `From: <${from}>\r\nTo: ${to.map((one) => (typeof one === 'string' ? one : one.address)).join(', ')}\r\nSubject: test\r\n\r\n${body}\r\n`

/** The content of a message that a test gives by its body. */
export const contentOf = (message: ClientMessage): ContentSource =>
  message.content ?? plainMessage(message, message.body ?? 'Hello.')

export function testSession(
  open: (channel: string, facts: ConnectionInfo) => ServerSession,
  { channel = 'in', helo = 'client.test', identity, ...facts }: TestClient,
): TestSession {
  const session = open(channel, { protocol: 'ESMTP', remote: { address: '192.0.2.1', port: 25 }, ...facts })
  const { connect, mail } = session
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
