/**
 * Messages for the tools: read from a file with one message or an mbox, written as an mbox (mboxrd).
 *
 * Invariants: one message at a time is in memory at most, and of that a chunk; a line `From ` within a message is
 * quoted and unquoted the same way.
 */
const LF = 10
const CR = 13
const FROM = Buffer.from('From ')

type Octets = AsyncIterable<Uint8Array>

/** Lines with their LF. A line longer than a chunk comes in pieces. */
async function* linesOf(source: Octets): AsyncGenerator<{ readonly piece: Buffer; readonly isStart: boolean }> {
  let isStart = true
  let held: Buffer = Buffer.alloc(0)
  for await (const chunk of source) {
    let rest = Buffer.concat([held, chunk])
    for (let end = rest.indexOf(LF); end >= 0; end = rest.indexOf(LF)) {
      yield { piece: rest.subarray(0, end + 1), isStart }
      rest = rest.subarray(end + 1)
      isStart = true
    }
    // Enough of a line to see how it begins is kept back.
    const isLong = rest.length > 1024
    if (isLong) yield { piece: rest, isStart }
    if (isLong) isStart = false
    held = isLong ? Buffer.alloc(0) : rest
  }
  if (held.length > 0) yield { piece: held, isStart }
}

export interface MboxMessage {
  /** The sender that the mbox names. */
  readonly from: string | undefined
  /** With CRLF. Read it before the next message is asked for. */
  readonly content: Octets
}

/** The messages of an mbox; a file that does not begin like one is one message. */
export async function* readMessages(source: Octets): AsyncGenerator<MboxMessage> {
  const lines = linesOf(source)
  let next = await lines.next()
  const isMbox = !next.done && next.value.piece.subarray(0, 5).equals(FROM)
  async function* content(): AsyncGenerator<Uint8Array> {
    let blank: Buffer | undefined
    for (; !next.done; next = await lines.next()) {
      const { piece, isStart } = next.value
      if (isMbox && isStart && piece.subarray(0, 5).equals(FROM)) return
      if (blank) yield blank
      blank = undefined
      const octets = withCrlf(isMbox && isStart ? unquoted(piece) : piece)
      // The blank line before the next message is not a part of this one.
      if (isMbox && isStart && octets.length === 2) blank = octets
      else yield octets
    }
    if (blank && !isMbox) yield blank
  }
  while (!next.done) {
    const from = isMbox ? next.value.piece.toString('latin1').split(' ')[1] : undefined
    if (isMbox) next = await lines.next()
    const octets = content()
    yield { from, content: octets }
    for await (const _ of octets);
  }
}

const unquoted = (line: Buffer): Buffer => (/^>+From /.test(line.toString('latin1', 0, 64)) ? line.subarray(1) : line)

function withCrlf(line: Buffer): Buffer {
  if (line.at(-1) !== LF || line.at(-2) === CR) return line
  return Buffer.concat([line.subarray(0, -1), Buffer.from('\r\n')])
}

/** One message of an mbox, with `fields` above its header. */
export async function* writeMessage(
  { from, date, fields }: { readonly from: string; readonly date: Date; readonly fields: readonly string[] },
  content: Octets,
): AsyncGenerator<Uint8Array> {
  yield Buffer.from(`From ${from || 'MAILER-DAEMON'} ${asctime(date)}\n${fields.map((one) => `${one}\n`).join('')}`)
  for await (const { piece, isStart } of linesOf(content)) {
    if (isStart && /^>*From /.test(piece.toString('latin1', 0, 64))) yield Buffer.from('>')
    yield piece.at(-1) === LF && piece.at(-2) === CR ? Buffer.concat([piece.subarray(0, -2), Buffer.of(LF)]) : piece
  }
  yield Buffer.of(LF)
}

function asctime(date: Date): string {
  const [weekday = '', day = '', month = '', year = '', time = ''] = date.toUTCString().replace(',', '').split(' ')
  return `${weekday} ${month} ${day.replace(/^0/, ' ')} ${time} ${year}`
}
