/**
 * Creates a DKIM-Signature (RFC 6376, RFC 8463), relaxed/relaxed, in one pass over the content.
 *
 * Invariants: From is always signed; the signature field is hashed exactly as verifiers unfold it: it has a single
 * space wherever it may be folded, and none elsewhere. Signing runs on Node's thread pool.
 */
import { createHash, sign } from 'node:crypto'
import { promisify } from 'node:util'
import { type RawField, splitContent } from 'iems'
import { createBodyHash, relaxedField } from './canonical.ts'
import type { SigningKey } from './keys.ts'

const signAsync = promisify(sign)

/** The parts of a content that signatures cover. */
export interface Hashed {
  readonly fields: readonly RawField[]
  readonly bodyHash: string
}

/** Undefined when the header is longer than `maxHeader` octets. */
export async function hashContent(content: AsyncIterable<Uint8Array>, maxHeader: number): Promise<Hashed | undefined> {
  const split = await splitContent(content, maxHeader)
  if (!split) return undefined
  const hash = createBodyHash()
  for await (const piece of split.body) hash.update(piece)
  return { fields: split.fields, bodyHash: hash.digest() }
}

export interface Fields {
  readonly oversign: readonly string[]
  readonly sign: readonly string[]
}

/** The names to sign, once per existing field, and once more if oversigned. */
function namesOf(fields: readonly RawField[], { oversign, sign }: Fields): string[] {
  const counts = new Map<string, number>()
  for (const { name } of fields) counts.set(name.toLowerCase(), (counts.get(name.toLowerCase()) ?? 0) + 1)
  const over = new Set(['from', ...oversign])
  const names = [...over, ...sign.filter((name) => !over.has(name))]
  return names.flatMap((name) => Array<string>((counts.get(name) ?? 0) + (over.has(name) ? 1 : 0)).fill(name))
}

/** The relaxed fields in the order of the names: of several, the last first (RFC 6376 section 5.4.2). */
function chosen(fields: readonly RawField[], names: readonly string[]): string {
  const left = new Map<string, RawField[]>()
  for (const field of fields) {
    const name = field.name.toLowerCase()
    const same = left.get(name)
    if (same) same.push(field)
    else left.set(name, [field])
  }
  return names
    .map((name) => left.get(name)?.pop())
    .map((field) => (field ? `${relaxedField(field)}\r\n` : ''))
    .join('')
}

/** Inserts spaces where base64 may be folded. */
export const inPieces = (text: string) => text.replace(/.{64}(?=.)/g, '$& ')

export interface Stamp {
  /** Seconds since 1970. */
  readonly at: number
  readonly expires?: number
}

/** The field that is made: its name, and its first tag. */
export interface Form {
  readonly name: string
  readonly first: string
}
const DKIM: Form = { name: 'DKIM-Signature', first: 'v=1' }

/** The value of the field. */
export async function signatureOf(
  { fields, bodyHash }: Hashed,
  key: Pick<SigningKey, 'domain' | 'selector' | 'algorithm' | 'privateKey'>,
  which: Fields,
  { at, expires }: Stamp,
  { name, first }: Form = DKIM,
): Promise<string> {
  const names = namesOf(fields, which)
  const { domain, selector, algorithm } = key
  const tags = [
    first,
    `a=${algorithm}-sha256`,
    'c=relaxed/relaxed',
    `d=${domain}`,
    `s=${selector}`,
    `t=${at}`,
    ...(expires === undefined ? [] : [`x=${expires}`]),
    `h=${names.join(' : ')}`,
    `bh=${bodyHash}`,
    'b=',
  ]
  const value = tags.join('; ')
  const signature = await signText(chosen(fields, names) + relaxedField({ name, value }), key)
  return value + inPieces(signature.toString('base64'))
}

/** `canonical` has one character per octet. */
export function signText(
  canonical: string,
  { algorithm, privateKey }: Pick<SigningKey, 'algorithm' | 'privateKey'>,
): Promise<Buffer> {
  const text = Buffer.from(canonical, 'latin1')
  // RFC 8463 section 3: Ed25519 signs the hash.
  return algorithm === 'rsa'
    ? signAsync('sha256', text, privateKey)
    : signAsync(null, createHash('sha256').update(text).digest(), privateKey)
}
