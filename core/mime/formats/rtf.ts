/**
 * RTF as HTML: the HTML that it was made from (MS-OXRTFEX), the plain text likewise, or its own words and simplest
 * marks.
 *
 * Invariants: linear time; groups within groups are bounded; unknown control words are skipped; text never becomes
 * markup.
 */
import { escapeHtml } from '../../runtime/text.ts'
import { codePageText } from './mapi.ts'

export type RtfText =
  | { readonly kind: 'html'; readonly html: string }
  | { readonly kind: 'text'; readonly text: string }

/** Groups within groups; deeper ones are skipped. */
const MAX_DEPTH = 500
/** Groups whose text is none of the document's. */
const PASSED_OVER = new Set(
  'colortbl datastore fonttbl footer footerf footerl footerr ftncn ftnsep ftnsepc generator header headerf headerl headerr info listoverridetable listtable mmathpr object pict revtbl rsidtbl stylesheet themedata xe xmlnstbl'.split(
    ' ',
  ),
)
const CHARACTERS: Readonly<Record<string, string>> = {
  tab: '\t',
  line: '\n',
  par: '\n',
  lquote: '‘',
  rquote: '’',
  ldblquote: '“',
  rdblquote: '”',
  bullet: '•',
  endash: '–',
  emdash: '—',
  emspace: '\u2003',
  enspace: '\u2002',
  '~': '\u00a0',
  _: '\u2011',
  '{': '{',
  '}': '}',
  '\\': '\\',
}
/** Of fonts, by their `fcharset`. */
const CHARSETS: Readonly<Record<number, number>> = {
  77: 10000,
  128: 932,
  129: 949,
  134: 936,
  136: 950,
  161: 1253,
  162: 1254,
  163: 1258,
  177: 1255,
  178: 1256,
  186: 1257,
  204: 1251,
  222: 874,
  238: 1250,
}

interface Marks {
  bold: boolean
  italic: boolean
  underlined: boolean
  struck: boolean
}
const MARKS = { bold: 'b', italic: 'i', underlined: 'u', struck: 's' } as const
const UNMARKED: Marks = { bold: false, italic: false, underlined: false, struck: false }

interface State extends Marks {
  destination: 'text' | 'html tag' | 'fonts' | 'none'
  /** `\htmlrtf`: of the RTF alone. */
  isRtfOnly: boolean
  codePage: number
  /** Characters that follow a `\u` for readers without Unicode. */
  alternatives: number
}

