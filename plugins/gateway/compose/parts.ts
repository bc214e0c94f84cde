/**
 * Parts of a message, written as they are read: text, files and multiparts. The octets of a message depend only on its
 * contents, so that the same source gives the same message each time.
 */
import { lines64 } from './base64.ts'
import { parameter } from './fields.ts'

export interface Part {
  /** Header fields, each with its line end; undefined when the body begins with its own. */
  readonly header: string | undefined
  body(): AsyncIterable<Buffer>
}

const CRLF = /\r\n|\r|\n/g

/** Text as base64, which carries any line. */
export function textPart(type: string, text: string, more = ''): Part {
  return {
    header: `Content-Type: ${type}; charset=utf-8${more}\r\nContent-Transfer-Encoding: base64\r\n`,
    async *body() {
      yield* lines64(one(Buffer.from(text.toWellFormed().replace(CRLF, '\r\n'))))
    },
  }
}

async function* one(octets: Buffer): AsyncGenerator<Buffer> {
  yield octets
}

export interface Attached {
  readonly name: string
  readonly type: string
  /** Shown where it stands in the text. */
  readonly contentId?: string
  /** ms since 1970. */
  readonly modified?: number
  open(): AsyncIterable<Buffer>
}

/** `failed` gets the error when a file cannot be read to its end; the part then ends where reading stopped. */
export function filePart(file: Attached, failed: (error: Error) => void): Part {
  const disposition = file.contentId === undefined ? 'attachment' : 'inline'
  return {
    header:
      `Content-Type: ${file.type}${parameter('name', file.name)}\r\n` +
      `Content-Disposition: ${disposition}${parameter('filename', file.name)}\r\n` +
      `${file.contentId === undefined ? '' : `Content-ID: <${file.contentId}>\r\n`}Content-Transfer-Encoding: base64\r\n`,
    body: () => lines64(tolerant(file.open(), failed)),
  }
}

async function* tolerant(octets: AsyncIterable<Buffer>, failed: (error: Error) => void): AsyncGenerator<Buffer> {
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
        yield Buffer.from(`\r\n--${boundary}\r\n${headerOf(part)}`)
        yield* part.body()
      }
      yield Buffer.from(`\r\n--${boundary}--\r\n`)
    },
  }
}

/** A part's header with the blank line behind it. */
export const headerOf = ({ header }: Part) => (header === undefined ? '' : `${header}\r\n`)
