/**
 * The MIME structure of content as it was received: where each part stands, and what its header says of it.
 *
 * The content is read once, as it comes, line by line. What must stay true: no body is ever held; whatever a stranger
 * sends is some structure, never an error; beyond a limit what is left is one opaque part; a multipart has at least one
 * part, and message/rfc822 and message/global have exactly one; every offset is that of the octets as they are, so
 * sections come back byte for byte.
 */
import { Pace } from '../listener/pace.ts'
import type { ByteRange } from '../store/store.ts'
import { gather } from './gather.ts'
import { finishedPart, OPAQUE, type OpenPart } from './open-part.ts'
import type { EncodedBody, MimePart, Readable } from './parts.ts'
import { MAX_DECODED, octetsSource } from './sources.ts'
import { type StructureBudget, StructureReader } from './structure-reader.ts'
import { partBody } from './transfer.ts'

/** Parts within parts. */
const MAX_DEPTH = 100
const MAX_PARTS = 10_000

/** Octets that are read before it is looked whether it is the turn of others: of the smallest parts a few ms of work. */
const SLICE = 8192

async function readAll(source: AsyncIterable<Uint8Array>, reading: StructureReader): Promise<OpenPart> {
  const pace = new Pace()
  for await (const chunk of source) {
    const octets = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    for (let at = 0; at < octets.length; at += SLICE) {
      const wait = pace.due()
      if (wait) await wait
      reading.push(octets.subarray(at, at + SLICE))
    }
  }
  return reading.finish()
}

/** Reads a message that stands in a source, and the encoded ones within. */
async function readWithin(
  source: Readable,
  range: ByteRange,
  budget: StructureBudget,
  within?: EncodedBody,
): Promise<MimePart> {
  const reading = new StructureReader(budget)
  const root = await readAll(source.open(range), reading)
  for (const { part, depth } of reading.encoded) {
    const { encoding, body, end } = part
    const encoded: EncodedBody = { encoding, body, end, ...(within ? { within } : {}) }
    const octets = await gather(partBody(source, encoded) ?? [], budget.octets + 1)
    if (octets.length === 0 || octets.length > budget.octets || budget.parts <= 0) Object.assign(part, OPAQUE)
    else {
      budget.octets -= octets.length
      budget.parts--
      const inner = { ...budget, depth: budget.depth - depth }
      part.decoded = await readWithin(octetsSource(octets), { start: 0, end: octets.length }, inner, encoded)
      budget.parts = inner.parts
      budget.octets = inner.octets
    }
  }
  return finishedPart(root, within)
}

/** Reads the structure of content. Throws only what the content's source throws. */
export function readStructure(open: (range?: ByteRange) => AsyncIterable<Uint8Array>, size: number): Promise<MimePart> {
  const budget = { depth: MAX_DEPTH, parts: MAX_PARTS - 1, octets: MAX_DECODED }
  return readWithin({ open }, { start: 0, end: size }, budget)
}
