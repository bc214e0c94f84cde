/**
 * Makes a header cheap to verify: drops signature and author fields beyond the limits, and unfolds fields with very
 * many lines.
 *
 * Each DKIM signature may require a separate body hash and each ARC set a key, and mailauth's time is quadratic in a
 * field's lines, white space and `h=` names. Invariants: the body streams through untouched; the topmost fields are
 * kept, in order; unfolding keeps relaxed signatures valid; normal mail is not changed at all.
 */
import { createHeaderScanner, fieldName } from 'iems'

/** Address fields, which mailauth parses in quadratic time. */
const ADDRESSES = /^(from|return-path)[ \t]*:/i
/** Maximum octets of such a field. RFC 5322 has no limit; 16 KiB hold more than 200 authors. */
const MAX_ADDRESSES = 16 * 1024
/** Two such fields are as invalid as any more. */
const MAX_FIELDS = 2
/** Fields that are expensive to verify. */
const COSTLY = /^(dkim-signature|arc-seal|arc-message-signature|arc-authentication-results)[ \t\r\n]*:/i
/** The kernel refuses longer headers. */
const HEADER_LIMIT = 4 * 1024 * 1024
/** Lines beyond which a field is unfolded. */
const MAX_LINES = 500
/** No real signature has so much consecutive white space or covers so many fields. */
const ABSURD_SPACE = /[ \t\r\n]{300}/
const ABSURD_COLONS = 300
const CANONICALIZATION = /^(simple|relaxed)(\/(simple|relaxed))?$/

export interface SignatureLimits {
  /** Maximum DKIM signatures, and maximum ARC sets. */
  readonly signatures: number
  /** Maximum octets of one field. */
  readonly fieldSize: number
}

/**
 * The content with at most `signatures` fields of each expensive kind, none of them longer than `fieldSize`. The first
 * piece is the header; the second begins with the blank line, if there is one.
 */
export async function* limitSignatures(
  content: AsyncIterable<Uint8Array>,
  limits: SignatureLimits,
): AsyncGenerator<Buffer> {
  const head: Uint8Array[] = []
  const scanner = createHeaderScanner()
  let size = 0
  let inHeader = true
  for await (const chunk of content) {
    if (!inHeader) {
      yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
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
  // An overlong field removes others of its name too: a message must not be judged by an author that no program shows.
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
    if (fieldName(line) !== undefined || fields.length === 0) fields.push([line])
    else fields.at(-1)?.push(line)
  }
  return fields.map((field) => field.join(''))
}

function isAbsurd(field: string): boolean {
  return ABSURD_SPACE.test(field) || hasMore(field, ':', ABSURD_COLONS) || !hasKnownCanonicalization(field)
}

/** RFC 6376 section 3.5; mailauth throws for others, such as `c=/`, instead of skipping the signature. */
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
