/**
 * Finds the end of the header of a message or part.
 *
 * All readers share this definition: a header line is a field or continues one; the first line may be an mbox `From `
 * line. A blank line ends the header and belongs to it. Any other line ends it too and begins the body, because some
 * devices omit the blank line. Invariants: the result does not depend on how the octets are divided into chunks; memory
 * holds no more than the beginning of a line.
 */

const NAME = /[!-9;-~]+(?=[ \t]*:)/y

function startsField(text: string, start: number): boolean {
  NAME.lastIndex = start
  return NAME.test(text)
}

/** The name of the field that starts at a place in a text, in lower case (RFC 5322 sections 3.6.8 and 4.5.8). */
export const fieldName = (text: string, start = 0): string | undefined =>
  startsField(text, start) ? text.slice(start, NAME.lastIndex).toLowerCase() : undefined

/** Offsets in octets; equal when no blank line separates header and body. */
export interface HeaderEnd {
  /** After the last field. */
  readonly fields: number
  /** Start of the body. */
  readonly body: number
}

export interface HeaderScanner {
  /** Undefined until the header has ended. */
  push(chunk: Uint8Array): HeaderEnd | undefined
  /** Ends the content. */
  finish(): HeaderEnd
  /** Undefined until the header has ended. */
  readonly end: HeaderEnd | undefined
  /** Octets known to belong to the header. */
  readonly settled: number
}

const LF = 10
/** A field's name and colon must be within this many octets: one line (RFC 5322 section 2.1.1). */
const MAX_NAME = 998
const MBOX = /^>?From /

export function createHeaderScanner(): HeaderScanner {
  let offset = 0
  let lineStart = 0
  /** The beginning of the current line, until its kind is known. */
  let begun = ''
  let isKnown = false
  let hasField = false
  let found: HeaderEnd | undefined

  /** Decides the kind of a line that stands in `text`. */
  function judge(text: string, start: number, end: number) {
    isKnown = true
    if (startsField(text, start)) hasField = true
    else if (end - start <= 2 && /^\r?\n$/.test(text.slice(start, end)))
      found = { fields: lineStart, body: lineStart + end - start }
    else if (!(hasField ? /[ \t]/.test(text.charAt(start)) : lineStart === 0 && MBOX.test(text.slice(start, end))))
      found = { fields: lineStart, body: lineStart }
  }

  return {
    push(chunk) {
      if (found) return found
      const text = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString('latin1')
      for (let at = 0; at < text.length && !found; ) {
        const lineEnd = text.indexOf('\n', at)
        const end = lineEnd < 0 ? text.length : lineEnd + 1
        if (!isKnown && begun === '' && lineEnd >= 0 && end - at <= MAX_NAME) judge(text, at, end)
        else if (!isKnown) {
          begun += text.slice(at, Math.min(end, at + MAX_NAME - begun.length))
          if (lineEnd >= 0 || begun.length === MAX_NAME) judge(begun, 0, begun.length)
        }
        offset += end - at
        at = end
        if (lineEnd < 0) continue
        lineStart = offset
        begun = ''
        isKnown = false
      }
      return found
    },
    finish() {
      if (!found && begun !== '' && !isKnown) judge(begun, 0, begun.length)
      found ??= { fields: offset, body: offset }
      return found
    },
    get end() {
      return found
    },
    get settled() {
      return found?.fields ?? (isKnown ? offset : lineStart)
    },
  }
}

/** The offset of the body in content or its beginning; the length if there is only header. */
export function headerEnd(bytes: Uint8Array): number {
  const scanner = createHeaderScanner()
  return (scanner.push(bytes) ?? scanner.finish()).body
}

/** Length of an mbox `From ` line at the start of a header, which is not part of the message. */
export function mboxLine(header: Uint8Array): number {
  return MBOX.test(Buffer.from(header.buffer, header.byteOffset, Math.min(6, header.byteLength)).toString('latin1'))
    ? header.indexOf(LF) + 1 || header.byteLength
    : 0
}

/** The line between header and body. */
export const BLANK: Buffer = Buffer.from('\r\n')

/**
 * Inserts the missing blank line before the body; `scanner` is never behind what is yielded. Holds the beginning of one
 * line.
 */
export async function* withBlankLine(
  content: AsyncIterable<Uint8Array>,
  scanner: HeaderScanner = createHeaderScanner(),
): AsyncGenerator<Uint8Array> {
  let held: Uint8Array = Buffer.alloc(0)
  /** Octets passed on. */
  let given = 0
  for await (const chunk of content) {
    if (scanner.end) {
      yield chunk
      continue
    }
    const end = scanner.push(chunk)
    const all = held.byteLength === 0 ? chunk : Buffer.concat([held, chunk])
    if (end && end.body > end.fields) {
      yield all
      continue
    }
    const ready = scanner.settled - given
    if (ready > 0) yield all.subarray(0, ready)
    given += ready
    held = all.subarray(ready)
    if (!end) continue
    yield BLANK
    if (held.byteLength > 0) yield held
  }
  if (scanner.end || held.byteLength === 0) return
  if (scanner.finish().body === given) yield BLANK
  yield held
}
