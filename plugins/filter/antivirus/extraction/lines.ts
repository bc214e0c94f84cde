/**
 * Content as lines, with any line endings.
 *
 * Invariants: memory holds at most the longest line; longer ones come in pieces.
 */

/** Maximum characters of a line, one per octet. */
export const LONGEST = 8192

export async function* linesOf(content: AsyncIterable<Uint8Array>): AsyncGenerator<readonly string[]> {
  let rest = ''
  for await (const chunk of content) {
    const text: string = rest + Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString('latin1')
    const { lines, left } = splitLines(text)
    yield lines
    rest = left
  }
  yield [rest.replace(/\r$/, '')]
}

/** Complete lines, and the incomplete rest. */
export function splitLines(text: string): { readonly lines: string[]; readonly left: string } {
  const lines = text.includes('\r') ? text.split(/\r\n|\n|\r(?=[^\n])/) : text.split('\n')
  const left = lines.pop() ?? ''
  if (left.length < LONGEST) return { lines, left }
  return { lines: [...lines, left], left: '' }
}
