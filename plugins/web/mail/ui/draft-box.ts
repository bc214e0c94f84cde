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

const lockOf = (key: string): string => `iems-draft-${key}`

/** Keeps other windows from opening the draft as well; the answer lets them. */
export function holdDraft(key: string): () => void {
  let release = () => {}
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  // Web locks need HTTPS or this machine; without them a second window opens the draft too.
  void navigator.locks?.request(lockOf(key), () => held).catch(() => undefined)
  return release
}

/** Drafts of an account that were open when their window went. */
export async function keptDrafts(account: string): Promise<KeptDraft[]> {
  const database = await open()
  const all = (await database.getAll('drafts')) as KeptDraft[]
  database.close()
  const locks = new Set((await navigator.locks?.query())?.held?.map(({ name }) => name))
  return all.filter((one) => one.account === account && !locks.has(lockOf(one.key)))
}
