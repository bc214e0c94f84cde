/**
 * The MIME structure of received content: the position of each part, and the properties from its header.
 *
 * The content is read once, line by line. Invariants: no body is held in memory; any input has some structure, never an
 * error; beyond a limit the rest is one opaque part; a multipart has at least one part, and message/rfc822 and
 * message/global have exactly one; every offset refers to the original octets, so sections are returned byte for byte.
 */
import { Pace } from '../listener/pace.ts'
import type { ByteRange } from '../store/store.ts'
import { gather } from './gather.ts'
import { finishedPart, OPAQUE, type OpenPart } from './open-part.ts'
import type { EncodedBody, MimePart, Readable } from './parts.ts'
import { MAX_DECODED, octetsSource } from './sources.ts'
import { type StructureBudget, StructureReader } from './structure-reader.ts'
import { partBody } from './transfer.ts'

/** Maximum depth of parts. */
const MAX_DEPTH = 100
const MAX_PARTS = 10_000

/** Octets between checks for other sessions: a few ms of work even with the smallest parts. */
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

/** Reads a message from a source, including its encoded messages. */
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

/** Every part in order, the message itself first; without those of encoded messages. */
export function* eachPart(root: MimePart): Generator<MimePart> {
  const stack = [root]
  for (let part = stack.pop(); part; part = stack.pop()) {
    yield part
    stack.push(...[...(part.parts ?? [])].reverse())
  }
}
