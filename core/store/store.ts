/**
 * What IEMS asks of a store: ordered records, a due-list, and blobs. Nothing in it knows about mail.
 *
 * Three promises that every implementation keeps, and `storeContract` tests: a commit is all or nothing and on stable
 * storage when it resolves true; of two commits whose checks exclude each other one wins; no two callers of `take` get
 * the same key while its lease lasts. Nothing here may be a function that cannot cross a process boundary, but for
 * `watch` and `subscribe`.
 */

/** Bytes that sort as written. Made only by `key()`; nobody glues strings together. */
export type Key = Uint8Array
export type Value = Uint8Array

/** What a hint may measure: PostgreSQL's NOTIFY carries 8000 octets of text, which is less in base64. */
export const HINT_MAX_OCTETS = 4096

/** A lane is any name without NUL; there may be very many. */
export type Op =
  | { readonly put: Key; readonly value: Value }
  | { readonly del: Key }
  /**
   * (Re)schedule a key in a lane, `in` ms from the store's own now, which ends a lease on it. A key is at most once in a
   * lane. With `ifFree` the op does nothing unless the key stands in the lane and no lease on it lasts.
   */
  | { readonly due: Key; readonly lane: string; readonly in: number; readonly ifFree?: boolean }
  | { readonly undue: Key; readonly lane: string }
  /** A small blob's bytes; made by `Staged.keep` alone. */
  | { readonly body: string; readonly value: Value }

/** What must still hold for a commit to happen. An `absent` check must name a key that the same commit puts. */
export type Check =
  | { readonly key: Key; readonly is: Value | 'absent' | 'present' }
  /** The lease with that generation is the key's latest, and the key has not been rescheduled since. */
  | { readonly due: Key; readonly lane: string; readonly lease: number }
  /** No lease on the key lasts in that lane. */
  | { readonly free: Key; readonly lane: string }

/** `to` is left out of the range. */
export interface Range {
  readonly from: Key
  readonly to: Key
  readonly limit?: number
  readonly reverse?: boolean
}

export interface Lease {
  readonly key: Key
  /** When the key falls due again unless it is settled, ms since 1970 by the store's clock. */
  readonly until: number
  /** The lease's own number: no other lease on this key has it, and a renewal keeps it. */
  readonly generation: number
}

/** A key in a lane. */
export interface Scheduled {
  readonly key: Key
  /** When it falls due, or its lease ends. */
  readonly at: number
  /** Somebody, in whatever process, holds a lease on it. */
  readonly leased: boolean
}

export interface Store {
  /** The store's own clock in ms since 1970: what times of the store are compared with. */
  now(): number
  get(key: Key): Promise<Value | undefined>
  /** Ordered by key, one moment's view. */
  scan(range: Range): AsyncIterable<readonly [Key, Value]>
  /** True: done and on stable storage. False: a check failed and nothing was written. Throws `IEMS_STORE_FULL`, `IEMS_STORE_FAILED`. */
  commit(ops: readonly Op[], checks?: readonly Check[]): Promise<boolean>
  /** Hands out up to `limit` keys due in a lane, earliest first, and makes each due again at now + leaseMs. */
  take(lane: string, limit: number, leaseMs: number): Promise<readonly Lease[]>
  /** The lease with a new end, or undefined if it is no longer held. */
  renew(lane: string, lease: Lease, leaseMs: number): Promise<Lease | undefined>
  /** Every lane that holds anything and whose name starts with `prefix`, with the time its next key falls due. Ordered by name. */
  lanes(prefix: string): AsyncIterable<{ readonly lane: string; readonly at: number }>
  /** When a key falls due in a lane; undefined when it is not in it. */
  dueAt(lane: string, key: Key): Promise<number | undefined>
  /** Whether somebody, in whatever process, holds a lease on the key in that lane. */
  isLeased(lane: string, key: Key): Promise<boolean>
  /** The keys in a lane in order of time, leased ones included; for lists and for flushing. */
  due(lane: string, limit: number): AsyncIterable<Scheduled>
  /** A hint that something became due, or will be, in a lane that starts with `prefix`. May fire for nothing and may be missed: poll as well. */
  watch(prefix: string, wake: (lane: string, at: number) => void): () => void
  /**
   * Sends a hint of at most `HINT_MAX_OCTETS` to everybody who subscribed to the topic on this store, in every process,
   * the sender included; `undefined` means "anything may have changed". A hint is never the truth: it may be missed,
   * merged with an equal one, or come twice. Never waits; throws RangeError when the hint is too large.
   */
  publish(topic: string, hint: Value | undefined): void
  /** Hears a topic's hints, each in a later turn of the event loop. `undefined`: some were lost. The answer unsubscribes. */
  subscribe(topic: string, hear: (hint: Value | undefined) => void): () => void
  readonly blobs: Blobs
  /** The whole store as this moment has it; absent where a store cannot. The caller closes it. */
  dump?(): Promise<StoreDump>
  close(): Promise<void>
}

/** One moment's view of everything, in the store's own form, for backups. */
export interface StoreDump {
  records(): AsyncIterable<readonly [Uint8Array, Uint8Array]>
  /** Ids of blobs that lie beside the records. */
  readonly files: readonly string[]
  open(id: string): AsyncIterable<Uint8Array>
  close(): Promise<void>
}

export interface Staged {
  readonly size: number
  /** SHA-256 in base64url, from a store that makes one. */
  readonly hash?: string
  /** The bytes themselves when they are few (64 KiB or less), so that nobody reads back what he has just written. */
  readonly bytes?: Uint8Array
  open(range?: ByteRange): AsyncIterable<Uint8Array>
  /**
   * Gives the bytes an id, and the ops that must be part of the commit that first refers to them: a small body becomes
   * one op and shares that commit's fsync; a large one was written to its own file, which `keep` fsyncs (file and
   * folder), and needs no op.
   */
  keep(): Promise<{ readonly id: string; readonly ops: readonly Op[] }>
  /** Forgets the bytes; does nothing after `keep`. */
  discard(): Promise<void>
}

/** Octets from `start`, up to and without `end`. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

export interface Blobs {
  /** Reads the source to its end. Throws what the source throws, after forgetting what was read. */
  stage(source: AsyncIterable<Uint8Array>): Promise<Staged>
  /** Throws `IEMS_BLOB_MISSING` on the first read of one that is not there. */
  open(id: string, range?: ByteRange): AsyncIterable<Uint8Array>
  /** Twice is fine. */
  remove(id: string): Promise<void>
  /** For the sweeper: every blob kept, in order of ids, from behind `after` on, with the time it was kept in ms since 1970. */
  list(after?: string): AsyncIterable<{ readonly id: string; readonly since: number }>
}
