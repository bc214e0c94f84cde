/**
 * Parses a server's replies from the stream (RFC 5321 section 4.2).
 *
 * Invariants: chunking does not affect the result; invalid or endless replies are detected before they fill memory.
 * outcomes.ts interprets the replies.
 */

export interface RemoteReply {
  readonly code: number
  /** Its lines without the code, joined by LF. */
  readonly text: string
  /** Its lines verbatim, joined by LF; absent when no server sent it. */
  readonly said?: string
  /** Not sent by the server: the connection ended, and this is the reason. */
  readonly lost?: true
}

/** RFC 5321 section 4.5.3.1.5 allows 512 octets a line; some servers exceed it. */
const LINE_LIMIT = 4096
const REPLY_LIMIT = 65_536
const TOO_LONG = 'a reply is too long'

export class ReplyParser {
  #rest = ''
  #text = ''
  #said = ''

  /** No unparsed input is left. */
  get isEmpty(): boolean {
    return this.#rest === '' && this.#text === ''
  }

  /** Passes on each complete reply. Returns the error if the input is not SMTP. */
  push(chunk: Buffer, take: (reply: RemoteReply) => void): string | undefined {
    const input = this.#rest + chunk.toString('latin1')
    let start = 0
    for (let end = input.indexOf('\n'); end >= 0; end = input.indexOf('\n', start)) {
      const line = input.slice(start, input.charCodeAt(end - 1) === 13 ? end - 1 : end)
      start = end + 1
      const fault = this.#line(line, take)
      if (fault) return fault
    }
    this.#rest = input.slice(start)
    return this.#rest.length > LINE_LIMIT ? TOO_LONG : undefined
  }

  #line(line: string, take: (reply: RemoteReply) => void): string | undefined {
    const code = codeOf(line)
    const mark = line.length === 3 ? ' ' : line[3]
    if (code === undefined || (mark !== ' ' && mark !== '-')) return 'this is not SMTP'
    if (line.length > LINE_LIMIT || this.#text.length + line.length > REPLY_LIMIT) return TOO_LONG
    if (mark === '-') {
      this.#text += `${line.slice(4)}\n`
      this.#said += `${line}\n`
      return undefined
    }
    const text = this.#text + line.slice(4)
    const said = this.#said + line
    this.#text = ''
    this.#said = ''
    take({ code, text, said })
    return undefined
  }
}

/** The first three digits, from 200 to 599. */
function codeOf(line: string): number | undefined {
  const [a, b, c] = [line.charCodeAt(0) - 48, line.charCodeAt(1) - 48, line.charCodeAt(2) - 48]
  return a >= 2 && a <= 5 && b >= 0 && b <= 9 && c >= 0 && c <= 9 ? a * 100 + b * 10 + c : undefined
}
