/**
 * A message for the content checks: fields, texts, HTML and attachment names, all decoded.
 *
 * Invariants: limits bound what is read of any message; any input yields a result.
 */
import {
  createSources,
  decodeCharset,
  decodeWords,
  type Fields,
  fromHtml,
  gather,
  type MimePart,
  partBody,
  readFields,
  readLong,
  readStructure,
} from 'iems/mime'

export interface MessageText {
  /** Values of a field with encoded words decoded, by lower-case name. */
  field(name: string): readonly string[]
  /** Readable text, HTML without markup, each part once. */
  readonly text: string
  /** Text with links: plain text, and HTML with markup. */
  readonly raw: readonly string[]
  /** Names of attachments. */
  readonly attachments: readonly string[]
  /** All fields as received, with encoded words. */
  readonly fields: Fields
  /** Leaf parts, in order. */
  readonly parts: readonly LetterPart[]
  readonly structure: MimePart
}

export interface LetterPart {
  readonly part: MimePart
  /** Name of the attachment. */
  readonly name?: string
  /** The decoded text of text parts, HTML with markup, within the limits. */
  readonly text?: string
}

export interface LetterLimits {
  /** Maximum octets of the message, and of one text part. */
  readonly size: number
  readonly text: number
}

/** Maximum text parts, values of one field, and characters of a value. */
const PARTS = 30
const VALUES = 20
const VALUE = 2_000

export async function readLetter(octets: Buffer, limits: LetterLimits): Promise<MessageText> {
  const open = async function* ({ start, end } = { start: 0, end: octets.length }) {
    yield octets.subarray(start, end)
  }
  const structure = await readStructure(open, octets.length)
  const sourceOf = createSources({ open })
  const fields = readFields(octets.subarray(0, structure.body))
  const known = new Map<string, readonly string[]>()
  const texts: string[] = []
  const raw: string[] = []
  const attachments: string[] = []
  const parts: LetterPart[] = []
  for (const part of leavesOf(structure)) {
    const name = nameOf(part)
    if (name !== undefined) attachments.push(name.slice(0, VALUE))
    const named = { part, ...(name === undefined ? {} : { name }) }
    const source = part.type === 'text' && texts.length < PARTS ? partBody(sourceOf(part), part) : undefined
    if (!source) {
      parts.push(named)
      continue
    }
    const text = decodeCharset(await gather(source, limits.text), part.parameters.charset ?? '')
    parts.push({ ...named, text })
    raw.push(text)
    texts.push(part.subtype === 'html' ? fromHtml(text) : text)
  }
  return {
    field(name) {
      const read =
        known.get(name) ??
        fields
          .all(name)
          .slice(0, VALUES)
          .map((value) => decodeWords(value.slice(0, VALUE)))
      known.set(name, read)
      return read
    },
    text: texts.join('\n').slice(0, limits.text),
    raw,
    attachments,
    fields,
    parts,
    structure,
  }
}

/** Maximum leaf parts. */
const LEAVES = 200

function leavesOf(structure: MimePart): MimePart[] {
  const leaves: MimePart[] = []
  const stack = [structure]
  for (let part = stack.pop(); part && leaves.length < LEAVES; part = stack.pop()) {
    if (part.parts) stack.push(...part.parts.toReversed())
    else leaves.push(part)
  }
  return leaves
}

function nameOf({ parameters, disposition }: MimePart): string | undefined {
  const name = (disposition && readLong(disposition.parameters, 'filename')) ?? readLong(parameters, 'name')
  return name === undefined ? undefined : decodeWords(name.slice(0, VALUE))
}
