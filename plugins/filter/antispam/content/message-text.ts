/**
 * A message as the checks of its content see it: fields, texts, HTML, names of attachments, all decoded.
 *
 * What must stay true: no more is read than the limits say, whatever the message; whatever it is, it is some letter.
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
  /** Values of a field, encoded words undone; names in lower case. */
  field(name: string): readonly string[]
  /** Text as it is read, HTML without its marks, each part once. */
  readonly text: string
  /** Where addresses of pages stand: text, and HTML with its marks. */
  readonly raw: readonly string[]
  /** Names of attachments. */
  readonly attachments: readonly string[]
  /** All fields as they were sent, encoded words left as they are. */
  readonly fields: Fields
  /** Parts that hold no other parts, in order. */
  readonly parts: readonly LetterPart[]
  readonly structure: MimePart
}

export interface LetterPart {
  readonly part: MimePart
  /** The name of the attachment. */
  readonly name?: string
  /** The decoded text of text parts, HTML with its marks; no longer than the limits say. */
  readonly text?: string
}

export interface LetterLimits {
  /** Octets of the message, and of one text part. */
  readonly size: number
  readonly text: number
}

/** Text parts, values of one field, characters of a value. */
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

/** Parts within which there are no others, as many as are ever looked at. */
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
