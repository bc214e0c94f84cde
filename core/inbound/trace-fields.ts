/**
 * Header fields that this server adds to an incoming message (RFC 5321 section 4.4, RFC 6409 section 8).
 *
 * Invariants: no value from outside ends a comment or a line; a message in a loop is refused.
 */
import { isAscii } from 'node:buffer'
import type { Headers, Session } from '../api/hooks.ts'
import { type Refusal, refuse } from '../api/reply.ts'
import type { Edits } from '../message/edits.ts'
import { headerField } from '../message/headers.ts'
import { dateText } from '../mime/compose/fields.ts'
import { mboxLine } from '../mime/header-end.ts'

/** Facts about a message for these fields. */
export interface TraceFacts {
  readonly id: string
  readonly session: Session
  readonly recipients: readonly { readonly recipient: { readonly original: string; readonly address: string } }[]
}

export interface TraceSettings {
  readonly hostname: string
  /** Maximum number of Received fields; more mean a mail loop. */
  readonly hops: number
  /** Ms since 1970. */
  readonly now: number
}

export interface ArrivedHeader {
  readonly header: Uint8Array
  /** The header's fields, with `edits`. */
  readonly headers: Headers
  readonly edits: Edits
}

/** Removes what would end a comment or line of Received from a name that comes from outside. */
function plain(text: string): string {
  return text.replace(/[^\w.:[\]@+=-]/g, '?').slice(0, 255)
}

/** Values of `with` in Received (RFC 3848, RFC 6531); other protocols have none. */
const WITH = /^(E?SMTP|LMTP)(S?A?)$/

function withClause(protocol: string, isUtf8: boolean): string {
  const [, name, rest = ''] = WITH.exec(protocol) ?? []
  if (name === undefined) return ''
  return ` with ${isUtf8 && name !== 'SMTP' ? `UTF8${name.replace(/^E/, '')}` : name}${rest}`
}

/** RFC 5321 section 4.4. */
function received({ session, recipients, id }: TraceFacts, { hostname, now }: TraceSettings): string {
  const { remote, helo, protocol, tls } = session
  const address = remote.address.includes(':') ? `IPv6:${remote.address}` : remote.address
  // `unknown` means that there is no name; it is omitted when the lookup failed.
  const name = remote.name === undefined ? '' : `${plain(remote.name ?? 'unknown')} `
  const from = `from ${plain(helo ?? 'unknown')} (${name}[${plain(address)}])`
  const secured = tls ? ` (${plain(tls.version)} ${plain(tls.cipher)})` : ''
  const only = recipients.length === 1 ? recipients[0]?.recipient.original : undefined
  // With several recipients the field would disclose them to each other.
  const to = only !== undefined && /^[\x21-\x7e]+$/.test(only) ? `\r\n\tfor <${only}>` : ''
  const isUtf8 = recipients.some(({ recipient }) => !isAscii(Buffer.from(recipient.address)))
  const by = `by ${hostname} (IEMS)${withClause(protocol, isUtf8)} id ${id}${to};\r\n\t${dateText({ at: now })}`
  // Local submissions have no client to name.
  return protocol === 'LOCAL' ? by : `${from}${secured}\r\n\t${by}`
}

/**
 * The initial edits of a message: the trace field that every hop adds, and the fields that a mail user agent omitted.
 * They extend `edits`, with which the content was stored.
 */
export function firstEdits(
  facts: TraceFacts,
  { header, headers, edits }: ArrivedHeader,
  settings: TraceSettings,
): Edits | Refusal {
  const { hostname, hops, now } = settings
  const start = mboxLine(header)
  if (start > 0 && edits.cuts[0]?.[0] !== 0) edits.cuts = [[0, start], ...edits.cuts]
  if (headers.get('received').length >= hops) return refuse(554, '5.4.6', 'Too many hops: this message is in a loop')
  if (facts.session.submission) {
    if (headers.get('date').length === 0) headers.prepend('Date', dateText({ at: now }))
    if (headers.get('message-id').length === 0) headers.prepend('Message-ID', `<${facts.id}@${hostname}>`)
  }
  edits.prefix = headerField('Received', received(facts, settings)) + edits.prefix
  return edits
}
