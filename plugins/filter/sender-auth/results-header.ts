/**
 * The Authentication-Results field (RFC 8601): ours on top, and none that claims to be ours below it.
 *
 * What must stay true: after `removeForged` no field is left that a reader could take for one of this server's (section
 * 5), which includes those whose author cannot be made out; fields of others stay, in their order.
 */
import type { Headers } from 'iems'

const NAME = 'Authentication-Results'

/** Whose results a field tells; undefined when that cannot be made out. Section 2.2. */
export function authservIdOf(value: string): string | undefined {
  const rest = value.slice(skipComments(value))
  const quoted = /^"((?:[^"\\]|\\.)*)"/.exec(rest)?.[1]?.replace(/\\(.)/g, '$1')
  const id = quoted ?? /^[^\s()<>@,;:\\"/[\]?=]+/.exec(rest)?.[0]
  return id?.toLowerCase().replace(/\.$/, '')
}

/** Where the text behind white space and (nested) comments begins. */
function skipComments(value: string): number {
  let depth = 0
  let at = 0
  for (; at < value.length; at++) {
    const char = value[at]
    if (char === '(') depth++
    else if (char === ')' && depth > 0) depth--
    else if (char === '\\' && depth > 0) at++
    else if (depth === 0 && char !== ' ' && char !== '\t') break
  }
  return at
}

/** Takes away the fields that claim one of the ids; how many there were. */
export function removeForged(headers: Headers, ids: readonly string[]): number {
  const own = new Set(ids.map((id) => id.toLowerCase()))
  const before = headers.get(NAME).length
  headers.remove(NAME, (value) => {
    const id = authservIdOf(value)
    return id === undefined || own.has(id)
  })
  return before - headers.get(NAME).length
}

/** The value of our own field. Other than ASCII only stands in messages that are internationalised (RFC 6532). */
export function resultsValue(id: string, rows: readonly string[], isInternational: boolean): string {
  const value = `${id}; ${rows.join('; ')}`.replace(/[\r\n\0]+/g, ' ')
  return isInternational ? value : value.replace(/[^\x20-\x7e]/g, '?')
}

export function prependResults(headers: Headers, value: string): void {
  headers.prepend(NAME, value)
}
