/**
 * What a listener tells of a TLS connection, what SASL can be bound to included.
 */
import type { TLSSocket } from 'node:tls'
import type { TlsInfo } from '../api/session.ts'

/** RFC 9266 section 2. */
const EXPORTER = { label: 'EXPORTER-Channel-Binding', octets: 32 } as const

/** Of a connection whose handshake is done. */
export function tlsInfo(socket: TLSSocket): TlsInfo {
  // Node knows the name, false when the client asked for none; its types do not say so.
  const { servername } = socket as { servername?: string | false }
  const version = socket.getProtocol() ?? 'unknown'
  return {
    cipher: socket.getCipher().name,
    version,
    ...(servername ? { servername } : {}),
    // RFC 9266 section 4.2: before TLS 1.3 it would need the extended master secret, of which Node does not tell.
    ...(version === 'TLSv1.3'
      ? { binding: socket.exportKeyingMaterial(EXPORTER.octets, EXPORTER.label, Buffer.alloc(0)) }
      : {}),
  }
}
