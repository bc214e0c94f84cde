/**
 * The PROXY protocol, version 1 (a line) and 2 (binary), as defined in HAProxy's proxy-protocol.txt.
 *
 * `readProxyHeader` is pure: given all octets so far, it returns a header, "incomplete" or "none". Headers are accepted
 * only from the configured proxies, because their content is trusted.
 */
import { isIP, type Socket } from 'node:net'

export interface Endpoint {
  readonly address: string
  readonly port: number
}

export type ProxyHeader =
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'invalid' }
  /** `from` and `to` are absent when the proxy connects for itself or does not know. */
  | { readonly kind: 'header'; readonly length: number; readonly from?: Endpoint; readonly to?: Endpoint }

const INCOMPLETE = { kind: 'incomplete' } as const
const INVALID = { kind: 'invalid' } as const
const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
const V1 = Buffer.from('PROXY ', 'latin1')
/** Including CRLF (section 2.1). */
const LONGEST_V1 = 107
/** Including the optional fields of version 2, which are ignored. */
const LONGEST_V2 = 4096

export function readProxyHeader(octets: Buffer): ProxyHeader {
  if (startsLike(octets, V1)) return readText(octets)
  if (startsLike(octets, SIGNATURE)) return readBinary(octets)
  return INVALID
}

function startsLike(octets: Buffer, start: Buffer): boolean {
  const length = Math.min(octets.length, start.length)
  return octets.subarray(0, length).equals(start.subarray(0, length))
}

function readText(octets: Buffer): ProxyHeader {
  const end = octets.subarray(0, LONGEST_V1).indexOf('\r\n')
  if (end < 0) return octets.length < LONGEST_V1 ? INCOMPLETE : INVALID
  const length = end + 2
  const [, family, from = '', to = '', fromPort, toPort, ...rest] = octets.toString('latin1', 0, end).split(' ')
  if (family === 'UNKNOWN') return { kind: 'header', length }
  const version = family === 'TCP4' ? 4 : family === 'TCP6' ? 6 : undefined
  const ports = [fromPort, toPort].map((text = '') => (/^\d{1,5}$/.test(text) ? Number(text) : Number.NaN))
  const isWhole =
    isIP(from) === version && isIP(to) === version && rest.length === 0 && ports.every((port) => port <= 65_535)
  if (version === undefined || !isWhole) return INVALID
  return {
    kind: 'header',
    length,
    from: { address: from, port: ports[0] ?? 0 },
    to: { address: to, port: ports[1] ?? 0 },
  }
}

function readBinary(octets: Buffer): ProxyHeader {
  if (octets.length < 16) return INCOMPLETE
  const command = octets.readUInt8(12)
  const family = octets.readUInt8(13) >> 4
  const length = 16 + octets.readUInt16BE(14)
  if (command >> 4 !== 2 || (command & 0x0f) > 1 || length > LONGEST_V2) return INVALID
  if (octets.length < length) return INCOMPLETE
  const size = { 1: 4, 2: 16 }[family]
  // LOCAL is the proxy's own health check; other families have no IP address.
  if ((command & 0x0f) === 0 || size === undefined) return { kind: 'header', length }
  if (length < 16 + 2 * size + 4) return INVALID
  const ports = 16 + 2 * size
  return {
    kind: 'header',
    length,
    from: { address: addressOf(octets.subarray(16, 16 + size)), port: octets.readUInt16BE(ports) },
    to: { address: addressOf(octets.subarray(16 + size, ports)), port: octets.readUInt16BE(ports + 2) },
  }
}

function addressOf(octets: Buffer): string {
  if (octets.length === 4) return octets.join('.')
  const groups = Array.from({ length: 8 }, (_, index) => octets.readUInt16BE(2 * index).toString(16))
  // The URL parser writes IPv6 addresses in canonical form.
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)
}

/**
 * Reads the header from a connection and leaves the following data on it; undefined when there is none or the peer
 * disconnects.
 */
export function receiveProxyHeader(socket: Socket): Promise<Extract<ProxyHeader, { kind: 'header' }> | undefined> {
  return new Promise((resolve) => {
    let octets: Buffer = Buffer.alloc(0)
    function finish(header?: Extract<ProxyHeader, { kind: 'header' }>): void {
      socket.off('data', read).off('close', gone).off('end', gone).pause()
      if (header && octets.length > header.length) socket.unshift(octets.subarray(header.length))
      resolve(header)
    }
    const gone = () => finish()
    function read(chunk: Buffer): void {
      octets = octets.length > 0 ? Buffer.concat([octets, chunk]) : chunk
      const header = readProxyHeader(octets)
      if (header.kind !== 'incomplete') finish(header.kind === 'header' ? header : undefined)
    }
    socket.on('data', read).once('close', gone).once('end', gone)
  })
}
