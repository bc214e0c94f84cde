/**
 * Parses the words of a command, and writes strings of a response (RFC 5804 section 4).
 *
 * Invariants: linear time; malformed input is `undefined`, never an exception.
 */

export type Word =
  | { readonly kind: 'atom'; readonly text: string }
  | { readonly kind: 'string'; readonly text: string }
  | { readonly kind: 'number'; readonly number: number }

const WORD = /[ \t]*(?:"((?:[^"\\]|\\["\\])*)"|([!#-'*-[\]-z|}~]+))(?=[ \t]|$)/y
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Octets as text; undefined for invalid UTF-8. */
export function readText(octets: Uint8Array): string | undefined {
  try {
    return UTF8.decode(octets)
  } catch {
    return undefined
  }
}

/** The words of one line, without its literal; undefined when malformed. */
export function readWords(line: string): readonly Word[] | undefined {
  const words: Word[] = []
  WORD.lastIndex = 0
  const text = line.trimEnd()
  while (WORD.lastIndex < text.length) {
    const found = WORD.exec(text)
    if (!found) return undefined
    const [, quoted, atom = ''] = found
    if (quoted !== undefined) words.push({ kind: 'string', text: quoted.replace(/\\(.)/g, '$1') })
    else if (/^\d{1,10}$/.test(atom)) words.push({ kind: 'number', number: Number(atom) })
    else words.push({ kind: 'atom', text: atom })
  }
  return words
}

/** Maximum octets of a quoted string (section 1.2). */
const MAX_QUOTED = 1024

/** A string of a response, as UTF-8. */
export function writeString(text: string): string {
  const octets = Buffer.byteLength(text)
  if (octets > MAX_QUOTED || /[\0\r\n]/.test(text)) return `{${octets}}\r\n${text}`
  return `"${text.replace(/["\\]/g, '\\$&')}"`
}
