/**
 * The store interface: ordered records, a due-list, and blobs. It knows nothing about mail.
 *
 * Every implementation guarantees, and `storeContract` tests: a commit is atomic and on stable storage when it resolves
 * true; of two commits whose checks exclude each other only one succeeds; a key is leased to one caller of `take` at a
 * time. All methods except `watch` and `subscribe` can cross a process boundary.
 */

/** Bytes that sort as the tuples do. Made only by `key()`; never concatenate strings. */
export type Key = Uint8Array
export type Value = Uint8Array

/** Maximum size of a hint: PostgreSQL's NOTIFY carries 8000 octets of text, and hints are sent as base64. */
export const HINT_MAX_OCTETS = 4096

/** A lane is any name without NUL; there may be very many. */
export type Op =
  | { readonly put: Key; readonly value: Value }
  | { readonly del: Key }
  /**
   * Schedules or reschedules a key in a lane, `in` ms from the store's current time, and ends a lease on it. A key is
   * in a lane at most once. With `ifFree` the op does nothing unless the key is in the lane without a lease.
   */
  | { readonly due: Key; readonly lane: string; readonly in: number; readonly ifFree?: boolean }
  | { readonly undue: Key; readonly lane: string }
  /** The bytes of a small blob; created only by `Staged.keep`. */
  | { readonly body: string; readonly value: Value }

/** A precondition of a commit. An `absent` check must name a key that the same commit puts. */
export type Check =
  | { readonly key: Key; readonly is: Value | 'absent' | 'present' }
  /** The lease with that generation is the key's latest, and the key has not been rescheduled since. */
  | { readonly due: Key; readonly lane: string; readonly lease: number }
  /** The key has no lease in that lane. */
  | { readonly free: Key; readonly lane: string }

/** `to` is exclusive. */
export interface Range {
  readonly from: Key
  readonly to: Key
  readonly limit?: number
  readonly reverse?: boolean
}

export interface Lease {
  readonly key: Key
  /** When the key becomes due again unless it is settled, ms since 1970 by the store's clock. */
  readonly until: number
  /** Identifies the lease among all leases on this key; a renewal keeps it. */
  readonly generation: number
}

/** A key in a lane. */
export interface Scheduled {
  readonly key: Key
  /** When it is due, or its lease ends. */
  readonly at: number
  /** A process holds a lease on it. */
  readonly leased: boolean
}

export interface Store {
  /** The store's clock in ms since 1970. Compare times from the store only with this. */
  now(): number
  get(key: Key): Promise<Value | undefined>
  /** A consistent view, ordered by key. */
  scan(range: Range): AsyncIterable<readonly [Key, Value]>
  /**
   * True: committed and on stable storage. False: a check failed and nothing was written. Throws `IEMS_STORE_FULL`,
   * `IEMS_STORE_FAILED`.
   */
  commit(ops: readonly Op[], checks?: readonly Check[]): Promise<boolean>
  /** Leases up to `limit` keys that are due in a lane, earliest first; each becomes due again at now + leaseMs. */
  take(lane: string, limit: number, leaseMs: number): Promise<readonly Lease[]>
  /** Extends a lease. Undefined when it is no longer held. */
  renew(lane: string, lease: Lease, leaseMs: number): Promise<Lease | undefined>
  /**
   * All lanes that are not empty and whose names begin with `prefix`, ordered by name, with the time at which the next
   * key is due.
   */
  lanes(prefix: string): AsyncIterable<{ readonly lane: string; readonly at: number }>
  /** When a key is due in a lane; undefined when it is not in it. */
  dueAt(lane: string, key: Key): Promise<number | undefined>
  /** Whether any process holds a lease on the key in that lane. */
  isLeased(lane: string, key: Key): Promise<boolean>
  /** The keys of a lane in time order, including leased ones; for listing and flushing. */
  due(lane: string, limit: number): AsyncIterable<Scheduled>
  /**
   * Calls `wake` as a hint that a key is or becomes due in a lane with that prefix. Hints may be spurious or lost, so
   * poll as well.
   */
  watch(prefix: string, wake: (lane: string, at: number) => void): () => void
  /**
   * Sends a hint of at most `HINT_MAX_OCTETS` to all subscribers of the topic on this store, in every process,
   * including the sender's; `undefined` means "anything may have changed". A hint is never the truth: it may be lost,
   * merged with an equal one, or duplicated. Never waits; throws RangeError when the hint is too large.
   */
  publish(topic: string, hint: Value | undefined): void
  /**
   * Receives a topic's hints, each in a later turn of the event loop. `undefined`: some were lost. Returns a function
   * that unsubscribes.
   */
  subscribe(topic: string, hear: (hint: Value | undefined) => void): () => void
  readonly blobs: Blobs
  /** A snapshot of the whole store, which the caller must close; absent when the store does not support it. */
  dump?(): Promise<StoreDump>
  close(): Promise<void>
}

/** A snapshot in the store's own format, for backups. */
export interface StoreDump {
  records(): AsyncIterable<readonly [Uint8Array, Uint8Array]>
  /** Ids of blobs that are stored outside the records. */
  readonly files: readonly string[]
  open(id: string): AsyncIterable<Uint8Array>
  close(): Promise<void>
}

export interface Staged {
  readonly size: number
  /** SHA-256 in base64url, if the store computes one. */
  readonly hash?: string
  /** The bytes if at most 64 KiB, to save reading them back. */
  readonly bytes?: Uint8Array
  open(range?: ByteRange): AsyncIterable<Uint8Array>
  /**
   * Makes the bytes permanent. Returns their id, and ops that must be part of the first commit that refers to it: a
   * small body is one op and shares that commit's fsync; a large one has its own file, which `keep` fsyncs (file and
   * folder), and needs no op.
   */
  keep(): Promise<{ readonly id: string; readonly ops: readonly Op[] }>
  /** Drops the bytes; does nothing after `keep`. */
  discard(): Promise<void>
}

/** Octets from `start` up to but not including `end`. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

export interface Blobs {
  /** Reads the source to its end. If the source throws, drops the bytes and throws the same error. */
  stage(source: AsyncIterable<Uint8Array>): Promise<Staged>
  /** Throws `IEMS_BLOB_MISSING` on the first read if the blob does not exist. */
  open(id: string, range?: ByteRange): AsyncIterable<Uint8Array>
  /**
   * A small blob in one buffer, without the cost of a stream; undefined for one that `open` has to read. Throws
   * `IEMS_BLOB_MISSING`. Absent where a store has no such form.
   */
  whole?(id: string): Promise<Buffer | undefined>
  /** Octets of the blob as the store keeps it. Throws `IEMS_BLOB_MISSING`. */
  size(id: string): Promise<number>
  /** Keeps a blob of another store under its id and with its age. Idempotent. Absent where a store cannot. */
  adopt?(id: string, source: AsyncIterable<Uint8Array>): Promise<void>
  /** Idempotent. */
  remove(id: string): Promise<void>
  /** For the sweeper: blobs with ids greater than `after`, ordered by id, with the time of `keep` in ms since 1970. */
  list(after?: string): AsyncIterable<{ readonly id: string; readonly since: number }>
}
