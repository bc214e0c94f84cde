/**
 * The three-part answer of RFC 5321 and RFC 3463: code, enhanced code, text; and the two ways to say no.
 *
 * Whether a reply is final is read from its enhanced code, here and nowhere else. `refuse` takes only 5xx and
 * `defer` only 4xx, by type, so that nobody says "never" when he means "later". The text goes to a stranger:
 * one line, no paths, no names of plugins, no errors of ours.
 */

export type EnhancedCode = `${2 | 4 | 5}.${number}.${number}`

export interface Reply {
  readonly code: number
  readonly enhanced: EnhancedCode
  readonly text: string
}

export interface Refusal {
  readonly kind: 'refuse'
  readonly reply: Reply
}

export type ReplyClass = 'success' | 'temporary' | 'permanent'

type Digits = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9
type AsNumber<S> = S extends `${infer N extends number}` ? N : never
export type PermanentCode = AsNumber<`5${Digits}${Digits}`>
export type TemporaryCode = AsNumber<`4${Digits}${Digits}`>

/** A permanent no: the sender must not try again. */
export function refuse(code: PermanentCode, enhanced: `5.${number}.${number}`, text: string): Refusal {
  return { kind: 'refuse', reply: { code, enhanced, text } }
}

/** A temporary no: the sender shall try again later. */
export function defer(code: TemporaryCode, enhanced: `4.${number}.${number}`, text: string): Refusal {
  return { kind: 'refuse', reply: { code, enhanced, text } }
}

/** A yes, for outcomes and for channels' own answers. */
export function accept(text: string, enhanced: `2.${number}.${number}` = '2.0.0'): Reply {
  return { code: 250, enhanced, text }
}

export function classOf(reply: Reply): ReplyClass {
  if (reply.enhanced.startsWith('2.')) return 'success'
  return reply.enhanced.startsWith('5.') ? 'permanent' : 'temporary'
}

/** As it is spoken and logged: `451 4.3.0 Try again later`. */
export function format(reply: Reply): string {
  return `${reply.code} ${reply.enhanced} ${reply.text}`
}

/** What a sender hears when something of ours broke before ACCEPT: always temporary, never a reason. */
export const FAULT = defer(451, '4.3.0', 'Local error, try again later')
