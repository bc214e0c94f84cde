/**
 * Lines of a stream of octets, with the place of each.
 *
 * Invariants: linear time; memory is bounded by one chunk and `MAX_LINE` octets.
 */

/** A longer line comes in pieces of this many octets. */
export const MAX_LINE = 65_536

export interface TextLine {
  /** Without its line end. */
  readonly octets: Buffer
  readonly start: number
  /** Behind its line end. */
  readonly end: number
}

const LF = 10
const CR = 13

/** The lines that each chunk completes. */
export async function* textLines(source: AsyncIterable<Uint8Array>): AsyncGenerator<readonly TextLine[]> {
  let rest: Buffer[] = []
  let size = 0
  let start = 0
  for await (const chunk of source) {
    const octets = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    const lines: TextLine[] = []
    let from = 0
    const take = (end: number) => {
      const part = octets.subarray(from, end)
      const whole = rest.length === 0 ? part : Buffer.concat([...rest, part])
      lines.push({ octets: trimmed(whole), start, end: start + whole.length })
      start += whole.length
      from = end
      rest = []
      size = 0
    }
    for (let at = octets.indexOf(LF); at >= 0; at = octets.indexOf(LF, from)) take(at + 1)
    if (from < octets.length) {
      if (size + octets.length - from > MAX_LINE) take(octets.length)
      else {
        rest.push(Buffer.from(octets.subarray(from)))
        size += octets.length - from
      }
    }
    if (lines.length > 0) yield lines
  }
  if (size > 0) {
    const whole = Buffer.concat(rest)
    yield [{ octets: trimmed(whole), start, end: start + whole.length }]
  }
}

function trimmed(line: Buffer): Buffer {
  let end = line.length
  if (line[end - 1] === LF) {
    end--
    // Line ends that were mended once too often have several.
    while (line[end - 1] === CR) end--
  }
  return line.subarray(0, end)
}

/** Octets without spaces and tabs at both ends; a no-break space is part of a character. */
export function withoutBlanks(octets: Buffer): Buffer {
  let [start, end] = [0, octets.length]
  while (start < end && (octets[start] === 32 || octets[start] === 9)) start++
  while (end > start && (octets[end - 1] === 32 || octets[end - 1] === 9)) end--
  return octets.subarray(start, end)
}

const UTF8 = { fatal: true, ignoreBOM: true }

/** A name in a format without a charset: UTF-8 where it is that, and Windows-1252 otherwise. */
export function rawName(octets: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', UTF8).decode(octets)
  } catch {
    return new TextDecoder('windows-1252').decode(octets)
  }
}

/** A name on one line. */
export const oneLine = (name: string): string => name.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ').trim()
