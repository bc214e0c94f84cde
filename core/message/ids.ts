/**
 * Ids of messages and sessions.
 */
import { randomFillSync } from 'node:crypto'

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
/** Random octets of one id. */
const RANDOM = 16
/** Octets that no id has used; a call for random octets costs more than the rest of an id. */
const pool = { octets: Buffer.alloc(256 * RANDOM), at: 256 * RANDOM }

function randomOctets(): Uint8Array {
  if (pool.at === pool.octets.length) {
    randomFillSync(pool.octets)
    pool.at = 0
  }
  pool.at += RANDOM
  return pool.octets.subarray(pool.at - RANDOM, pool.at)
}

/** 26 letters and digits that sort by time (10 for the millisecond) and cannot be guessed (16 random). */
export function newId(now: number): string {
  let id = ''
  for (let rest = now, i = 0; i < 10; i++, rest = Math.floor(rest / 32)) id = ALPHABET[rest % 32] + id
  for (const byte of randomOctets()) id += ALPHABET[byte % 32]
  return id
}

/** The smallest id of that millisecond, for time ranges. */
export function idAt(ms: number): string {
  return newId(ms).slice(0, 10)
}

/** The time of an id in ms since 1970; undefined for what is no id. */
export function idTime(id: string): number | undefined {
  if (!/^[0-9A-HJKMNP-TV-Z]{26}/.test(id)) return undefined
  let at = 0
  for (const char of id.slice(0, 10)) at = at * 32 + ALPHABET.indexOf(char)
  return at
}
