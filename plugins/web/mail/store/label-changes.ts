/**
 * Changes of the account's labels on the server.
 */
import { type Call, type Json, throwRefusal } from './client.ts'
import { type Color, keywordOf, type Label } from './labels.ts'
import type { MailStore } from './mail-store.ts'

/** Makes a label. Throws a `Failure`. */
export async function createLabel(
  store: MailStore,
  given: { readonly name: string; readonly color: Color; readonly keyword?: string },
): Promise<Label> {
  const label = { keyword: keywordOf(given.name.trim()), ...given, name: given.name.trim() }
  const id = (await change(store, { create: { a: label } })).created.a.id as string
  return { id, ...label }
}

export const changeLabel = (store: MailStore, id: string, patch: Partial<Pick<Label, 'name' | 'color'>>) =>
  change(store, { update: { [id]: patch } })

/** Its messages keep the keyword. */
export const removeLabel = (store: MailStore, id: string) => change(store, { destroy: [id] })

async function change(store: MailStore, given: Json): Promise<Json> {
  const calls: readonly Call[] = [
    ['EmailLabel/set', given],
    ['EmailLabel/get', { ids: null }],
  ]
  const [set, got] = await store.client.call(...calls)
  throwRefusal(set)
  store.setLabels(got?.list ?? [])
  return set as Json
}
