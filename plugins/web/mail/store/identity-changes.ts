/** Changes of the account's identities on the server. */
import { type Json, throwRefusal } from './client.ts'
import type { MailStore } from './mail-store.ts'

/** Changes the name or the signature of an identity. Throws a `Failure`. */
export async function changeIdentity(store: MailStore, id: string, patch: Json): Promise<void> {
  const [set, got] = await store.client.call(
    ['Identity/set', { update: { [id]: patch } }],
    ['Identity/get', { ids: null }],
  )
  throwRefusal(set)
  store.identities = got?.list ?? []
  store.changed()
}
