/** A scope that runs what it is given when it ends: a test of node:test, a suite, or anything with an `after`. */
export interface Scope {
  after(end: () => Promise<void> | void): void
}
