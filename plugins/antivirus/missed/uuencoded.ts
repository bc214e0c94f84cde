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

/** Reads a text; answers whether the line belongs to a file. */
export function createUuReader(to: PartSink): (line: string) => boolean {
  let kind: 'uuencode' | 'base64' | undefined
  let hasBegun = false

  function begin(encoding: string, first?: string) {
    if (hasBegun) return
    hasBegun = true
    to.begin(encoding)
    if (first !== undefined) to.line(first)
  }

  function readUu(line: string): boolean {
    const octets = (line.charCodeAt(0) - 32) & 63
    const length = 1 + Math.ceil(octets / 3) * 4
    // Programs disagree about a check sum at the end.
    if (!/^[\x20-\x60]+$/.test(line) || line.trimEnd().length > length + 1) {
      if (hasBegun) to.line('end')
      kind = undefined
      return hasBegun && line.startsWith('end')
    }
    begin('x-uuencode', 'begin 644 file')
    // Spaces at the end are data, and lost on many ways.
    to.line(line.slice(0, length).padEnd(length))
    return true
  }

  function readBase64(line: string): boolean {
    if (!/^[A-Za-z0-9+/]+={0,2}[ \t]*$/.test(line)) {
      kind = undefined
      return hasBegun && line.startsWith('====')
    }
    begin('base64')
    to.line(line)
    return true
  }

  return function read(line) {
    // Nearly all lines: no more than a comparison of one letter.
    if (kind === undefined && line.charCodeAt(0) !== B) return false
    const begins = BEGIN.exec(line)
    if (!begins) return kind === 'uuencode' ? readUu(line) : kind === 'base64' && readBase64(line)
    if (hasBegun && kind === 'uuencode') to.line('end')
    kind = begins[1] === undefined ? 'uuencode' : 'base64'
    hasBegun = false
    return false
  }
}
