/** Writes TNEF (MS-OXTNEF), for tests: the server itself never does. */

export type MapiValue =
  | { readonly id: number; readonly text: string; readonly wide?: boolean }
  | { readonly id: number; readonly binary: Buffer }
  | { readonly id: number; readonly object: Buffer }
  | { readonly id: number; readonly number: number }
  | { readonly id: number; readonly date: Date }

export interface TnefFile {
  /** Its short name, in attAttachTitle. */
  readonly title?: string
  readonly octets?: Buffer
  readonly created?: Date
  readonly modified?: Date
  readonly properties?: readonly (MapiValue & {
    readonly named?: { readonly guid: string; readonly id: number | string }
  })[]
}

export interface TnefMessage {
  readonly codePage?: number
  readonly subject?: Buffer
  readonly properties?: TnefFile['properties']
  readonly files?: readonly TnefFile[]
}

const long = (value: number) => {
  const octets = Buffer.alloc(4)
  octets.writeUInt32LE(value >>> 0)
  return octets
}
const padded = (octets: Buffer) => Buffer.concat([octets, Buffer.alloc((4 - (octets.length % 4)) % 4)])
const counted = (octets: Buffer) => [long(1), long(octets.length), padded(octets)]

function attribute(level: number, id: number, data: Buffer): Buffer {
  const sum = data.reduce((total, octet) => (total + octet) & 0xffff, 0)
  return Buffer.concat([Buffer.from([level]), long(id), long(data.length), data, Buffer.from([sum & 255, sum >> 8])])
}

function nameOf(named: { readonly guid: string; readonly id: number | string } | undefined): Buffer[] {
  if (!named) return []
  const guid = Buffer.from(named.guid, 'hex')
  if (typeof named.id === 'number') return [guid, long(0), long(named.id)]
  const text = Buffer.from(`${named.id}\0`, 'utf16le')
  return [guid, long(1), long(text.length), padded(text)]
}

/** Ms from 1601 to 1970. */
const EPOCH_MS = 11_644_473_600_000n

function property(one: NonNullable<TnefFile['properties']>[number]): Buffer {
  const tag = (type: number) => [long(((one.id << 16) | type) >>> 0), ...nameOf(one.named)]
  if ('text' in one && one.wide)
    return Buffer.concat([...tag(0x1f), ...counted(Buffer.from(`${one.text}\0`, 'utf16le'))])
  if ('text' in one) return Buffer.concat([...tag(0x1e), ...counted(Buffer.from(`${one.text}\0`, 'latin1'))])
  if ('binary' in one) return Buffer.concat([...tag(0x102), ...counted(one.binary)])
  if ('object' in one) return Buffer.concat([...tag(0x0d), ...counted(one.object)])
  if ('number' in one) return Buffer.concat([...tag(3), long(one.number)])
  const time = Buffer.alloc(8)
  time.writeBigUInt64LE((BigInt(one.date.getTime()) + EPOCH_MS) * 10_000n)
  return Buffer.concat([...tag(64), time])
}

const properties = (list: TnefFile['properties'] = []) => Buffer.concat([long(list.length), ...list.map(property)])

function dtr(date: Date): Buffer {
  const octets = Buffer.alloc(14)
  const fields = [
    date.getUTCFullYear(),
    date.getUTCMonth() + 1,
    date.getUTCDate(),
    date.getUTCHours(),
    date.getUTCMinutes(),
    date.getUTCSeconds(),
    date.getUTCDay(),
  ]
  for (const [index, value] of fields.entries()) octets.writeUInt16LE(value, index * 2)
  return octets
}

function attachment({ title, octets, created, modified, properties: list }: TnefFile): Buffer {
  const rendering = Buffer.alloc(14)
  rendering.writeUInt16LE(1)
  rendering.fill(0xff, 2, 6)
  return Buffer.concat([
    attribute(2, 0x69002, rendering),
    ...(octets ? [attribute(2, 0x6800f, octets)] : []),
    ...(title === undefined ? [] : [attribute(2, 0x18010, Buffer.from(`${title}\0`, 'latin1'))]),
    ...(created ? [attribute(2, 0x38012, dtr(created))] : []),
    ...(modified ? [attribute(2, 0x38013, dtr(modified))] : []),
    attribute(2, 0x69005, properties(list)),
  ])
}

/** IID_IMessage, before a message that is an attachment. */
export const MESSAGE_ID = Buffer.from('0703020000000000c000000000000046', 'hex')

export function writeTnef({ codePage = 1252, subject, properties: list, files = [] }: TnefMessage): Buffer {
  return Buffer.concat([
    long(0x223e9f78),
    Buffer.from([1, 0]),
    attribute(1, 0x89006, long(0x10000)),
    attribute(1, 0x69007, Buffer.concat([long(codePage), long(0)])),
    attribute(1, 0x78008, Buffer.from('IPM.Microsoft Mail.Note\0')),
    ...(subject ? [attribute(1, 0x18004, Buffer.concat([subject, Buffer.alloc(1)]))] : []),
    attribute(1, 0x69003, properties(list)),
    ...files.map(attachment),
  ])
}

/** RTF in the form of MAPI, stored. */
export function storedRtf(rtf: string): Buffer {
  const octets = Buffer.from(rtf, 'latin1')
  return Buffer.concat([long(octets.length + 12), long(octets.length), Buffer.from('MELA'), long(0), octets])
}

/** The same in the LZFu form, every octet as it is. */
export function compressedRtf(rtf: string): Buffer {
  const octets = Buffer.from(rtf, 'latin1')
  const pieces: Buffer[] = []
  for (let at = 0; at < octets.length; at += 8) pieces.push(Buffer.from([0]), octets.subarray(at, at + 8))
  const data = Buffer.concat(pieces)
  return Buffer.concat([long(data.length + 12), long(octets.length), Buffer.from('LZFu'), long(0), data])
}
