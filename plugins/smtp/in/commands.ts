/**
 * Parses command lines. Pure.
 */

/** Size in octets at which replying to a chunk costs about as much as receiving it. */
const SMALL_CHUNK = 1024
const BETWEEN_CHUNKS: ReadonlySet<string> = new Set(['BDAT', 'NOOP', 'RSET', 'QUIT'])
const EMPTY: ReadonlySet<string> = new Set([
  'EHLO',
  'HELO',
  'LHLO',
  'NOOP',
  'RSET',
  'VRFY',
  'EXPN',
  'HELP',
  'ETRN',
  'ATRN',
])
const WEB = /^(?:CONNECT|DELETE|GET|HEAD|OPTIONS|PATCH|POST|PUT|TRACE) .*HTTP\//i

/** The verb in upper case, and the argument. */
export function splitCommand(text: string): [verb: string, argument: string] {
  const space = text.indexOf(' ')
  if (space < 0) return [text.toUpperCase(), '']
  return [text.slice(0, space).toUpperCase(), text.slice(space + 1).trim()]
}

/** Whether the command is allowed between two chunks of a message. */
export function mayComeBetweenChunks(verb: string): boolean {
  return BETWEEN_CHUNKS.has(verb)
}

/** Whether the command makes no progress towards a message. */
export function isEmptyCommand(verb: string): boolean {
  return EMPTY.has(verb)
}

/** Whether the line is HTTP: a browser tricked into connecting here could send commands in a form. */
export function isHttp(text: string): boolean {
  return WEB.test(text)
}

/** Parses the argument of BDAT (RFC 3030); undefined when the number of octets is unknown. */
export function readChunk(
  argument: string,
): { readonly octets: number; readonly isLast: boolean; readonly isSmall: boolean } | undefined {
  const [, octets, last] = /^(\d{1,15})(?: +(LAST))?$/i.exec(argument) ?? []
  if (octets === undefined) return undefined
  return { octets: Number(octets), isLast: last !== undefined, isSmall: !last && Number(octets) < SMALL_CHUNK }
}
