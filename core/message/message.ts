/**
 * A message as plugins read it: a stored body, header edits and metadata.
 *
 * Invariants: this file knows nothing of queues, routes or outcomes.
 */
import type { ParsedMail } from 'mailparser'
import type { Finding, Headers, MailParameters, Priority, ReadableMessage, Recipient, Session } from '../api/hooks.ts'
import type { ByteRange } from '../store/store.ts'
import { type Body, type Edits, openWith, sizeWith } from './edits.ts'
import { createHeaders } from './headers.ts'
import { MAX_PARSED_HEADER, parseMessage } from './parse.ts'

/** The parts of a message. */
export interface MessageDeps {
  readonly id: string
  readonly session: Session
  readonly from: string
  readonly parameters: MailParameters
  readonly priority: Priority
  readonly recipients: readonly Recipient[]
  /** Findings so far, so that later taps see those of earlier ones. */
  findings(): readonly Finding[]
  readonly edits: Edits
  readonly body: Body
  /** The stored octets up to the end of the header. */
  readonly header: Uint8Array
  /** Maximum size that `parse` reads, in octets. */
  readonly parseLimit: number
}

/** An untyped plugin gets an error here instead of a change without effect. */
function readOnly({ get }: Headers): Headers {
  const refused = () => {
    throw new TypeError('headers are changed in modify and dispatch only')
  }
  return { get, prepend: refused, remove: refused }
}

/** Creates the read-only message for plugins. `recipients` are those that are left when a plugin asks. */
export function createMessage(
  parts: MessageDeps,
  recipients: () => readonly Recipient[] = () => parts.recipients,
): ReadableMessage {
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
      return recipients()
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
