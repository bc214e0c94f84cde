/**
 * Parcels: a part of a sealed batch as it travels. One line says whose it is, what it is a part of and what follows,
 * and is signed; then come the octets.
 *
 *   IEMS-BSMTP/1 SIGNATURE JSON LF octets
 *
 * Invariants: the signature covers the line's JSON, which covers the octets by their SHA-256, so that an unknown sender
 * is refused after one line and nothing of a partner's can be altered; a line has a limit.
 */
import { createHash } from 'node:crypto'
import * as z from 'zod'
import type { Identity, PublicIdentity } from './identity.ts'
import { following, SealError } from './seal.ts'

const MAGIC = 'IEMS-BSMTP/1 '
/** Octets of the line. */
const MAX_LINE = 8192
const LF = 10

const word = z.string().regex(/^[\w.-]{1,64}$/)
const count = z.int().min(0).max(Number.MAX_SAFE_INTEGER)
const label = z.strictObject({
  /** Names under which the two know each other. */
  from: word,
  to: word,
  /** One life of the sender's store: numbers begin at 1 in each. */
  stream: word,
  /** 0: it carries acknowledgements alone, and is not acknowledged. */
  batch: count,
  /** The sealed batch, made once; parts of two of them do not fit together. */
  build: word,
  /** Octets of all parts together, where this one begins, and how many it has. */
  total: count,
  at: count,
  size: count,
  sha256: z.string().length(43),
  zip: z.enum(['zstd', 'gzip', 'none']),
  /** The dictionary that was used, by the beginning of its hash. */
  dictionary: word.optional(),
  /** The sender's half of the key agreement; absent when the batch is not encrypted. */
  ephemeral: z.string().max(64).optional(),
  /** No acknowledgement can reach the sender. */
  oneWay: z.boolean().optional(),
  /** When the batch was made, ms since 1970. */
  made: count,
})
export type Label = z.output<typeof label>
/** Fields that all parts of a batch have in common. */
export type BatchLabel = Omit<Label, 'at' | 'size' | 'sha256'>

export const hashOf = (octets: Uint8Array): string => createHash('sha256').update(octets).digest('base64url')

/** The line of a part. */
export function writeLine(own: Identity, part: Label): Buffer {
  const json = Buffer.from(JSON.stringify(part))
  return Buffer.concat([Buffer.from(`${MAGIC}${own.sign(json).toString('base64url')} `), json, Buffer.of(LF)])
}

export interface ReadParcel {
  readonly label: Label
  readonly isSignedBy: (key: PublicIdentity) => boolean
  readonly octets: AsyncIterable<Uint8Array>
}

/** Reads the line; `octets` follow it. Throws SealError when the source is not a parcel. */
export async function readParcel(source: AsyncIterable<Uint8Array>): Promise<ReadParcel> {
  const chunks = source[Symbol.asyncIterator]()
  let head: Buffer = Buffer.alloc(0)
  let end = -1
  while (end < 0) {
    const { value, done } = await chunks.next()
    if (done) throw new SealError('the parcel has no label')
    head = Buffer.concat([head, value])
    end = head.indexOf(LF)
    if (end > MAX_LINE || (end < 0 && head.length > MAX_LINE)) throw new SealError('the label is too long')
  }
  const text = head.toString('latin1', 0, end)
  const space = text.indexOf(' ', MAGIC.length)
  if (!text.startsWith(MAGIC) || space < 0) throw new SealError('the parcel has no label')
  const json = head.subarray(space + 1, end)
  const signature = Buffer.from(text.slice(MAGIC.length, space), 'base64url')
  const rest = head.subarray(end + 1)
  return {
    label: readLabel(json),
    isSignedBy: (key) => key.verify(json, signature),
    octets: following(rest, chunks),
  }
}

function readLabel(json: Buffer): Label {
  let value: unknown
  try {
    value = JSON.parse(json.toString())
  } catch (cause) {
    throw new SealError('the label cannot be read', { cause })
  }
  const read = label.safeParse(value)
  if (!read.success || read.data.at + read.data.size > read.data.total) throw new SealError('the label cannot be read')
  return read.data
}

/** The octets of a part, with the size and hash of its label; throws SealError if they are others. */
export async function* verified(
  octets: AsyncIterable<Uint8Array>,
  { size, sha256 }: Pick<Label, 'size' | 'sha256'>,
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256')
  let left = size
  for await (const chunk of octets) {
    left -= chunk.byteLength
    if (left < 0) break
    hash.update(chunk)
    yield chunk
  }
  if (left !== 0 || hash.digest('base64url') !== sha256) throw new SealError('the part is damaged or cut off')
}

export async function hashOfAll(octets: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of octets) hash.update(chunk)
  return hash.digest('base64url')
}

/** Whether what comes is a parcel; `octets` is all of it. */
export async function peek(
  source: AsyncIterable<Uint8Array>,
): Promise<{ readonly isParcel: boolean; readonly octets: AsyncIterable<Uint8Array> }> {
  const chunks = source[Symbol.asyncIterator]()
  let head: Buffer = Buffer.alloc(0)
  while (head.length < MAGIC.length) {
    const { value, done } = await chunks.next()
    if (done) break
    head = Buffer.concat([head, value])
  }
  return { isParcel: head.toString('latin1', 0, MAGIC.length) === MAGIC, octets: following(head, chunks) }
}
