/**
 * Ids of messages and sessions.
 */
import { randomBytes } from 'node:crypto'

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
/** 26 letters and digits that sort by time (10 for the millisecond) and cannot be guessed (16 random). */
export function newId(now: number): string {
  let id = ''
  for (let rest = now, i = 0; i < 10; i++, rest = Math.floor(rest / 32)) id = ALPHABET[rest % 32] + id
  for (const byte of randomBytes(16)) id += ALPHABET[byte % 32]
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
