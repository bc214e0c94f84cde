/**
 * Tokens: requests that wait for confirmation by the owner of an address.
 *
 * Invariants: a token is bound to one action, list and address, is used once and expires; the store holds only its
 * hash.
 */
import { createHash } from 'node:crypto'
import type { Store } from 'iems'
import type { MemberOptions } from './api.ts'
import { decode, encode, everyToken, tokenKey } from './records.ts'
import { randomToken } from './roster.ts'

export type Wish = {
  /** The list's address. */
  readonly list: string
  /** Folded. */
  readonly address: string
} & (
  | { readonly action: 'subscribe'; readonly options: MemberOptions }
  | { readonly action: 'unsubscribe' }
  | { readonly action: 'set'; readonly options: MemberOptions }
  /** Delivery begins again after bounces. */
  | { readonly action: 'resume' }
  /** Names no change: a member's key to the page of their options. */
  | { readonly action: 'options' }
  /** For a moderator. */
  | { readonly action: 'decide'; readonly held: string }
  /** A probe is on its way to the address. */
  | { readonly action: 'probe' }
)

type Kept = { readonly v: 1; readonly expires: number; readonly wish: Wish }

/** 120 bits. */
const LETTERS = 24
const hashOf = (token: string) => createHash('sha256').update(token.toLowerCase()).digest('base64url')

export class Tokens {
  readonly #store: Store
  readonly #now: () => number

  constructor(store: Store, now: () => number) {
    this.#store = store
    this.#now = now
  }

  async make(wish: Wish, validMs: number): Promise<string> {
    const token = randomToken(LETTERS)
    const kept: Kept = { v: 1, expires: this.#now() + validMs, wish }
    await this.#store.commit([{ put: tokenKey(hashOf(token)), value: encode(kept) }])
    return token
  }

  /** Undefined for one that was never made, was used, or has expired. */
  async look(token: string): Promise<Wish | undefined> {
    const value = await this.#store.get(tokenKey(hashOf(token)))
    const kept = value && decode<Kept>(value)
    return kept && kept.expires > this.#now() ? kept.wish : undefined
  }

  /** Uses up a token. */
  async use(token: string): Promise<Wish | undefined> {
    const at = tokenKey(hashOf(token))
    const value = await this.#store.get(at)
    if (!value) return undefined
    const { expires, wish } = decode<Kept>(value)
    if (!(await this.#store.commit([{ del: at }], [{ key: at, is: value }]))) return undefined
    return expires > this.#now() ? wish : undefined
  }

  async sweep(): Promise<void> {
    for await (const [at, value] of this.#store.scan(everyToken()))
      if (decode<Kept>(value).expires <= this.#now()) await this.#store.commit([{ del: at }], [{ key: at, is: value }])
  }
}
