/**
 * Containers of mail in which a file can stand, made by hand: CMS, TNEF, zip, RAR and 7z, as tidy or as odd as a test
 * wants them.
 */
import { crc32, deflateRawSync, deflateSync } from 'node:zlib'

// --- CMS ------------------------------------------------------------------------------------------

function der(tag: number, ...content: readonly Buffer[]): Buffer {
  const octets = Buffer.concat(content)
  if (octets.length < 128) return Buffer.concat([Buffer.from([tag, octets.length]), octets])
  const length = Buffer.alloc(4)
  length.writeUInt32BE(octets.length)
  return Buffer.concat([Buffer.from([tag, 0x84]), length, octets])
}

/** With a length that is not said. */
const open = (tag: number, ...content: readonly Buffer[]) =>
  Buffer.concat([Buffer.from([tag, 0x80]), ...content, Buffer.alloc(2)])

const PKCS7 = '2a864886f70d0107'
const oid = (hex: string) => der(0x06, Buffer.from(hex, 'hex'))
const DATA = oid(`${PKCS7}01`)
const version = der(0x02, Buffer.from([1]))

const pieces = (octets: Buffer, size = 50) =>
  Array.from({ length: Math.ceil(octets.length / size) }, (_, n) => octets.subarray(n * size, (n + 1) * size))

/** Opaque S/MIME without signers: nobody checks the signature before the message is shown. */
export function signed(message: string, how: 'der' | 'ber' | 'constructed' = 'der'): Buffer {
  const octets = Buffer.from(message, 'latin1')
  const wrap = how === 'ber' ? open : der
  const inPieces = pieces(octets).map((piece) => der(0x04, piece))
  const content = how === 'der' ? der(0x04, octets) : wrap(0x24, ...inPieces)
  const inner = wrap(0x30, version, wrap(0x31), wrap(0x30, DATA, wrap(0xa0, content)), wrap(0x31))
  return wrap(0x30, oid(`${PKCS7}02`), wrap(0xa0, inner))
}

export const compressed = (message: string): Buffer =>
  der(
    0x30,
    oid('2a864886f70d0109100109'),
    der(
      0xa0,
      der(
        0x30,
        version,
        der(0x30, oid('2a864886f70d0109100308')),
        der(0x30, DATA, der(0xa0, der(0x04, deflateSync(Buffer.from(message, 'latin1'))))),
      ),
    ),
  )

export const enveloped = (): Buffer => der(0x30, oid(`${PKCS7}03`), der(0xa0, der(0x30, version)))
export const detached = (): Buffer =>
  der(0x30, oid(`${PKCS7}02`), der(0xa0, der(0x30, version, der(0x31), der(0x30, DATA), der(0x31))))

// --- TNEF -------------------------------------------------------------------------------------------

const long = (value: number) => {
  const octets = Buffer.alloc(4)
  octets.writeUInt32LE(value)
  return octets
}

const padded = (octets: Buffer) => Buffer.concat([octets, Buffer.alloc((4 - (octets.length % 4)) % 4)])

function attribute(level: number, id: number, data: Buffer): Buffer {
  const sum = data.reduce((total, octet) => (total + octet) & 0xffff, 0)
  return Buffer.concat([Buffer.from([level]), long(id), long(data.length), data, Buffer.from([sum & 255, sum >> 8])])
}

const text = (tag: number, value: string) =>
  Buffer.concat([long(tag), long(1), long(value.length + 1), padded(Buffer.from(`${value}\0`, 'latin1'))])
const number = (tag: number, value: number) => Buffer.concat([long(tag), long(value)])
const named = (value: string) =>
  Buffer.concat([
    long(0x8000_001e),
    Buffer.alloc(16, 7),
    long(1),
    long(10),
    padded(Buffer.from('n\0a\0m\0e\0\0\0', 'latin1')),
    long(1),
    long(value.length + 1),
    padded(Buffer.from(`${value}\0`, 'latin1')),
  ])

/** PR_ATTACH_DATA_BIN, or PR_ATTACH_DATA_OBJ. */
const binary = (file: Buffer) => Buffer.concat([long(0x3701_0102), long(1), long(file.length), padded(file)])
const object = (file: Buffer) =>
  Buffer.concat([long(0x3701_000d), long(1), long(file.length + 16), Buffer.alloc(16, 9), padded(file)])

/** A winmail.dat with that file, in a property of its attachment alone. */
export function tnef(given: string | Buffer, as: 'binary' | 'object' | 'message' = 'binary'): Buffer {
  const file = Buffer.from(given as string, 'latin1')
  const all = [
    text(0x3707_001e, 'file.com'),
    number(0x3705_0003, 1),
    named('x'),
    as === 'object' ? object(file) : binary(file),
  ]
  const properties = Buffer.concat([long(all.length), ...all])
  return Buffer.concat([
    long(0x223e_9f78),
    Buffer.from([1, 0]),
    attribute(1, 0x0008_9006, long(0x1_0000)),
    ...(as === 'message'
      ? [attribute(1, 0x0006_9003, properties)]
      : [attribute(2, 0x0006_9002, Buffer.alloc(14)), attribute(2, 0x0006_9005, properties)]),
  ])
}

// --- archives ------------------------------------------------------------------------------------------

export interface Zipped {
  readonly name?: string
  readonly method?: number
  readonly flags?: number
  readonly comment?: string
  /** Of the files that it says it has. */
  readonly count?: number
  /** Whether its size stands in an extra field. */
  readonly isLong?: boolean
  /** Before the archive, as a program that unpacks itself has it. */
  readonly before?: Buffer
}

