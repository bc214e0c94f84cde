/**
 * Rich text from CD records, which several items of one name hold in their order.
 *
 * Invariants: each record is passed over by its stated length, so that unknown ones do no harm; a record that ends
 * beyond its item ends that item; nesting and the size of images have limits.
 */
import { decodeLmbcs } from '../nsf/lmbcs.ts'
import type { DocLink } from '../nsf/values.ts'
import {
  type Align,
  type Block,
  type Inline,
  imageType,
  notesAddress,
  notesColor,
  type RichText,
  type TextStyle,
} from './model.ts'

const MAX_DEPTH = 32
const MAX_IMAGE = 64 * 1024 * 1024
const MAX_CELLS = 100_000
const HOTSPOT = { file: 4, link: 13 }
const ALIGN: Readonly<Record<number, Align>> = { 1: 'right', 2: 'justify', 3: 'center' }

interface CdRecord {
  /** Signature, and the form of its length: W, L or B. */
  readonly name: string
  readonly data: Buffer
}

/** The records of one item's value. */
function* cdRecords(value: Buffer): Generator<CdRecord> {
  for (let at = 0; at + 2 <= value.length; ) {
    const signature = value[at] ?? 0
    const short = value[at + 1] ?? 0
    const [form, header] =
      short === 0xff ? (['W', 4] as const) : short === 0 ? (['L', 6] as const) : (['B', 2] as const)
    if (at + header > value.length) return
    const length = form === 'W' ? value.readUInt16LE(at + 2) : form === 'L' ? value.readUInt32LE(at + 2) : short
    if (length < header || at + length > value.length) return
    yield {
      name: signature.toString(16).toUpperCase().padStart(2, '0') + form,
      data: value.subarray(at + header, at + length),
    }
    at += length + (length & 1)
  }
}

/** Records that change nothing that mail shows, and the pieces of images that are named by their first record. */
const SILENT = new Set(
  '8BW DDB DEB D2B FBW 80B 84B 87B 88B E3W C0W 96L 97L 98L 99L 9AL 9CL 9FL A6B AEB 8EW D4B D6B F1W'.split(' '),
)
/** Records whose content is lost, and what people call it. */
const LOST: Readonly<Record<string, string>> = {
  '95L': 'bitmap',
  '9BL': 'metafile',
  A7W: 'embedded object',
  ABW: 'button',
  BCW: 'layout region',
}

export function readCd(values: readonly Buffer[], links: readonly DocLink[]): RichText {
  const reader = new CdReader(links)
  for (const value of values) for (const record of cdRecords(value)) reader.record(record)
  return { blocks: reader.end(), lost: reader.lost }
}

/** Blocks that are being filled: the text itself, or a cell of a table. */
interface Level {
  readonly blocks: Block[]
  inlines: Inline[]
  /** The table whose cell this is. */
  readonly table?: { readonly rows: Block[][][]; row: number }
}

class CdReader {
  readonly lost = new Map<string, number>()
  private readonly links: readonly DocLink[]
  private readonly levels: Level[] = [{ blocks: [], inlines: [] }]
  private readonly alignments = new Map<number, Align>()
  private align: Align | undefined
  /** Segments of an image: its end is the first record of another kind. */
  private image: Buffer[] = []
  private html: string[] | undefined
  private readonly hotspots: ('file' | 'link' | 'other')[] = []
  private link: { readonly href: string; readonly inlines: Inline[] } | undefined
  private cells = 0

  constructor(links: readonly DocLink[]) {
    this.links = links
  }

  record({ name, data }: CdRecord): void {
    if (name !== '7CL') this.endImage()
    switch (name) {
      case '85W':
        this.text(data)
        break
      case '81B':
        this.paragraph(true)
        break
      case '82W':
        this.definition(data)
        break
      case '83B':
        this.align = data.length < 2 ? undefined : this.alignments.get(data.readUInt16LE(0))
        break
      case '91W':
        this.documentLink(data)
        break
      case '7CL':
        this.imageSegment(data)
        break
      case '7DL':
        break
      case 'CCW':
        this.paragraph()
        this.html ??= []
        break
      case 'CDW':
        this.endHtml()
        break
      default:
        this.region(name, data)
        break
    }
  }

  /** Records that begin or end a region: hotspots and tables. */
  private region(name: string, data: Buffer): void {
    switch (name) {
      case 'A9W':
      case 'F6W':
        this.hotspot(data)
        break
      case 'AAB':
      case 'F7B':
        if (this.hotspots.pop() === 'link') this.endLink()
        break
      case '7EW':
        this.url(data)
        break
      case 'ADW':
        break
      case 'A3B':
      case 'CFB':
        this.startTable()
        break
      case 'A4B':
      case 'D0B':
        this.cell(data)
        break
      case 'A5B':
      case 'D1B':
        this.endTable()
        break
      default:
        if (!SILENT.has(name)) this.lose(LOST[name] ?? `record ${name}`)
    }
  }

  end(): Block[] {
    this.endImage()
    this.endHtml()
    while (this.levels.length > 1) this.endTable()
    this.paragraph()
    return this.levels[0]?.blocks ?? []
  }

  private get level(): Level {
    return this.levels.at(-1) as Level
  }

  private lose(what: string): void {
    if (!this.hotspots.includes('file')) this.lost.set(what, (this.lost.get(what) ?? 0) + 1)
  }

  /** The icon of a file is a picture with its name; the file itself is there instead. */
  private add(inline: Inline): void {
    if (!this.hotspots.includes('file')) (this.link ?? this.level).inlines.push(inline)
  }

