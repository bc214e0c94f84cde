/**
 * Replies of RFC 5321 and RFC 3463 (code, enhanced code, text) and the two kinds of refusal.
 *
 * Whether a reply is permanent is decided by its enhanced code, in this file alone. `refuse` takes only 5xx and `defer`
 * only 4xx, by type and at run time, so that a plugin cannot confuse a permanent refusal with a temporary one or with
 * an acceptance. All take (code, enhanced code, text). The text goes to a remote party: one line, without paths, plugin
 * names or internal errors.
 */

export type EnhancedCode = `${2 | 4 | 5}.${number}.${number}`

export interface Reply {
  readonly code: number
  readonly enhanced: EnhancedCode
  readonly text: string
  /**
   * The remote server's reply verbatim: its lines with their codes, joined by LF, one character per octet. Code,
   * enhanced code and text are this server's interpretation. Absent when the reply is this server's own.
   */
  readonly said?: string
}

export interface Refusal {
  readonly kind: 'refuse'
  readonly reply: Reply
}

export type ReplyClass = 'success' | 'temporary' | 'permanent'

/** RFC 5321 section 4.2: the second digit of a reply code is 0 to 5. */
type Second = 0 | 1 | 2 | 3 | 4 | 5
type Third = Second | 6 | 7 | 8 | 9
type AsNumber<S> = S extends `${infer N extends number}` ? N : never
export type PermanentCode = AsNumber<`5${Second}${Third}`>
export type SuccessCode = AsNumber<`2${Second}${Third}`>
export type TemporaryCode = AsNumber<`4${Second}${Third}`>

/** A permanent refusal: the sender must not retry. Throws a TypeError for a code that is not 5yz. */
export function refuse(code: PermanentCode, enhanced: `5.${number}.${number}`, text: string): Refusal {
  return { kind: 'refuse', reply: checked(5, { code, enhanced, text }) }
}

/** A temporary refusal: the sender retries later. Throws a TypeError for a code that is not 4yz. */
export function defer(code: TemporaryCode, enhanced: `4.${number}.${number}`, text: string): Refusal {
  return { kind: 'refuse', reply: checked(4, { code, enhanced, text }) }
}

/** A success, for outcomes and for channels. Throws a TypeError for a code that is not 2yz. */
export function accept(code: SuccessCode, enhanced: `2.${number}.${number}`, text: string): Reply
/** @deprecated The order of the arguments is that of `refuse`: `accept(250, '2.0.0', text)`. */
export function accept(text: string, enhanced?: `2.${number}.${number}`): Reply
export function accept(first: number | string, enhanced: EnhancedCode = '2.0.0', text?: string): Reply {
  if (typeof first === 'string') return checked(2, { code: 250, enhanced, text: first })
  return checked(2, { code: first, enhanced, text: text as string })
}

/** Whether a value is a reply of one of these classes. Checks everything, because plugins may be untyped. */
export function isReply(value: unknown, digits: readonly number[]): value is Reply {
  const { code, enhanced, text } = (value ?? {}) as Partial<Reply>
  const [, digit] = /^([245])\.\d{1,3}\.\d{1,3}$/.exec(String(enhanced)) ?? []
  return (
    typeof text === 'string' &&
    typeof code === 'number' &&
    Number.isInteger(code) &&
    Math.floor(code / 100) === Number(digit) &&
    digits.includes(Number(digit))
  )
}

function checked(digit: 2 | 4 | 5, reply: Reply): Reply {
  const { code, enhanced, text } = reply
  if (isReply(reply, [digit]) && code % 100 < 60) return reply
  throw new TypeError(
    `a reply of ${digit}yz is (code, '${digit}.x.y', text), not (${code}, ${enhanced}, ${typeof text})`,
  )
}

export function classOf(reply: Reply): ReplyClass {
  if (reply.enhanced.startsWith('2.')) return 'success'
  return reply.enhanced.startsWith('5.') ? 'permanent' : 'temporary'
}

/** The reply as it is sent and logged: `451 4.3.0 Try again later`. */
export function format(reply: Reply): string {
  return `${reply.code} ${reply.enhanced} ${reply.text}`
}

/** The reply to an internal error before ACCEPT: always temporary, without a reason. */
export const FAULT = defer(451, '4.3.0', 'Local error, try again later')
