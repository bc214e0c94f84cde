/**
 * Parts of a message, written as they are read: text, files and multiparts. The octets of a message depend only on its
 * contents, so that the same source gives the same message each time.
 */
import { base64Lines, toBase64 } from '../rewrite/encode.ts'
import { parameter } from './fields.ts'

export interface Part {
  /** Header fields, each with its line end; undefined when the body begins with its own. */
  readonly header: string | undefined
  body(): AsyncIterable<Buffer>
}

/** Characters of a line that is sent as it is (RFC 5322 section 2.1.1 has 998). */
const MAX_LINE = 900
const CRLF = /\r\n|\r|\n/g

/** Text as base64, which carries any line. */
export function textPart(type: string, text: string, more = ''): Part {
  return {
    header: `Content-Type: ${type}; charset=utf-8${more}\r\nContent-Transfer-Encoding: base64\r\n`,
    async *body() {
      yield* toBase64(one(Buffer.from(text.toWellFormed().replace(CRLF, '\r\n'))))
    },
  }
}

/**
 * A text/plain entity, header and body: 7bit where the lines allow it, else base64. Line ends become CRLF, and the text
 * ends with one.
 */
export function textEntity(text: string): string {
  const lines = `${text.toWellFormed().replace(CRLF, '\r\n').trimEnd()}\r\n`
  const is7Bit = /^[\t\r\n -~]*$/.test(lines) && lines.split('\r\n').every(({ length }) => length < MAX_LINE)
  const head = `Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: ${is7Bit ? '7bit' : 'base64'}\r\n\r\n`
  return head + (is7Bit ? lines : base64Lines(Buffer.from(lines)).toString('latin1'))
}

async function* one(octets: Buffer): AsyncGenerator<Buffer> {
  yield octets
}

export interface Attached {
  readonly name: string
  readonly type: string
  /** Shown at its position in the text. */
  readonly contentId?: string
  /** ms since 1970. */
  readonly modified?: number
  open(): AsyncIterable<Uint8Array>
}

/** `failed` gets the error when a file cannot be read to its end; the part then ends where reading stopped. */
export function filePart(file: Attached, failed: (error: Error) => void): Part {
  const disposition = file.contentId === undefined ? 'attachment' : 'inline'
  return {
    header:
      `Content-Type: ${file.type}${parameter('name', file.name)}\r\n` +
      `Content-Disposition: ${disposition}${parameter('filename', file.name)}\r\n` +
      `${file.contentId === undefined ? '' : `Content-ID: <${file.contentId}>\r\n`}Content-Transfer-Encoding: base64\r\n`,
    body: () => toBase64(tolerant(file.open(), failed)),
  }
}

async function* tolerant(
  octets: AsyncIterable<Uint8Array>,
  failed: (error: Error) => void,
): AsyncGenerator<Uint8Array> {
  try {
    yield* octets
  } catch (error) {
    failed(error as Error)
  }
}

/** Takes each part from `parts` after the part before it was written. */
export function multipart(subtype: string, boundary: string, parts: () => Iterable<Part> | AsyncIterable<Part>): Part {
  return {
    header: `Content-Type: multipart/${subtype}; boundary="${boundary}"\r\n`,
    async *body() {
      for await (const part of parts()) {
        yield Buffer.from(`\r\n--${boundary}\r\n${partHeader(part)}`)
        yield* part.body()
      }
      yield Buffer.from(`\r\n--${boundary}--\r\n`)
    },
  }
}

/** A part's header with the blank line behind it. */
export const partHeader = ({ header }: Part) => (header === undefined ? '' : `${header}\r\n`)
