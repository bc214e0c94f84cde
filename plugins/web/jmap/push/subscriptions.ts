/**
 * Push subscriptions (RFC 8620 section 7.2) in the store, for clients that are not connected.
 *
 * Invariants: nothing is pushed to an unverified endpoint; a subscription expires; an account has a bounded number of
 * them.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import { below, decodeRecord, defineSignal, encodeRecord, key, type Store, unkey } from 'iems'

export interface PushSubscription {
  readonly v: 1
  readonly deviceClientId: string
  readonly url: string
  readonly keys: { readonly p256dh: string; readonly auth: string } | null
  readonly code: string
  readonly isVerified: boolean
  /** ms since 1970. */
  readonly expires: number
  /** Null: all. */
  readonly types: readonly string[] | null
  /** The states that were pushed last, so that one of several kernels pushes. */
  readonly sent: Readonly<Record<string, string>>
}

export const MAX_SUBSCRIPTIONS = 20
export const MAX_LIFETIME_MS = 7 * 86_400_000

/** An account's subscriptions have changed. */
export const SubscriptionsChanged = defineSignal<{ readonly account: string }>('jmap:subscriptions-changed')

const encode: (value: PushSubscription) => Uint8Array = encodeRecord
const decode = decodeRecord<PushSubscription>
const at = (account: string, id: string) => key('push', account, id)

export class PushSubscriptions {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  /** Of one account, or of all. */
  async *list(
    account?: string,
  ): AsyncGenerator<{ readonly account: string; readonly id: string; readonly one: PushSubscription }> {
    const range = account === undefined ? below('push') : below('push', account)
    for await (const [found, value] of this.#store.scan(range)) {
      const [, owner, id] = unkey(found)
      const one = decode(value)
      if (one.expires > this.#store.now()) yield { account: String(owner), id: String(id), one }
    }
  }

  async create(
    account: string,
    given: Omit<PushSubscription, 'v' | 'code' | 'isVerified' | 'sent'>,
  ): Promise<{ readonly id: string; readonly one: PushSubscription }> {
    const id = `P${randomUUID().replaceAll('-', '')}`
    const one: PushSubscription = {
      ...given,
      v: 1,
      code: randomBytes(24).toString('base64url'),
      isVerified: false,
      sent: {},
    }
    await this.#store.commit([{ put: at(account, id), value: encode(one) }])
    return { id, one }
  }

  async get(account: string, id: string): Promise<PushSubscription | undefined> {
    const value = await this.#store.get(at(account, id))
    const one = value && decode(value)
    return one && one.expires > this.#store.now() ? one : undefined
  }

  /** False when it has changed meanwhile, or is gone. */
  async replace(account: string, id: string, before: PushSubscription, after: PushSubscription): Promise<boolean> {
    return this.#store.commit(
      [{ put: at(account, id), value: encode(after) }],
      [{ key: at(account, id), is: encode(before) }],
    )
  }

  async remove(account: string, id: string): Promise<void> {
    await this.#store.commit([{ del: at(account, id) }])
  }

  /** Removes expired subscriptions. */
  async sweep(): Promise<void> {
    for await (const [found, value] of this.#store.scan(below('push')))
      if (decode(value).expires <= this.#store.now()) await this.#store.commit([{ del: found }])
  }
}
