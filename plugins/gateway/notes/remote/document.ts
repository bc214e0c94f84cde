/** A message that a server gives as MIME, as a document: it has no items, and what Notes knows of it is in its flags. */
import { createHash } from 'node:crypto'
import type { NotesDocument } from '../archive/model.ts'

export interface RemoteMessage {
  readonly id: string
  /** Identifies the message in the mail file for ever. */
  readonly unid: string
  /** ms since 1970. */
  readonly received: number
  /** As IMAP has them, without \Seen. */
  readonly flags: readonly string[]
  /** Octets, if the server says. */
  readonly size?: number
  open(): AsyncIterable<Buffer>
}

export function remoteDocument({ id, unid, received, flags, size, open }: RemoteMessage): NotesDocument {
  return {
    id,
    unid,
    created: received,
    names: [],
    isSealed: false,
    files: [],
    flags,
    ...(size === undefined ? {} : { size }),
    texts: () => [],
    times: (name) => (name === 'DeliveredDate' ? [{ at: received }] : []),
    richText: () => undefined,
    mime: { isWhole: true, open },
    problems: [],
  }
}

/** An id of so many hexadecimal digits. */
export const digestOf = (text: string, digits: number) =>
  createHash('sha256').update(text).digest('hex').slice(0, digits).toUpperCase()
