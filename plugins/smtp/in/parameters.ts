/**
 * The parameters of MAIL and RCPT: SIZE (RFC 1870), BODY (RFC 6152, 3030), SMTPUTF8 (RFC 6531), REQUIRETLS (RFC 8689),
 * MT-PRIORITY (RFC 6710), HOLDFOR and HOLDUNTIL (RFC 4865), RET, ENVID, NOTIFY, ORCPT (RFC 3461, 6533), AUTH (RFC
 * 4954).
 *
 * Pure: text in, values or a refusal out. A parameter that was not offered is refused (555), never ignored, because
 * ignoring it would break a promise to the client.
 */
import type { MailParameters, Notify, Reply } from 'iems'
import { NO } from './replies.ts'

type Writable<T> = { -readonly [K in keyof T]: T[K] }
export interface RcptParameters {
  readonly notify?: readonly Notify[]
  readonly orcpt?: string
}
/** The parameters that the session offers. */
export interface Offer {
  readonly secure: boolean
  readonly auth: boolean
  /** The client is trusted or authenticated, and the listener is lenient with such clients. */
  readonly lenient: boolean
  /** The client is trusted or authenticated. */
  readonly known: boolean
  readonly maxSize: number
  /**
   * Future release, for authenticated clients: the current time and the maximum delay, in ms; absent when not offered.
   */
  readonly hold?: { readonly now: number; readonly max: number }
}

/** RFC 3339 section 5.6. */
const DATE_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/i

/** Sets the release time of the message; refuses a second one (RFC 4865 allows one) and one that is too late. */
function holdUntil(into: Writable<MailParameters>, time: number, { hold }: Offer): Reply | undefined {
  if (!hold) return NO.unknownParameter
  if (into.notBefore !== undefined) return NO.repeatedParameter
  if (Number.isNaN(time) || time > hold.now + hold.max) return NO.badParameter
  into.notBefore = time
  return undefined
}

/** Reads one parameter into `into`; a reply refuses it. */
type Reader<T> = (into: Writable<T>, value: string | undefined, offer: Offer) => Reply | undefined

const MAIL: Readonly<Record<string, Reader<MailParameters>>> = {
  SIZE(into, value, { maxSize }) {
    if (value === undefined || !/^\d{1,20}$/.test(value)) return NO.badParameter
    into.size = Number(value)
    return into.size > maxSize ? NO.tooLarge : undefined
  },
  BODY(into, value) {
    const body = value?.toUpperCase()
    if (body !== '7BIT' && body !== '8BITMIME' && body !== 'BINARYMIME') return NO.badParameter
    into.body = body
    return undefined
  },
  SMTPUTF8(into, value) {
    into.smtpUtf8 = true
    return value === undefined ? undefined : NO.badParameter
  },
  REQUIRETLS(into, value, { secure }) {
    into.requireTls = true
    return value !== undefined ? NO.badParameter : secure ? undefined : NO.tlsForRequireTls
  },
  'MT-PRIORITY'(into, value) {
    if (value === undefined || !/^(?:0|-?[1-9])$/.test(value)) return NO.badParameter
    into.mtPriority = Number(value)
    return undefined
  },
  HOLDFOR(into, value = '', offer) {
    const seconds = /^[1-9]\d{0,8}$/.test(value) ? Number(value) : Number.NaN
    return holdUntil(into, (offer.hold?.now ?? 0) + seconds * 1000, offer)
  },
  HOLDUNTIL(into, value = '', offer) {
    return holdUntil(into, DATE_TIME.test(value) ? Date.parse(value) : Number.NaN, offer)
  },
  RET(into, value) {
    const ret = value?.toUpperCase()
    if (ret !== 'FULL' && ret !== 'HDRS') return NO.badParameter
    into.ret = ret
    return undefined
  },
  ENVID(into, value) {
    const envid = value === undefined || value.length > 100 ? undefined : decodeXtext(value)
    if (!envid) return NO.badParameter
    into.envid = envid
    return undefined
  },
  // The original submitter. RFC 4954 section 5: ignored unless the client is a trusted peer.
  AUTH(_into, value, { auth }) {
    if (!auth) return NO.unknownParameter
    return value && decodeXtext(value) !== undefined ? undefined : NO.badParameter
  },
}

const RCPT: Readonly<Record<string, Reader<RcptParameters>>> = {
  NOTIFY(into, value = '') {
    const words = value.toUpperCase().split(',')
    const known = words.every((word): word is Notify => ['NEVER', 'SUCCESS', 'FAILURE', 'DELAY'].includes(word))
    if (!known || (words.length > 1 && words.includes('NEVER'))) return NO.badParameter
    into.notify = [...new Set(words)]
    return undefined
  },
  ORCPT(into, value = '') {
    const [, type = '', address = ''] = /^([\w!#$%&'*+/=?^`{|}~.-]+);(.+)$/.exec(value) ?? []
    const decoded =
      value.length > 500 ? undefined : type.toLowerCase() === 'utf-8' ? decodeUtf8Xtext(address) : decodeXtext(address)
    if (!type || !decoded) return NO.badParameter
    into.orcpt = `${type};${decoded}`
    return undefined
  },
}

/** The EHLO keyword: maximum delay in seconds, and the latest time (RFC 4865 section 4). */
export function holdKeyword({ hold }: Offer): string[] {
  if (!hold) return []
  const latest = new Date(hold.now + hold.max).toISOString().replace(/\.\d+Z$/, 'Z')
  return [`FUTURERELEASE ${Math.floor(hold.max / 1000)} ${latest}`]
}

export function readMailParameters(text: string, offer: Offer): MailParameters | Reply {
  return read<MailParameters>(text, MAIL, offer)
}

export function readRcptParameters(text: string, offer: Offer): RcptParameters | Reply {
  return read<RcptParameters>(text, RCPT, offer)
}

export function isReply(value: object): value is Reply {
  return 'code' in value
}

function read<T extends object>(text: string, readers: Readonly<Record<string, Reader<T>>>, offer: Offer): T | Reply {
  const into = {} as Writable<T>
  if (text === '') return into
  const seen = new Set<string>()
  for (const parameter of text.split(' ')) {
    if (parameter === '') continue
    const equals = parameter.indexOf('=')
    const name = (equals < 0 ? parameter : parameter.slice(0, equals)).toUpperCase()
    const reader = Object.hasOwn(readers, name) ? readers[name] : undefined
    if (!reader) return NO.unknownParameter
    if (seen.has(name)) return NO.repeatedParameter
    seen.add(name)
    const refusal = reader(into, equals < 0 ? undefined : parameter.slice(equals + 1), offer)
    if (refusal) return refusal
  }
  return into
}

/** RFC 3461 section 4; undefined if it is not xtext or contains an encoded control character. */
export function decodeXtext(text: string): string | undefined {
  if (!/^(?:[\x21-\x2a\x2c-\x7e]|\+[0-9A-F]{2})*$/.test(text)) return undefined
  return printable(text.replace(/\+(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))))
}

/** RFC 6533 section 3: `\x{20AC}`, mixed with plain ASCII or UTF-8 text. */
function decodeUtf8Xtext(text: string): string | undefined {
  const decoded = text.replace(/\\x\{(0[1-9]|[1-9A-F][0-9A-F]{1,4}|10[0-9A-F]{4})\}/g, (_, hex: string) =>
    String.fromCodePoint(Number.parseInt(hex, 16)),
  )
  return decoded.includes('\\x{') ? undefined : printable(decoded)
}

function printable(text: string): string | undefined {
  return /[\p{Cc}\p{Cs}]/u.test(text) ? undefined : text
}
