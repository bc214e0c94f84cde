/**
 * The paths of MAIL and RCPT (RFC 5321 section 4.1.2, RFC 6531): which are well formed, where they end.
 *
 * An address is kept exactly as it was sent: quotes, case, underscores, xn-- and Unicode labels are the sender's; only a
 * source route is stripped, as section 4.1.2 asks. Dots may stand anywhere in a local part, because large providers
 * handed out such addresses. Both patterns are linear: no input makes them slow.
 */
import { isIPv4, isIPv6 } from 'node:net'

export interface Path {
  /** Empty for the null sender. */
  readonly address: string
  /** What follows the path. */
  readonly rest: string
}

// Beside controls, the invisible characters that let one address look like another.
const HIDDEN = '\\x00-\\x1f\\x7f-\\x9f\\u200b\\u2060\\ufeff'
const ATOMS = `[^\\s"(),:;<>@[\\\\\\]${HIDDEN}]+`
const QUOTED = `"(?:[^"\\\\${HIDDEN}]|\\\\[\\x20-\\x7e])*"`
const DOMAIN = `[^\\s"(),:;<>@[\\\\\\]${HIDDEN}]+|\\[[\\w.:]+\\]`
const PATH = new RegExp(
  `^ *<(?:@[^\\s<>@:]+(?:,@[^\\s<>@:]+)*:)?((?:${ATOMS}|${QUOTED})(?:@(${DOMAIN}))?)?>(?: +|$)`,
  'u',
)
const LABEL = /^[\w\u00a1-\u{10ffff}](?:[\w\u00a1-\u{10ffff}-]*[\w\u00a1-\u{10ffff}])?$/u
/** RFC 5321 section 4.5.3.1.3: 256 octets with the angle brackets. */
const LONGEST = 254

/** The path at the start of an argument; undefined if it is not well formed. An address without domain is for the caller to judge. */
export function readPath(argument: string): Path | undefined {
  const match = PATH.exec(argument)
  if (!match) return undefined
  const [whole, address = '', domain] = match
  if (address.length > LONGEST || Buffer.byteLength(address) > LONGEST) return undefined
  if (domain !== undefined && !isDomain(domain)) return undefined
  return { address, rest: argument.slice(whole.length) }
}

/** What old devices make of a path: without its brackets or one of them, with spaces within, with a dot at the end. */
const LENIENT = /^ *(?:< *)?([^\s<>"]+?)\.?(?: *>)?(?: +|$)/

/** The same for clients that are known: what they mean is clear. The null sender keeps its brackets. */
export function readLenientPath(argument: string): Path | undefined {
  const strict = readPath(argument)
  const [whole = '', address] = strict ? [] : (LENIENT.exec(argument) ?? [])
  return address === undefined ? strict : readPath(`<${address}> ${argument.slice(whole.length)}`)
}

export function hasDomain(address: string): boolean {
  return address.lastIndexOf('@') > address.lastIndexOf('"')
}

/** A domain name or an address literal. Underscores are allowed: such names send and receive mail. */
export function isDomain(text: string): boolean {
  if (!text.startsWith('['))
    return text.length <= 255 && text.split('.').every((label) => label.length <= 63 && LABEL.test(label))
  const literal = text.slice(1, -1)
  return /^ipv6:/i.test(literal) ? isIPv6(literal.slice(5)) : isIPv4(literal)
}

export function isAscii(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII is meant
  return /^[\x00-\x7f]*$/.test(text)
}
