/**
 * Inspects content as it streams: its size, its header and the transport extensions it needs.
 *
 * Invariants: content that exceeds a limit throws before its end; memory holds no more than the header.
 */
import { isAscii } from 'node:buffer'
import { IemsError, reasonOf } from '../api/errors.ts'
import { createHeaderScanner, type HeaderEnd } from '../mime/header-end.ts'

export interface ContentLimits {
  /** Maximum size of the content in octets. */
  readonly messageSize: number
  /** Maximum size of the header in octets. */
  readonly headerSize: number
}

export function createInspector({ messageSize, headerSize }: ContentLimits, isBinary: boolean) {
  const head: Uint8Array[] = []
  const scanner = createHeaderScanner()
  let end: HeaderEnd | undefined
  let headSize = 0
  let size = 0
  let ascii = true
  function inspect(chunk: Uint8Array) {
    size += chunk.byteLength
    if (size > messageSize) throw new IemsError('IEMS_CONTENT_TOO_LARGE', { limit: messageSize })
    if (!end && headSize <= headerSize) {
      head.push(chunk)
      headSize += chunk.byteLength
      end = scanner.push(chunk)
    }
    ascii &&= isAscii(chunk)
    // RFC 2045 sections 2.7 and 2.8: a reader that drops NULs sees a different message, perhaps with an earlier end.
    if (!isBinary && chunk.includes(0)) throw new IemsError('IEMS_CONTENT_NUL')
  }
  return {
    /** Passes the source through. Throws an IemsError for invalid content. */
    async *watch(source: AsyncIterable<Uint8Array>) {
      try {
        for await (const chunk of source) {
          inspect(chunk)
          yield chunk
        }
      } catch (cause) {
        throw cause instanceof IemsError ? cause : new IemsError('IEMS_CONTENT_BROKEN', { why: reasonOf(cause) }, cause)
      }
    },
    /** The header with its blank line; undefined when it exceeds the limit. */
    header(): Uint8Array | undefined {
      if (!end && headSize > headerSize) return undefined
      const { body } = end ?? scanner.finish()
      return body > headerSize ? undefined : Buffer.concat(head).subarray(0, body)
    },
    /** A blank line separates header and body. */
    hasBlankLine: () => end !== undefined && end.body > end.fields,
    isAscii: () => ascii,
  }
}
