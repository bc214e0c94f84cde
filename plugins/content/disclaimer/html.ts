/**
 * Texts in HTML: where the body begins and ends, and where a quotation begins.
 *
 * Invariants: marks within comments, scripts and styles are text; the insertion is ASCII, so every charset holds it;
 * linear time.
 */
import { escapeHtml } from 'iems'
import { type Inserted, linesOf } from './plain.ts'

/** Plain text as HTML. */
export const htmlOf = (text: string): string => linesOf(text).map(escapeHtml).join('<br>\r\n')

const toAscii = (html: string) => html.replace(/\P{ASCII}/gu, (one) => `&#${one.codePointAt(0)};`)

interface Places {
  /** Offset after the tag that begins the body, or after what precedes it. */
  top: number
  /** Before the tag that ends the body. */
  bottom: number | undefined
  quotation: number | undefined
}

const QUOTATION =
  /^<(?:blockquote\b|(?:div|hr)\b[^>]{0,500}(?:gmail_quote|yahoo_quoted|moz-cite-prefix|divRplyFwdMsg|appendonsend|OutlookMessageHeader))/i
const RAW = /^<(script|style|title|textarea|template)\b/i
/** Maximum characters of a tag. */
const MAX_TAG = 1000

/** The end of a comment, or of an element whose content is no markup; where a tag ends otherwise. */
function skip(html: string, at: number, endOf: (name: string, from: number) => number): number {
  if (html.startsWith('<!--', at)) {
    const end = html.indexOf('-->', at + 4)
    return end < 0 ? html.length : end + 3
  }
  const raw = RAW.exec(html.slice(at, at + 12))
  const end = html.indexOf('>', at)
  if (end < 0) return html.length
  return raw ? endOf((raw[1] as string).toLowerCase(), end) : end + 1
}

/** Finds ends of raw elements in linear time: a name that has no end is looked for once. */
function createEnds(html: string) {
  const lower = html.toLowerCase()
  const missing = new Set<string>()
  return (name: string, from: number): number => {
    const end = missing.has(name) ? -1 : lower.indexOf(`</${name}`, from)
    if (end < 0) missing.add(name)
    // Programs show nothing after an unterminated element, so no text can be placed there.
    return end < 0 ? html.length : end
  }
}

export function placesIn(html: string): Places {
  const places: Places = { top: 0, bottom: undefined, quotation: undefined }
  const endOf = createEnds(html)
  for (let at = html.indexOf('<'); at >= 0 && at < html.length; ) {
    const tag = html.slice(at, at + MAX_TAG)
    const end = skip(html, at, endOf)
    if (/^<(?:body|html|\/head|!doctype)\b/i.test(tag)) {
      if (places.quotation === undefined) places.top = end
    } else if (/^<\/(?:body|html)\b/i.test(tag)) places.bottom ??= at
    else if (places.quotation === undefined && QUOTATION.test(tag)) places.quotation = at
    at = html.indexOf('<', Math.max(end, at + 1))
  }
  return places
}

export function insertHtml(whole: string, { text, place, quotation }: Inserted): string {
  const places = placesIn(whole)
  const bottom = places.bottom ?? whole.length
  const at = place === 'top' ? places.top : quotation === 'above' ? (places.quotation ?? bottom) : bottom
  return `${whole.slice(0, at)}\r\n<div>${toAscii(text)}</div>\r\n${whole.slice(at)}`
}
