/**
 * Messages submitted by a plugin, `iems send` or a test: they take a client's path without a socket.
 */
import type { ContentSource, Submission, Submitted } from '../api/plugin.ts'
import type { Reply } from '../api/reply.ts'
import type { ServerSession } from '../api/session.ts'
import type { StoredContent } from '../queue/blob-references.ts'
import { withCrlf } from './line-ends.ts'
import { openSession } from './session.ts'
import type { SessionDeps } from './session-deps.ts'

/** The octets of content that is not stored yet. */
export async function* chunksOf(content: ContentSource): AsyncGenerator<Uint8Array> {
  if (typeof content === 'string') yield Buffer.from(content)
  else if (content instanceof Uint8Array) yield content
  else yield* content
}

/** Stored content as it is, other content with CRLF line endings. */
function sourceOf(content: Submission['content']): AsyncIterable<Uint8Array> | StoredContent {
  const isStored = typeof content === 'object' && ('blob' in content || 'route' in content)
  return isStored ? content : withCrlf(chunksOf(content))
}

/** Runs one transaction: MAIL, RCPT for each recipient, and the content if any was accepted. */
export async function submitTo(
  session: ServerSession,
  message: Omit<Submission, 'content'> & { readonly content: AsyncIterable<Uint8Array> | StoredContent },
): Promise<Submitted> {
  const { from, parameters = {}, once, priority } = message
  const refused: { address: string; reply: Reply }[] = []
  const no = await session.mail(from, parameters)
  if (no) return { reply: no.reply, refused }
  for (const to of message.to) {
    const recipient = typeof to === 'string' ? { address: to } : to
    const refusal = await session.rcpt(recipient)
    if (refusal) refused.push({ address: recipient.address, reply: refusal.reply })
  }
  const [first] = refused
  if (first && refused.length === message.to.length) return { reply: first.reply, refused }
  const options = { ...(once === undefined ? {} : { once }), ...(priority ? { priority } : {}) }
  const { message: id, queued, ...reply } = await session.data(message.content, options)
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
    try {
      return await submitTo(session, { ...message, content: sourceOf(message.content) })
    } finally {
      session.close()
    }
  }
}
