/**
 * Rich text as HTML and as plain text. All text of the sender is escaped, except HTML that they passed through Notes as
 * such.
 */
import { escapeHtml } from 'iems'
import { fromHtml } from 'iems/mime'
import type { Block, Inline, RichText, TextStyle } from './model.ts'

/** How an image or a file is written at its position. */
export interface Places {
  /** The content id of an image, by its place among the images. */
  image(octets: Buffer): string
  /** The name of an attached file, by its internal one. */
  file(name: string, shown: string): string
}

export function toHtml({ blocks }: RichText, places: Places): string {
  return `<!DOCTYPE html>\n<html><body>\n${blocks.map((block) => blockHtml(block, places)).join('\n')}\n</body></html>\n`
}

function blockHtml(block: Block, places: Places): string {
  switch (block.kind) {
    case 'html':
      return block.html
    case 'table': {
      const rows = block.rows.map(
        (row) =>
          `<tr>${row.map((cell) => `<td>${cell.map((inner) => blockHtml(inner, places)).join('')}</td>`).join('')}</tr>`,
      )
      return `<table border="1">\n${rows.join('\n')}\n</table>`
    }
    default: {
      const align = block.align ? ` style="text-align: ${block.align}"` : ''
      const inner = block.inlines.map((inline) => inlineHtml(inline, places)).join('')
      return `<div${align}>${inner === '' ? '<br>' : inner}</div>`
    }
  }
}

function inlineHtml(inline: Inline, places: Places): string {
  switch (inline.kind) {
    case 'text':
      return styled(spaced(escapeHtml(inline.text)), inline.style)
    case 'break':
      return '<br>'
    case 'image':
      return `<img src="cid:${places.image(inline.octets)}" alt="">`
    case 'link':
      return `<a href="${escapeHtml(inline.href)}">${inline.inlines.map((inner) => inlineHtml(inner, places)).join('')}</a>`
    case 'doclink':
      return `<a href="${escapeHtml(inline.href)}">${spaced(escapeHtml(inline.title))}</a>`
    default:
      return `<i>${spaced(escapeHtml(`[${places.file(inline.name, inline.shown)}]`))}</i>`
  }
}

/** Runs of spaces and tabs that a browser would make one of. */
const spaced = (text: string) => text.replace(/\t/g, '    ').replace(/^ | (?= )/g, '&nbsp;')

function styled(text: string, style: TextStyle | undefined): string {
  if (!style) return text
  const css = [
    style.size === undefined ? '' : `font-size: ${style.size}pt`,
    style.color === undefined ? '' : `color: ${style.color}`,
  ].filter((rule) => rule !== '')
  const tags = [
    style.bold ? 'b' : '',
    style.italic ? 'i' : '',
    style.underline ? 'u' : '',
    style.strike ? 's' : '',
    style.raised === 'super' ? 'sup' : style.raised === 'sub' ? 'sub' : '',
  ].filter((tag) => tag !== '')
  const inner = tags.reduceRight((html, tag) => `<${tag}>${html}</${tag}>`, text)
  return css.length === 0 ? inner : `<span style="${escapeHtml(css.join('; '))}">${inner}</span>`
}

// --- plain text -------------------------------------------------------------------------------------

/** Lines that end in LF; the cells of a row are divided by tabs. */
export function toText({ blocks }: RichText, places: Pick<Places, 'file'>): string {
  return blocks.map((block) => blockText(block, places)).join('\n')
}

function blockText(block: Block, places: Pick<Places, 'file'>): string {
  switch (block.kind) {
    case 'html':
      return fromHtml(block.html)
    case 'table':
      return block.rows
        .map((row) => row.map((cell) => cell.map((inner) => blockText(inner, places)).join(' ')).join('\t'))
        .join('\n')
    default:
      return block.inlines.map((inline) => inlineText(inline, places)).join('')
  }
}

function inlineText(inline: Inline, places: Pick<Places, 'file'>): string {
  switch (inline.kind) {
    case 'text':
      return inline.text
    case 'break':
      return '\n'
    case 'image':
      return ''
    case 'link': {
      const inner = inline.inlines.map((one) => inlineText(one, places)).join('')
      return inner === inline.href || inner === '' ? inline.href : `${inner} <${inline.href}>`
    }
    case 'doclink':
      return `${inline.title} <${inline.href}>`
    default:
      return `[${places.file(inline.name, inline.shown)}]`
  }
}

/** Whether there is anything that plain text does not show. */
export function isPlain({ blocks }: RichText): boolean {
  const plain = (inline: Inline) => inline.kind === 'break' || (inline.kind === 'text' && inline.style === undefined)
  return blocks.every((block) => block.kind === 'paragraph' && block.align === undefined && block.inlines.every(plain))
}
