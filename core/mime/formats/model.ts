/**
 * One model of a file in a message, whatever format carries it. Types only.
 */

/** Macintosh attributes of a file. */
export interface MacAttributes {
  /** Four characters of MacRoman each, such as `TEXT` and `ttxt`. */
  readonly type: string
  readonly creator: string
  /** Finder flags, 16 bits. */
  readonly flags: number
  readonly comment?: string
  /** The resource fork. */
  readonly resource?: Buffer
}

/** Attributes of a file. A format omits those that it cannot represent. */
export interface FileFacts {
  /** As its sender wrote it; empty when the format has none. It may hold path separators and is no safe path. */
  readonly name: string
  /** Lower case media type. */
  readonly type?: string
  readonly created?: Date
  readonly modified?: Date
  /** Unix permission bits. */
  readonly mode?: number
  readonly mac?: MacAttributes
  /** Content-ID without angle brackets, by which HTML shows it. */
  readonly id?: string
}

/** A file with its octets in memory. */
export interface DecodedFile extends FileFacts {
  readonly octets: Buffer
}
