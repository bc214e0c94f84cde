/**
 * The messages of a file: an mbox, or a single one.
 *
 * Invariants: memory holds one message, up to the size that is examined.
 */

const LF = 10
const FROM = Buffer.from('From ')

export async function* messagesOf(source: AsyncIterable<Uint8Array>, most: number): AsyncGenerator<Buffer> {
  let message: Buffer[] = []
  let size = 0
  /** Whether lines that begin with `From ` separate messages: if the first line does. */
  let isMbox: boolean | undefined
  let isBlankBefore = true
  let isLineStart = true

  const take = (): Buffer => {
    const whole = Buffer.concat(message)
    message = []
    size = 0
    return whole
  }
  const add = (piece: Buffer) => {
    if (size < most) message.push(piece.subarray(0, most - size))
    size += piece.length
  }

  for await (const { line, isStart, isEnd } of linesOf(source, most)) {
    isLineStart = isStart
    isMbox ??= line.subarray(0, FROM.length).equals(FROM)
    if (isMbox && isLineStart && isBlankBefore && line.subarray(0, FROM.length).equals(FROM)) {
      if (size > 0) yield take()
      isBlankBefore = false
      continue
    }
    isBlankBefore = isStart && isEnd && line.every((octet) => octet === LF || octet === 13)
    // In an mbox an empty line precedes each separator, and lines end in LF.
    add(line)
  }
  if (size > 0) yield take()
}

interface Piece {
  readonly line: Buffer
  readonly isStart: boolean
  readonly isEnd: boolean
}

/** Lines with their line breaks; longer ones in pieces of `most` octets. */
async function* linesOf(source: AsyncIterable<Uint8Array>, most: number): AsyncGenerator<Piece> {
  let held: Buffer = Buffer.alloc(0)
  let isStart = true
  for await (const chunk of source) {
    held = Buffer.concat([held, chunk])
    for (let end = held.indexOf(LF); end >= 0; end = held.indexOf(LF)) {
      yield { line: held.subarray(0, end + 1), isStart, isEnd: true }
      held = held.subarray(end + 1)
      isStart = true
    }
    if (held.length <= most) continue
    yield { line: held, isStart, isEnd: false }
    held = Buffer.alloc(0)
    isStart = false
  }
  if (held.length > 0) yield { line: held, isStart, isEnd: true }
}
