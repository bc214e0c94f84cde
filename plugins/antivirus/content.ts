/**
 * What is scanned of a message: everything but the trace that each hop and each delivery puts on top.
 *
 * What must stay true: the same message is the same content for every recipient and each time it is sent; clamd takes
 * it for a message.
 */
import { createHash } from 'node:crypto'

/** With this clamd knows it for a message, whatever field comes first. */
const TOP = Buffer.from('Received: by antivirus\r\n')
/** Fields on top that say how it came, not what it is. */
const TRACE = /^(?:received|return-path|delivered-to)$/i
/** Octets of trace that are taken off. */
const MOST_TRACE = 262_144

export async function* withoutTrace(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield TOP
  let start: Buffer | undefined = Buffer.alloc(0)
  for await (const chunk of content) {
    if (!start) {
      yield chunk
      continue
    }
    start = Buffer.concat([start, chunk])
    const end = endOfTrace(start)
    if (end === undefined && start.length < MOST_TRACE) continue
    yield start.subarray(end ?? 0)
    start = undefined
  }
  if (start) yield start
}

/** Where the first field that is no trace begins; undefined when it is not here yet. */
function endOfTrace(octets: Buffer): number | undefined {
  let at = 0
  for (;;) {
    const end = octets.indexOf('\n', at)
    // Whether the next line goes on with this field is to be seen too.
    if (end < 0 || end + 1 >= octets.length) return undefined
    const line = octets.toString('latin1', at, Math.min(end, at + 100))
    const isFolded = at > 0 && /^[ \t]/.test(line)
    if (!isFolded && !TRACE.test(line.slice(0, Math.max(0, line.indexOf(':'))).trimEnd())) return at
    at = end + 1
  }
}

/** Octets that are the same for the same content. */
export async function digestOf(content: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of content) hash.update(chunk)
  return hash.digest('base64url')
}
