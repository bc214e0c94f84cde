/**
 * BinHex 4.0 (RFC 1741): a Macintosh file as lines of text.
 *
 * Invariants: run lengths never make more octets than the caller allows; a file is read only when all three of its
 * check sums fit.
 */
import { fourOctets, fromMacRoman, toMacRoman } from './mac-roman.ts'
import type { DecodedFile, FileFacts } from './model.ts'

const ALPHABET = '!"#$%&\'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr'
/** Programs end it in different ways. */
export const BINHEX_COMMENT = '(This file must be converted'
const COLON = 58
const REPEAT = 0x90

/** The check sum: CCITT, beginning with zero. */
function crcOf(octets: Uint8Array): number {
  let crc = 0
  for (const octet of octets) {
    crc ^= octet << 8
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? (crc << 1) & 0xffff : ((crc << 1) ^ 0x1021) & 0xffff
  }
  return crc
}

/** The octets between the colons; undefined when there are more than `most`, or a wrong character. */
function undo(text: Buffer, most: number): Buffer | undefined {
  const start = text.indexOf(COLON) + 1
  const values = new Int8Array(256).fill(-1)
  for (let value = 0; value < 64; value++) values[ALPHABET.charCodeAt(value)] = value
  let out: Buffer = Buffer.allocUnsafe(Math.min(most, Math.ceil(text.length * 0.75) + 256))
  let [size, bits, count, last] = [0, 0, 0, 0]
  let isRepeat = false
  const put = (octet: number, times: number): boolean => {
    if (size + times > most) return false
    if (size + times > out.length) {
      const larger = Buffer.allocUnsafe(Math.min(most, Math.max(out.length * 2, size + times)))
      out.copy(larger, 0, 0, size)
      out = larger
    }
    out.fill(octet, size, size + times)
    size += times
    last = octet
    return true
  }
  for (let at = start; start > 0 && at < text.length; at++) {
    const char = text[at] as number
    if (char === COLON) return out.subarray(0, size)
    if (char === 10 || char === 13 || char === 32 || char === 9) continue
    const value = values[char] as number
    if (value < 0) return undefined
    bits = ((bits << 6) | value) & 0xffff
    count += 6
    if (count < 8) continue
    count -= 8
    const octet = (bits >> count) & 255
    if (isRepeat) {
      isRepeat = false
      if (!(octet === 0 ? put(REPEAT, 1) : put(last, octet - 1))) return undefined
    } else if (octet === REPEAT) isRepeat = true
    else if (!put(octet, 1)) return undefined
  }
  return undefined
}

/** A file of at most `most` octets; undefined for what is none, or is damaged. */
export function readBinhex(text: Buffer, most: number): DecodedFile | undefined {
  const octets = undo(text, most)
  const nameLength = octets?.[0] ?? 0
  const header = nameLength + 22
  if (!octets || nameLength < 1 || nameLength > 63 || octets.length < header) return undefined
  const at = nameLength + 2
  const [dataLength, resourceLength] = [octets.readUInt32BE(at + 10), octets.readUInt32BE(at + 14)]
  const data = header
  const resource = data + dataLength + 2
  if (octets.length < resource + resourceLength + 2) return undefined
  const isRight = (start: number, end: number) => crcOf(octets.subarray(start, end)) === octets.readUInt16BE(end)
  if (!isRight(0, header - 2) || !isRight(data, resource - 2) || !isRight(resource, resource + resourceLength))
    return undefined
  return {
    name: fromMacRoman(octets.subarray(1, 1 + nameLength)),
    octets: octets.subarray(data, data + dataLength),
    mac: {
      type: fromMacRoman(octets.subarray(at, at + 4)),
      creator: fromMacRoman(octets.subarray(at + 4, at + 8)),
      flags: octets.readUInt16BE(at + 8),
      ...(resourceLength > 0 ? { resource: octets.subarray(resource, resource + resourceLength) } : {}),
    },
  }
}

const withCrc = (octets: Buffer): Buffer => {
  const crc = Buffer.alloc(2)
  crc.writeUInt16BE(crcOf(octets))
  return Buffer.concat([octets, crc])
}

/** Runs of four or more, and the octet that announces them, as BinHex has it. */
function runs(octets: Buffer): Buffer {
  const out = Buffer.allocUnsafe(octets.length * 2)
  let size = 0
  for (let at = 0; at < octets.length; ) {
    const octet = octets[at] as number
    let end = at + 1
    while (end < octets.length && end - at < 255 && octets[end] === octet) end++
    const isRun = end - at > 3
    const times = isRun ? 1 : end - at
    for (let n = 0; n < times; n++) {
      out[size++] = octet
      if (octet === REPEAT) out[size++] = 0
    }
    if (isRun) {
      out[size++] = REPEAT
      out[size++] = end - at
    }
    at = end
  }
  return out.subarray(0, size)
}

const LINE = 64

/** A file in lines with CRLF. BinHex has a place for 63 octets of a name in MacRoman, and none for dates. */
export function writeBinhex(file: FileFacts, data: Buffer): Buffer {
  const { name, mac = { type: '????', creator: '????', flags: 0, resource: undefined } } = file
  const roman = toMacRoman(name || 'file').subarray(0, 63)
  const resource = mac.resource ?? Buffer.alloc(0)
  const numbers = Buffer.alloc(10)
  numbers.writeUInt16BE(mac.flags & 0xffff, 0)
  numbers.writeUInt32BE(data.length, 2)
  numbers.writeUInt32BE(resource.length, 6)
  const fields = [Buffer.from([roman.length]), roman, Buffer.alloc(1), fourOctets(mac.type), fourOctets(mac.creator)]
  const octets = runs(Buffer.concat([withCrc(Buffer.concat([...fields, numbers])), withCrc(data), withCrc(resource)]))
  let text = ':'
  let bits = 0
  let count = 0
  for (const octet of octets) {
    bits = ((bits << 8) | octet) & 0xffff
    count += 8
    while (count >= 6) {
      count -= 6
      text += ALPHABET[(bits >> count) & 63]
    }
  }
  if (count > 0) text += ALPHABET[(bits << (6 - count)) & 63]
  text += ':'
  const lines = [`${BINHEX_COMMENT} with BinHex 4.0)`, '']
  for (let at = 0; at < text.length; at += LINE) lines.push(text.slice(at, at + LINE))
  return Buffer.from(`${lines.join('\r\n')}\r\n`, 'latin1')
}
