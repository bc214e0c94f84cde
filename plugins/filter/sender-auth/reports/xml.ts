/**
 * The subset of XML for aggregate reports: writes elements, and parses a document into a tree.
 *
 * Invariants: linear time; depth and number of elements are bounded; document types and custom entities are refused, so
 * nothing is expanded or fetched.
 */
import { setImmediate } from 'node:timers/promises'

export interface Element {
  /** Without its namespace prefix. */
  readonly name: string
  readonly children: Element[]
  text: string
}

/** An element with child elements or text; empty for undefined text. */
export function element(name: string, content: string | number | readonly string[] | undefined): string {
  if (content === undefined) return ''
  const inner = typeof content === 'object' ? `\n${content.join('')}` : escaped(`${content}`)
  return `<${name}>${inner}</${name}>\n`
}

function escaped(text: string): string {
  return (
    text
      // biome-ignore lint/suspicious/noControlCharactersInRegex: XML 1.0 cannot represent these.
      .replace(/[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g, '?')
      .replace(/&/g, '&amp;')
      .replace(/</g, '&lt;')
      .replace(/>/g, '&gt;')
  )
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

function unescaped(text: string): string {
  return text.replace(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|(amp|lt|gt|quot|apos));/gi, (all, decimal, hex, name) => {
    if (name) return ENTITIES[name] ?? all
    const code = decimal ? Number(decimal) : Number.parseInt(hex, 16)
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : '?'
  })
}

const MAX_ELEMENTS = 500_000
const MAX_DEPTH = 20
/** Markup other than elements: instructions, comments, and CDATA. */
const SPECIAL: readonly { readonly start: string; readonly end: string; readonly isText: boolean }[] = [
  { start: '<?', end: '?>', isText: false },
  { start: '<!--', end: '-->', isText: false },
  { start: '<![CDATA[', end: ']]>', isText: true },
]

/** Steps between two yields: about a millisecond. */
const STEPS_AT_ONCE = 1000

/** The root element. Yields while parsing. Throws the error in the text. */
export async function readXml(text: string): Promise<Element> {
  const top: Element = { name: '', children: [], text: '' }
  const open: Element[] = [top]
  let elements = 0
  let steps = 0
  for (let at = 0; at < text.length; ) {
    if (++steps % STEPS_AT_ONCE === 0) await setImmediate()
    const current = open.at(-1) as Element
    const next = text.indexOf('<', at)
    if (next !== at) {
      const end = next < 0 ? text.length : next
      if (open.length > 1) current.text += unescaped(text.slice(at, end))
      at = end
      continue
    }
    const special = SPECIAL.find(({ start }) => text.startsWith(start, at))
    if (special) {
      const end = endOf(text, special.end, at)
      if (special.isText) current.text += text.slice(at + special.start.length, end)
      at = end + special.end.length
      continue
    }
    const end = endOf(text, '>', at)
    const tag = text.slice(at + 1, end)
    at = end + 1
    if (tag.startsWith('!')) throw new Error('a document type is not read')
    if (tag.startsWith('/')) {
      if (open.length < 2 || current.name !== nameOf(tag.slice(1))) throw new Error('an end without its begin')
      open.pop()
      continue
    }
    if (++elements > MAX_ELEMENTS) throw new Error('too many elements')
    const element: Element = { name: nameOf(tag), children: [], text: '' }
    current.children.push(element)
    if (tag.endsWith('/')) continue
    if (open.length > MAX_DEPTH) throw new Error('too deep')
    open.push(element)
  }
  const [root] = top.children
  if (open.length > 1 || !root) throw new Error('the document is not complete')
  return root
}

function endOf(text: string, mark: string, from: number): number {
  const end = text.indexOf(mark, from)
  if (end < 0) throw new Error('the document is not complete')
  return end
}

function nameOf(tag: string): string {
  const name = /^[^\s/>]{1,200}/.exec(tag)?.[0] ?? ''
  return name.slice(name.indexOf(':') + 1)
}

/** The first child of that name, or its child, … */
export function child(of: Element | undefined, ...path: readonly string[]): Element | undefined {
  let found = of
  for (const name of path) found = found?.children.find((one) => one.name === name)
  return found
}
