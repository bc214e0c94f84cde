/**
 * Plays a transcript, a dialogue with a server as text, so that a bug report becomes a test:
 *
 *   C: text       the client sends the text and CRLF; escapes: \r \n \t \0 \\ \xHH
 *   c: text       the client sends the text without CRLF
 *   S: pattern    the next line of the server; * matches any text
 *   TLS           TLS handshake
 *   END           the server closes the connection
 *
 * Empty lines and lines that begin with # are comments. Invariants: the transcript is the whole dialogue; any other
 * line of the server fails the test, even after the end.
 */
import type { LineClient } from './line-client.ts'

const ESCAPES: Readonly<Record<string, string>> = { r: '\r', n: '\n', t: '\t', '0': '\0', '\\': '\\' }

/** The octets of a transcript line, which is UTF-8. */
export function transcriptOctets(text: string): Buffer {
  const latin1 = Buffer.from(text).toString('latin1')
  const plain = latin1.replace(/\\(?:x([0-9a-fA-F]{2})|([rnt0\\]))/g, (_, hex?: string, letter = '') =>
    hex ? String.fromCharCode(Number.parseInt(hex, 16)) : (ESCAPES[letter] ?? ''),
  )
  return Buffer.from(plain, 'latin1')
}

/** Whether a line matches a pattern; each `*` matches any text. */
function matches(pattern: string, line: string): boolean {
  const pieces = pattern.split('*')
  const first = pieces.shift() ?? ''
  const last = pieces.pop()
  if (last === undefined) return line === first
  if (!line.startsWith(first) || !line.endsWith(last)) return false
  let at = first.length
  for (const piece of pieces) {
    const found = line.indexOf(piece, at)
    if (found < 0) return false
    at = found + piece.length
  }
  return at + last.length <= line.length
}

async function step(client: LineClient, word: string, rest: string): Promise<string | undefined> {
  switch (word) {
    case 'C':
      client.send(Buffer.concat([transcriptOctets(rest), Buffer.from('\r\n')]))
      return undefined
    case 'c':
      client.send(transcriptOctets(rest))
      return undefined
    case 'S': {
      const line = await client.line()
      if (line === undefined) return 'the server has closed the connection'
      return matches(Buffer.from(rest).toString('latin1'), line) ? undefined : `the server sent: ${line}`
    }
    case 'TLS':
      await client.startTls()
      return undefined
    case 'END': {
      const more = await client.rest()
      return more === '' ? undefined : `the server sent: ${more}`
    }
    default:
      return 'not a line of a transcript; those begin with C:, c:, S:, TLS, END or #'
  }
}

/** Plays `transcript` over a new connection. Throws at the first difference, with its line number. */
export async function playTranscript(client: LineClient, transcript: string): Promise<void> {
  for (const [index, line] of transcript.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue
    const word = /^\w+/.exec(line)?.[0] ?? ''
    const rest = line.slice(word.length).replace(/^:/, '').replace(/^ /, '')
    const fault = await step(client, word, rest)
    if (fault !== undefined) throw new Error(`line ${index + 1}: ${line}\n${fault}`)
  }
  client.end()
  const more = await client.rest()
  if (more !== '') throw new Error(`the server sent more than the transcript has: ${more}`)
}
