/**
 * Keys of a server that exchanges batches: one secret, from which the key that signs and the key that decrypts are
 * made; and its public half, which partners have in their configuration.
 *
 * Invariants: a secret never leaves this file but through `create`, for the administrator's eyes; Ed25519 and X25519
 * keys are derived apart, so that neither is ever used as the other.
 */
import {
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
  randomBytes,
  sign,
  verify,
} from 'node:crypto'

/** DER around 32 raw octets (RFC 8410). */
const PRIVATE = { ed25519: '302e020100300506032b657004220420', x25519: '302e020100300506032b656e04220420' }
const PUBLIC = { ed25519: '302a300506032b6570032100', x25519: '302a300506032b656e032100' }
const SEED = 32

type Kind = keyof typeof PRIVATE

const privateKey = (kind: Kind, seed: Uint8Array): KeyObject =>
  createPrivateKey({ key: Buffer.concat([Buffer.from(PRIVATE[kind], 'hex'), seed]), format: 'der', type: 'pkcs8' })
const publicKey = (kind: Kind, raw: Uint8Array): KeyObject =>
  createPublicKey({ key: Buffer.concat([Buffer.from(PUBLIC[kind], 'hex'), raw]), format: 'der', type: 'spki' })
const rawOf = (key: KeyObject): Buffer => key.export({ format: 'der', type: 'spki' }).subarray(-SEED)

/** The public half: 64 octets in base64url. */
export interface PublicIdentity {
  verify(octets: Uint8Array, signature: Uint8Array): boolean
  /** A key that only this identity can make too, and what it needs for it. */
  encapsulate(info: string): { readonly key: Buffer; readonly ephemeral: string }
}

/** The secret half: 32 octets in base64url. */
export interface Identity {
  readonly publicText: string
  sign(octets: Uint8Array): Buffer
  decapsulate(ephemeral: string, info: string): Buffer
}

const keyFrom = (shared: Uint8Array, salt: Uint8Array, info: string): Buffer =>
  Buffer.from(hkdfSync('sha256', shared, salt, info, 32))

/** Throws a TypeError for text that is none. */
export function readSecret(text: string): Identity {
  const seed = Buffer.from(text.trim(), 'base64url')
  if (seed.length !== SEED) throw new TypeError('a BSMTP secret key is 43 characters of base64url')
  const derive = (kind: Kind) => privateKey(kind, Buffer.from(hkdfSync('sha256', seed, '', `iems bsmtp ${kind}`, SEED)))
  const [signing, agreeing] = [derive('ed25519'), derive('x25519')]
  const agreeingPublic = rawOf(createPublicKey(agreeing))
  return {
    publicText: Buffer.concat([rawOf(createPublicKey(signing)), agreeingPublic]).toString('base64url'),
    sign: (octets) => sign(null, octets, signing),
    decapsulate(ephemeral, info) {
      const raw = Buffer.from(ephemeral, 'base64url')
      if (raw.length !== SEED) throw new TypeError('not an X25519 key')
      const shared = diffieHellman({ privateKey: agreeing, publicKey: publicKey('x25519', raw) })
      return keyFrom(shared, Buffer.concat([raw, agreeingPublic]), info)
    },
  }
}

/** Throws a TypeError for text that is none. */
export function readPublic(text: string): PublicIdentity {
  const raw = Buffer.from(text.trim(), 'base64url')
  if (raw.length !== 2 * SEED) throw new TypeError('a BSMTP public key is 86 characters of base64url')
  const verifying = publicKey('ed25519', raw.subarray(0, SEED))
  const agreeing = publicKey('x25519', raw.subarray(SEED))
  return {
    verify: (octets, signature) => signature.length === 64 && verify(null, octets, verifying, signature),
    encapsulate(info) {
      const own = generateKeyPairSync('x25519')
      const ephemeral = rawOf(own.publicKey)
      const shared = diffieHellman({ privateKey: own.privateKey, publicKey: agreeing })
      return {
        key: keyFrom(shared, Buffer.concat([ephemeral, raw.subarray(SEED)]), info),
        ephemeral: ephemeral.toString('base64url'),
      }
    },
  }
}

export function createSecret(): { readonly secret: string; readonly publicText: string } {
  const secret = randomBytes(SEED).toString('base64url')
  return { secret, publicText: readSecret(secret).publicText }
}
