/**
 * Authentication-Results (RFC 8601): adds this server's field on top and removes forged ones below.
 *
 * Invariants: after `removeForged` no field remains that a reader could take for this server's (section 5), including
 * those with an unreadable id; other servers' fields stay, in order.
 */
import type { Headers } from 'iems'

const NAME = 'Authentication-Results'

/** The authserv-id of a field (section 2.2); undefined when it cannot be determined. */
export function authservIdOf(value: string): string | undefined {
  const rest = value.slice(skipComments(value))
  const quoted = /^"((?:[^"\\]|\\.)*)"/.exec(rest)?.[1]?.replace(/\\(.)/g, '$1')
  const id = quoted ?? /^[^\s()<>@,;:\\"/[\]?=]+/.exec(rest)?.[0]
  return id?.toLowerCase().replace(/\.$/, '')
}

/** Offset of the text after white space and (nested) comments. */
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

/** Removes the fields with one of these ids; returns their number. */
export function removeForged(headers: Headers, ids: readonly string[]): number {
  const own = new Set(ids.map((id) => id.toLowerCase()))
  const before = headers.get(NAME).length
  headers.remove(NAME, (value) => {
    const id = authservIdOf(value)
    return id === undefined || own.has(id)
  })
  return before - headers.get(NAME).length
}

/** The value of this server's field. Only internationalized messages (RFC 6532) have non-ASCII text in it. */
export function resultsValue(id: string, rows: readonly string[], isInternational: boolean): string {
  const value = `${id}; ${rows.join('; ')}`.replace(/[\r\n\0]+/g, ' ')
  return isInternational ? value : value.replace(/[^\x20-\x7e]/g, '?')
}

export function prependResults(headers: Headers, value: string): void {
  headers.prepend(NAME, value)
}
