/**
 * Messages that are handed in by a plugin, by `iems send` or by a test instead of by a client: the same way in, without
 * a socket.
 */
import type { MailParameters } from '../api/hooks.ts'
import type { Submission, Submitted } from '../api/plugin.ts'
import type { Reply } from '../api/reply.ts'
import type { ServerSession } from '../api/session.ts'
import { openSession, type SessionDeps } from './session.ts'

export async function* chunksOf(content: Submission['content']): AsyncGenerator<Uint8Array> {
  if (typeof content === 'string') yield Buffer.from(content)
  else if (content instanceof Uint8Array) yield content
  else yield* content
}

/** Ends every line with CRLF, whatever it ended with: lone CR and LF must never leave us (RFC 5321 section 2.3.8). */
export async function* withCrlf(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let afterCr = false
  for await (const chunk of source) {
    const text = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString('latin1')
    const whole: string = (afterCr ? '\r' : '') + text
    afterCr = whole.endsWith('\r')
    yield Buffer.from((afterCr ? whole.slice(0, -1) : whole).replace(/\r\n|\r|\n/g, '\r\n'), 'latin1')
  }
  if (afterCr) yield Buffer.from('\r\n')
}

/** One transaction: MAIL, RCPT for each recipient, the content if one of them was accepted. */
export async function submitTo(
  session: ServerSession,
  message: Pick<Submission, 'from' | 'to' | 'once'> & { readonly content: AsyncIterable<Uint8Array> },
  parameters: MailParameters,
): Promise<Submitted> {
  const refused: { address: string; reply: Reply }[] = []
  const no = await session.mail(message.from, parameters)
  if (no) return { reply: no.reply, refused }
  for (const to of message.to) {
    const recipient = typeof to === 'string' ? { address: to } : to
    const refusal = await session.rcpt(recipient)
    if (refusal) refused.push({ address: recipient.address, reply: refusal.reply })
  }
  const [first] = refused
  if (first && refused.length === message.to.length) return { reply: first.reply, refused }
  const { message: id, queued, ...reply } = await session.data(message.content, message.once)
  return { reply, refused, ...(queued && id !== undefined ? { id } : {}) }
}

export function createSubmit(sessions: () => SessionDeps) {
  /** Submits a message in the name of a channel or plugin, which may send to every recipient. */
  return async function submit(name: string, message: Submission): Promise<Submitted> {
    const facts = {
      protocol: 'LOCAL' as const,
      remote: { address: '127.0.0.1' },
      submission: message.submission ?? false,
    }
    const session = openSession(sessions, { channel: name, trusts: () => true }, facts)
    const parameters = message.mtPriority === undefined ? {} : { mtPriority: message.mtPriority }
    try {
      return await submitTo(session, { ...message, content: withCrlf(chunksOf(message.content)) }, parameters)
    } finally {
      session.close()
    }
  }
}
