/**
 * Signs content with a certificate: CMS signed data (RFC 5652) that contains the content, in DER.
 */
import { createHash, createPrivateKey, sign, X509Certificate } from 'node:crypto'
import { CONSTRUCTED, CONTEXT, der, derValues, oid, sequence, TAG } from './der.ts'

const OIDS = {
  data: '1.2.840.113549.1.7.1',
  signedData: '1.2.840.113549.1.7.2',
  contentType: '1.2.840.113549.1.9.3',
  messageDigest: '1.2.840.113549.1.9.4',
  signingTime: '1.2.840.113549.1.9.5',
  sha256: '2.16.840.1.101.3.4.2.1',
  rsa: '1.2.840.113549.1.1.1',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
} as const
const UTC_TIME = 23
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

export interface Signer {
  /** The chain, own certificate first, and its key; PEM. */
  readonly cert: string | Uint8Array
  readonly key: string | Uint8Array
}

export function signData(content: Uint8Array, { cert, key }: Signer, now = new Date()): Buffer {
  const chain = (Buffer.from(cert).toString().match(CERTIFICATE) ?? []).map((pem) => new X509Certificate(pem).raw)
  const [own] = chain
  if (!own) throw new Error('there is no certificate to sign with')
  const sha256 = sequence(oid(OIDS.sha256))
  const version = der(TAG.integer, Buffer.from([1]))
  const inner = der(CONTEXT | CONSTRUCTED, der(TAG.octets, content))
  return sequence(
    oid(OIDS.signedData),
    der(
      CONTEXT | CONSTRUCTED,
      sequence(
        version,
        der(TAG.set, sha256),
        sequence(oid(OIDS.data), inner),
        der(CONTEXT | CONSTRUCTED, ...chain),
        der(TAG.set, sequence(version, signerId(own), sha256, ...signature(content, key, now))),
      ),
    ),
  )
}

/** IssuerAndSerialNumber, from the certificate (RFC 5280 section 4.1: version, serial number, algorithm, issuer). */
function signerId(certificate: Buffer): Buffer {
  const [outer] = derValues(certificate)
  const [body] = derValues(outer?.content ?? Buffer.alloc(0))
  const [, serial, , issuer] = derValues(body?.content ?? Buffer.alloc(0))
  if (!serial || !issuer) throw new Error('the certificate has no version 3 form')
  return sequence(issuer.whole, serial.whole)
}

/** The signed attributes, the algorithm, and the signature of the attributes (RFC 5652 section 5.4). */
function signature(content: Uint8Array, pem: Signer['key'], now: Date): Buffer[] {
  const key = createPrivateKey(Buffer.from(pem))
  const time = `${now.toISOString().replace(/\D/g, '').slice(2, 14)}Z`
  const attribute = (id: string, value: Buffer) => sequence(oid(id), der(TAG.set, value))
  const attributes = [
    attribute(OIDS.contentType, oid(OIDS.data)),
    attribute(OIDS.signingTime, der(UTC_TIME, Buffer.from(time))),
    attribute(OIDS.messageDigest, der(TAG.octets, createHash('sha256').update(content).digest())),
    // DER: a set is sorted.
  ].sort(Buffer.compare)
  const signed = sign('sha256', der(TAG.set, ...attributes), key)
  const algorithm =
    key.asymmetricKeyType === 'rsa' ? sequence(oid(OIDS.rsa), der(TAG.null)) : sequence(oid(OIDS.ecdsaWithSha256))
  return [der(CONTEXT | CONSTRUCTED, ...attributes), algorithm, der(TAG.octets, signed)]
}
