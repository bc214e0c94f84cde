/**
 * Facts about a TLS connection, including channel binding data for SASL.
 */
import type { TLSSocket } from 'node:tls'
import type { TlsInfo } from '../api/session.ts'

/** RFC 9266 section 2. */
const EXPORTER = { label: 'EXPORTER-Channel-Binding', octets: 32 } as const

/** Requires a completed handshake. */
export function tlsInfo(socket: TLSSocket): TlsInfo {
  // Node's types omit this: the name, or false when the client sent none.
  const { servername } = socket as { servername?: string | false }
  const version = socket.getProtocol() ?? 'unknown'
  return {
    cipher: socket.getCipher().name,
    version,
    ...(servername ? { servername } : {}),
    // RFC 9266 section 4.2: before TLS 1.3 it requires the extended master secret, which Node does not report.
    ...(version === 'TLSv1.3'
      ? { binding: socket.exportKeyingMaterial(EXPORTER.octets, EXPORTER.label, Buffer.alloc(0)) }
      : {}),
  }
}
