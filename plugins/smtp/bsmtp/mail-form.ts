/**
 * Batches as mail: the message that carries one, and the batches that a message carries.
 *
 * Invariants: the octets of a batch are carried in base64, so that no server on the way changes any; content is read as
 * a stream, however large.
 */
import { createSources, type MimePart, ownHeader, partBody, readStructure, toBase64 } from 'iems/mime'

/** The media type of RFC 2442, and that of a part of a sealed batch. */
export const BATCH_TYPE = 'application/batch-SMTP'
export const PARCEL_TYPE = 'application/x-iems-bsmtp'

/** A batch, or a part of one, on its way. */
export interface Consignment {
  /** Good as the name of a file. */
  readonly name: string
  /** Media type with its parameters. */
  readonly type: string
  /** Detached signature of a batch that has none inside. */
  readonly signature?: string | undefined
  /** Changes with every copy. */
  readonly once: string
  open(): AsyncIterable<Uint8Array>
}

/** The field that carries a detached signature, in mail and in HTTP. */
export const SIGNATURE_FIELD = 'BSMTP-Signature'

export async function* mailOf(
  from: string,
  to: string,
  { name, type, signature, open }: Pick<Consignment, 'name' | 'type' | 'signature' | 'open'>,
): AsyncGenerator<Uint8Array> {
  const header = ownHeader({
    from,
    to: [to],
    subject: `batch ${name}`,
    date: Date.now(),
    messageId: `<${crypto.randomUUID()}@${from.slice(from.lastIndexOf('@') + 1)}>`,
    auto: 'auto-generated',
    fields: signature === undefined ? [] : [`${SIGNATURE_FIELD}: ${signature.replaceAll('; ', ';\r\n ')}\r\n`],
  })
  const about = `Content-Type: ${type}\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename="${name}"\r\n`
  yield Buffer.from(`${header}${about}\r\n`)
  yield* toBase64(open())
}

/** A batch that a message carries. */
export interface CarriedBatch {
  readonly kind: 'batch' | 'parcel'
  /** EHLO keywords, in upper case. */
  readonly required: readonly string[]
  open(): AsyncIterable<Uint8Array>
}

interface Carrier {
  readonly size: number
  open(range?: { readonly start: number; readonly end: number }): AsyncIterable<Uint8Array>
}

/** The batches in a message, at any depth, in order. */
export async function batchesIn(message: Carrier): Promise<CarriedBatch[]> {
  const whole = { open: (range?: { start: number; end: number }) => message.open(range) }
  const structure = await readStructure((range) => message.open(range), message.size)
  const sourceOf = createSources(whole)
  const found: CarriedBatch[] = []
  const visit = (part: MimePart) => {
    const type = `${part.type}/${part.subtype}`.toLowerCase()
    const kind = type === BATCH_TYPE.toLowerCase() ? 'batch' : type === PARCEL_TYPE ? 'parcel' : undefined
    if (kind) {
      const required = (part.parameters['required-extensions'] ?? '').toUpperCase().split(/[\s,]+/)
      const open = () => partBody(sourceOf(part), part) ?? sourceOf(part).open({ start: part.body, end: part.end })
      found.push({ kind, required: required.filter((one) => one !== ''), open })
    }
    // A batch inside of a message inside of the mail is that message's business.
    if (part.type.toLowerCase() === 'multipart') for (const inner of part.parts ?? []) visit(inner)
  }
  visit(structure)
  return found
}
