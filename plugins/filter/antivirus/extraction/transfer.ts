/**
 * Decodes transfer encodings of text line by line (RFC 2045 section 6).
 *
 * Invariants: invalid input is skipped, never an error; memory holds at most a line.
 */
import { LONGEST, splitLines } from './lines.ts'

export interface TextDecoder {
  /** The lines completed by this one. */
  decode(line: string): readonly string[]
  /** The rest at the end. */
  end(): readonly string[]
}

/** Undefined for text without an encoding. */
export function decoderFor(encoding: string): TextDecoder | undefined {
  if (encoding === 'base64') return base64Text()
  return encoding === 'quoted-printable' ? quotedPrintable() : undefined
}

/** Padding ends a piece, not the content: many programs read on. */
function base64Octets() {
  let undecoded = ''
  function whole(text: string): Buffer {
    const all = undecoded + text
    const length = all.length - (all.length % 4)
    undecoded = all.slice(length)
    return Buffer.from(all.slice(0, length), 'base64')
  }
  function end(): Buffer {
    const octets = Buffer.from(undecoded, 'base64')
    undecoded = ''
    return octets
  }
  return {
    decode(line: string): Buffer {
      const [first = '', ...more] = line.replace(/[^A-Za-z0-9+/=]/g, '').split(/=+/)
      const octets = whole(first)
      return more.length === 0 ? octets : Buffer.concat([octets, ...more.flatMap((piece) => [end(), whole(piece)])])
    },
    end,
  }
}

function base64Text(): TextDecoder {
  const octets = base64Octets()
  let rest = ''
  return {
    decode(line) {
      const { lines, left } = splitLines(rest + octets.decode(line).toString('latin1'))
      rest = left
      return lines
    },
    end: () => [rest + octets.end().toString('latin1')],
  }
}

/** Octets of a line of base64. */
const LINE = 57

/** Base64 in canonical form. */
export function createRepack(): TextDecoder {
  const octets = base64Octets()
  let rest: Buffer = Buffer.alloc(0)
  return {
    decode(line) {
      const all = Buffer.concat([rest, octets.decode(line)])
      const length = all.length - (all.length % LINE)
      rest = all.subarray(length)
      return all.toString('base64', 0, length).match(/.{76}/g) ?? []
    },
    end: () => [Buffer.concat([rest, octets.end()]).toString('base64')],
  }
}

function quotedPrintable(): TextDecoder {
  let rest = ''
  return {
    decode(line) {
      const trimmed = line.trimEnd()
      const text = (trimmed.endsWith('=') ? trimmed.slice(0, -1) : trimmed).replace(/=([0-9A-Fa-f]{2})/g, (_, hex) =>
        String.fromCharCode(Number.parseInt(hex, 16)),
      )
      rest += text
      if (trimmed.endsWith('=') && rest.length < LONGEST) return []
      const { lines, left } = splitLines(rest)
      rest = ''
      return [...lines, left]
    },
    end: () => [rest],
  }
}
