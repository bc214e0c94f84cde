/**
 * A name server on the loopback interface with the records a test gives it: what asks it takes the way an
 * administrator's server would, over UDP and, for what does not fit, TCP.
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { type Answer, AUTHENTIC_DATA, decode, encode, RECURSION_AVAILABLE, TRUNCATED_RESPONSE } from 'dns-packet'

/**
 * `{ 'TXT a.test': ['v=spf1 -all'], 'A mx.a.test': 'SERVFAIL' }`; what is not there does not exist. Addresses may be
 * `{ address, ttl }`. `NEVER` and `TIMEOUT` get no answer.
 */
export type Zone = Record<string, readonly unknown[] | 'SERVFAIL' | 'TIMEOUT' | 'NEVER'>

export interface ZoneServer {
  /** Settings of `dns` that ask this server alone. */
  readonly dns: { readonly servers: string[]; readonly timeout: string; readonly tries: number }
  /** May be changed while it is served. */
  readonly zone: Zone
  /** Every question, in order: `TXT a.test`. */
  readonly asked: string[]
}

export interface ZoneOptions {
  /** Seconds. Default: 300. */
  readonly ttl?: number
  /** Says that everything is secured by DNSSEC. */
  readonly isSigned?: boolean
  /** Octets above which an answer by UDP is cut. Default: 1,232. */
  readonly udpSize?: number
  /** Wrong datagrams in place of each answer by UDP. */
  readonly strays?: number
  /** How long, at most, a question waits that gets no answer. Default: 2 s. */
  readonly timeout?: string
}

export async function serveZone(
  t: Pick<TestContext, 'after'>,
  records: Zone,
  { ttl = 300, isSigned = false, udpSize = 1232, strays = 0, timeout = '2 s' }: ZoneOptions = {},
): Promise<ZoneServer> {
  const zone = { ...records }
  const asked: string[] = []
  const reply = (message: Buffer, most: number): Buffer | undefined => {
    const { id = 0, questions = [] } = decode(message)
    const [question] = questions
    if (!question) return undefined
    asked.push(`${question.type} ${question.name.toLowerCase()}`)
    const found = find(zone, question.type, question.name, ttl)
    if (found === undefined) return undefined
    const flags = RECURSION_AVAILABLE | (isSigned ? AUTHENTIC_DATA : 0) | found.rcode
    const whole = encode({ type: 'response', id, flags, questions, answers: found.answers })
    return whole.length <= most ? whole : encode({ type: 'response', id, flags: flags | TRUNCATED_RESPONSE, questions })
  }

  const udp = createSocket('udp4')
  const tcp = createServer()
  const sockets = new Set<Socket>()
  tcp.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('data', (query: Buffer) => {
      const answer = reply(query.subarray(2), 65_535)
      if (!answer) return
      const prefix = Buffer.alloc(2)
      prefix.writeUInt16BE(answer.length)
      socket.end(Buffer.concat([prefix, answer]))
    })
  })
  tcp.listen(0, '127.0.0.1')
  await once(tcp, 'listening')
  const { port } = tcp.address() as AddressInfo
  udp.on('message', (query, from) => {
    const answer = reply(query, udpSize)
    if (!answer) return
    if (strays === 0) return void udp.send(answer, from.port, from.address)
    answer.writeUInt16BE(answer.readUInt16BE(0) ^ 1)
    for (let stray = 0; stray < strays; stray++) udp.send(answer, from.port, from.address)
  })
  udp.bind(port, '127.0.0.1')
  await once(udp, 'listening')
  t.after(() => {
    udp.close()
    tcp.close()
    for (const socket of sockets) socket.destroy()
  })
  return { dns: { servers: [`127.0.0.1:${port}`], timeout, tries: 1 }, zone, asked }
}

const SERVFAIL = 2
const NXDOMAIN = 3

interface Found {
  readonly rcode: number
  readonly answers: Answer[]
}

function find(zone: Zone, type: string, name: string, ttl: number): Found | undefined {
  const entry = (wanted: string) =>
    Object.entries(zone).find(([known]) => known.toLowerCase() === `${wanted} ${name}`.toLowerCase())?.[1]
  const alias = entry('CNAME')
  if (type !== 'CNAME' && Array.isArray(alias)) {
    const behind = find(zone, type, `${alias[0]}`, ttl)
    const own = { type: 'CNAME', name, ttl, data: `${alias[0]}` } as Answer
    return behind && { ...behind, answers: [own, ...behind.answers] }
  }
  const found = entry(type)
  if (found === 'NEVER' || found === 'TIMEOUT') return undefined
  if (found === 'SERVFAIL') return { rcode: SERVFAIL, answers: [] }
  if (found) return { rcode: 0, answers: found.map((value) => recordOf(type, name, value, ttl)) }
  const isName = Object.keys(zone).some(
    (known) => known.split(' ').slice(1).join(' ').toLowerCase() === name.toLowerCase(),
  )
  return { rcode: isName ? 0 : NXDOMAIN, answers: [] }
}

function recordOf(type: string, name: string, value: unknown, ttl: number): Answer {
  if (type === 'MX') {
    const { priority: preference, exchange } = value as { priority: number; exchange: string }
    return { type, name, ttl, data: { preference, exchange: exchange === '' ? '.' : exchange } }
  }
  if (type === 'TXT') {
    // One string of a record holds 255 octets.
    const parts = [value].flat().flatMap((part) => `${part}`.match(/[\s\S]{1,255}/g) ?? [''])
    return { type, name, ttl, data: parts.map((part) => Buffer.from(part, 'latin1')) }
  }
  const data = typeof value === 'object' && value !== null && 'address' in value ? value.address : value
  const own = typeof value === 'object' && value !== null && 'ttl' in value ? Number(value.ttl) : ttl
  return { type, name, ttl: own, data } as Answer
}
