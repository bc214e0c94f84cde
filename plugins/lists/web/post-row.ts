/**
 * A post as a row of a list.
 */
import { decodeWords } from 'iems/mime'
import type { Archive } from '../archive.ts'
import { messageIdHash } from '../content.ts'
import { masked } from './layout.ts'

/** The row of a post. */
export async function digestOf(
  archive: Archive,
  { email, received }: { readonly email: string; readonly received: number },
) {
  const digest = await (await archive.email(email))?.digest()
  const [from] = digest?.envelope.from ?? []
  const name = from?.name ? decodeWords(from.name) : `${from?.mailbox ?? ''}@…`
  const messageId = digest?.messageId ?? ''
  return {
    subject: masked(decodeWords(digest?.envelope.subject ?? '(no subject)')),
    author: masked(name),
    at: new Date(digest?.sent ?? received),
    hash: messageIdHash(messageId),
    preview: masked(digest?.preview ?? ''),
  }
}

export const dayOf = (at: Date): string =>
  Number.isNaN(at.getTime()) ? '' : at.toISOString().slice(0, 16).replace('T', ' ')
