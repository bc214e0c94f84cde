/**
 * Writes values to a client: strings, mailbox names, dates, flags.
 *
 * Invariants: any value is written as exactly one value.
 */

/** A quoted string if possible, else a literal. With `utf8` quoted strings may hold any text (RFC 9051, RFC 6855). */
export function string(text: string, utf8: boolean): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: characters that a quoted string cannot hold
  const isPlain = utf8 ? !/[\0\r\n]/.test(text) && text.isWellFormed() : /^[\x01-\x09\x0b\x0c\x0e-\x7f]*$/.test(text)
  if (isPlain && text.length <= 1000) return `"${text.replace(/["\\]/g, '\\$&')}"`
  const octets = Buffer.from(text.replaceAll('\0', ''))
  return `{${octets.length}}\r\n${octets.toString()}`
}

export function nstring(text: string | undefined, utf8: boolean): string {
  return text === undefined ? 'NIL' : string(text, utf8)
}

const ATOM = /^[!#$&'+,\-./0-9:;<=>?@A-Z[\]^_`a-z|}~]+$/

/** An atom if possible. */
export function astring(text: string, utf8: boolean): string {
  return ATOM.test(text) && text.toUpperCase() !== 'NIL' ? text : string(text, utf8)
}

/** A mailbox name in this client's encoding. */
export function mailboxName(name: string, utf8: boolean): string {
  return astring(utf8 ? name : toUtf7(name), utf8)
}

export function flagList(flags: readonly string[]): string {
  return `(${flags.join(' ')})`
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** RFC 9051 date-time, in UTC. */
export function dateTime(ms: number): string {
  const iso = new Date(ms).toISOString()
  const month = MONTHS[Number(iso.slice(5, 7)) - 1]
  return `"${iso.slice(8, 10)}-${month}-${iso.slice(0, 4)} ${iso.slice(11, 19)} +0000"`
}

/** RFC 3501 section 5.1.3: modified UTF-7 of mailbox names. */
function toUtf7(name: string): string {
  return name.replace(/&/g, '&-').replace(/[^\x20-\x7e]+/g, (text) => {
    const octets = Buffer.from(text, 'utf16le').swap16()
    return `&${octets.toString('base64').replaceAll('=', '').replaceAll('/', ',')}-`
  })
}

/** Undefined for invalid modified UTF-7. */
export function fromUtf7(name: string): string | undefined {
  if (/[^\x20-\x7e]/.test(name)) return undefined
  let isSound = true
  const text = name.replace(/&([^-]*)(-?)/g, (_, encoded: string, end: string) => {
    if (end === '' || /[^A-Za-z0-9+,]/.test(encoded)) isSound = false
    if (encoded === '') return '&'
    const octets = Buffer.from(encoded.replaceAll(',', '/'), 'base64')
    if (octets.length % 2 !== 0) isSound = false
    return octets
      .subarray(0, octets.length - (octets.length % 2))
      .swap16()
      .toString('utf16le')
  })
  return isSound && text.isWellFormed() ? text : undefined
}
