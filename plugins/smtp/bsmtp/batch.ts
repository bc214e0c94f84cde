/**
 * The batch itself (RFC 2442): the client's side of an SMTP session, written as if every command had succeeded.
 *
 * Invariants: content is dot-stuffed with every line ended by CRLF, or follows BDAT octet by octet; the memory that a
 * batch takes does not depend on its size.
 */
import { DotStuffer } from '../out/api.ts'

/** One transaction as it is written: its commands with their CRLF, and its content. */
export interface WrittenTransaction {
  readonly mail: string
  readonly rcpts: readonly string[]
  readonly size: number
  /** With BDAT (RFC 3030), for content that DATA cannot carry. */
  readonly binary: boolean
  open(): AsyncIterable<Uint8Array>
}

export async function* writeBatch(
  helo: string,
  transactions: AsyncIterable<WrittenTransaction> | Iterable<WrittenTransaction>,
): AsyncGenerator<Uint8Array> {
  yield Buffer.from(`EHLO ${helo}\r\n`)
  for await (const { mail, rcpts, size, binary, open } of transactions) {
    yield Buffer.from(`${mail}${rcpts.join('')}${binary ? `BDAT ${size} LAST\r\n` : 'DATA\r\n'}`)
    yield* binary ? exactly(size, open()) : stuffed(open())
  }
  yield Buffer.from('QUIT\r\n')
}

async function* stuffed(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const stuffer = new DotStuffer()
  for await (const chunk of source) yield stuffer.encode(chunk)
  yield stuffer.end()
}

/** A length that is not the one announced would turn content into commands. */
async function* exactly(size: number, source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let left = size
  for await (const chunk of source) {
    left -= chunk.byteLength
    if (left < 0) break
    yield chunk
  }
  if (left !== 0) throw new Error('the content has not the size it was announced with')
}

/** EHLO keywords (RFC 2442 `required-extensions`) that the commands of a transaction make use of. */
export function extensionsOf({ mail, rcpts, binary }: Pick<WrittenTransaction, 'mail' | 'rcpts' | 'binary'>): string[] {
  const text = mail.slice(mail.lastIndexOf('>') + 1)
  const needs = (pattern: RegExp, keyword: string) => (pattern.test(text) ? [keyword] : [])
  const dsn = / (?:RET|ENVID)=/.test(text) || rcpts.some((rcpt) => / (?:NOTIFY|ORCPT)=/.test(rcpt))
  return [
    ...needs(/ SIZE=/, 'SIZE'),
    ...needs(/ BODY=8BITMIME/, '8BITMIME'),
    ...needs(/ SMTPUTF8/, 'SMTPUTF8'),
    ...needs(/ REQUIRETLS/, 'REQUIRETLS'),
    ...needs(/ MT-PRIORITY=/, 'MT-PRIORITY'),
    ...(dsn ? ['DSN'] : []),
    ...(binary ? ['CHUNKING', 'BINARYMIME'] : []),
  ]
}
