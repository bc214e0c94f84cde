/**
 * Writes ENVELOPE, BODY and BODYSTRUCTURE (RFC 9051 section 7.5.2).
 */
import type { Envelope, EnvelopeAddress, MimePart } from '../../mailbox/store/api.ts'
import { isMessage } from './sections.ts'
import { nstring, string } from './text.ts'

export function formatEnvelope(envelope: Envelope, utf8: boolean): string {
  const { date, subject, from, sender, replyTo, to, cc, bcc, inReplyTo, messageId } = envelope
  const list = (addresses: readonly EnvelopeAddress[]) =>
    addresses.length === 0 ? 'NIL' : `(${addresses.map((one) => formatAddress(one, utf8)).join('')})`
  // RFC 9051: a missing Sender or Reply-To equals From.
  const orFrom = (addresses: readonly EnvelopeAddress[]) => list(addresses.length > 0 ? addresses : from)
  return `(${[
    nstring(date, utf8),
    nstring(subject, utf8),
    list(from),
    orFrom(sender),
    orFrom(replyTo),
    list(to),
    list(cc),
    list(bcc),
    nstring(inReplyTo, utf8),
    nstring(messageId, utf8),
  ].join(' ')})`
}

function formatAddress({ name, route, mailbox, host }: EnvelopeAddress, utf8: boolean): string {
  return `(${nstring(name, utf8)} ${nstring(route, utf8)} ${nstring(mailbox, utf8)} ${nstring(host, utf8)})`
}

/** Used where the grammar requires a part and there is none. */
const NO_PART: MimePart = {
  type: 'text',
  subtype: 'plain',
  parameters: { charset: 'us-ascii' },
  encoding: '7bit',
  header: 0,
  body: 0,
  end: 0,
  lines: 0,
}
const EMPTY: Envelope = { from: [], sender: [], replyTo: [], to: [], cc: [], bcc: [] }

/** BODYSTRUCTURE, or BODY without its extensions. */
export function formatStructure(part: MimePart, isExtended: boolean, utf8: boolean): string {
  const upper = (text: string) => string(text.toUpperCase(), utf8)
  if (part.type === 'multipart') {
    const inner = (part.parts?.length ? part.parts : [NO_PART])
      .map((one) => formatStructure(one, isExtended, utf8))
      .join('')
    const extension = isExtended ? ` ${formatParameters(part.parameters, utf8)} ${formatExtension(part, utf8)}` : ''
    return `(${inner} ${upper(part.subtype)}${extension})`
  }
  const fields = [
    upper(part.type),
    upper(part.subtype),
    formatParameters(part.parameters, utf8),
    nstring(part.id, utf8),
    nstring(part.description, utf8),
    upper(part.encoding),
    String(part.end - part.body),
  ]
  if (isMessage(part)) {
    // RFC 9051 section 9: never body-type-basic, even if the nested message could not be parsed.
    const inner = part.parts?.[0] ?? NO_PART
    fields.push(
      formatEnvelope(inner.envelope ?? EMPTY, utf8),
      formatStructure(inner, isExtended, utf8),
      String(part.lines ?? 0),
    )
  } else if (part.type === 'text') fields.push(String(part.lines ?? 0))
  if (isExtended) fields.push(nstring(part.md5, utf8), formatExtension(part, utf8))
  return `(${fields.join(' ')})`
}

function formatExtension({ disposition, languages, location }: MimePart, utf8: boolean): string {
  const shown = disposition
    ? `(${string(disposition.type.toUpperCase(), utf8)} ${formatParameters(disposition.parameters, utf8)})`
    : 'NIL'
  const [only, ...others] = languages ?? []
  const language =
    only === undefined
      ? 'NIL'
      : others.length === 0
        ? string(only, utf8)
        : `(${[only, ...others].map((one) => string(one, utf8)).join(' ')})`
  return `${shown} ${language} ${nstring(location, utf8)}`
}

function formatParameters(parameters: Readonly<Record<string, string>>, utf8: boolean): string {
  const pairs = joined(parameters).map(([name, value]) => `${string(name.toUpperCase(), utf8)} ${string(value, utf8)}`)
  return pairs.length === 0 ? 'NIL' : `(${pairs.join(' ')})`
}

/** RFC 2231 section 6: sections `name*0`, `name*1*` and so on are sent as one parameter. */
function joined(parameters: Readonly<Record<string, string>>): readonly (readonly [string, string])[] {
  const pieces = new Map<string, { text: string; isEncoded: boolean }[]>()
  const whole: [string, string][] = []
  for (const [name, text] of Object.entries(parameters)) {
    const [, base = '', index, star] = /^(.+)\*(\d{1,3})(\*?)$/.exec(name) ?? []
    if (index === undefined) whole.push([name, text])
    else {
      const known = pieces.get(base) ?? []
      known[Number(index)] = { text, isEncoded: star === '*' }
      pieces.set(base, known)
    }
  }
  for (const [name, all] of pieces) {
    const isEncoded = all.some((piece) => piece.isEncoded)
    const texts = all.map((piece) => (isEncoded && !piece.isEncoded ? encodeURIComponent(piece.text) : piece.text))
    whole.push([isEncoded ? `${name}*` : name, texts.join('')])
  }
  return whole
}
