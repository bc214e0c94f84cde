/**
 * The clock of the kernel and its plugins; tests replace it.
 */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number
  /** Calls `call` once after `ms` milliseconds. Returns a function that cancels the call. */
  after(ms: number, call: () => void): () => void
}
