/**
 * Content as lines, whatever ends them.
 *
 * What must stay true: no more is held than the longest line; a longer one comes in pieces.
 */

/** Characters of a line, one for each octet. */
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

/** Whole lines, and what may go on. */
export function splitLines(text: string): { readonly lines: string[]; readonly left: string } {
  const lines = text.includes('\r') ? text.split(/\r\n|\n|\r(?=[^\n])/) : text.split('\n')
  const left = lines.pop() ?? ''
  if (left.length < LONGEST) return { lines, left }
  return { lines: [...lines, left], left: '' }
}
