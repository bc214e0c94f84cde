/**
 * Inspects content as it streams: its size, its header and the transport extensions it needs.
 *
 * Invariants: content that exceeds a limit throws before its end; memory holds no more than the header.
 */
import { isAscii } from 'node:buffer'
import { IemsError, reasonOf } from '../api/errors.ts'
import { BLANK, createHeaderScanner, type HeaderEnd, withBlankLine } from '../mime/header-end.ts'

export interface ContentLimits {
  /** Maximum size of the content in octets. */
  readonly messageSize: number
  /** Maximum size of the header in octets. */
  readonly headerSize: number
}

export function createInspector({ messageSize, headerSize }: ContentLimits, isBinary: boolean) {
  const head: Uint8Array[] = []
  /** Of the source. */
  const scanner = createHeaderScanner()
  let headSize = 0
  let size = 0
  let ascii = true
  function inspect(chunk: Uint8Array) {
    size += chunk.byteLength
    if (size > messageSize) throw new IemsError('IEMS_CONTENT_TOO_LARGE', { limit: messageSize })
    if (headSize <= headerSize && (!scanner.end || headSize < lengthOf(scanner.end))) {
      head.push(chunk)
      headSize += chunk.byteLength
    }
    ascii &&= isAscii(chunk)
    // RFC 2045 sections 2.7 and 2.8: a reader that drops NULs sees a different message, perhaps with an earlier end.
    if (!isBinary && chunk.includes(0)) throw new IemsError('IEMS_CONTENT_NUL')
  }
  return {
    /** Passes the source through, with the blank line that it may lack. Throws an IemsError for invalid content. */
    async *watch(source: AsyncIterable<Uint8Array>) {
      try {
        for await (const chunk of withBlankLine(source, scanner)) {
          inspect(chunk)
          yield chunk
        }
      } catch (cause) {
        throw cause instanceof IemsError ? cause : new IemsError('IEMS_CONTENT_BROKEN', { why: reasonOf(cause) }, cause)
      }
    },
    /** The header with its blank line; undefined when it exceeds the limit. */
    header(): Uint8Array | undefined {
      const read = head.length === 1 ? (head[0] as Uint8Array) : Buffer.concat(head)
      const header = read.subarray(0, lengthOf(scanner.end ?? scanner.finish()))
      return header.byteLength > headerSize ? undefined : header
    },
    /** The source has a blank line between header and body. */
    hasBlankLine: () => scanner.end !== undefined && scanner.end.body > scanner.end.fields,
    isAscii: () => ascii,
  }
}

/** Octets of a header with its blank line, or with the one that is inserted. */
const lengthOf = ({ fields, body }: HeaderEnd) => (body > fields ? body : fields + BLANK.length)
