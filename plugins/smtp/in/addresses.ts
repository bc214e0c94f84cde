/**
 * Parses the paths of MAIL and RCPT (RFC 5321 section 4.1.2, RFC 6531).
 *
 * An address is kept as received, with its quotes, case, underscores, and xn-- or Unicode labels; only a source route
 * is removed (section 4.1.2). Dots may be anywhere in a local part, because large providers have assigned such
 * addresses. All patterns are linear in their input.
 */
import { isIPv4, isIPv6 } from 'node:net'

export interface Path {
  /** Empty for the null reverse-path. */
  readonly address: string
  /** The text after the path. */
  readonly rest: string
}

// Controls, and invisible characters that make two addresses look alike.
const HIDDEN = '\\x00-\\x1f\\x7f-\\x9f\\u200b\\u2060\\ufeff'
const ATOMS = `[^\\s"(),:;<>@[\\\\\\]${HIDDEN}]+`
const QUOTED = `"(?:[^"\\\\${HIDDEN}]|\\\\[\\x20-\\x7e])*"`
const DOMAIN = `[^\\s"(),:;<>@[\\\\\\]${HIDDEN}]+|\\[[\\w.:]+\\]`
const PATH = new RegExp(
  `^ *<(?:@[^\\s<>@:]+(?:,@[^\\s<>@:]+)*:)?((?:${ATOMS}|${QUOTED})(?:@(${DOMAIN}))?)?>(?: +|$)`,
  'u',
)
const LABEL = /^[\w\u00a1-\u{10ffff}](?:[\w\u00a1-\u{10ffff}-]*[\w\u00a1-\u{10ffff}])?$/u
/** RFC 5321 section 4.5.3.1.3: 256 octets including the angle brackets. */
const LONGEST = 254

/**
 * The path at the start of an argument; undefined if malformed. The caller decides about an address without a domain.
 */
export function readPath(argument: string): Path | undefined {
  const match = PATH.exec(argument)
  if (!match) return undefined
  const [whole, address = '', domain] = match
  if (address.length > LONGEST || Buffer.byteLength(address) > LONGEST) return undefined
  if (domain !== undefined && !isDomain(domain)) return undefined
  return { address, rest: argument.slice(whole.length) }
}

/** Paths of old devices: without one or both brackets, with inner spaces, with a trailing dot. */
const LENIENT = /^ *(?:< *)?([^\s<>"]+?)\.?(?: *>)?(?: +|$)/

/** Reads lenient syntax from known clients. The null reverse-path needs its brackets. */
export function readLenientPath(argument: string): Path | undefined {
  const strict = readPath(argument)
  const [whole = '', address] = strict ? [] : (LENIENT.exec(argument) ?? [])
  return address === undefined ? strict : readPath(`<${address}> ${argument.slice(whole.length)}`)
}

export function hasDomain(address: string): boolean {
  return address.lastIndexOf('@') > address.lastIndexOf('"')
}

/** A domain name or an address literal. Underscores are allowed, because such hosts send and receive mail. */
export function isDomain(text: string): boolean {
  if (!text.startsWith('['))
    return text.length <= 255 && text.split('.').every((label) => label.length <= 63 && LABEL.test(label))
  const literal = text.slice(1, -1)
  return /^ipv6:/i.test(literal) ? isIPv6(literal.slice(5)) : isIPv4(literal)
}

export function isAscii(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: matches all of ASCII
  return /^[\x00-\x7f]*$/.test(text)
}
