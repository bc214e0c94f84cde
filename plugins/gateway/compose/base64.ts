/** Base64 as mail has it: lines of 76 characters, whatever the pieces that come. */

/** Octets of a line. */
const LINE = 57

export async function* lines64(octets: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const piece of octets) {
    const all = rest.length === 0 ? piece : Buffer.concat([rest, piece])
    const whole = all.length - (all.length % LINE)
    if (whole > 0) yield encodeLines(all.subarray(0, whole))
    rest = all.subarray(whole)
  }
  if (rest.length > 0) yield encodeLines(rest)
}

function encodeLines(octets: Buffer): Buffer {
  const lines: string[] = []
  for (let at = 0; at < octets.length; at += LINE) lines.push(octets.toString('base64', at, at + LINE))
  return Buffer.from(`${lines.join('\r\n')}\r\n`, 'latin1')
}

/** The octets of base64 in pieces of any length, with whatever white space stands in it. */
export async function* decode64(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let rest = ''
  for await (const piece of pieces) {
    const text = rest + piece.toString('latin1').replace(/[^A-Za-z0-9+/=]+/g, '')
    const whole = text.length - (text.length % 4)
    if (whole > 0) yield Buffer.from(text.slice(0, whole), 'base64')
    rest = text.slice(whole)
  }
  if (rest !== '') yield Buffer.from(rest, 'base64')
}
