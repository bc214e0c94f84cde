/**
 * Changes a zone at its primary server (RFC 2136), signed with a shared key (TSIG, RFC 8945).
 *
 * Invariants: all changes of one call are applied together or not at all; with a key, an answer counts only if its
 * signature is valid.
 */
import { createHmac, randomInt } from 'node:crypto'
import { isSameSecret } from '../api/secrets.ts'
import { type DnsRecords, encodeData, encodeName, type RecordType } from './dns-message.ts'
import { parseNameServer } from './dns-options.ts'
import { askByTcp } from './dns-transport.ts'

export const TSIG_ALGORITHMS = ['hmac-sha256', 'hmac-sha384', 'hmac-sha512'] as const

export interface TsigKey {
  readonly name: string
  readonly algorithm: (typeof TSIG_ALGORITHMS)[number]
  /** Base64. */
  readonly secret: string
}

/** A change of the records with one name and type. `replace` without records removes them all. */
export interface RecordChange<K extends RecordType = RecordType> {
  readonly action: 'add' | 'remove' | 'replace'
  readonly name: string
  readonly type: K
  /** Seconds. */
  readonly ttl: number
  readonly records: readonly DnsRecords[K][]
}

export interface ZoneUpdate {
  readonly zone: string
  /** `192.0.2.53:53`. */
  readonly server: string
  /** Without one, the server must accept changes from this address. */
  readonly key?: TsigKey | undefined
  readonly changes: readonly RecordChange[]
  readonly timeoutMs: number
  /** Milliseconds since 1970. */
  readonly now: number
}

const TYPES: Readonly<Record<RecordType, number>> = {
  A: 1,
  NS: 2,
  CNAME: 5,
  PTR: 12,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  TLSA: 52,
}
const SOA = 6
const TSIG = 250
const CLASS = { in: 1, none: 254, any: 255 } as const
const UPDATE = 5 << 11
const HEADER = 12
/** Seconds that the clocks may differ. */
const FUDGE = 300
const RCODES: Readonly<Record<number, string>> = {
  1: 'FORMERR',
  2: 'SERVFAIL',
  4: 'NOTIMP',
  5: 'REFUSED',
  6: 'YXDOMAIN',
  7: 'YXRRSET',
  8: 'NXRRSET',
  9: 'NOTAUTH',
  10: 'NOTZONE',
}

/** Throws with the server's reason. */
export async function updateZone({ zone, server: text, key, changes, timeoutMs, now }: ZoneUpdate): Promise<void> {
  const server = parseNameServer(text)
  if (!server) throw new Error(`not a name server: ${text}`)
  const id = randomInt(0x10000)
  const updates = changes.flatMap(recordsOf)
  const bare = Buffer.concat([header(id, updates.length, 0), encodeName(zone), uint16(SOA, CLASS.in), ...updates])
  const signed = key && sign(bare, key, Math.floor(now / 1000))
  const query = signed?.message ?? bare
  const read = (message: Buffer) => (message.length >= HEADER && message.readUInt16BE(0) === id ? message : undefined)
  const answer = await askByTcp({ server, query, timeoutMs, read })
  const rcode = answer.readUInt16BE(2) & 0xf
  if (rcode !== 0) throw new Error(`the name server ${text} refuses the change of ${zone}: ${RCODES[rcode] ?? rcode}`)
  if (key && signed && !isSignedBy(answer, key, signed.mac))
    throw new Error(`the answer of the name server ${text} is not signed with the key ${key.name}`)
}

const uint16 = (...values: readonly number[]) => {
  const octets = Buffer.alloc(values.length * 2)
  for (const [index, value] of values.entries()) octets.writeUInt16BE(value, index * 2)
  return octets
}

const header = (id: number, updates: number, additional: number) => uint16(id, UPDATE, 1, 0, updates, additional)

