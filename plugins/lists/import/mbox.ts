/**
 * Posts of an mbox, as Mailman's archives have them, one after the other.
 *
 * Invariants: only one post is held, and no more than MAX_POST octets and MAX_LINES lines of it; lines that mboxrd marked are as they were.
 */
import { readDate } from 'iems/mime'

export interface MboxPost {
  /** Of the file, where the post begins. */
  readonly line: number
  /** Lines that end in CRLF. */
  readonly octets: Buffer
  /** Of the From_ line, ms since 1970. */
  readonly received: number | undefined
}

const MAX_POST = 64 * 1024 * 1024
/** An empty line takes memory too. */
const MAX_LINES = 1_000_000

/** Start of a post: after a blank line, with an address and a day of the week. */
const START = /^From \S{1,400}\s{1,10}(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[ ,]/

export async function* readMbox(input: AsyncIterable<Uint8Array>): AsyncGenerator<MboxPost> {
  let lines: string[] | undefined
  let first = 0
  let received: number | undefined
  let size = 0
  let number = 0
  let isAfterBlank = true
  for await (const line of linesOf(input)) {
    number++
    if (isAfterBlank && START.test(line)) {
      if (lines) yield postOf(lines, first, received)
      lines = []
      size = 0
      first = number
      received = readDate(line.slice(line.search(/\s(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[ ,]/)))?.at
    } else if (lines) {
      size += line.length + 2
      if (size > MAX_POST) throw new Error(`The post at line ${first} has more than ${MAX_POST} octets`)
      if (lines.length >= MAX_LINES) throw new Error(`The post at line ${first} has more than ${MAX_LINES} lines`)
      lines.push(line.replace(/^>(>*From )/, '$1'))
    }
    isAfterBlank = line === ''
  }
  if (lines) yield postOf(lines, first, received)
}

async function* linesOf(input: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  let rest = ''
  for await (const chunk of input) {
    const lines = (rest + Buffer.from(chunk).toString('latin1')).split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > MAX_POST) throw new Error(`A line has more than ${MAX_POST} octets`)
    for (const line of lines) yield line.endsWith('\r') ? line.slice(0, -1) : line
  }
  if (rest !== '') yield rest
}

function postOf(lines: readonly string[], line: number, received: number | undefined): MboxPost {
  const end = lines.at(-1) === '' ? lines.length - 1 : lines.length
  const text = lines.slice(0, end).map((one) => `${one}\r\n`)
  return { line, received, octets: Buffer.from(text.join(''), 'latin1') }
}
