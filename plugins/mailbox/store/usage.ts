/**
 * Usage of accounts, as their records count it.
 */
import { type Store, unkey } from 'iems'
import type { Usage } from './api.ts'
import { type AccountRecord, accountKey, allAccounts, allContents, type ContentRecord, decode } from './records.ts'

const usageIn = (value: Uint8Array): Usage => {
  const { octets, messages } = decode<AccountRecord>(value)
  return { octets, messages }
}

export function createUsage(store: Store) {
  return {
    async usage(account: string): Promise<Usage> {
      const value = await store.get(accountKey(account))
      return value ? usageIn(value) : { octets: 0, messages: 0 }
    },
    async contentUsage(): Promise<Usage> {
      const sum = { octets: 0, messages: 0 }
      for await (const [, value] of store.scan(allContents)) {
        sum.octets += decode<ContentRecord>(value).content.size
        sum.messages++
      }
      return sum
    },
    async *usages(): AsyncGenerator<Usage & { readonly account: string }> {
      for await (const [at, value] of store.scan(allAccounts))
        yield { account: (unkey(at) as [string, string])[1], ...usageIn(value) }
    },
  }
}
