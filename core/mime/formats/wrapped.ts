/**
 * Files within a text: uuencoded, in yEnc, or in BinHex, several in one body with text between them.
 *
 * The text is read once as it comes; a file that was found is opened by its place. Invariants: linear time and bounded
 * memory, whatever the text; a line that only begins like one costs nothing more; where one begins within another, the
 * first is broken.
 */
import { crc32 } from 'node:zlib'
import type { ByteRange } from '../../store/store.ts'
import { gather } from '../gather.ts'
import type { Readable } from '../parts.ts'
import { BINHEX_COMMENT, readBinhex } from './binhex.ts'
import type { DecodedFile } from './model.ts'
import { type TextLine, textLines } from './text-lines.ts'
import { decodeUuLine, readUuBegin, uuCount } from './uuencode.ts'
import { decodeYencLine, isYencKeyword, readYencBegin, readYencEnd, readYencPart, type YencRange } from './yenc.ts'

export interface WrappedFile {
  readonly kind: 'uuencode' | 'base64' | 'yenc' | 'binhex'
  /** Its lines in the text, with those that begin and end it. */
  readonly start: number
  readonly end: number
  /** The lines of data. */
  readonly body: ByteRange
  /** Empty for BinHex, which has it inside. */
  readonly name: string
  readonly mode?: number
  /** All of it is there, and what its format says of size and check sum fits. */
  readonly isWhole: boolean
  /** Of one part of a file in yEnc: its position in the file, and the size of the file. */
  readonly part?: YencRange & { readonly number: number; readonly size: number }
}

/** Maximum of files that are found in one text; the rest stays text. */
export const MAX_WRAPPED = 1000

interface Open {
  readonly kind: WrappedFile['kind']
  readonly start: number
  bodyStart: number
  bodyEnd: number
  readonly name: string
  readonly mode?: number
  /** Lines of data so far. */
  lines: number
  /** The last line of uuencode, or BinHex after its first colon. */
  state: 'begun' | 'closing'
  yenc?: { readonly size: number; readonly part?: number; range?: YencRange; crc: number; found: number }
}

const BASE64_LINE = /^[A-Za-z0-9+/]+={0,2}[ \t]*$/
const PAREN = BINHEX_COMMENT.charCodeAt(0)
const COLON = 58
/** Lines between the words that announce BinHex and its colon. */
const MAX_BLANK = 5

/** Finds files in yEnc, or all others: both see the octets of a yEnc file, and the text after an unfinished one. */
class Finder {
  readonly files: WrappedFile[] = []
  readonly #isYenc: boolean
  #open: Open | undefined

  constructor(isYenc: boolean) {
    this.#isYenc = isYenc
  }

  line(line: TextLine): void {
    if (this.files.length >= MAX_WRAPPED) return
    const begun = this.#begin(line)
    if (begun) {
      this.#finish(line.start, false)
      this.#open = begun
    } else if (this.#open) this.#data(this.#open, line)
  }

  end(at: number): void {
    this.#finish(at, false)
  }

  #begin({ octets, start, end }: TextLine): Open | undefined {
    const base = { start, bodyStart: end, bodyEnd: end, lines: 0, state: 'begun' as const }
    if (this.#isYenc) {
      const yenc = readYencBegin(octets)
      if (!yenc) return undefined
      const { size, part } = yenc
      return { ...base, kind: 'yenc', name: yenc.name, yenc: { size, crc: 0, found: 0, ...(part ? { part } : {}) } }
    }
    const uu = readUuBegin(octets)
    // A line of uuencode that begins with `b` is no line of it: its letters are capitals.
    if (uu) {
      const { name, mode, isBase64 } = uu
      return { ...base, kind: isBase64 ? 'base64' : 'uuencode', name, ...(mode === undefined ? {} : { mode }) }
    }
    if (octets[0] === PAREN && octets.toString('latin1', 0, BINHEX_COMMENT.length) === BINHEX_COMMENT)
      return { ...base, kind: 'binhex', name: '' }
    return undefined
  }

