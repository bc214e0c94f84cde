/**
 * The header of content that comes into the store, read once on its way in: its thread and its digest.
 *
 * Invariants: the same octets have the same digest, delivered or appended; a header that is too long has none.
 */
import { createHash, randomBytes } from 'node:crypto'
import type { ByteRange, Content } from 'iems'
import { gather, readFields } from 'iems/mime'
import { type DigestRecord, digestFields } from './digest.ts'

/** Maximum octets of a parsed header, exclusive. */
export const HEADER_LIMIT = 1024 * 1024

export interface Head {
  readonly thread: string
  readonly digest?: DigestRecord
}

/** Octets of the header with its blank line, as `open` returns it. */
export const headerSizeOf = ({ size, blobSize, headerSize }: Content): number => size - blobSize + headerSize

/** `open` may return more than the header, which is not read. */
export async function readHead(content: Content, open: (range: ByteRange) => AsyncIterable<Uint8Array>): Promise<Head> {
  const size = headerSizeOf(content)
  const fields = readFields(await gather(open({ start: 0, end: size }), size))
  const thread = threadOf(fields.last('references'), fields.last('in-reply-to'), fields.last('message-id'))
  return size < HEADER_LIMIT ? { thread, digest: digestFields(fields) } : { thread }
}

/** RFC 8474 THREADID: of the message that began it, as far as this one says. */
function threadOf(
  references: string | undefined,
  inReplyTo: string | undefined,
  messageId: string | undefined,
): string {
  const first = [references, inReplyTo, messageId].map((field) => /<[^<>\s]+>/.exec(field ?? '')?.[0]).find(Boolean)
  const root = first ?? randomBytes(16)
  return `T${createHash('sha256').update(root).digest('base64url').slice(0, 20)}`
}
