/**
 * Rich text of DXL in the same model as that of CD records.
 */
import {
  type Align,
  type Block,
  type Inline,
  imageType,
  notesAddress,
  type RichText,
  type TextStyle,
} from '../richtext/model.ts'
import { child, childrenOf, type Element, elements, textOf } from './tree.ts'

const MAX_DEPTH = 64
const ALIGN: Readonly<Record<string, Align>> = { right: 'right', center: 'center', full: 'justify' }
/** Elements that show nothing. */
const SILENT = new Set(['pardef', 'font', 'code', 'border', 'caption', 'tablecolumn', 'sectiontitle', 'parstyle'])

interface Context {
  readonly alignments: Map<string, Align>
  readonly lost: Map<string, number>
  readonly depth: number
}

export function readDxlRichText(element: Element): RichText {
  const lost = new Map<string, number>()
  return { blocks: blocksOf(element, { alignments: new Map(), lost, depth: 0 }), lost }
}

function blocksOf(element: Element, context: Context): Block[] {
  if (context.depth > MAX_DEPTH) return []
  const inner = { ...context, depth: context.depth + 1 }
  return elements(element).flatMap((one): Block[] => {
    switch (one.name) {
      case 'pardef': {
        const align = ALIGN[one.attributes.align ?? '']
        if (align) context.alignments.set(one.attributes.id ?? '', align)
        return []
      }
      case 'par': {
        const align = context.alignments.get(one.attributes.def ?? '')
        return [{ kind: 'paragraph', ...(align ? { align } : {}), inlines: inlinesOf(one, undefined, inner) }]
      }
      case 'table':
        return [
          {
            kind: 'table',
            rows: childrenOf(one, 'tablerow').map((row) =>
              childrenOf(row, 'tablecell').map((cell) => blocksOf(cell, inner)),
            ),
          },
        ]
      case 'section': {
        const title = textOf(child(one, 'sectiontitle')).trim()
        const head: Block[] =
          title === '' ? [] : [{ kind: 'paragraph', inlines: [{ kind: 'text', text: title, style: { bold: true } }] }]
        return [...head, ...blocksOf(one, inner)]
      }
      default:
        return SILENT.has(one.name) ? [] : blocksOf(one, inner)
    }
  })
}

function inlinesOf(element: Element, style: TextStyle | undefined, context: Context): Inline[] {
  if (context.depth > MAX_DEPTH) return []
  const inner = { ...context, depth: context.depth + 1 }
  const isRun = element.name === 'run'
  const own = isRun ? styleOf(child(element, 'font')) : style
  return element.children.flatMap((one): Inline[] => {
    if (typeof one !== 'string') return inlineOf(one, own, inner)
    // Between the parts of a paragraph, white space is nothing; inside a run it counts.
    return one === '' || (!isRun && one.trim() === '')
      ? []
      : [{ kind: 'text', text: one, ...(own ? { style: own } : {}) }]
  })
}

function inlineOf(element: Element, style: TextStyle | undefined, context: Context): Inline[] {
  const { attributes } = element
  switch (element.name) {
    case 'break':
      return [{ kind: 'break' }]
    case 'attachmentref':
      return [{ kind: 'file', name: attributes.name ?? '', shown: attributes.displayname ?? attributes.name ?? '' }]
    case 'urllink':
      return /^(?:https?|ftp|mailto|notes):/i.test(attributes.href ?? '')
        ? [{ kind: 'link', href: attributes.href ?? '', inlines: inlinesOf(element, style, context) }]
        : inlinesOf(element, style, context)
    case 'doclink':
    case 'viewlink':
    case 'databaselink': {
      const { database = '', view, document, description = 'Notes link' } = attributes
      const href = notesAddress({ database, ...(view ? { view } : {}), ...(document ? { document } : {}) })
      return [{ kind: 'doclink', href, title: description }]
    }
    case 'picture':
      return pictureOf(element, context)
    case 'compositedata':
    case 'objectref':
    case 'embeddedcontrol':
      context.lost.set(element.name, (context.lost.get(element.name) ?? 0) + 1)
      return []
    default:
      return SILENT.has(element.name) ? [] : inlinesOf(element, style, context)
  }
}

function pictureOf(element: Element, { lost }: Context): Inline[] {
  for (const data of elements(element)) {
    const octets = Buffer.from(textOf(data), 'base64')
    if (imageType(octets)) return [{ kind: 'image', octets }]
  }
  const what = child(element, 'notesbitmap') ? 'bitmap' : 'image of an unknown type'
  lost.set(what, (lost.get(what) ?? 0) + 1)
  return []
}

function styleOf(font: Element | undefined): TextStyle | undefined {
  if (!font) return undefined
  const { style = '', size = '', color = '' } = font.attributes
  const points = Number.parseInt(size, 10)
  const has = (word: string) => style.split(/\s+/).includes(word)
  const found: TextStyle = {
    ...(has('bold') ? { bold: true } : {}),
    ...(has('italic') ? { italic: true } : {}),
    ...(has('underline') ? { underline: true } : {}),
    ...(has('strikethrough') ? { strike: true } : {}),
    ...(has('superscript') ? { raised: 'super' as const } : {}),
    ...(has('subscript') ? { raised: 'sub' as const } : {}),
    ...(points > 0 && points !== 10 ? { size: points } : {}),
    ...(/^#?[a-z0-9]{3,20}$/i.test(color) && color !== 'black' ? { color } : {}),
  }
  return Object.keys(found).length > 0 ? found : undefined
}
