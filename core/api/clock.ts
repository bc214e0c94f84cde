/** Time as the kernel and its plugins see it, so that tests can let it stand still. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number
  /** Calls once after so many ms; the answer cancels. */
  after(ms: number, call: () => void): () => void
}
