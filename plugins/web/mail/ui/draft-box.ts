/**
 * Drafts on this device (IndexedDB): what was typed survives a closed tab, a login that ends and a server that is away.
 * The only importer of idb.
 */
import { type IDBPDatabase, openDB } from 'idb'
import type { Draft } from '../store/compose.ts'

export interface KeptDraft {
  readonly key: string
  readonly account: string
  readonly draft: Draft
  /** Its text in plain form. */
  readonly plain: string
}

const open = (): Promise<IDBPDatabase> =>
  openDB('iems-mail', 1, {
    upgrade(database) {
      database.createObjectStore('drafts', { keyPath: 'key' })
    },
  })

export async function keepDraft(kept: KeptDraft): Promise<void> {
  const database = await open()
  await database.put('drafts', kept)
  database.close()
}

export async function forgetDraft(key: string): Promise<void> {
  const database = await open()
  await database.delete('drafts', key)
  database.close()
}

/** Drafts of an account that the server has not got. */
export async function keptDrafts(account: string): Promise<KeptDraft[]> {
  const database = await open()
  const all = (await database.getAll('drafts')) as KeptDraft[]
  database.close()
  return all.filter((one) => one.account === account)
}
