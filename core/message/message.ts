/**
 * A message as plugins read it: a stored body, header edits over it, and what is known of it.
 *
 * What must stay true: this file knows nothing of queues, routes or outcomes.
 */
import type { ParsedMail } from 'mailparser'
import type { Finding, Headers, MailParameters, Priority, ReadableMessage, Recipient, Session } from '../api/hooks.ts'
import type { ByteRange } from '../store/store.ts'
import { type Body, type Edits, openWith, sizeWith } from './edits.ts'
import { createHeaders } from './headers.ts'
import { MAX_PARSED_HEADER, parseMessage } from './parse.ts'

/** What a message is made of. */
export interface MessageDeps {
  readonly id: string
  readonly session: Session
  readonly from: string
  readonly parameters: MailParameters
  readonly priority: Priority
  readonly recipients: readonly Recipient[]
  /** Those so far: later taps see what earlier ones found. */
  findings(): readonly Finding[]
  readonly edits: Edits
  readonly body: Body
  /** The stored bytes up to the end of the header. */
  readonly header: Uint8Array
  /** Octets up to which `parse` reads. */
  readonly parseLimit: number
}

/** A plugin without types hears at once that a header is not changed here, instead of seeing no effect. */
function readOnly({ get }: Headers): Headers {
  const refused = () => {
    throw new TypeError('headers are changed in modify and dispatch only')
  }
  return { get, prepend: refused, remove: refused }
}

/** The message as plugins read it. */
export function createMessage(parts: MessageDeps): ReadableMessage {
  const { id, session, from, parameters, priority, edits, body, header, parseLimit } = parts
  let headers: Headers | undefined
  let parsed: Promise<ParsedMail | undefined> | undefined
  const open = (range?: ByteRange) => openWith(body, edits, range)
  return {
    id,
    session,
    from,
    parameters,
    priority,
    get recipients() {
      return parts.recipients
    },
    get findings() {
      return parts.findings()
    },
    get size() {
      return sizeWith(body, edits)
    },
    get headers() {
      headers ??= readOnly(createHeaders(header, edits))
      return headers
    },
    open,
    parse() {
      const isTooLarge =
        sizeWith(body, edits) > parseLimit || edits.prefix.length + header.byteLength > MAX_PARSED_HEADER
      parsed ??= isTooLarge ? Promise.resolve(undefined) : parseMessage(open())
      return parsed
    },
  }
}
