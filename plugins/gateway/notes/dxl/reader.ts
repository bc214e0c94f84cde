/**
 * The elements of a DXL file below the database (or the single document), one after another.
 *
 * Invariants: one element is held at a time, within a limit of its text; files, MIME and what else may be large is left
 * in the file. DXL is often one long line, so nothing here depends on lines.
 */
import { createReadStream } from 'node:fs'
import { createXmlReader, fromBase64 } from 'iems/mime'
import type { Element } from './tree.ts'

/** Elements that are read when they are needed. */
const LEFT = new Set(['filedata', 'mime'])
const MAX_TEXT = 64 * 1024 * 1024
const MAX_ELEMENTS = 2_000_000
const MAX_DEPTH = 256

/** The first one is the root, empty, with its attributes. */
export async function* readElements(path: string, problem: (why: string) => void): AsyncGenerator<Element> {
  const builder = new Builder(problem)
  const reader = createXmlReader(builder)
  for await (const piece of createReadStream(path, { highWaterMark: 256 * 1024 }) as AsyncIterable<Buffer>) {
    reader.write(piece)
    yield* builder.take()
  }
  reader.end()
  yield* builder.take()
}

class Builder {
  private readonly stack: Element[] = []
  private done: Element[] = []
  private text_ = 0
  private count = 0
  private depth = 0
  private left: { readonly element: Element; readonly start: number; readonly depth: number } | undefined
  readonly problem: (why: string) => void

  constructor(problem: (why: string) => void) {
    this.problem = problem
  }

  take(): Element[] {
    const { done } = this
    this.done = []
    return done
  }

  open(name: string, attributes: Readonly<Record<string, string>>, end: number): void {
    this.depth++
    if (this.left) return
    const element: Element = { name, attributes, children: [] }
    if (this.depth === 1) this.done.push(element)
    // A single document is the root itself.
    if (this.depth === 1 && name !== 'document') return
    const isKept = this.stack.length < MAX_DEPTH && ++this.count <= MAX_ELEMENTS
    if (isKept) this.stack.at(-1)?.children.push(element)
    this.stack.push(element)
    if (LEFT.has(name)) this.left = { element, start: end, depth: this.depth }
  }

  close(_name: string, start: number): void {
    const { left } = this
    if (left) {
      if (this.depth === left.depth) {
        left.element.range = { start: left.start, end: start }
        this.left = undefined
      } else {
        this.depth--
        return
      }
    }
    this.depth--
    const element = this.stack.pop()
    if (!element || this.stack.length > 0) return
    if (this.text_ > MAX_TEXT || this.count > MAX_ELEMENTS)
      this.problem(`a ${element.name} has more than can be read at once: what is beyond is missing`)
    this.text_ = 0
    this.count = 0
    this.done.push(element)
  }

  text(text: string): void {
    if (this.left) return
    this.text_ += text.length
    if (this.text_ <= MAX_TEXT) this.stack.at(-1)?.children.push(text)
  }
}

type Range = NonNullable<Element['range']>

async function* octetsOf(path: string, { start, end }: Range): AsyncGenerator<Buffer> {
  if (end > start) yield* createReadStream(path, { start, end: end - 1, highWaterMark: 256 * 1024 })
}

/** The octets of a `filedata` element. */
export const fileData = (path: string, range: Range) => fromBase64(octetsOf(path, range))

/** The text of an element that was left in the file, as octets with CRLF. */
export async function* leftText(path: string, range: Range): AsyncGenerator<Buffer> {
  let pieces: string[] = []
  const reader = createXmlReader({
    open() {},
    close() {},
    problem() {},
    text: (text) => void pieces.push(text),
  })
  const take = () => {
    const text = pieces.join('')
    pieces = []
    return text
  }
  // XML knows LF alone.
  const crlf = (text: string) => Buffer.from(text.replace(/\r?\n/g, '\r\n'))
  reader.write(Buffer.from('<x>'))
  for await (const piece of octetsOf(path, range)) {
    reader.write(piece)
    const text = take()
    if (text !== '') yield crlf(text)
  }
  reader.write(Buffer.from('</x>'))
  const text = take()
  if (text !== '') yield crlf(text)
}
