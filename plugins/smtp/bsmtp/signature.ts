/**
 * Detached signatures over batches by RFC 2442, whose format has no place for one: Ed25519 over who, when and the
 * SHA-256 of the batch.
 *
 *   v=1; n=hub.example; t=1767225600000; h=SHA256; s=SIGNATURE
 *
 * Invariants: nothing of the text but the signature itself is outside of what is signed.
 */
import type { Identity, PublicIdentity } from './identity.ts'

export interface DetachedSignature {
  readonly name: string
  /** Ms since 1970. */
  readonly at: number
  readonly hash: string
  isBy(key: PublicIdentity): boolean
}

const signed = (name: string, at: number, hash: string) => `v=1; n=${name}; t=${at}; h=${hash}`

export function signDetached(own: Identity, name: string, at: number, hash: string): string {
  const text = signed(name, at, hash)
  return `${text}; s=${own.sign(Buffer.from(text)).toString('base64url')}`
}

/** Undefined for text that is none. */
export function readDetached(text: string): DetachedSignature | undefined {
  const [, name, at, hash, signature] =
    /^v=1;\s+n=([\w.-]{1,64});\s+t=(\d{1,15});\s+h=([\w-]{43});\s+s=([\w-]{86})$/.exec(text.trim()) ?? []
  if (name === undefined || at === undefined || hash === undefined || signature === undefined) return undefined
  const octets = Buffer.from(signed(name, Number(at), hash))
  return { name, at: Number(at), hash, isBy: (key) => key.verify(octets, Buffer.from(signature, 'base64url')) }
}
