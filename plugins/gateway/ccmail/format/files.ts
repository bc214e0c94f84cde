/**
 * The content of a file item: MacBinary II, hexadecimal lines, or the file's own octets.
 */
export interface CcFile {
  readonly name: string
  readonly octets: Buffer
  /** Of a Macintosh file. */
  readonly mac?: { readonly type: string; readonly creator: string; readonly flags: number; readonly resource: Buffer }
}

export type FileForm = 'auto' | 'hex' | 'raw'

const HEADER = 128
const MAX_NAME = 63

/** CRC-16 of XMODEM: polynomial 1021, start 0. */
function crc16(octets: Uint8Array): number {
  let crc = 0
  for (const octet of octets) {
    crc ^= octet << 8
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff
  }
  return crc
}

const padded = (length: number) => Math.ceil(length / HEADER) * HEADER

/** Undefined for octets that are no MacBinary II, by its zeros, lengths and checksum. */
export function readMacBinary(octets: Buffer, decode: (octets: Buffer) => string): CcFile | undefined {
  if (octets.length < HEADER || octets[0] !== 0 || octets[74] !== 0 || octets[82] !== 0) return undefined
  const length = octets[1] ?? 0
  if (length < 1 || length > MAX_NAME || crc16(octets.subarray(0, 124)) !== octets.readUInt16BE(124)) return undefined
  const data = octets.readUInt32BE(83)
  const resource = octets.readUInt32BE(87)
  const second = HEADER + padded(data)
  if (second + resource > octets.length) return undefined
  return {
    name: decode(octets.subarray(2, 2 + length)),
    octets: octets.subarray(HEADER, HEADER + data),
    mac: {
      type: octets.toString('latin1', 65, 69),
      creator: octets.toString('latin1', 69, 73),
      flags: ((octets[73] ?? 0) << 8) | (octets[101] ?? 0),
      resource: octets.subarray(second, second + resource),
    },
  }
}

export function writeMacBinary(file: CcFile, encode: (text: string) => Buffer): Buffer {
  const { type = '????', creator = '????', flags = 0, resource = Buffer.alloc(0) } = file.mac ?? {}
  const header = Buffer.alloc(HEADER)
  const name = encode(file.name).subarray(0, MAX_NAME)
  header[1] = name.length
  name.copy(header, 2)
  header.write(type.padEnd(4).slice(0, 4), 65, 'latin1')
  header.write(creator.padEnd(4).slice(0, 4), 69, 'latin1')
  header[73] = flags >> 8
  header.writeUInt32BE(file.octets.length, 83)
  header.writeUInt32BE(resource.length, 87)
  header[101] = flags & 0xff
  header[122] = 129
  header[123] = 129
  header.writeUInt16BE(crc16(header.subarray(0, 124)), 124)
  const fork = (octets: Buffer) => [octets, Buffer.alloc(padded(octets.length) - octets.length)]
  return Buffer.concat([header, ...fork(file.octets), ...fork(resource)])
}

/** Lines of hexadecimal digits; undefined for anything else. */
export function readHex(octets: Buffer): Buffer | undefined {
  const digits = octets.toString('latin1').replace(/[\r\n \t]+/g, '')
  return digits.length % 2 === 0 && /^[0-9A-Fa-f]*$/.test(digits) ? Buffer.from(digits, 'hex') : undefined
}

/** An item's octets as a file. Hexadecimal lines are read only on demand, since a text file may look the same. */
export function readFileItem(
  name: string,
  octets: Buffer,
  { form, decodeMac }: { readonly form: FileForm; readonly decodeMac: (octets: Buffer) => string },
): CcFile {
  const plain = (form === 'hex' ? readHex(octets) : undefined) ?? octets
  const mac = form === 'raw' ? undefined : readMacBinary(plain, decodeMac)
  return mac ? { ...mac, name: name || mac.name } : { name, octets: plain }
}
