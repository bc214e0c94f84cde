/**
 * yEnc 1.3: octets plus 42, with an escape for those that lines cannot hold.
 *
 * Invariants: each line costs its own length; a part is whole only when its size and its CRC-32 fit.
 */
import { crc32 } from 'node:zlib'
import { oneLine, rawName, withoutBlanks } from './text-lines.ts'

export interface YencBegin {
  readonly name: string
  /** Octets of the whole file. */
  readonly size: number
  /** Of a file in several parts, from 1. */
  readonly part?: number
  readonly total?: number
}

/** The position of a part in the file, from 0, up to and without `end`. */
export interface YencRange {
  readonly start: number
  readonly end: number
}

export interface YencEnd {
  readonly size: number
  /** Of this part, or of the file that is in one part. */
  readonly crc?: number
}

const EQUALS = 61
const Y = 'y'.charCodeAt(0)
/** Characters of a keyword line. */
const MAX_LINE = 1024

/** Whether a line is one of keywords. */
export const isYencKeyword = (line: Buffer): boolean => line[0] === EQUALS && line[1] === Y

function numbers(text: string): Readonly<Record<string, string>> {
  const pairs = text.split(' ').flatMap((one) => {
    const at = one.indexOf('=')
    return at < 1 ? [] : [[one.slice(0, at), one.slice(at + 1)] as const]
  })
  return Object.fromEntries(pairs)
}

function count(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined
}

export function readYencBegin(line: Buffer): YencBegin | undefined {
  if (!isYencKeyword(line) || line.length > MAX_LINE) return undefined
  const text = line.toString('latin1')
  const at = text.indexOf(' name=')
  if (!text.startsWith('=ybegin ') || at < 0) return undefined
  const given = numbers(text.slice(8, at))
  const size = count(given.size)
  if (size === undefined) return undefined
  const [part, total] = [count(given.part), count(given.total)]
  const name = withoutBlanks(line.subarray(at + 6)).toString('latin1')
  const bare = name.length > 1 && name.startsWith('"') && name.endsWith('"') ? name.slice(1, -1) : name
  return {
    name: rawName(Buffer.from(bare, 'latin1')),
    size,
    ...(part === undefined ? {} : { part }),
    ...(total === undefined ? {} : { total }),
  }
}

export function readYencPart(line: Buffer): YencRange | undefined {
  const text = line.length > MAX_LINE ? '' : line.toString('latin1')
  if (!text.startsWith('=ypart ')) return undefined
  const given = numbers(text.slice(7))
  const [begin, end] = [count(given.begin), count(given.end)]
  return begin === undefined || end === undefined || begin < 1 || end < begin ? undefined : { start: begin - 1, end }
}

export function readYencEnd(line: Buffer): YencEnd | undefined {
  const text = line.length > MAX_LINE ? '' : line.toString('latin1')
  if (!text.startsWith('=yend ')) return undefined
  const given = numbers(text.slice(6))
  const size = count(given.size)
  // A part has a CRC of its own; that of the file says nothing about it.
  const crc = given.pcrc32 ?? (given.part === undefined ? given.crc32 : undefined)
  if (size === undefined) return undefined
  return { size, ...(crc !== undefined && /^[0-9a-f]{1,8}$/i.test(crc) ? { crc: Number.parseInt(crc, 16) } : {}) }
}

/** A line of data. */
export function decodeYencLine(line: Buffer): Buffer {
  const octets = Buffer.allocUnsafe(line.length)
  let size = 0
  for (let at = 0; at < line.length; at++) {
    let octet = line[at] as number
    if (octet === EQUALS) {
      if (++at >= line.length) break
      octet = (line[at] as number) - 64
    }
    octets[size++] = octet - 42
  }
  return octets.subarray(0, size)
}

const LINE = 128
const CRITICAL = new Set([0, 10, 13, EQUALS])

/** A file in one part. Its octets are read twice. */
export async function* writeYenc(name: string, open: () => AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let size = 0
  for await (const chunk of open()) size += chunk.byteLength
  yield Buffer.from(`=ybegin line=${LINE} size=${size} name=${oneLine(name) || 'file'}\r\n`)
  let crc = 0
  let column = 0
  for await (const chunk of open()) {
    crc = crc32(chunk, crc)
    const out = Buffer.allocUnsafe(chunk.byteLength * 2 + Math.ceil((chunk.byteLength * 2) / LINE) * 2 + 2)
    let to = 0
    for (const given of chunk) {
      let octet = (given + 42) & 255
      // A dot, space or tab at an end of a line does not survive every transport.
      const isEdge = column === 0 || column >= LINE - 1
      if (CRITICAL.has(octet) || (isEdge && (octet === 46 || octet === 32 || octet === 9))) {
        out[to++] = EQUALS
        octet = (octet + 64) & 255
        column++
      }
      out[to++] = octet
      if (++column >= LINE) {
        out[to++] = 13
        out[to++] = 10
        column = 0
      }
    }
    yield out.subarray(0, to)
  }
  yield Buffer.from(`${column > 0 ? '\r\n' : ''}=yend size=${size} crc32=${crc.toString(16).padStart(8, '0')}\r\n`)
}
