/**
 * Compressed RTF (MS-OXRTFCP).
 *
 * Invariants: no more is made than the caller allows; a broken stream is undefined, never an error; linear time.
 */

const HEADER = 16
const COMPRESSED = 0x75465a4c
const PLAIN = 0x414c454d
const WINDOW = 4096
/** Octets that a reference of two octets makes at most. */
const MAX_RUN = 17

/** The window's first 207 octets (MS-OXRTFCP section 2.1.2.1). */
const DICTIONARY = Buffer.from(
  '{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx',
  'latin1',
)

export function decompressRtf(octets: Buffer, most: number): Buffer | undefined {
  if (octets.length < HEADER) return undefined
  const stored = Math.min(octets.readUInt32LE(0) + 4, octets.length)
  const size = octets.readUInt32LE(4)
  const kind = octets.readUInt32LE(8)
  if (kind === PLAIN) return octets.subarray(HEADER, Math.min(HEADER + size, octets.length))
  // A reference cannot make more than this of what is there.
  if (kind !== COMPRESSED || size > most || size > (stored - HEADER) * MAX_RUN) return undefined
  const out = Buffer.alloc(size)
  const window = Buffer.alloc(WINDOW)
  DICTIONARY.copy(window)
  let at = HEADER
  let write = DICTIONARY.length
  let made = 0
  const put = (octet: number) => {
    if (made < size) out[made++] = octet
    window[write] = octet
    write = (write + 1) % WINDOW
  }
  while (at < stored && made < size) {
    const flags = octets[at++] as number
    for (let bit = 0; bit < 8 && at < stored; bit++) {
      if (((flags >> bit) & 1) === 0) {
        put(octets[at++] as number)
        continue
      }
      if (at + 2 > stored) return out.subarray(0, made)
      const reference = octets.readUInt16BE(at)
      at += 2
      const offset = reference >> 4
      if (offset === write) return out.subarray(0, made)
      for (let n = 0; n < (reference & 15) + 2; n++) put(window[(offset + n) % WINDOW] as number)
    }
  }
  return out.subarray(0, made)
}
