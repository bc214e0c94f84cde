/** How records are written: JSON in UTF-8, the one codec of the kernel and of all plugins. */
import type { Value } from './store.ts'

export function encodeRecord(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value))
}

/** The record as it was encoded. Throws a SyntaxError for octets that are none. */
export function decodeRecord<T>(value: Value): T {
  const octets = Buffer.isBuffer(value) ? value : Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  return JSON.parse(octets.toString()) as T
}
