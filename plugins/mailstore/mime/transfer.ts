/**
 * Transfer encodings undone, as the octets come: base64, quoted-printable, uuencode.
 *
 * What must stay true: broken encodings give what can be read of them; what is held between two chunks has a bound.
 */
import type { ByteRange } from 'iems'
import type { MimePart } from './structure.ts'

interface Readable {
  open(range?: ByteRange): AsyncIterable<Uint8Array>
}

/** A part's body decoded; undefined for an encoding nobody knows. */
export function partBody(
  email: Readable,
  part: Pick<MimePart, 'encoding' | 'body' | 'end'>,
): AsyncIterable<Uint8Array> | undefined {
  const source = email.open({ start: part.body, end: part.end })
  switch (part.encoding) {
    case '7bit':
    case '8bit':
    case 'binary':
      return source
    case 'base64':
      return fromBase64(source)
    case 'quoted-printable':
      return fromQuotedPrintable(source)
    case 'x-uuencode':
    case 'x-uue':
    case 'uuencode':
      return fromUuencode(source)
    default:
      return undefined
  }
}

const asText = (chunk: Uint8Array) => Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString('latin1')

async function* fromBase64(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let rest = ''
  for await (const chunk of source) {
    const text = rest + asText(chunk).replace(/[^A-Za-z0-9+/=]/g, '')
    // Padding in the middle ends a piece of its own: some join encoded pieces.
    const whole = text.length - (text.length % 4)
    rest = text.slice(whole)
    for (const piece of text.slice(0, whole).match(/[^=]+=*/g) ?? []) yield Buffer.from(piece, 'base64')
  }
  if (rest !== '') yield Buffer.from(rest, 'base64')
}

/** Longer lines are passed on in pieces. */
const LINE = 65_536

async function* linesOf(source: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  let rest = ''
  for await (const chunk of source) {
    const lines = (rest + asText(chunk)).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) yield `${line}\n`
    if (rest.length <= LINE) continue
    // Not within `=XY`.
    const cut = rest.lastIndexOf('=') > rest.length - 3 ? rest.lastIndexOf('=') : rest.length
    yield rest.slice(0, cut)
    rest = rest.slice(cut)
  }
  if (rest !== '') yield rest
}

async function* fromQuotedPrintable(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const line of linesOf(source)) {
    const text = line
      .replace(/[ \t]+(\r?\n)$/, '$1')
      .replace(/=[ \t]*\r?\n$/, '')
      .replace(/=([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
    if (text !== '') yield Buffer.from(text, 'latin1')
  }
}

async function* fromUuencode(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let isInside = false
  for await (const line of linesOf(source)) {
    const text = line.replace(/\r?\n$/, '')
    if (!isInside) isInside = /^begin [0-7]{3,4} /.test(text)
    else if (text === 'end') return
    else if (text !== '' && text.length <= 100) yield uuLine(text)
  }
}

function uuLine(text: string): Buffer {
  const value = (index: number) => ((text.charCodeAt(index) || 32) - 32) & 63
  const octets: number[] = []
  for (let at = 1; at < text.length; at += 4) {
    const bits = (value(at) << 18) | (value(at + 1) << 12) | (value(at + 2) << 6) | value(at + 3)
    octets.push(bits >> 16, (bits >> 8) & 255, bits & 255)
  }
  return Buffer.from(octets.slice(0, value(0)))
}
