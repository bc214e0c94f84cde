/**
 * uuencoded files, and those of `uuencode -m` (POSIX), line by line.
 *
 * Invariants: each line costs its own length; a line decodes to the octets that its first character counts, and what is
 * missing of it at its end is spaces, which transports remove.
 */
import type { FileFacts } from './model.ts'
import { oneLine, rawName, withoutBlanks } from './text-lines.ts'

export interface UuBegin {
  readonly name: string
  /** Undefined when the line has none. */
  readonly mode?: number
  readonly isBase64: boolean
}

const B = 'b'.charCodeAt(0)
const BEGIN = /^begin(-base64)?(-encoded)?[ \t]+(?:([0-7]{1,6})[ \t]+)?(\S.*)$/
/** Characters of a line that begins a file. */
const MAX_BEGIN = 1024

/** Parses the line that begins a file, with any mode or none; undefined for another line. */
export function readUuBegin(line: Buffer): UuBegin | undefined {
  if (line[0] !== B || line.length > MAX_BEGIN) return undefined
  const found = BEGIN.exec(withoutBlanks(line).toString('latin1'))
  if (!found) return undefined
  const [, base64, encoded, mode, name = ''] = found
  const octets = encoded === undefined ? Buffer.from(name, 'latin1') : Buffer.from(name, 'base64')
  return {
    name: rawName(octets),
    ...(mode === undefined ? {} : { mode: Number.parseInt(mode, 8) & 0o7777 }),
    isBase64: base64 !== undefined,
  }
}

/** Octets that a line says it holds; undefined when it is no line of a file. */
export function uuCount(line: Buffer): number | undefined {
  const count = line.length === 0 ? 0 : ((line[0] as number) - 32) & 63
  const needed = 1 + Math.ceil(count / 3) * 4
  // Some programs add a character of a check sum, and others write more spaces.
  let end = line.length
  while (end > needed && line[end - 1] === 32) end--
  if (end > needed + 1) return undefined
  for (let at = 0; at < end; at++) {
    const octet = line[at] as number
    if (octet < 32 || octet > 96) return undefined
  }
  return count
}

export function decodeUuLine(line: Buffer): Buffer {
  const count = line.length === 0 ? 0 : ((line[0] as number) - 32) & 63
  const octets = Buffer.allocUnsafe(Math.ceil(count / 3) * 3)
  const value = (at: number) => ((line[at] ?? 32) - 32) & 63
  for (let at = 1, to = 0; to < count; at += 4, to += 3) {
    const bits = (value(at) << 18) | (value(at + 1) << 12) | (value(at + 2) << 6) | value(at + 3)
    octets[to] = bits >> 16
    octets[to + 1] = (bits >> 8) & 255
    octets[to + 2] = bits & 255
  }
  return octets.subarray(0, count)
}

const DATA = 45

function encodeUuLine(octets: Buffer): string {
  const char = (value: number) => String.fromCharCode(value === 0 ? 96 : value + 32)
  let line = char(octets.length)
  for (let at = 0; at < octets.length; at += 3) {
    const bits = ((octets[at] as number) << 16) | ((octets[at + 1] ?? 0) << 8) | (octets[at + 2] ?? 0)
    line += char(bits >> 18) + char((bits >> 12) & 63) + char((bits >> 6) & 63) + char(bits & 63)
  }
  return line
}

/** A file in lines with CRLF, from `begin` to `end`. A zero is a backtick, which no transport removes. */
export async function* writeUuencode(
  { name, mode = 0o644 }: FileFacts,
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  yield Buffer.from(`begin ${(mode & 0o777).toString(8).padStart(3, '0')} ${oneLine(name) || 'file'}\r\n`)
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of source) {
    const all: Buffer = Buffer.concat([rest, chunk])
    const end = all.length - (all.length % DATA)
    const lines: string[] = []
    for (let at = 0; at < end; at += DATA) lines.push(encodeUuLine(all.subarray(at, at + DATA)))
    rest = Buffer.from(all.subarray(end))
    if (lines.length > 0) yield Buffer.from(`${lines.join('\r\n')}\r\n`, 'latin1')
  }
  const last = rest.length === 0 ? '' : `${encodeUuLine(rest)}\r\n`
  yield Buffer.from(`${last}\`\r\nend\r\n`, 'latin1')
}
