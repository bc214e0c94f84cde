/**
 * Records in the store, by their keys:
 *
 *   n partner                      the stream of a partner: its id, and the number of the next batch
 *   w partner rank delivery        a delivery that waits for a batch, most urgent first
 *   d delivery                     where a delivery is: waiting, in a batch, or answered
 *   b partner number               a batch under way
 *   i partner stream               which batches of a partner's stream were taken
 *   q partner stream number build at   a part that has come
 *   r partner stream number        the result of a batch that was taken, for repeated acknowledgements
 *   a partner stream number        an acknowledgement that is to be sent
 *   x partner digest               a batch without a number that was taken
 */
import {
  type Content,
  decodeRecord as decode,
  encodeRecord as encode,
  key,
  type Priority,
  type Reply,
  type Store,
  type Value,
} from 'iems'
import type { Done } from './manifest.ts'
import type { BatchLabel } from './parcel.ts'

export interface StreamRecord {
  readonly stream: string
  readonly next: number
}

/** A delivery as it goes into a batch. */
export interface WaitingRecord {
  readonly delivery: string
  readonly message: string
  readonly since: number
  readonly urgent: boolean
  readonly size: number
  readonly mail: string
  readonly rcpts: readonly string[]
  readonly addresses: readonly string[]
  readonly binary: boolean
  readonly content: Content
}

/** The reply for one recipient; with `''` for all others. */
export interface Answer {
  readonly address: string
  readonly reply: Reply
}

export type TrackedRecord = { readonly partner: string; readonly addresses: readonly string[] } & (
  | { readonly state: 'waiting'; readonly rank: number }
  | { readonly state: 'sent'; readonly batch: number }
  | { readonly state: 'answered'; readonly handover: 'relayed' | 'reported'; readonly answers: readonly Answer[] }
)

export interface BatchRecord {
  readonly number: number
  readonly content: Content
  /** Of a sealed batch. */
  readonly label?: BatchLabel
  /** Of a batch by RFC 2442. */
  readonly plain?: { readonly name: string; readonly extensions: readonly string[]; readonly signature?: string }
  readonly deliveries: readonly { readonly delivery: string; readonly message: string }[]
  /** Times that it was sent whole, and when last. */
  readonly copies: number
  readonly sentAt?: number
  /** Parts that the partner has. */
  readonly have?: readonly number[]
}

export interface InStreamRecord {
  /** All up to this number were taken, and these above it. */
  readonly upTo: number
  readonly above: readonly number[]
}

export interface PartRecord {
  readonly content: Content
  readonly label: BatchLabel
  readonly at: number
  readonly size: number
}

export interface TakenRecord extends Done {
  readonly at: number
}

export interface AckRecord {
  readonly since: number
}

const RANKS: readonly Priority[] = ['urgent', 'normal', 'bulk']
export const rankOf = (priority: Priority): number => RANKS.indexOf(priority)

export const streamKey = (partner: string) => key('n', partner)
export const waitingKey = (partner: string, rank: number, delivery: string) => key('w', partner, rank, delivery)
export const trackedKey = (delivery: string) => key('d', delivery)
export const batchKey = (partner: string, number: number) => key('b', partner, number)
export const inStreamKey = (partner: string, stream: string) => key('i', partner, stream)
export const partKey = (partner: string, { stream, batch, build }: BatchLabel, at: number) =>
  key('q', partner, stream, batch, build, at)
export const takenKey = (partner: string, stream: string, batch: number) => key('r', partner, stream, batch)
export const ackKey = (partner: string, stream: string, batch: number) => key('a', partner, stream, batch)
export const seenKey = (partner: string, digest: string) => key('x', partner, digest)

export { decode, encode }

export async function read<T>(store: Store, at: Uint8Array): Promise<T | undefined> {
  const value = await store.get(at)
  return value && decode<T>(value)
}

export async function* scan<T>(
  store: Store,
  range: { readonly from: Uint8Array; readonly to: Uint8Array },
): AsyncGenerator<{ readonly key: Uint8Array; readonly value: Value; readonly record: T }> {
  for await (const [at, value] of store.scan(range)) yield { key: at, value, record: decode<T>(value) }
}

/** A number that was taken, added to those of its stream. */
export function withNumber({ upTo, above }: InStreamRecord, number: number): InStreamRecord {
  const all = new Set([...above, number])
  let end = upTo
  while (all.delete(end + 1)) end++
  return { upTo: end, above: [...all].filter((one) => one > end).sort((a, b) => a - b) }
}

export const hasNumber = ({ upTo, above }: InStreamRecord, number: number): boolean =>
  number <= upTo || above.includes(number)
