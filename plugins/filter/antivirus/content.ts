/**
 * The scanned content of a message: everything except the trace fields that each hop and delivery adds.
 *
 * Invariants: the same message has the same content for every recipient and each time it is sent; clamd recognizes it
 * as a message.
 */
import { createHash } from 'node:crypto'

/** Makes clamd recognize a message, whatever its first field. */
const TOP = Buffer.from('Received: by antivirus\r\n')
/** Leading fields about the path of a message, not its content. */
const TRACE = /^(?:received|return-path|delivered-to)[ \t]*:/i
const FIELD = /^(?:[!-9;-~]+[ \t]*:|\r?\n)/
const CRLF = Buffer.from('\r\n')
/** RFC 5322 section 2.1.1. */
const LINE = 1000
/** Maximum octets of trace fields that are removed. */
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
  // Without a header, everything is body.
  if (!FIELD.test(rest.toString('latin1', 0, 1000))) yield CRLF
  yield rest
}

/** Offset of the first field that is not a trace field; undefined when it has not arrived. */
function endOfTrace(octets: Buffer, isWhole = false): number | undefined {
  let field = 0
  for (let at = 0; ; ) {
    const newline = octets.indexOf('\n', at)
    const next = newline < 0 ? octets.length : newline + 1
    // The next line shows whether this field continues.
    if (next >= octets.length && !isWhole) return undefined
    const line = octets.toString('latin1', at, Math.min(next, at + LINE))
    const isFolded = at > 0 && /^[ \t]/.test(line)
    if (!isFolded) field = at
    const isTrace = isFolded || TRACE.test(line)
    // Some programs take a bare CR for a line end.
    if (!isTrace || next - at > LINE || /\r(?!\n)/.test(line)) return field
    at = next
  }
}

/** A digest of the content. */
export async function digestOf(content: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of content) hash.update(chunk)
  return hash.digest('base64url')
}
