/**
 * The configuration as administrators may see it: plain values, with secrets masked.
 *
 * Invariants: no secret or possible secret is in the result: no `Secret`, no value under a telling name, no URL with a
 * password.
 */
import { Secret } from './secret.ts'
import { SECRET_NAME } from './secret-names.ts'

const MASK = '[secret]'
const MAX_DEPTH = 20

/** A copy that can be serialized as JSON. */
export function masked(value: unknown, name = '', depth = 0): unknown {
  if (value instanceof Secret) return MASK
  if (typeof value === 'string')
    return SECRET_NAME.test(name) ? MASK : value.replace(/(\/\/[^/@\s:]*:)[^/@\s]*@/g, `$1${MASK}@`)
  if (typeof value === 'bigint') return String(value)
  if (typeof value === 'function' || typeof value === 'symbol') return `[${typeof value}]`
  if (value === null || typeof value !== 'object') return value
  if (value instanceof RegExp || value instanceof URL) return masked(String(value), name, depth)
  if (value instanceof Uint8Array) return `[${value.byteLength} octets]`
  if (depth > MAX_DEPTH) return '…'
  if (Array.isArray(value)) return value.map((item) => masked(item, name, depth + 1))
  if (value instanceof Map) return masked(Object.fromEntries(value), name, depth)
  if (value instanceof Set) return masked([...value], name, depth)
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return '[object]'
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, masked(item, key, depth + 1)]))
}
