/**
 * Chooses charset and transfer encoding of text before its first octet is written.
 *
 * Invariants: no unencoded line can be taken for an enclosing boundary; lines end with CRLF and have at most 998
 * octets; 8-bit octets appear only if the part had them before.
 */
import { Boundaries } from '../boundaries.ts'
import { canHold, encodeText } from '../charset.ts'
import { MAX_BOUNDARY } from '../open-part.ts'
import { toBase64, toQuotedPrintable } from './encode.ts'

type Octets = () => AsyncIterable<Uint8Array>

/** A body as written into the message. */
export interface WrittenBody {
  readonly encoding: string
  readonly open: Octets
  /** Its charset; undefined for other content than text. */
  readonly charset?: string
}

/** RFC 5322 section 2.1.1. */
const MAX_LINE = 998

interface Measure {
  size: number
  highOctets: number
  /** It needs no encoding, except for octets above 127. */
  hasLines: boolean
  hasNul: boolean
}

/** Inspects octets and compares their lines with the enclosing boundaries. */
async function measure(octets: AsyncIterable<Uint8Array>, around: readonly Buffer[]): Promise<Measure> {
  const boundaries = new Boundaries()
  for (const [depth, boundary] of around.entries()) boundaries.open(boundary, depth)
  const found: Measure = { size: 0, highOctets: 0, hasLines: true, hasNul: false }
  const line = Buffer.alloc(MAX_BOUNDARY + 2)
  let length = 0
  let before = 0
  const endLine = () => {
    const begun = line.subarray(0, Math.min(before === 13 ? length - 1 : length, line.length))
    if (length - 1 > MAX_LINE) found.hasLines = false
    if (begun[0] === 45 && begun[1] === 45 && boundaries.find(begun)) found.hasLines = false
    length = 0
  }
  for await (const chunk of octets) {
    found.size += chunk.byteLength
    for (const octet of chunk) {
      if (octet > 127) found.highOctets++
      else if (octet === 0) found.hasNul = true
      if ((before === 13) !== (octet === 10)) found.hasLines = false
      if (octet === 10) endLine()
      else if (length++ < line.length) line[length - 1] = octet
      before = octet
    }
  }
  if (before === 13) found.hasLines = false
  endLine()
  return found
}

/** Text in its charset and encoding if they can represent it, otherwise in UTF-8 and another encoding. */
export async function writtenText(
  text: () => AsyncIterable<string>,
  was: { readonly charset: string; readonly encoding: string },
  around: readonly Buffer[],
): Promise<WrittenBody> {
  const lines = () => withCrlf(text())
  const charset = (await canHold(lines(), was.charset)) ? was.charset : 'utf-8'
  const octets = () => encodeText(lines(), charset)
  return { ...encoded(octets, await measure(octets(), around), was.encoding), charset }
}

function encoded(octets: Octets, found: Measure, was: string): WrittenBody {
  const isPlain = found.hasLines && !found.hasNul
  if (was === '8bit' && isPlain) return { encoding: was, open: octets }
  if (was === '7bit' && isPlain && found.highOctets === 0) return { encoding: was, open: octets }
  const isMostlyAscii = found.highOctets * 3 <= found.size
  if (!found.hasNul && (was === 'quoted-printable' || (was !== 'base64' && isMostlyAscii)))
    return { encoding: 'quoted-printable', open: () => toQuotedPrintable(octets()) }
  return writtenOctets(octets)
}

/** Octets of text in the caller's charset. */
export async function writtenTextOctets(
  octets: Octets,
  encoding: string,
  around: readonly Buffer[],
): Promise<WrittenBody> {
  return encoded(octets, await measure(octets(), around), encoding)
}

/**
 * A multipart or message, which must not be encoded (RFC 2045 section 6.4). Throws TypeError when it would need
 * encoding.
 */
export async function writtenComposite(octets: Octets, around: readonly Buffer[]): Promise<WrittenBody> {
  const found = await measure(octets(), around)
  if (!found.hasLines || found.hasNul)
    throw new TypeError('a multipart or message must have lines of at most 998 octets')
  return { encoding: found.highOctets > 0 ? '8bit' : '7bit', open: octets }
}

export function writtenOctets(octets: Octets): WrittenBody {
  return { encoding: 'base64', open: () => toBase64(octets()) }
}

/** Converts bare line feeds to CRLF; no chunk ends within CRLF or a surrogate pair. */
async function* withCrlf(text: AsyncIterable<string>): AsyncGenerator<string> {
  let rest = ''
  for await (const piece of text) {
    const all = rest + piece
    const end = /[\r\ud800-\udbff]$/.test(all) ? all.length - 1 : all.length
    rest = all.slice(end)
    if (end > 0) yield all.slice(0, end).replace(/\r?\n/g, '\r\n')
  }
  if (rest !== '') yield rest
}
