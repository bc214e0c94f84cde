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
const TRACE = /^(?:received|return-path|delivered-to)[ \t]*:/i
const FIELD = /^(?:[!-9;-~]+[ \t]*:|\r?\n)/
const CRLF = Buffer.from('\r\n')
/** RFC 5322 section 2.1.1. */
const LINE = 1000
/** Octets of trace that are taken off. */
const MAX_TRACE = 262_144

export async function* withoutTrace(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield TOP
  let start: Buffer | undefined = Buffer.alloc(0)
  for await (const chunk of content) {
    if (!start) {
      yield chunk
      continue
    }
    start = Buffer.concat([start, chunk])
    const end = start.length < MAX_TRACE ? endOfTrace(start) : 0
    if (end === undefined) continue
    yield* below(start.subarray(end))
    start = undefined
  }
  if (start) yield* below(start.subarray(endOfTrace(start, true)))
}

function* below(rest: Buffer): Generator<Buffer> {
  // Without a header all is body.
  if (!FIELD.test(rest.toString('latin1', 0, 1000))) yield CRLF
  yield rest
}

/** Where the first field that is no trace begins; undefined when that is not here yet. */
function endOfTrace(octets: Buffer, isWhole = false): number | undefined {
  let field = 0
  for (let at = 0; ; ) {
    const newline = octets.indexOf('\n', at)
    const next = newline < 0 ? octets.length : newline + 1
    // Whether the next line goes on with this field is to be seen too.
    if (next >= octets.length && !isWhole) return undefined
    const line = octets.toString('latin1', at, Math.min(next, at + LINE))
    const isFolded = at > 0 && /^[ \t]/.test(line)
    if (!isFolded) field = at
    const isTrace = isFolded || TRACE.test(line)
    // Some programs see the end of a line in a lone CR.
    if (!isTrace || next - at > LINE || /\r(?!\n)/.test(line)) return field
    at = next
  }
}

/** Octets that are the same for the same content. */
export async function digestOf(content: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of content) hash.update(chunk)
  return hash.digest('base64url')
}
