/**
 * Addresses that account holders have taken themselves, so that they can give them back and no others.
 */
import { decodeRecord, encodeRecord, key, type Store } from 'iems'

interface AliasRecord {
  readonly v: 1
  readonly addresses: readonly string[]
}

export class OwnAliases {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  async of(account: string): Promise<readonly string[]> {
    const value = await this.#store.get(key('alias', account))
    return value ? decodeRecord<AliasRecord>(value).addresses : []
  }

  async set(account: string, addresses: readonly string[]): Promise<void> {
    const record: AliasRecord = { v: 1, addresses }
    await this.#store.commit([{ put: key('alias', account), value: encodeRecord(record) }])
  }
}