/** Section 2.5. */
function recordsOf({ action, name, type, ttl, records }: RecordChange): Buffer[] {
  const one = (cls: number, seconds: number, data: Buffer) =>
    Buffer.concat([encodeName(name), uint16(TYPES[type], cls, seconds >>> 16, seconds & 0xffff), data])
  const all = action === 'replace' ? [one(CLASS.any, 0, uint16(0))] : []
  const [cls, seconds] = action === 'remove' ? [CLASS.none, 0] : [CLASS.in, ttl]
  return [...all, ...records.map((data) => one(cls, seconds, encodeData(type, data)))]
}

/** RFC 8945 section 4.3.3: the fields of a TSIG record that are signed with the message. */
function variables(key: TsigKey, time: Buffer, error: number, other: Buffer): Buffer {
  return Buffer.concat([
    encodeName(key.name.toLowerCase()),
    uint16(CLASS.any, 0, 0),
    encodeName(key.algorithm),
    time,
    uint16(error, other.length),
    other,
  ])
}

function macOf(key: TsigKey, ...parts: readonly Buffer[]): Buffer {
  const mac = createHmac(key.algorithm.slice('hmac-'.length), Buffer.from(key.secret, 'base64'))
  for (const part of parts) mac.update(part)
  return mac.digest()
}

function sign(bare: Buffer, key: TsigKey, seconds: number): { readonly message: Buffer; readonly mac: Buffer } {
  const time = Buffer.alloc(8)
  time.writeUIntBE(seconds, 0, 6)
  time.writeUInt16BE(FUDGE, 6)
  const mac = macOf(key, bare, variables(key, time, 0, Buffer.alloc(0)))
  const data = Buffer.concat([
    encodeName(key.algorithm),
    time,
    uint16(mac.length),
    mac,
    bare.subarray(0, 2),
    uint16(0, 0),
  ])
  const record = Buffer.concat([encodeName(key.name.toLowerCase()), uint16(TSIG, CLASS.any, 0, 0, data.length), data])
  const message = Buffer.concat([bare, record])
  message.writeUInt16BE(1, 10)
  return { message, mac }
}

/** RFC 8945 section 5.3: whether the last record is a valid signature of the answer to this request. */
function isSignedBy(answer: Buffer, key: TsigKey, requestMac: Buffer): boolean {
  try {
    const counts = [4, 6, 8, 10].map((at) => answer.readUInt16BE(at))
    const [questions = 0, ...others] = counts
    const records = others.reduce((sum, count) => sum + count)
    let at = HEADER
    for (let left = questions; left > 0; left--) at = afterName(answer, at) + 4
    for (let left = records; left > 1; left--) at = afterRecord(answer, at)
    const start = at
    at = afterName(answer, at)
    if (records === 0 || answer.readUInt16BE(at) !== TSIG) return false
    at = afterName(answer, at + 10)
    const time = answer.subarray(at, at + 8)
    const size = answer.readUInt16BE(at + 8)
    const mac = answer.subarray(at + 10, at + 10 + size)
    at += 12 + size
    const error = answer.readUInt16BE(at)
    const other = answer.subarray(at + 4, at + 4 + answer.readUInt16BE(at + 2))
    const bare = Buffer.from(answer.subarray(0, start))
    bare.writeUInt16BE((counts[3] ?? 0) - 1, 10)
    const right = macOf(key, uint16(requestMac.length), requestMac, bare, variables(key, time, error, other))
    return error === 0 && isSameSecret(right, mac)
  } catch {
    // Out of range: malformed.
    return false
  }
}

function afterName(message: Buffer, start: number): number {
  let at = start
  for (;;) {
    const length = message.readUInt8(at)
    if (length === 0) return at + 1
    // A pointer ends the name.
    if (length >= 0xc0) return at + 2
    at += 1 + length
  }
}

function afterRecord(message: Buffer, start: number): number {
  const at = afterName(message, start)
  return at + 10 + message.readUInt16BE(at + 8)
}
