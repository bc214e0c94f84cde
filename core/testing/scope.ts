/**
 * Runs cleanup functions at its end: a test of node:test, a suite, or anything with an `after`.
 */
export interface Scope {
  after(end: () => Promise<void> | void): void
}