  #data(open: Open, line: TextLine): void {
    if (open.kind === 'uuencode') this.#uu(open, line)
    else if (open.kind === 'base64') this.#base64(open, line)
    else if (open.kind === 'yenc') this.#yenc(open, line)
    else this.#binhex(open, line)
  }

  #grow(open: Open, { end }: TextLine): void {
    open.lines++
    open.bodyEnd = end
  }

  #uu(open: Open, line: TextLine): void {
    if (line.octets.toString('latin1', 0, 4).trimEnd() === 'end') {
      // Without a line of no octets before it, `end` may be data or text: it is what it says.
      this.#finish(line.end, open.mode !== undefined && (open.lines > 0 || open.state === 'closing'))
      return
    }
    const count = uuCount(line.octets)
    if (count === undefined || (count > 0 && open.state === 'closing')) this.#finish(line.start, false)
    else if (count === 0) open.state = line.octets.length > 0 ? 'closing' : open.state
    else this.#grow(open, line)
  }

  #base64(open: Open, line: TextLine): void {
    const text = line.octets.toString('latin1', 0, 1024)
    if (text.startsWith('====')) this.#finish(line.end, open.mode !== undefined)
    else if (BASE64_LINE.test(text)) this.#grow(open, line)
    else if (text !== '') this.#finish(line.start, false)
  }

  #yenc(open: Open, line: TextLine): void {
    const { yenc } = open
    if (!yenc) return
    if (!isYencKeyword(line.octets)) {
      const octets = decodeYencLine(line.octets)
      yenc.crc = crc32(octets, yenc.crc)
      yenc.found += octets.length
      this.#grow(open, line)
      if (yenc.found > yenc.size) this.#finish(line.end, false)
      return
    }
    const range = readYencPart(line.octets)
    if (range && open.lines === 0) {
      yenc.range = range
      open.bodyStart = line.end
      open.bodyEnd = line.end
      return
    }
    const end = readYencEnd(line.octets)
    const wanted = yenc.range ? yenc.range.end - yenc.range.start : yenc.size
    const fits = end?.size === yenc.found && yenc.found === wanted && (end.crc === undefined || end.crc === yenc.crc)
    this.#finish(end ? line.end : line.start, fits && (yenc.range?.end ?? 0) <= yenc.size)
  }

  #binhex(open: Open, line: TextLine): void {
    const { octets } = line
    if (open.state === 'begun') {
      if (octets.length === 0 && ++open.lines <= MAX_BLANK) return
      if (octets[0] !== COLON) {
        this.#finish(line.start, false)
        return
      }
      open.bodyStart = line.start
      open.state = 'closing'
    }
    this.#grow(open, line)
    if (octets.lastIndexOf(COLON) > (line.start === open.bodyStart ? 0 : -1)) this.#finish(line.end, true)
  }

  #finish(end: number, isWhole: boolean): void {
    const open = this.#open
    this.#open = undefined
    // A line that begins a file, and nothing of it, is text.
    if (!open || (!isWhole && open.bodyEnd === open.bodyStart)) return
    const { kind, start, bodyStart, bodyEnd, name, mode, yenc } = open
    const range = yenc?.range
    const part = range && yenc.part !== undefined ? { ...range, number: yenc.part, size: yenc.size } : undefined
    this.files.push({
      kind,
      start,
      end,
      body: { start: bodyStart, end: bodyEnd },
      name,
      ...(mode === undefined ? {} : { mode }),
      isWhole,
      ...(part ? { part } : {}),
    })
  }
}

/**
 * The files in a text, in the order of their beginnings, broken ones included; those may overlap others. Throws what the
 * source throws.
 */
export async function findWrapped(text: AsyncIterable<Uint8Array>): Promise<readonly WrappedFile[]> {
  const finders = [new Finder(true), new Finder(false)]
  let end = 0
  for await (const lines of textLines(text))
    for (const line of lines) {
      for (const finder of finders) finder.line(line)
      end = line.end
    }
  for (const finder of finders) finder.end(end)
  return finders.flatMap(({ files }) => files).sort((a, b) => a.start - b.start)
}

/** The octets of a file that was found in that text, as they come; of BinHex the text. */
export async function* openWrapped({ kind, body }: WrappedFile, text: Readable): AsyncGenerator<Uint8Array> {
  const source = body.end > body.start ? text.open(body) : []
  if (kind === 'binhex') {
    yield* source
    return
  }
  let rest = ''
  for await (const lines of textLines(source as AsyncIterable<Uint8Array>)) {
    const octets: Buffer[] = []
    for (const line of lines) {
      if (kind === 'uuencode') octets.push(decodeUuLine(line.octets))
      else if (kind === 'yenc') octets.push(decodeYencLine(line.octets))
      else {
        rest += line.octets.toString('latin1').trim()
        const end = rest.endsWith('=') ? rest.length : rest.length - (rest.length % 4)
        octets.push(Buffer.from(rest.slice(0, end), 'base64'))
        rest = rest.slice(end)
      }
    }
    const all = Buffer.concat(octets)
    if (all.length > 0) yield all
  }
  if (rest !== '') yield Buffer.from(rest, 'base64')
}

/** The file in memory; undefined when it has more than `most` octets or is BinHex that is damaged. */
export async function decodeWrapped(file: WrappedFile, text: Readable, most: number): Promise<DecodedFile | undefined> {
  if (file.kind === 'binhex') return readBinhex(await gather(openWrapped(file, text), 2 * most + 1024), most)
  const octets = await gather(openWrapped(file, text), most + 1)
  if (octets.length > most) return undefined
  return { name: file.name, octets, ...(file.mode === undefined ? {} : { mode: file.mode }) }
}

/** Parts of files in yEnc put together, in the order of the first part of each; files with a part missing are left out. */
export function joinYencParts(
  parts: readonly { readonly file: WrappedFile; readonly octets: Buffer }[],
): readonly DecodedFile[] {
  const byName = new Map<string, { readonly file: WrappedFile; readonly octets: Buffer }[]>()
  for (const one of parts) {
    if (!one.file.part || !one.file.isWhole) continue
    const name = `${one.file.part.size} ${one.file.name}`
    byName.set(name, [...(byName.get(name) ?? []), one])
  }
  return [...byName.values()].flatMap((some) => {
    const sorted = some.toSorted((a, b) => (a.file.part?.start ?? 0) - (b.file.part?.start ?? 0))
    let at = 0
    for (const { file } of sorted) {
      if (file.part?.start !== at) return []
      at = file.part.end
    }
    const [first] = sorted
    if (!first || at !== first.file.part?.size) return []
    return [{ name: first.file.name, octets: Buffer.concat(sorted.map(({ octets }) => octets)) }]
  })
}
