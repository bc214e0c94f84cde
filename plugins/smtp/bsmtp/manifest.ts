/**
 * The manifest, which precedes the batch within a sealed one: a line of JSON that acknowledges batches of the partner.
 *
 * Invariants: the line is read with a limit; an acknowledgement names a batch by stream and number, so that it may be
 * repeated.
 */
import type { EnhancedCode } from 'iems'
import * as z from 'zod'
import { following, SealError } from './seal.ts'

const MAX_LINE = 8 * 1024 * 1024
const LF = 10

const count = z.int().min(0)
const enhanced = z
  .string()
  .regex(/^[245]\.\d{1,3}\.\d{1,3}$/)
  .transform((text) => text as EnhancedCode)
const reply = z.strictObject({ code: z.int().min(200).max(599), enhanced, text: z.string().max(1000) })
/** A recipient that was not taken, or with `''` all recipients of the transaction. */
const refusal = z.strictObject({ index: count, address: z.string().max(1000), reply })
const done = z.strictObject({
  stream: z.string().max(64),
  batch: count,
  /** Everything else was taken. */
  refused: z.array(refusal).readonly(),
  /** The batch could be read up to and without this transaction; absent: to its end. */
  upTo: count.optional(),
})
const partial = z.strictObject({
  stream: z.string().max(64),
  batch: count,
  build: z.string().max(64),
  /** Where the parts that are there begin. */
  have: z.array(count).readonly(),
})
const manifest = z.strictObject({ done: z.array(done).readonly(), partial: z.array(partial).readonly() })

export type Refused = z.output<typeof refusal>
export type Done = z.output<typeof done>
export type PartialBatch = z.output<typeof partial>
export type Manifest = z.output<typeof manifest>

export const writeManifest = (value: Manifest): Buffer => Buffer.from(`${JSON.stringify(value)}\n`)

/** Reads the line; `rest` is the batch behind it. */
export async function readManifest(
  source: AsyncIterable<Uint8Array>,
): Promise<{ readonly manifest: Manifest; readonly rest: AsyncIterable<Uint8Array> }> {
  const chunks = source[Symbol.asyncIterator]()
  const held: Uint8Array[] = []
  let size = 0
  for (;;) {
    const { value, done: isOver } = await chunks.next()
    if (isOver) throw new SealError('the batch has no manifest')
    const end = Buffer.from(value.buffer, value.byteOffset, value.byteLength).indexOf(LF)
    held.push(end < 0 ? value : value.subarray(0, end))
    size += value.byteLength
    if (size > MAX_LINE) throw new SealError('the manifest is too long')
    if (end < 0) continue
    return { manifest: parse(Buffer.concat(held)), rest: following(value.subarray(end + 1), chunks) }
  }
}

function parse(json: Buffer): Manifest {
  try {
    return manifest.parse(JSON.parse(json.toString()))
  } catch (cause) {
    throw new SealError('the manifest cannot be read', { cause })
  }
}
