/**
 * Creates self-signed certificates (RFC 5280), for use until a trusted one is installed, and certificate requests (RFC
 * 2986).
 *
 * The few DER forms it needs are in der.ts: the libraries that create certificates have thirty dependencies and
 * change global objects.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { bits, CONSTRUCTED, CONTEXT, der, oid, sequence, TAG } from './der.ts'

const YEARS = 10
const OIDS = {
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  sha256WithRsa: '1.2.840.113549.1.1.11',
  extensionRequest: '1.2.840.113549.1.9.14',
  commonName: '2.5.4.3',
  basicConstraints: '2.5.29.19',
  keyUsage: '2.5.29.15',
  extendedKeyUsage: '2.5.29.37',
  subjectAltName: '2.5.29.17',
  serverAuth: '1.3.6.1.5.5.7.3.1',
} as const
const time = (at: Date) => der(TAG.time, Buffer.from(`${at.toISOString().replace(/\D/g, '').slice(0, 14)}Z`))

function extension(id: string, content: Uint8Array, isCritical = false): Buffer {
  const critical = isCritical ? [der(TAG.boolean, Buffer.from([0xff]))] : []
  return sequence(oid(id), ...critical, der(TAG.octets, content))
}

const dnsNames = (names: readonly string[]) => names.map((name) => der(CONTEXT | 2, Buffer.from(name, 'ascii')))

/** Section 4.2: a TLS server certificate for these names, not a CA. */
function extensions(names: readonly string[], more: readonly Buffer[]): Buffer {
  const ipv6Loopback = Buffer.alloc(16)
  ipv6Loopback[15] = 1
  const loopback = [Buffer.from([127, 0, 0, 1]), ipv6Loopback].map((address) => der(CONTEXT | 7, address))
  const list = sequence(
    extension(OIDS.basicConstraints, sequence(), true),
    extension(OIDS.keyUsage, bits(Buffer.from([0x80]), 7), true),
    extension(OIDS.extendedKeyUsage, sequence(oid(OIDS.serverAuth))),
    // RFC 8737 allows the name that is validated and no other.
    extension(OIDS.subjectAltName, sequence(...dnsNames(names), ...(more.length > 0 ? [] : loopback))),
    ...more,
  )
  return der(CONTEXT | CONSTRUCTED | 3, list)
}

const commonName = (name = '') =>
  sequence(der(TAG.set, sequence(oid(OIDS.commonName), der(TAG.utf8, Buffer.from(name.slice(0, 64))))))

const pem = (label: string, content: Buffer) =>
  `-----BEGIN ${label}-----\n${(content.toString('base64').match(/.{1,64}/g) ?? []).join('\n')}\n-----END ${label}-----\n`

/**
 * Returns PEM with a P-256 key, for the names (ASCII), 127.0.0.1 and ::1. With a further critical extension, which its
 * id and value in DER give, for the names alone.
 */
export function selfSigned(
  names: readonly string[],
  now = new Date(),
  further?: { readonly id: string; readonly value: Uint8Array },
): { readonly cert: string; readonly key: string } {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const serial = randomBytes(16)
  // A positive number without a leading zero octet.
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40
  const algorithm = sequence(oid(OIDS.ecdsaWithSha256))
  const name = commonName(names[0])
  const until = new Date(now.getTime() + YEARS * 365 * 86_400_000)
  const certificate = sequence(
    der(CONTEXT | CONSTRUCTED, der(TAG.integer, Buffer.from([2]))),
    der(TAG.integer, serial),
    algorithm,
    name,
    sequence(time(now), time(until)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    extensions(names, further ? [extension(further.id, further.value, true)] : []),
  )
  const signature = sign('sha256', certificate, privateKey)
  return {
    cert: pem('CERTIFICATE', sequence(certificate, algorithm, bits(signature))),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}

/** A request (DER) for a certificate with the names (ASCII), signed with the key (PEM, P-256 or RSA). */
export function certificateRequest(names: readonly string[], key: string): Buffer {
  const privateKey = createPrivateKey(key)
  const isRsa = privateKey.asymmetricKeyType === 'rsa'
  const algorithm = isRsa ? sequence(oid(OIDS.sha256WithRsa), der(TAG.null)) : sequence(oid(OIDS.ecdsaWithSha256))
  const wanted = sequence(extension(OIDS.subjectAltName, sequence(...dnsNames(names))))
  const information = sequence(
    der(TAG.integer, Buffer.from([0])),
    commonName(names[0]),
    createPublicKey(privateKey).export({ type: 'spki', format: 'der' }),
    der(CONTEXT | CONSTRUCTED, sequence(oid(OIDS.extensionRequest), der(TAG.set, wanted))),
  )
  return sequence(information, algorithm, bits(sign('sha256', information, privateKey)))
}
