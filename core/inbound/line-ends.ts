/**
 * Line endings of content that no client sent: only CRLF may leave this server (RFC 5321 section 2.3.8).
 */

/** Ends every line with CRLF, whatever its ending was. */
export async function* withCrlf(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let afterCr = false
  for await (const chunk of source) {
    const text = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString('latin1')
    const whole: string = (afterCr ? '\r' : '') + text
    afterCr = whole.endsWith('\r')
    yield Buffer.from((afterCr ? whole.slice(0, -1) : whole).replace(/\r\n|\r|\n/g, '\r\n'), 'latin1')
  }
  if (afterCr) yield Buffer.from('\r\n')
}
