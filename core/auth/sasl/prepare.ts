/**
 * Names and passwords in the one form in which both ends of an exchange compute with them (RFC 4013, RFC 7613).
 *
 * What must stay true: text that looks the same comes out the same; what nobody can type comes out as nothing.
 */
import { isUtf8 } from 'node:buffer'

/** RFC 3454 table C.1.2. */
const SPACES = /[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/gu
/** RFC 3454 tables B.1 and C.8: what is not seen. */
const NOTHING = /\p{Default_Ignorable_Code_Point}/gu
/** Control, private, unassigned and lone surrogate characters, separators of lines, and stand-ins for what was lost. */
const PROHIBITED = /[\p{Cc}\p{Co}\p{Cn}\p{Cs}\u2028\u2029\ufff9-\ufffd]/u

/** Undefined for what is prohibited. The check of bidirectional text is left out: it would only refuse more. */
export function saslPrep(text: string): string | undefined {
  const prepared = text.replace(SPACES, ' ').replace(NOTHING, '').normalize('NFKC')
  return PROHIBITED.test(prepared) ? undefined : prepared
}

/** Octets as text; undefined when they are none. */
export function textOf(octets: Buffer): string | undefined {
  return isUtf8(octets) ? octets.toString() : undefined
}
