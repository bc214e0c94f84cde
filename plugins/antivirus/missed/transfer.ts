/**
 * Transfer encodings of text undone line by line (RFC 2045 section 6).
 *
 * What must stay true: what is broken is passed over, never an error; no more is held than a line.
 */
import { LONGEST, splitLines } from './lines.ts'

export interface TextDecoder {
  /** The lines that are whole with this one. */
  decode(line: string): readonly string[]
  /** What is left at the end. */
  end(): readonly string[]
}

/** Undefined for text that stands as it is. */
export function decoderFor(encoding: string): TextDecoder | undefined {
  if (encoding === 'base64') return base64()
  return encoding === 'quoted-printable' ? quotedPrintable() : undefined
}

function base64(): TextDecoder {
  let undecoded = ''
  let rest = ''
  return {
    decode(line) {
      const all = undecoded + line.replace(/[^A-Za-z0-9+/]/g, '')
      const whole = all.length - (all.length % 4)
      undecoded = all.slice(whole)
      const { lines, left } = splitLines(rest + Buffer.from(all.slice(0, whole), 'base64').toString('latin1'))
      rest = left
      return lines
    },
    end: () => [rest + Buffer.from(undecoded, 'base64').toString('latin1')],
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
