/**
 * Text in MacRoman, as names on a Macintosh were.
 */

const decoder = () => new TextDecoder('macintosh')

export const fromMacRoman = (octets: Uint8Array): string => decoder().decode(octets)

/** Octets; a character that MacRoman has not is an underscore. */
export function toMacRoman(text: string): Buffer {
  const known = fromMacRoman(Uint8Array.from({ length: 128 }, (_, index) => index + 128))
  const octets = Array.from(text.normalize('NFC'), (char) => {
    const code = char.codePointAt(0) ?? 0
    if (code < 128) return code
    const at = known.indexOf(char)
    return at < 0 ? 95 : at + 128
  })
  return Buffer.from(octets)
}

/** A type or creator of four octets. */
export const fourOctets = (code: string): Buffer =>
  Buffer.concat([toMacRoman(code), Buffer.from('    ')]).subarray(0, 4)
