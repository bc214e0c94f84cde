/**
 * Makes a header cheap to verify: signature and author fields beyond the limits are left out, fields of very many lines
 * unfolded.
 *
 * Each DKIM signature may ask for a body hash of its own and each ARC set for a key, and mailauth takes time by the
 * square of a field's lines, its white space and the names in `h=`. What must stay true: the body passes untouched and
 * as a stream; the fields kept are the topmost, in order; unfolding leaves relaxed signatures valid; what honest
 * senders write is not changed at all.
 */
import { createHeaderScanner, FIELD_START } from 'iems'

/** Fields of addresses, which mailauth reads in a time by the square of their length. */
const ADDRESSES = /^(from|return-path)[ \t]*:/i
/** Octets of such a field. RFC 5322 sets no limit; 16 KiB are more than 200 authors. */
const MAX_ADDRESSES = 16 * 1024
/** Of which two are as bad as any more. */
const MAX_FIELDS = 2
/** Fields that cost something. */
const COSTLY = /^(dkim-signature|arc-seal|arc-message-signature|arc-authentication-results)[ \t\r\n]*:/i
/** The kernel has refused longer headers. */
const HEADER_LIMIT = 4 * 1024 * 1024
/** Lines of one field after which it is unfolded. */
const MAX_LINES = 500
/** No signature is written with so much white space in a row, or over so many fields. */
const ABSURD_SPACE = /[ \t\r\n]{300}/
const ABSURD_COLONS = 300
const CANONICALIZATION = /^(simple|relaxed)(\/(simple|relaxed))?$/

export interface SignatureLimits {
  /** Most DKIM signatures, and most ARC sets. */
  readonly signatures: number
  /** Most octets of one field. */
  readonly fieldSize: number
}

/** The content with at most `signatures` fields of each costly kind, none of them longer than `fieldSize`. */
export async function* limitSignatures(
  content: AsyncIterable<Uint8Array>,
  limits: SignatureLimits,
): AsyncGenerator<Uint8Array> {
  const head: Uint8Array[] = []
  const scanner = createHeaderScanner()
  let size = 0
  let inHeader = true
  for await (const chunk of content) {
    if (!inHeader) {
      yield chunk
      continue
    }
    head.push(chunk)
    size += chunk.byteLength
    const end = scanner.push(chunk)
    if (!end && size < HEADER_LIMIT) continue
    inHeader = false
    const bytes = Buffer.concat(head)
    const { fields } = end ?? { fields: size }
    yield keptOf(bytes.subarray(0, fields), limits)
    yield bytes.subarray(fields)
  }
  if (!inHeader) return
  const bytes = Buffer.concat(head)
  const { fields } = scanner.finish()
  yield keptOf(bytes.subarray(0, fields), limits)
  yield bytes.subarray(fields)
}

function keptOf(header: Buffer, { signatures, fieldSize }: SignatureLimits): Buffer {
  const counts = new Map<string, number>()
  const kept: string[] = []
  const fields = fieldsOf(header.toString('latin1'))
  // One that is too long takes the others of its name with it: a message is not judged by the author nobody is shown.
  const tooLong = new Set(fields.filter(({ length }) => length > MAX_ADDRESSES).map(addressName))
  for (const field of fields) {
    const address = addressName(field)
    if (address !== undefined) {
      const count = (counts.get(address) ?? 0) + 1
      counts.set(address, count)
      if (count > MAX_FIELDS || tooLong.has(address)) continue
    }
    const name = COSTLY.exec(field)?.[1]?.toLowerCase()
    if (name !== undefined) {
      const count = (counts.get(name) ?? 0) + 1
      counts.set(name, count)
      if (count > signatures || field.length > fieldSize || isAbsurd(field)) continue
    }
    kept.push(hasMore(field, '\n', MAX_LINES) ? `${field.replace(/\r?\n/g, '')}\r\n` : field)
  }
  return Buffer.from(kept.join(''), 'latin1')
}

const addressName = (field: string) => ADDRESSES.exec(field)?.[1]?.toLowerCase()

function fieldsOf(header: string): string[] {
  const lines = header.split(/(?<=\n)/)
  const fields: string[][] = []
  for (const line of lines) {
    if (FIELD_START.test(line) || fields.length === 0) fields.push([line])
    else fields.at(-1)?.push(line)
  }
  return fields.map((field) => field.join(''))
}

function isAbsurd(field: string): boolean {
  return ABSURD_SPACE.test(field) || hasMore(field, ':', ABSURD_COLONS) || !hasKnownCanonicalization(field)
}

/** RFC 6376 section 3.5; mailauth throws at others, such as `c=/`, instead of passing the signature over. */
function hasKnownCanonicalization(field: string): boolean {
  return field
    .slice(field.indexOf(':') + 1)
    .split(';')
    .map((tag) => tag.split('=', 2).map((part) => part.trim().toLowerCase()))
    .every(([name, value = '']) => name !== 'c' || CANONICALIZATION.test(value))
}

function hasMore(text: string, character: string, most: number): boolean {
  let count = 0
  for (let at = text.indexOf(character); at >= 0 && count <= most; at = text.indexOf(character, at + 1)) count++
  return count > most
}
