/**
 * The parts of a native MIME message: items of type 19, which written one after another are the message's body.
 */
import { longAt, wordAt } from './header.ts'
import { Damaged } from './source.ts'

const HEADER = 20
const FLAG = { inObject: 4 }
const KINDS = ['', 'prolog', 'body', 'epilog', 'message'] as const

export interface MimeItem {
  readonly kind: (typeof KINDS)[number]
  readonly flags: number
  /** The line before the part, with its line end; empty for the first. */
  readonly boundary: Buffer
  /** Header fields with the blank line after them. */
  readonly headers: Buffer
  readonly content: Buffer
  /** The content is the name of the file that has it, decoded. */
  readonly isInObject: boolean
}

export function readMimeItem(value: Buffer): MimeItem {
  const flags = longAt(value, 2)
  const kind = KINDS[value[6] ?? 0]
  const octets = wordAt(value, 8)
  const boundary = wordAt(value, 10)
  const headers = wordAt(value, 12)
  if (kind === undefined || boundary + headers > octets || HEADER + octets > value.length)
    throw new Damaged('a MIME part ends early')
  const from = HEADER + boundary
  return {
    kind,
    flags,
    boundary: value.subarray(HEADER, from),
    headers: value.subarray(from, from + headers),
    content: value.subarray(from + headers, HEADER + octets),
    isInObject: (flags & FLAG.inObject) !== 0,
  }
}
