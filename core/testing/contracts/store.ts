/**
 * The contract of every store, as tests: `storeContract('my store', make)` in a test file registers them. They require
 * nothing beyond store.ts and know nothing of mail.
 */
import { test } from 'node:test'
import { BLOBS } from './store/blobs.ts'
import { DUE_LIST } from './store/due-list.ts'
import { END } from './store/end.ts'
import { HINTS } from './store/hints.ts'
import { LEASES } from './store/leases.ts'
import type { MakeStore } from './store/promise.ts'
import { RECORDS } from './store/records.ts'

export type { MakeStore, StoreUnderTest } from './store/promise.ts'

/** Registers the tests of the store contract. */
export function storeContract(name: string, make: MakeStore): void {
  for (const [promise, holds] of [...RECORDS, ...DUE_LIST, ...LEASES, ...BLOBS, ...HINTS, ...END]) {
    test(`${name}: ${promise}`, async (t) => holds(await make(t), t))
  }
}