const TOKEN = /\\([a-zA-Z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\([^a-zA-Z])|([{}])|([^\\{}]+)|\\/gy

class Reader {
  readonly kind: 'html' | 'text' | 'rtf'
  out = ''
  #pending: number[] = []
  #skip = 0
  #isStarred = false
  #passed = 0
  #font = 0
  #codePage = 1252
  readonly #fonts = new Map<number, number>()
  readonly #stack: State[] = []
  #state: State = {
    destination: 'text',
    isRtfOnly: false,
    codePage: 1252,
    alternatives: 1,
    ...UNMARKED,
  }
  #open: Marks = UNMARKED

  constructor(kind: 'html' | 'text' | 'rtf') {
    this.kind = kind
  }

  read(source: string): string {
    for (const [, word, number, hex, symbol, brace, text] of source.matchAll(TOKEN)) {
      if (hex !== undefined) {
        if (this.#skip > 0) this.#skip--
        else this.#pending.push(Number.parseInt(hex, 16))
        continue
      }
      if (word !== undefined) this.#word(word, number === undefined ? undefined : Number(number))
      else if (symbol !== undefined) this.#symbol(symbol)
      else if (brace !== undefined) this.#brace(brace)
      else if (text !== undefined) this.#text(text.replace(/[\r\n]+/g, ''))
    }
    this.#flush()
    if (this.kind === 'rtf') this.#writeMarks(UNMARKED)
    return this.out
  }

  #brace(brace: string): void {
    this.#flush()
    this.#skip = 0
    if (brace === '{') {
      if (this.#stack.length >= MAX_DEPTH) this.#passed++
      else this.#stack.push({ ...this.#state })
      return
    }
    if (this.#passed > 0) this.#passed--
    else {
      this.#state = this.#stack.pop() ?? this.#state
    }
  }

  #symbol(symbol: string): void {
    if (symbol === '*') this.#isStarred = true
    else if (symbol === '\n' || symbol === '\r') this.#emit('\n')
    else this.#emit(CHARACTERS[symbol] ?? '')
  }

  #text(given: string): void {
    const text = given.slice(this.#skip)
    this.#skip = Math.max(0, this.#skip - given.length)
    if (/[\x80-\xff]/.test(text)) {
      for (const octet of Buffer.from(text, 'latin1')) this.#pending.push(octet)
      return
    }
    if (text !== '') this.#emit(text)
  }

  #word(word: string, number: number | undefined): void {
    const isStarred = this.#isStarred
    this.#isStarred = false
    if (word === 'u' && number !== undefined) {
      this.#emit(String.fromCharCode(number & 0xffff))
      this.#skip = this.#state.alternatives
      return
    }
    this.#flush()
    const isOn = number !== 0
    if (word === 'uc') this.#state.alternatives = Math.min(Math.max(number ?? 1, 0), 100)
    else if (word === 'ansicpg' && number) this.#state.codePage = this.#codePage = number
    else if (word === 'htmlrtf') this.#state.isRtfOnly = isOn
    else if (word === 'htmltag') this.#state.destination = this.kind === 'html' ? 'html tag' : 'none'
    else if (word === 'fonttbl') this.#state.destination = 'fonts'
    else if (word === 'f') this.#selectFont(number ?? 0)
    else if (word === 'fcharset' && this.#state.destination === 'fonts' && number !== undefined) {
      const codePage = CHARSETS[number]
      if (codePage !== undefined) this.#fonts.set(this.#font, codePage)
    } else if (PASSED_OVER.has(word) || isStarred) this.#state.destination = 'none'
    else if (word === 'b') this.#state.bold = isOn
    else if (word === 'i') this.#state.italic = isOn
    else if (word === 'ul') this.#state.underlined = isOn
    else if (word === 'ulnone') this.#state.underlined = false
    else if (word === 'strike') this.#state.struck = isOn
    else if (word === 'plain') Object.assign(this.#state, UNMARKED)
    else if (CHARACTERS[word] !== undefined) this.#emit(CHARACTERS[word])
    else if (word === 'row') this.#emit('\n')
    else if (word === 'cell') this.#emit('\t')
  }

  #selectFont(number: number): void {
    this.#font = number
    if (this.#state.destination !== 'fonts') this.#state.codePage = this.#fonts.get(number) ?? this.#codePage
  }

  /** Characters in a code page may have several octets. */
  #flush(): void {
    if (this.#pending.length === 0) return
    const octets = Uint8Array.from(this.#pending)
    this.#pending = []
    this.#write(codePageText(octets, this.#state.codePage))
  }

  #emit(text: string): void {
    this.#flush()
    this.#write(text)
  }

  #write(text: string): void {
    const { destination, isRtfOnly } = this.#state
    if (this.#passed > 0 || destination === 'none' || destination === 'fonts' || text === '') return
    if (this.kind === 'rtf') {
      this.#writeMarks(this.#state)
      this.out += escapeHtml(text).replaceAll('\n', '<br>\r\n').replaceAll('\t', '&emsp;')
    } else if (!isRtfOnly || destination === 'html tag') this.out += text.replaceAll('\n', '\r\n')
  }

  /** Of the simplest kind, closed and opened in order, where there is text. */
  #writeMarks(next: Marks): void {
    const keys = Object.keys(MARKS) as (keyof Marks)[]
    if (keys.every((key) => next[key] === this.#open[key])) return
    for (const key of keys.toReversed()) if (this.#open[key]) this.out += `</${MARKS[key]}>`
    for (const key of keys) if (next[key]) this.out += `<${MARKS[key]}>`
    const { bold, italic, underlined, struck } = next
    this.#open = { bold, italic, underlined, struck }
  }
}

/** Octets in which it says what it was made from. */
const START = 4096

/** Undefined for what is no RTF. */
export function readRtf(octets: Buffer): RtfText | undefined {
  const source = octets.toString('latin1')
  if (!source.startsWith('{\\rtf')) return undefined
  const start = source.slice(0, START)
  if (/\\fromhtml1/.test(start)) return { kind: 'html', html: new Reader('html').read(source) }
  if (/\\fromtext/.test(start)) return { kind: 'text', text: new Reader('text').read(source) }
  return { kind: 'html', html: `<html><body>\r\n${new Reader('rtf').read(source)}\r\n</body></html>\r\n` }
}