/** A zip with one file; its octets are deflated by method 8 and otherwise stand as they are. */
export function zip(
  given: string | Buffer,
  { name = 'file.com', method = 8, flags = 0, comment = '', count = 1, isLong = false, before }: Zipped = {},
) {
  const file = Buffer.from(given as string, 'latin1')
  const data = method === 8 ? deflateRawSync(file) : file
  const common = Buffer.alloc(26)
  common.writeUInt16LE(20, 0)
  common.writeUInt16LE(flags, 2)
  common.writeUInt16LE(method, 4)
  common.writeUInt32LE(crc32(file), 10)
  common.writeUInt32LE(data.length, 14)
  common.writeUInt32LE(file.length, 18)
  common.writeUInt16LE(name.length, 22)
  const extra = Buffer.alloc(isLong ? 20 : 0)
  const short = Buffer.from(common)
  if (isLong) {
    extra.writeUInt32LE(0x0010_0001)
    extra.writeBigUInt64LE(BigInt(file.length), 4)
    extra.writeBigUInt64LE(BigInt(data.length), 12)
    short.fill(0xff, 14, 22)
    short.writeUInt16LE(extra.length, 24)
  }
  const local = Buffer.concat([Buffer.from('PK\x03\x04'), short, Buffer.from(name), extra, data])
  const central = Buffer.concat([Buffer.from('PK\x01\x02\x14\0'), common, Buffer.alloc(14), Buffer.from(name)])
  const end = Buffer.alloc(22)
  end.write('PK\x05\x06', 'latin1')
  end.writeUInt16LE(count, 8)
  end.writeUInt16LE(count, 10)
  end.writeUInt32LE(central.length, 12)
  end.writeUInt32LE(local.length, 16)
  end.writeUInt16LE(comment.length, 20)
  return Buffer.concat([before ?? Buffer.alloc(0), local, central, end, Buffer.from(comment)])
}

/** A tar with one file. */
export function tar(file: Buffer): Buffer {
  const header = Buffer.alloc(512)
  header.write('file', 'latin1')
  header.write(`${file.length.toString(8).padStart(11, '0')}\0`, 124, 'latin1')
  header.write('ustar\x0000', 257, 'latin1')
  return Buffer.concat([header, file, Buffer.alloc(1024 + 511 - ((file.length + 511) % 512))])
}

/** A RAR 5 archive with one file: in the clear, encrypted in one of both ways, or one of several archives. */
export function rar(kind: 'plain' | 'file' | 'header' | 'volume'): Buffer {
  const block = (...fields: readonly number[]) => Buffer.from([0, 0, 0, 0, fields.length, ...fields])
  const blocks = {
    header: [block(4, 0, 0, 0, 15)],
    file: [block(1, 0, 0), block(2, 1, 3, 2, 1, 0), block(5, 0, 0)],
    volume: [block(1, 0, 1), block(2, 0, 0), block(5, 0, 0)],
    plain: [block(1, 0, 0), block(2, 0, 0), block(5, 0, 0)],
  }
  return Buffer.concat([Buffer.from('Rar!\x1a\x07\x01\0', 'latin1'), ...blocks[kind]])
}

/** By 7-Zip: eight small files, with a header that is packed as it mostly is. */
const SEVEN_ZIPS = {
  bzip2:
    'N3q8ryccAATzDXfmqQAAAAAAAAAhAAAAAAAAAHiSGoJCWmg5MUFZJlNZsEJfQwAACEEAABACRKAAMMDBVDJRBwgoeLuSKcKEhYIS+hgAAIEzB64P0NNtfJ8/Rzvn0Xa8lFHdd5PdKpwdRrYfc2eFUSRwF0T7JNaXrGBf+lhgTnFb5a9A4CXgDHAkKTegfdNSlg4nxmxZmbAsllCfgZ2rcyNPnMVJdlu+NOLWi40qxWamSd7csH3v1Rpch+gq+eUJr9KWOI/W5AAAFwYtAQl8AAcLAQABIwMBAQVdABAAAAyB3goBukAoBQAA',
  encrypted:
    'N3q8ryccAATxQ/3BuAAAAAAAAAAiAAAAAAAAANKb/6jzPpH6Q1vegfCB0jy9XEV7D3o+DZfDDziWPXtKfL3PmwAAgTMHrg/QDrA8nzkQnJ+m1TPasi6wm9ghffFukze+ChTFOW1yK/3Vy63yGyLoLmQ+jAJ4tmwq8wjbVwQtn86XwKErbuSR6i66Mvw4m9toZzWleeiv1haekn+jcZxy8928yHo6R3XgEA8Ew4Z3i407DdyY9sKD7rrIOajoNEW1mEVCQ9dEOaFw+ADQDxN5oncSh54tAAAAFwYgAQmAmAAHCwEAASMDAQEFXQAQAAAMgf4KAVekjhYAAA==',
  plain:
    'N3q8ryccAAQpYJ7KkQAAAAAAAAAhAAAAAAAAAK9TLz7gAC8ADF0ANBlJ7o3dVhCxLwAAAAAAgTMHrg/PObAMB8hDf0Gx+v4J+aVFZbSbkcznMjwlN4UfzLMB1fB+/nuggUvwmWGPDd48HuvRfSdrHyYNLPzkRzG+DQBEt+ugHBC/wAoM7KH7ib7oDbHNNRXwVl317UkN7pn2ShRTNLUtKWGo3WHUx37mhaRO8lR7AAAAFwYUAQl9AAcLAQABIwMBAQVdABAAAAyB3goBR5IoQQAA',
}

export const sevenZip = (kind: keyof typeof SEVEN_ZIPS): Buffer => Buffer.from(SEVEN_ZIPS[kind], 'base64')
