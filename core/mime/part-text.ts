/**
 * The octets of a text part as text: in its charset, or in the one that its octets show where it names none.
 */
import { decodeCharset } from './parameters.ts'
import type { MimePart } from './parts.ts'

/** Octets of HTML in which it may state its charset (HTML, section 13.2.3.2, has 1024). */
const STATED_WITHIN = 1024
const STATED = /<meta\b[^>]{0,300}?\bcharset\s{0,10}=\s{0,10}["']?([\w.:-]{1,40})/i

/** Without a charset, or as US-ASCII: UTF-8, else the charset that HTML states, else Windows-1252. */
export function decodePart(octets: Uint8Array, { subtype, parameters }: MimePart): string {
  const charset = parameters.charset ?? ''
  if (charset !== '' && charset.toLowerCase() !== 'us-ascii') return decodeCharset(octets, charset)
  try {
    // The end may be missing.
    return new TextDecoder('utf-8', { fatal: true }).decode(octets, { stream: true })
  } catch {
    const head = subtype === 'html' ? Buffer.from(octets.subarray(0, STATED_WITHIN)).toString('latin1') : ''
    return decodeCharset(octets, STATED.exec(head)?.[1] ?? 'windows-1252')
  }
}
