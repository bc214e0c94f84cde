/**
 * Encodes and decodes DNS messages (RFC 1035, RFC 6891). The only file that imports dns-packet.
 *
 * Invariants: any name that fits the wire format can be queried, whatever its characters; responses are bounded before
 * they are parsed, must match the question, and their names are printable; only NXDOMAIN or an empty answer of a
 * recursive server means "does not exist".
 */
import { type Answer, AUTHENTIC_DATA, type DecodedPacket, decode, encode, RECURSION_DESIRED } from 'dns-packet'

/** The data of one record of each type. */
export interface DnsRecords {
  A: string
  AAAA: string
  CNAME: string
  NS: string
  PTR: string
  /** The exchange is empty for a null MX (RFC 7505). */
  MX: { readonly exchange: string; readonly priority: number }
  /** Its strings, one character per octet. */
  TXT: readonly string[]
  SRV: { readonly priority: number; readonly weight: number; readonly port: number; readonly name: string }
  TLSA: {
    readonly usage: number
    readonly selector: number
    readonly matchingType: number
    readonly certificate: Uint8Array
  }
}
export type RecordType = keyof DnsRecords

export interface Question {
  readonly name: string
  readonly type: RecordType
}

export interface QueryFlags {
  readonly id: number
  /** RFC 6891; false for servers that do not support it. */
  readonly edns: boolean
  /** Requests signatures too (RFC 4035 section 3.2.1). */
  readonly dnssecOk?: boolean
}

export type Reply =
  | {
      readonly kind: 'found'
      readonly records: readonly DnsRecords[RecordType][]
      readonly ttl: number
      readonly isAuthenticated: boolean
    }
  /** `ttl` is undefined when the zone gives none. */
  | {
      readonly kind: 'absent'
      readonly isName: boolean
      readonly ttl: number | undefined
      readonly isAuthenticated: boolean
    }
  /** The server returned an alias without resolving it. */
  | { readonly kind: 'alias'; readonly name: string; readonly ttl: number; readonly isAuthenticated: boolean }
  | { readonly kind: 'truncated' }
  | { readonly kind: 'failed'; readonly why: string; readonly mayBeEdns: boolean }

/** RFC 9715 and DNS flag day 2020: avoids fragmentation. */
const UDP_PAYLOAD = 1232
/** RFC 1035 section 2.3.4. */
const MAX_NAME = 253
const MAX_LABEL = 63
/** More records than any valid answer needs. */
const MAX_RECORDS = 1000
const MAX_ALIASES = 16
const HEADER = 12

/** The name as queried: lower case, without a trailing dot; undefined when it does not fit the DNS. */
export function askableName(name: string): string | undefined {
  const bare = name.endsWith('.') ? name.slice(0, -1) : name
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are never queried
  if (!bare.isWellFormed() || /[\x00-\x1f\x7f]/.test(bare) || Buffer.byteLength(bare) > MAX_NAME) return undefined
  const fits = bare.split('.').every((label) => label !== '' && Buffer.byteLength(label) <= MAX_LABEL)
  return fits ? bare.toLowerCase() : undefined
}

export function writeQuery({ name, type }: Question, { id, edns, dnssecOk = false }: QueryFlags): Buffer {
  const opt = { type: 'OPT', name: '.', udpPayloadSize: UDP_PAYLOAD, flags: dnssecOk ? 0x8000 : 0, options: [] }
  return encode({
    type: 'query',
    id,
    // RFC 6840 section 5.7: AD in a query requests AD in the response.
    flags: RECURSION_DESIRED | AUTHENTIC_DATA,
    questions: [{ name, type, class: 'IN' }],
    ...(edns ? { additionals: [opt as unknown as Answer] } : {}),
  })
}

/** Decodes a datagram or message; undefined if it is not a response to this question. */
export function readReply(message: Buffer, question: Question, { id, edns }: QueryFlags): Reply | undefined {
  if (message.length < HEADER || message.readUInt16BE(0) !== id) return undefined
  const flags = message.readUInt16BE(2)
  if ((flags & 0x8000) === 0) return undefined
  if (flags & 0x0200) return { kind: 'truncated' }
  const rcode = flags & 0xf
  // FORMERR and NOTIMP often omit the question.
  if (rcode === 1 || rcode === 4) return failed(RCODES[rcode] ?? '', edns)
  const counts = [4, 6, 8, 10].map((at) => message.readUInt16BE(at))
  if (counts[0] !== 1 || counts.reduce((sum, count) => sum + count) > MAX_RECORDS) return failed('malformed answer')
  let packet: DecodedPacket
  try {
    packet = decode(message)
  } catch {
    return failed('malformed answer')
  }
  const [asked] = packet.questions ?? []
  if (asked?.type !== question.type || asked.name.toLowerCase() !== question.name) return undefined
  return interpret(packet, question, rcode)
}

const RCODES: Readonly<Record<number, string>> = {
  1: 'FORMERR',
  2: 'SERVFAIL',
  4: 'NOTIMP',
  5: 'REFUSED',
}
const NXDOMAIN = 3

const failed = (why: string, mayBeEdns = false): Reply => ({ kind: 'failed', why, mayBeEdns })

