/**
 * Inserts texts into a message and reports the result.
 *
 * Invariants: a message is changed completely or not at all; a text that cannot be inserted into the message's text
 * becomes a part of its own; content beyond the limits is not searched.
 */
import {
  decodeCharset,
  fromHtml,
  gather,
  type MimePart,
  type NewPart,
  type PartChange,
  type PartEditor,
  partBody,
  type Rewritable,
  readStructure,
  rewriteMime,
} from 'iems/mime'
import { insertHtml } from './html.ts'
import { type Inserted, insertPlain, type PlainForm } from './plain.ts'
import { obstacleIn, type Target, targetsIn } from './structure.ts'

export interface Insertion extends Pick<Inserted, 'place' | 'quotation'> {
  readonly name: string
  readonly text: string
  readonly html: string
  readonly oncePerThread: boolean
  /** Images that the HTML shows. */
  readonly images: readonly NewPart[]
}

export interface InsertResult {
  readonly content: (() => AsyncIterable<Uint8Array>) | undefined
  /** A line for each insertion. */
  readonly notes: readonly string[]
}

/** Octets of one text in which quotations, earlier insertions and PGP are looked for. */
const MAX_TEXT = 4_194_304
const PGP = /^-----BEGIN PGP (?:SIGNED )?MESSAGE-----/m

const typeOf = ({ type, subtype }: MimePart) => `${type}/${subtype}`
const nameOf = (path: readonly number[]) => path.join('.')

async function textOf(message: Rewritable, part: MimePart): Promise<string> {
  const octets = partBody(message, part)
  return octets ? decodeCharset(await gather(octets, MAX_TEXT), part.parameters.charset ?? '') : ''
}

/** Without white space and marks of quotation, so that folding and quoting change nothing. */
const bare = (text: string) => text.replace(/[\s>|\u00a0]+/g, '')

const formOf = ({ parameters }: MimePart): PlainForm => ({
  isFlowed: parameters.format?.toLowerCase() === 'flowed',
  delSp: parameters.delsp?.toLowerCase() === 'yes',
})

async function* whole(text: AsyncIterable<string>, change: (text: string) => string): AsyncGenerator<string> {
  let all = ''
  for await (const piece of text) all += piece
  yield change(all)
}

/** A large text gets its addition without being gathered, at its end or its beginning. */
async function* streamed(text: AsyncIterable<string>, { place }: Inserted, added: string): AsyncGenerator<string> {
  if (place === 'top') yield added
  yield* text
  if (place === 'bottom') yield `\r\n${added}`
}

function changeOf(part: MimePart, wanted: readonly Insertion[]): PartChange {
  const isHtml = part.subtype === 'html'
  // HTML of an image alone has no words.
  const insertions = wanted.filter(({ text }) => isHtml || text !== '')
  if (insertions.length === 0) return {}
  const form = formOf(part)
  const insert = (text: string, one: Insertion) =>
    isHtml ? insertHtml(text, { ...one, text: one.html }) : insertPlain(text, one, form)
  const images = isHtml ? insertions.flatMap((one) => one.images) : []
  const related = images.length > 0 ? { related: images } : {}
  if (part.end - part.body <= MAX_TEXT)
    return { ...related, text: (text) => whole(text, (all) => insertions.reduce(insert, all)) }
  return {
    ...related,
    text: (text) => insertions.reduce((all, one) => streamed(all, one, insert('', one)), text),
  }
}

interface Look {
  readonly isPgp: boolean
  /** Those that are in the message already. */
  readonly known: ReadonlySet<Insertion>
}

type Targets = Readonly<Record<'top' | 'bottom', readonly Target[]>>

/** Reads each text once, whatever the number of insertions. */
async function look(message: Rewritable, targets: Targets, wanted: readonly Insertion[]): Promise<Look> {
  const known = new Set<Insertion>()
  const texts = new Map([...targets.top, ...targets.bottom].map(({ part, path }) => [nameOf(path), part]))
  for (const [name, part] of texts) {
    const text = await textOf(message, part)
    if (PGP.test(text)) return { isPgp: true, known }
    const said = bare(part.subtype === 'html' ? fromHtml(text) : text)
    for (const one of wanted) {
      const words = bare(one.text)
      const isHere = targets[one.place].some(({ path }) => nameOf(path) === name)
      if (one.oncePerThread && isHere && words !== '' && said.includes(words)) known.add(one)
    }
  }
  return { isPgp: false, known }
}

