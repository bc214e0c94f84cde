/**
 * Texts of the server in German: whole sentences, and those with values in them. Unknown texts stay English.
 *
 * Invariants: linear in the text, which may hold values that clients chose; a text without a translation is returned unchanged.
 */
import { server } from './locales/de-server.ts'

const VALUE = '{{}}'

/** The values of a text that was made by a template; undefined for another text. */
function valuesBy(template: string, text: string): readonly string[] | undefined {
  const [start = '', ...others] = template.split(VALUE)
  if (!text.startsWith(start)) return undefined
  const values: string[] = []
  let at = start.length
  for (const [index, literal] of others.entries()) {
    const isLast = index === others.length - 1
    const end = isLast ? text.length - literal.length : text.indexOf(literal, at)
    if (end <= at || !text.startsWith(literal, end)) return undefined
    values.push(text.slice(at, end))
    at = end + literal.length
  }
  return at === text.length ? values : undefined
}

/** In German what is known; values stand in the same order. */
export function inGerman(text: string): string {
  const whole = Object.hasOwn(server, text) ? server[text] : undefined
  if (whole !== undefined) return whole
  for (const [template, german] of Object.entries(server)) {
    const values = template.includes(VALUE) ? valuesBy(template, text) : undefined
    if (values) return german.split(VALUE).reduce((before, after, index) => before + values[index - 1] + after)
  }
  return text
}
