/**
 * Codes of RFC 6238 as authenticator apps make them: SHA-1, six digits, thirty seconds.
 *
 * What must stay true: a code is compared in constant time, and one that was taken is not taken again, nor any before it.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'

const STEP_MS = 30_000
const SECRET_OCTETS = 20
/** Clocks may be so many steps apart. */
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

/** The step whose code this is, if it is one behind `last`. */
export function stepOf(secret: string, code: string, now: number, last: number): number | undefined {
  const given = Buffer.from(code.replaceAll(' ', '').padEnd(6).slice(0, 7))
  const current = Math.floor(now / STEP_MS)
  let found: number | undefined
  for (let step = current - APART; step <= current + APART; step++) {
    const expected = Buffer.from(codeAt(secret, step))
    if (given.length === expected.length && timingSafeEqual(given, expected) && step > last) found = step
  }
  return found
}

/** What apps read from a picture. */
export const uriOf = (secret: string, issuer: string, account: string) =>
  `otpauth://totp/${encodeURIComponent(issuer)}:${encodeURIComponent(account)}?secret=${secret}&issuer=${encodeURIComponent(issuer)}`