  // --- text ---

  private text(data: Buffer): void {
    if (data.length < 4) return
    const text = decodeLmbcs(data.subarray(4))
    if (this.html) {
      this.html.push(text)
      return
    }
    const style = styleOf(data)
    for (const [n, line] of text.split(/\r?\n/).entries()) {
      if (n > 0) this.add({ kind: 'break' })
      if (line !== '') this.add({ kind: 'text', text: line, ...(style ? { style } : {}) })
    }
  }

  private paragraph(isEnd = false): void {
    this.endLink()
    const { level, align } = this
    if (level.inlines.length === 0 && !isEnd) return
    level.blocks.push({ kind: 'paragraph', ...(align === undefined ? {} : { align }), inlines: level.inlines })
    level.inlines = []
  }

  private definition(data: Buffer): void {
    if (data.length < 4) return
    const align = ALIGN[data.readUInt16LE(2)]
    if (align === undefined) this.alignments.delete(data.readUInt16LE(0))
    else this.alignments.set(data.readUInt16LE(0), align)
  }

  private endHtml(): void {
    const html = this.html?.join('') ?? ''
    this.html = undefined
    if (html !== '') this.level.blocks.push({ kind: 'html', html })
  }

  // --- links and files ---

  private hotspot(data: Buffer): void {
    if (data.length < 8 || this.hotspots.length >= MAX_DEPTH) return
    const type = data.readUInt16LE(0)
    const [first = '', second = ''] = decodeLmbcs(data.subarray(8, 8 + data.readUInt16LE(6))).split('\n')
    if (type === HOTSPOT.file) {
      this.add({ kind: 'file', name: first, shown: second || first })
      this.hotspots.push('file')
    } else if (type === HOTSPOT.link) {
      this.startLink(first)
      this.hotspots.push('link')
    } else this.hotspots.push('other')
  }

  private url(data: Buffer): void {
    const text = decodeLmbcs(data)
    const at = text.search(/\b(?:https?|ftp|mailto|notes):/i)
    if (at >= 0) this.startLink(text.slice(at).split('\n')[0] ?? '')
  }

  private startLink(href: string): void {
    this.endLink()
    if (/^(?:https?|ftp|mailto|notes):/i.test(href)) this.link = { href, inlines: [] }
  }

  private endLink(): void {
    const { link } = this
    this.link = undefined
    if (link && link.inlines.length > 0) this.level.inlines.push({ kind: 'link', ...link })
  }

  private documentLink(data: Buffer): void {
    const link = data.length < 2 ? undefined : this.links[data.readUInt16LE(0)]
    const [comment = '', , anchor = ''] = decodeLmbcs(data.subarray(2)).split('\n')
    if (link) this.add({ kind: 'doclink', href: notesAddress(link), title: anchor || comment || 'Notes link' })
    else this.lose('link without a target')
  }

  // --- images ---

  private imageSegment(data: Buffer): void {
    const size = this.image.reduce((sum, { length }) => sum + length, 0)
    if (data.length >= 4 && size < MAX_IMAGE) this.image.push(data.subarray(4, 4 + data.readUInt16LE(0)))
  }

  private endImage(): void {
    if (this.image.length === 0) return
    const octets = Buffer.concat(this.image)
    this.image = []
    if (imageType(octets)) this.add({ kind: 'image', octets })
    else this.lose('image of an unknown type')
  }

  // --- tables ---

  private startTable(): void {
    this.paragraph()
    // Deeper tables are not kept apart: their cells belong to the table around them.
    if (this.levels.length < MAX_DEPTH) this.levels.push({ blocks: [], inlines: [], table: { rows: [], row: -1 } })
  }

  private cell(data: Buffer): void {
    const { table } = this.level
    if (!table || data.length < 1 || ++this.cells > MAX_CELLS) return
    this.paragraph()
    const row = data[0] ?? 0
    if (row !== table.row) table.rows.push([])
    table.row = row
    const blocks: Block[] = []
    table.rows.at(-1)?.push(blocks)
    this.levels[this.levels.length - 1] = { blocks, inlines: [], table }
  }

  private endTable(): void {
    const { table } = this.level
    if (!table) return
    this.paragraph()
    this.levels.pop()
    if (table.rows.length > 0) this.level.blocks.push({ kind: 'table', rows: table.rows })
  }
}

const ATTRIBUTES = { bold: 1, italic: 2, underline: 4, strike: 8, raised: 0x10, lowered: 0x20 }
const DEFAULT_SIZE = 10

/** A FONTID: face, attributes, colour, points. */
function styleOf(data: Buffer): TextStyle | undefined {
  const [, attributes = 0, colour = 0, size = 0] = data
  const color = notesColor(colour)
  const style: TextStyle = {
    ...(attributes & ATTRIBUTES.bold ? { bold: true } : {}),
    ...(attributes & ATTRIBUTES.italic ? { italic: true } : {}),
    ...(attributes & ATTRIBUTES.underline ? { underline: true } : {}),
    ...(attributes & ATTRIBUTES.strike ? { strike: true } : {}),
    ...(attributes & ATTRIBUTES.raised ? { raised: 'super' as const } : {}),
    ...(attributes & ATTRIBUTES.lowered ? { raised: 'sub' as const } : {}),
    ...(size > 0 && size !== DEFAULT_SIZE ? { size } : {}),
    ...(color === undefined ? {} : { color }),
  }
  return Object.keys(style).length > 0 ? style : undefined
}