/** As a separate part. */
function newPart({ text, html, images }: Insertion): NewPart {
  if (text !== '') return { type: 'text/plain', content: text.replace(/\r?\n/g, '\r\n'), disposition: 'inline' }
  const part: NewPart = { type: 'text/html', content: html, disposition: 'inline' }
  return images.length > 0 ? { type: 'multipart/related', content: [part, ...images] } : part
}

/** Next to the parts of a multipart/mixed, or to the whole body. */
function besideOf(root: MimePart, insertions: readonly Insertion[]) {
  const before = insertions.filter(({ place }) => place === 'top').map(newPart)
  const after = insertions.filter(({ place }) => place === 'bottom').map(newPart)
  const isMixed = root.type === 'multipart' && root.subtype === 'mixed'
  const last = root.parts?.length ?? 0
  return ({ path }: { readonly path: readonly number[] }): PartChange | undefined => {
    if (!isMixed) return path.length === 0 ? { before, after } : undefined
    if (path.length !== 1) return undefined
    return {
      ...(path[0] === 1 && before.length > 0 ? { before } : {}),
      ...(path[0] === last && after.length > 0 ? { after } : {}),
    }
  }
}

export async function insertTexts(message: Rewritable, wanted: readonly Insertion[]): Promise<InsertResult> {
  const root = await readStructure((range) => message.open(range), message.size)
  const leave = (why: string): InsertResult => ({
    content: undefined,
    notes: wanted.map(({ name }) => `${name}: left out: ${why}`),
  })
  const obstacle = obstacleIn(root)
  if (obstacle) return leave(obstacle)
  const targets = { top: targetsIn(root, 'top'), bottom: targetsIn(root, 'bottom') }
  const { isPgp, known } = await look(message, targets, wanted)
  if (isPgp) return leave('signed or encrypted (PGP)')
  const insertions = wanted.filter((one) => !known.has(one))
  const notes = [...known].map(({ name }) => `${name}: left out: it is in the message already`)
  if (insertions.length === 0) return { content: undefined, notes }
  const done = await rewrite(message, root, targets, insertions)
  return { content: done.content, notes: [...notes, ...done.notes] }
}

/** Characters of a text in the trace. */
const MAX_EXCERPT = 100

/** The beginning of a text, as one line. */
function excerpt({ text, html }: Insertion): string {
  const line = (text === '' ? fromHtml(html) : text).replace(/\s+/g, ' ').trim()
  const chars = Array.from(line)
  return chars.length > MAX_EXCERPT ? `"${chars.slice(0, MAX_EXCERPT).join('')}…"` : `"${line}"`
}

async function rewrite(
  message: Rewritable,
  root: MimePart,
  targets: Targets,
  insertions: readonly Insertion[],
): Promise<InsertResult> {
  const inText = insertions.filter(({ place }) => targets[place].length > 0)
  let why = 'the message has no text'
  if (inText.length === insertions.length) {
    const edit: PartEditor = ({ part, path }) => {
      const mine = inText.filter(({ place }) => targets[place].some((one) => nameOf(one.path) === nameOf(path)))
      return mine.length > 0 ? changeOf(part, mine) : undefined
    }
    const { content, problem } = await rewriteMime(message, edit, { structure: root })
    if (content) {
      const where = (place: 'top' | 'bottom') => targets[place].map(({ part }) => typeOf(part)).join(' and ')
      const noteOf = (one: Insertion) => `${one.name}: at the ${one.place} of ${where(one.place)}: + ${excerpt(one)}`
      return { content, notes: insertions.map(noteOf) }
    }
    if (!problem) return { content, notes: insertions.map(({ name }) => `${name}: left out: it has no plain text`) }
    why = `${problem.what} in part ${nameOf(problem.path) || 'one'}`
  }
  const { content, problem } = await rewriteMime(message, besideOf(root, insertions), {
    structure: root,
    filter: { containers: true },
  })
  return {
    content,
    notes: insertions.map((one) =>
      content
        ? `${one.name}: as a part of its own: ${why}: + ${excerpt(one)}`
        : `${one.name}: left out: ${problem?.what ?? why}`,
    ),
  }
}
