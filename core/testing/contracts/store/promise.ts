/**
 * Tools for the store contract: a store under test, short names for operations, content.
 */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { key } from '../../../store/keys.ts'
import type { Check, Key, Lease, Op, Store } from '../../../store/store.ts'

/** An empty store to be tested. */
export interface StoreUnderTest {
  readonly store: Store
  /** Advances the store's time. */
  elapse(ms: number): Promise<void>
  /** Closes the store and opens it again; absent for one in memory. */
  reopen?(): Promise<Store>
}

/** Creates an empty store; closes and removes it through `t.after`. */
export type MakeStore = (t: TestContext) => Promise<StoreUnderTest>

export type Promised = readonly [name: string, holds: (under: StoreUnderTest, t: TestContext) => Promise<void>]

export const SECOND = 1000
export const MINUTE = 60 * SECOND
/** Larger than any store keeps in its records. */
export const LARGE_SIZE = 300_000

export const bytes = (text: string) => Buffer.from(text)
export const text = (value: Uint8Array | undefined) => value && Buffer.from(value).toString()
export const hasCode = (code: string) => (error: unknown) => (error as { code?: string }).code === code
export const put = (name: string, value = name): Op => ({ put: key(name), value: bytes(value) })
export const due = (name: string, lane: string, inMs = 0): Op => ({ due: key(name), lane, in: inMs })
export const leased = (lane: string, { key: at, generation }: Lease): Check => ({ due: at, lane, lease: generation })

export async function textsIn(source: AsyncIterable<readonly [Key, Uint8Array]>): Promise<(string | undefined)[]> {
  return Array.fromAsync(source, ([, value]) => text(value))
}

export async function contentOf(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(source))
}

export const names = (leases: readonly { readonly key: Key }[]) =>
  leases.map(({ key: at }) => Buffer.from(at).toString('hex'))
export const named = (...all: readonly string[]) => all.map((name) => Buffer.from(key(name)).toString('hex'))

export async function* pieces(size: number, piece = 10_000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < size; at += piece) yield Buffer.from(pattern(size).subarray(at, at + piece))
}

/** Pseudo-random numbers below n, the same in every run. */
export function createRandom(seed: number): (n: number) => number {
  let state = seed
  return (n) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return (state >>> 8) % n
  }
}

/** Octets that differ by position. */
export function pattern(size: number): Buffer {
  const all = Buffer.alloc(size)
  for (let at = 0; at + 4 <= size; at += 4) all.writeUInt32BE(at, at)
  return all
}

export async function kept(store: Store, size: number): Promise<string> {
  const staged = await store.blobs.stage(pieces(size))
  const { id, ops } = await staged.keep()
  assert.equal(await store.commit([...ops, put(id)]), true)
  return id
}
