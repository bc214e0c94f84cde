/**
 * Messages that this plugin writes: replies, notifications, reports of scripts that fail.
 *
 * Invariant: nothing from a script or a message reaches a header field but as text of one line.
 */
import { type OwnHeader, ownHeader, textEntity } from 'iems/mime'

export interface Letter extends OwnHeader {
  readonly text: string
  /** Whether the text is a MIME entity with its own header. */
  readonly isMime?: boolean
}

/** Characters of a subject. */
const MAX_SUBJECT = 500

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are removed
export const oneLine = (text: string) => text.replace(/[\u0000-\u001f\u007f\s]+/g, ' ').trim()

export function writeLetter({ text, isMime = false, ...header }: Letter): string {
  const lines = ownHeader({ ...header, subject: oneLine(header.subject).slice(0, MAX_SUBJECT) })
  return lines + (isMime ? entityOf(text) : textEntity(text))
}

/** Of the entity's header only fields of MIME stay (RFC 5230 section 4.3). */
function entityOf(entity: string): string {
  const text = entity.replace(/\r\n|\r|\n/g, '\r\n')
  const end = text.startsWith('\r\n') ? 0 : text.indexOf('\r\n\r\n')
  if (end < 0) return textEntity(entity)
  const fields = text.slice(0, end).split(/\r\n(?![ \t])/)
  const kept = fields.filter((field) => /^content-[a-z-]+:/i.test(field))
  const body = text.slice(end === 0 ? 2 : end + 4)
  return [...kept, '', body].join('\r\n')
}
