/**
 * The layout of the store in LevelDB. Each key begins with a letter for its kind:
 *
 *   k key               a record
 *   b id                a small blob's bytes
 *   d lane 00 time key  the due-list, in the order in which `take` reads it
 *   p lane 00 key       the time under which `d` holds that key, to move and remove it
 *   format              the version of this layout
 *
 * Times are six bytes of ms since 1970. Invariants: a change here is a new format with a migration.
 */
import type { Key, Value } from '../store.ts'

const TIME_SIZE = 6
const LATEST = 2 ** 48 - 1
const RECORD = Buffer.from('k')
export const EMPTY = Buffer.alloc(0)
export const FORMAT_KEY = Buffer.from('format')

export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

export function recordKey(key: Key): Buffer {
  // Every read and write makes one: `Buffer.concat` takes three times as long.
  const record = Buffer.allocUnsafe(RECORD.length + key.byteLength)
  record[0] = RECORD[0] as number
  record.set(key, RECORD.length)
  return record
}
export const readRecordKey = (record: Buffer): Key => record.subarray(RECORD.length)

export const bodyKey = (id: string): Buffer => Buffer.from(`b${id}`)
export const readBodyKey = (body: Buffer): string => body.toString('latin1', 1)

export const laneStart = (lane: string): Buffer => Buffer.from(`d${lane}\0`)
export const laneEnd = (lane: string): Buffer => Buffer.from(`d${lane}\x01`)
/** Bounds of the lanes whose names begin with `prefix`. */
export const lanesStart = (prefix: string): Buffer => Buffer.from(`d${prefix}`)
export const lanesEnd = (prefix: string): Buffer => Buffer.concat([lanesStart(prefix), Buffer.of(0xff)])

/** A time as it is stored. */
export const wholeMs = (ms: number): number => Math.min(Math.max(0, Math.round(ms)), LATEST)

export function timeBytes(ms: number): Buffer {
  const bytes = Buffer.allocUnsafe(TIME_SIZE)
  bytes.writeUIntBE(ms, 0, TIME_SIZE)
  return bytes
}
export const readTime = (bytes: Buffer): number => bytes.readUIntBE(0, TIME_SIZE)

export const dueKey = (lane: string, ms: number, key: Key): Buffer =>
  Buffer.concat([laneStart(lane), timeBytes(ms), key])
export const pointerKey = (lane: string, key: Key): Buffer => Buffer.concat([Buffer.from(`p${lane}\0`), key])

export function readDue(entry: Buffer): { readonly lane: string; readonly at: number; readonly key: Buffer } {
  const end = entry.indexOf(0)
  return {
    lane: entry.toString('utf8', 1, end),
    at: entry.readUIntBE(end + 1, TIME_SIZE),
    key: entry.subarray(end + 1 + TIME_SIZE),
  }
}

/** The entries of a dump, for stores of another kind: a dump is always in the layout of LevelDB. */
export const dumpEntries = {
  format: (): Entry => [FORMAT_KEY, Buffer.from('1')],
  record: (at: Key, value: Value): Entry => [recordKey(at), value],
  body: (id: string, value: Value): Entry => [bodyKey(id), value],
  /** Of a key in a lane: its place in time order, and the time by key. */
  due: (lane: string, at: number, scheduled: Key): Entry => [dueKey(lane, wholeMs(at), scheduled), EMPTY],
  pointer: (lane: string, at: number, scheduled: Key): Entry => [pointerKey(lane, scheduled), timeBytes(wholeMs(at))],
}

type Entry = readonly [Uint8Array, Uint8Array]
