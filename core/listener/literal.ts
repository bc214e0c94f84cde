/**
 * Literals of IMAP (RFC 9051 section 4.3, RFC 7888, RFC 3516) and ManageSieve (RFC 5804 section 4): octets that a line
 * announces at its end.
 *
 * Invariants: time is linear in the line; the text keeps every octet except the announcement and, on a line without
 * one, trailing blanks, which some clients send.
 */

export interface Literal {
  /** Octets; the announcement has at most ten digits. */
  readonly size: number
  /** The client sends it without waiting for a continuation: `{12+}`, and IMAP's `{12-}`. */
  readonly isImmediate: boolean
  /** IMAP's `~{12}`, which may hold NUL. */
  readonly isBinary: boolean
}

const ANNOUNCED = /(~?)\{(\d{1,10})([+-]?)\}$/

/** Splits a line, without its line break, into its text and the literal that follows. */
export function splitLiteral(line: string): { readonly text: string; readonly literal: Literal | undefined } {
  const found = ANNOUNCED.exec(line)
  if (!found) return { text: withoutSpaces(line), literal: undefined }
  const [all, binary, size, plus] = found
  return {
    text: line.slice(0, line.length - all.length),
    literal: { size: Number(size), isImmediate: plus !== '', isBinary: binary !== '' },
  }
}

function withoutSpaces(line: string): string {
  let end = line.length
  while (end > 0 && line[end - 1] === ' ') end--
  return line.slice(0, end)
}
