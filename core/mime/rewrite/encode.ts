/**
 * Streaming transfer encoders, and validation of encoded input.
 *
 * Invariants: no line of quoted-printable or base64 begins with a dash, so that encoded content never matches a
 * boundary; memory is bounded by one chunk; linear time.
 */

const BASE64_LINE = 57

/** Base64 in lines of 76 characters, each with CRLF. */
export async function* toBase64(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of source) {
    const octets =
      rest.length === 0 ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength) : Buffer.concat([rest, chunk])
    const end = octets.length - (octets.length % BASE64_LINE)
    if (end > 0) yield base64Lines(octets.subarray(0, end))
    rest = Buffer.from(octets.subarray(end))
  }
  if (rest.length > 0) yield base64Lines(rest)
}

/** The same at once. */
export function base64Lines(octets: Buffer): Buffer {
  const lines: string[] = []
  for (let at = 0; at < octets.length; at += BASE64_LINE) lines.push(octets.toString('base64', at, at + BASE64_LINE))
  return Buffer.from(`${lines.join('\r\n')}\r\n`, 'latin1')
}

const CR = 13
const LF = 10
const EQUALS = 61
const DASH = 45
const QP_LINE = 76
const HEX = Array.from({ length: 256 }, (_, octet) => `=${octet.toString(16).toUpperCase().padStart(2, '0')}`)

const isPlain = (octet: number) => octet >= 32 && octet < 127 && octet !== EQUALS

/** Quoted-printable text with CRLF line endings; bare line feeds and carriage returns are encoded. */
export async function* toQuotedPrintable(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  /** Characters of the current line. */
  let column = 0
  /** A blank or CR that may turn out to precede a line break. */
  let pending = -1
  let text = ''
  const put = (piece: string) => {
    if (column + piece.length >= QP_LINE) {
      text += '=\r\n'
      column = 0
    }
    text += piece
    column += piece.length
  }
  const code = (octet: number) => HEX[octet] as string
  const plain = (octet: number) => {
    const startsLine = column === 0 || column + 1 >= QP_LINE
    return isPlain(octet) && !(octet === DASH && startsLine) ? String.fromCharCode(octet) : code(octet)
  }
  const take = (octet: number) => {
    if (octet === LF && pending === CR) {
      text += '\r\n'
      column = 0
      pending = -1
      return
    }
    if (pending >= 0) put(pending === CR || octet === CR ? code(pending) : String.fromCharCode(pending))
    pending = -1
    if (octet === CR || octet === 32 || octet === 9) pending = octet
    else put(plain(octet))
  }
  for await (const chunk of source) {
    for (const octet of chunk) take(octet)
    if (text !== '') yield Buffer.from(text, 'latin1')
    text = ''
  }
  if (pending >= 0) put(code(pending))
  if (text !== '') yield Buffer.from(text, 'latin1')
}

/** Whether decoding is lossless: the octets follow their transfer encoding. */
export async function isSound(encoding: string, source: AsyncIterable<Uint8Array>): Promise<boolean> {
  if (encoding === 'base64') return isBase64(source)
  return encoding === 'quoted-printable' ? isQuotedPrintable(source) : true
}

const IS_BASE64 = Array.from({ length: 256 }, (_, octet) => /[A-Za-z0-9+/]/.test(String.fromCharCode(octet)))

async function isBase64(source: AsyncIterable<Uint8Array>): Promise<boolean> {
  let characters = 0
  let padding = 0
  for await (const chunk of source) {
    for (const octet of chunk) {
      if (octet === 32 || (octet >= 9 && octet <= 13)) continue
      if (octet === EQUALS) padding++
      else if (padding > 0 || !IS_BASE64[octet]) return false
      else characters++
    }
  }
  return characters % 4 !== 1 && padding <= 2
}

async function isQuotedPrintable(source: AsyncIterable<Uint8Array>): Promise<boolean> {
  /** Characters after `=`; a soft line break may contain blanks. */
  let begun = ''
  for await (const chunk of source) {
    for (const octet of chunk) {
      const char = String.fromCharCode(octet)
      if (begun === '') {
        if (char === '=') begun = char
      } else if (begun === '=' && /[0-9A-Fa-f]/.test(char)) begun = '=x'
      else if (begun === '=x') {
        if (!/[0-9A-Fa-f]/.test(char)) return false
        begun = ''
      } else if (char === '\n') begun = ''
      else if (begun === '=' && /[ \t\r]/.test(char)) continue
      else return false
    }
  }
  return begun === '' || begun === '='
}
