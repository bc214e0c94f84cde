/**
 * A message as read by programs that use the last of two Content-Type fields, or of two boundaries.
 *
 * Invariants: no octet moves, so that offsets apply to the original message; memory is bounded by one header.
 */

/** Maximum octets of a line, and of a group of fields. */
const LINE = 65_536
const FIELDS = 262_144

export async function* lastCounts(content: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let rest = ''
  let fields = ''
  for await (const chunk of content) {
    const text: string = rest + Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString('latin1')
    const lines = text.split(/(?<=\n)/)
    const last = lines.at(-1) ?? ''
    rest = last.endsWith('\n') || last.length > LINE ? '' : (lines.pop() ?? '')
    let out = ''
    for (const line of lines) {
      if (fields.length < FIELDS && (isField(line) || (fields !== '' && /^[ \t]/.test(line)))) {
        fields += line
        continue
      }
      out += renamed(fields) + line
      fields = ''
    }
    if (out !== '') yield Buffer.from(out, 'latin1')
  }
  yield Buffer.from(renamed(fields) + rest, 'latin1')
}

const isField = (line: string) => /^[!-9;-~]{1,100}[ \t]{0,100}:/.test(line)

const TYPE = /^content-type[ \t]{0,100}:/gim
const BOUNDARY = /\bboundary[*\d]{0,3}\s{0,100}=/gi

/** Whether the readings differ. */
export const isAmbiguous = (header: string): boolean => renamed(header) !== header

function renamed(fields: string): string {
  const starts = [...fields.matchAll(TYPE)].map(({ index }) => index)
  const type = starts.pop()
  if (type === undefined) return fields
  const end = type + (/\n(?![ \t])/.exec(fields.slice(type))?.index ?? fields.length)
  const boundaries = [...fields.slice(type, end).matchAll(BOUNDARY)].map(({ index }) => type + index)
  const changed = [...starts, ...boundaries.slice(0, -1)]
  if (changed.length === 0) return fields
  const octets = Buffer.from(fields, 'latin1')
  for (const at of changed) octets.write('x', at, 'latin1')
  return octets.toString('latin1')
}
