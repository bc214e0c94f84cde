/**
 * Codes of RFC 6238 as used by authenticator apps: SHA-1, six digits, thirty seconds.
 *
 * Invariants: codes are compared in constant time; a used code and all earlier ones are invalid.
 */
import { createHmac, randomBytes } from 'node:crypto'
import { isSameSecret } from 'iems'

const STEP_MS = 30_000
const SECRET_OCTETS = 20
/** Tolerated clock difference in steps. */
const APART = 1
const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

export function newSecret(): string {
  return [...randomBytes(SECRET_OCTETS)]
    .reduce((text, octet) => text + octet.toString(2).padStart(8, '0'), '')
    .match(/.{5}/g)
    ?.map((bits) => BASE32[Number.parseInt(bits, 2)])
    .join('') as string
}

function octetsOf(secret: string): Buffer {
  const bits = [...secret].map((letter) => BASE32.indexOf(letter).toString(2).padStart(5, '0')).join('')
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((octet) => Number.parseInt(octet, 2)))
}

/** RFC 4226 section 5.3. */
export function codeAt(secret: string, step: number): string {
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(step))
  const hash = createHmac('sha1', octetsOf(secret)).update(counter).digest()
  const offset = (hash.at(-1) as number) & 0x0f
  return String((hash.readUInt32BE(offset) & 0x7fff_ffff) % 1_000_000).padStart(6, '0')
}

/** The step of this code, if it is after `last`. */
export function stepOf(secret: string, code: string, now: number, last: number): number | undefined {
  const given = code.replaceAll(' ', '').padEnd(6).slice(0, 7)
  const current = Math.floor(now / STEP_MS)
  let found: number | undefined
  for (let step = current - APART; step <= current + APART; step++) {
    if (isSameSecret(given, codeAt(secret, step)) && step > last) found = step
  }
  return found
}

/** The URI in the QR code for authenticator apps. */
export const uriOf = (secret: string, issuer: string, account: string) =>
  `otpauth://totp/${encodeURIComponent(issuer)}:${encodeURIComponent(account)}?secret=${secret}&issuer=${encodeURIComponent(issuer)}`
