/**
 * Normalizes names and passwords for SASL (RFC 4013, RFC 7613).
 *
 * Invariants: text that looks the same has the same result; characters that cannot be typed are removed.
 */
import { isUtf8 } from 'node:buffer'

/** RFC 3454 table C.1.2. */
const SPACES = /[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/gu
/** RFC 3454 tables B.1 and C.8: invisible characters. */
const NOTHING = /\p{Default_Ignorable_Code_Point}/gu
/** Control, private, unassigned and lone surrogate characters, line separators, and replacement characters. */
const PROHIBITED = /[\p{Cc}\p{Co}\p{Cn}\p{Cs}\u2028\u2029\ufff9-\ufffd]/u

/** Undefined for prohibited characters. Omits the check of bidirectional text, which would only refuse more. */
export function saslPrep(text: string): string | undefined {
  const prepared = text.replace(SPACES, ' ').replace(NOTHING, '').normalize('NFKC')
  return PROHIBITED.test(prepared) ? undefined : prepared
}

/** Octets as text; undefined for invalid UTF-8. */
export function textOf(octets: Buffer): string | undefined {
  return isUtf8(octets) ? octets.toString() : undefined
}