function interpret(packet: DecodedPacket, { name, type }: Question, rcode: number): Reply {
  const opt = (packet.additionals ?? []).find((one) => one.type === 'OPT')
  const extended = opt?.type === 'OPT' ? opt.extendedRcode : 0
  if (extended !== 0 || (rcode !== 0 && rcode !== NXDOMAIN))
    return failed(RCODES[rcode] ?? `RCODE ${extended * 16 + rcode}`)
  const answers = packet.answers ?? []
  const { owner, ttl: aliasTtl } = follow(answers, name, type)
  const found = answers.filter((one) => one.type === type && one.name.toLowerCase() === owner)
  if (found.length > 0) {
    const records = found.map(recordOf).filter((one) => one !== undefined)
    return records.length === found.length
      ? { kind: 'found', records, ttl: Math.min(aliasTtl, ...found.map(ttlOf)), isAuthenticated: packet.flag_ad }
      : failed('malformed answer')
  }
  const soa = (packet.authorities ?? []).find((one) => one.type === 'SOA')
  const ttl = soa?.type === 'SOA' ? Math.min(ttlOf(soa), soa.data.minimum ?? 0) : undefined
  if (rcode === NXDOMAIN) return { kind: 'absent', isName: false, ttl, isAuthenticated: packet.flag_ad }
  if (owner !== name && soa === undefined)
    return { kind: 'alias', name: owner, ttl: aliasTtl, isAuthenticated: packet.flag_ad }
  // A referral: the server does not resolve recursively, so it has not denied the name.
  if (soa === undefined && !packet.flag_aa && !packet.flag_ra) return failed('the server does not resolve')
  return { kind: 'absent', isName: true, ttl, isAuthenticated: packet.flag_ad }
}

/** The name at which the aliases in the answer end. */
function follow(answers: readonly Answer[], name: string, type: RecordType): { owner: string; ttl: number } {
  let owner = name
  let ttl = Number.POSITIVE_INFINITY
  if (type === 'CNAME') return { owner, ttl }
  const aliases = new Map(answers.map((one) => [`${one.type} ${one.name.toLowerCase()}`, one]))
  for (let hops = 0; hops < MAX_ALIASES; hops++) {
    const alias = aliases.get(`CNAME ${owner}`)
    if (alias?.type !== 'CNAME') break
    owner = alias.data.toLowerCase()
    ttl = Math.min(ttl, ttlOf(alias))
  }
  return { owner, ttl }
}

/** RFC 2181 section 8: a TTL with the first bit set is zero. */
function ttlOf(record: Answer): number {
  const ttl = 'ttl' in record ? (record.ttl ?? 0) : 0
  return ttl > 0x7fffffff ? 0 : ttl
}

/** A host name from a remote zone; unprintable octets are escaped (RFC 1035 section 5.1), so that it never resolves. */
function hostText(name: string): string {
  if (name === '.') return ''
  return name.replace(/[^!-[\]-~]/gu, (char) =>
    [...Buffer.from(char)].map((octet) => `\\${String(octet).padStart(3, '0')}`).join(''),
  )
}

function recordOf(record: Answer): DnsRecords[RecordType] | undefined {
  switch (record.type) {
    case 'A':
    case 'AAAA':
      return record.data
    case 'CNAME':
    case 'NS':
    case 'PTR':
      return hostText(record.data)
    case 'MX':
      return { exchange: hostText(record.data.exchange), priority: record.data.preference ?? 0 }
    case 'TXT':
      return [record.data].flat().map((part) => (typeof part === 'string' ? part : part.toString('latin1')))
    case 'SRV': {
      const { priority = 0, weight = 0, port, target } = record.data
      return { priority, weight, port, name: hostText(target) }
    }
    case 'TLSA': {
      const { usage, selector, matchingType, certificate } = record.data
      return { usage, selector, matchingType, certificate: Uint8Array.from(certificate) }
    }
    default:
      return undefined
  }
}

/** A name on the wire, without compression. */
export function encodeName(name: string): Buffer {
  const message = encode({ type: 'query', questions: [{ type: 'A', name }] })
  return message.subarray(HEADER, message.length - 4)
}

/** Octets of the root's name, type, class and TTL. */
const BEFORE_DATA = HEADER + 9

/** The data of one record on the wire, after its length. */
export function encodeData<K extends RecordType>(type: K, data: DnsRecords[K]): Buffer {
  const answer = { type, name: '.', data: wireForm(type, data) } as Answer
  return encode({ type: 'response', answers: [answer] }).subarray(BEFORE_DATA)
}

/** Undoes `recordOf`. */
function wireForm(type: RecordType, data: unknown): unknown {
  switch (type) {
    case 'MX': {
      const { exchange, priority } = data as DnsRecords['MX']
      return { exchange, preference: priority }
    }
    case 'SRV': {
      const { name, ...rest } = data as DnsRecords['SRV']
      return { ...rest, target: name }
    }
    case 'TXT':
      return (data as DnsRecords['TXT']).map((text) => Buffer.from(text, 'latin1'))
    case 'TLSA':
      return { ...(data as DnsRecords['TLSA']), certificate: Buffer.from((data as DnsRecords['TLSA']).certificate) }
    default:
      return data
  }
}
