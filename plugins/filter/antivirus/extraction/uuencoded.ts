/**
 * uuencoded files in a text, and those of `uuencode -m`.
 *
 * What must stay true: a line that only begins like one costs nothing more; whatever a mail program may take for such a
 * file is one here.
 */

/** A part as it goes to clamd. */
export interface PartSink {
  /** Begins a part of that transfer encoding, which ends the one before. */
  begin(encoding: string): void
  line(line: string): void
}

/** With any mode, or none: mail programs take both. */
const B = 'b'.charCodeAt(0)
const BEGIN = /^begin(-base64)?[ \t]+(?:[0-7]{1,6}[ \t]+)?\S/

export interface UuReader {
  /** Whether the line belongs to a file. */
  line(line: string): boolean
  end(): void
}

/** Reads a text. */
export function createUuReader(to: PartSink): UuReader {
  let kind: 'uuencode' | 'base64' | undefined
  let hasBegun = false

  function begin(encoding: string, first?: string) {
    if (hasBegun) return
    hasBegun = true
    to.begin(encoding)
    if (first !== undefined) to.line(first)
  }

  /** Nothing of a file is open any more. */
  function end() {
    if (hasBegun && kind === 'uuencode') to.line('end')
    kind = undefined
  }

  function readUu(line: string): boolean {
    const octets = (line.charCodeAt(0) - 32) & 63
    const length = 1 + Math.ceil(octets / 3) * 4
    // Programs disagree about a check sum at the end.
    if (!/^[\x20-\x60]+$/.test(line) || line.trimEnd().length > length + 1) {
      end()
      return hasBegun && line.startsWith('end')
    }
    begin('x-uuencode', 'begin 644 file')
    // Spaces at the end are data, and lost on many ways.
    to.line(line.slice(0, length).padEnd(length))
    return true
  }

  function readBase64(line: string): boolean {
    if (!/^[A-Za-z0-9+/]+={0,2}[ \t]*$/.test(line)) {
      end()
      return hasBegun && line.startsWith('====')
    }
    begin('base64')
    to.line(line)
    return true
  }

  function read(line: string): boolean {
    // Nearly all lines: no more than a comparison of one letter.
    if (kind === undefined && line.charCodeAt(0) !== B) return false
    // Ends of lines that were mended once too often.
    if (line === '') return hasBegun
    const begins = BEGIN.exec(line)
    if (!begins) return kind === 'uuencode' ? readUu(line) : kind === 'base64' && readBase64(line)
    end()
    kind = begins[1] === undefined ? 'uuencode' : 'base64'
    hasBegun = false
    return false
  }

  return { line: read, end }
}
