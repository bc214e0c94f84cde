/**
 * Strings as they are used: encoded characters decoded (RFC 5228 section 2.4.2.4), variables put in (RFC 5229).
 *
 * Invariant: a string without variables is decoded once, when the script is compiled.
 */
import { type Position, SieveError } from './syntax.ts'

export type Template = string | readonly TemplatePart[]
type TemplatePart = string | { readonly variable: string } | { readonly match: number }

/** The current values of variables. */
export interface Variables {
  variable(name: string): string
  matched(index: number): string
}

const ENCODED = /\$\{(hex|unicode):([\s0-9a-f]*)\}/gi
const VARIABLE = /\$\{((?:[a-z_]\w*\.){0,10}[a-z_]\w*|\d{1,9})\}/gi

export function createTemplate(
  text: string,
  at: Position,
  { isEncoded, hasVariables }: { readonly isEncoded: boolean; readonly hasVariables: boolean },
): Template {
  const decoded = isEncoded && text.includes('${') ? decode(text, at) : text
  if (!hasVariables || !decoded.includes('${')) return decoded
  const parts: TemplatePart[] = []
  let end = 0
  for (const found of decoded.matchAll(VARIABLE)) {
    const name = found[1] as string
    if (found.index > end) parts.push(decoded.slice(end, found.index))
    parts.push(/^\d/.test(name) ? { match: Number(name) } : { variable: name.toLowerCase() })
    end = found.index + found[0].length
  }
  if (parts.length === 0) return decoded
  if (end < decoded.length) parts.push(decoded.slice(end))
  return parts
}

function decode(text: string, at: Position): string {
  return text.replace(ENCODED, (all, kind: string, digits: string) => {
    const numbers = digits.split(/\s+/).filter((one) => one !== '')
    if (numbers.length === 0) return all
    if (kind.toLowerCase() === 'hex') {
      if (numbers.some((one) => one.length > 2)) return all
      return Buffer.from(numbers.map((one) => Number.parseInt(one, 16))).toString('utf8')
    }
    const points = numbers.map((one) => Number.parseInt(one, 16))
    if (points.some((point) => point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)))
      throw new SieveError(at, `${all.slice(0, 40)} is no Unicode character`, 'use 0 to D7FF or E000 to 10FFFF')
    return String.fromCodePoint(...points)
  })
}

/** Characters of a string with variables put in. */
const MAX_EXPANDED = 65_536

export function expand(template: Template, variables: Variables): string {
  if (typeof template === 'string') return template
  let text = ''
  for (const part of template) {
    if (typeof part === 'string') text += part
    else text += 'match' in part ? variables.matched(part.match) : variables.variable(part.variable)
    if (text.length > MAX_EXPANDED) return text.slice(0, MAX_EXPANDED)
  }
  return text
}
