/**
 * This device's own memory (IndexedDB): drafts, and the mail that was seen last. The only importer of idb.
 */
import { type IDBPDatabase, openDB } from 'idb'

export async function onDevice<T>(run: (database: IDBPDatabase) => Promise<T>): Promise<T> {
  const database = await openDB('iems-mail', 2, {
    upgrade(created, oldVersion) {
      if (oldVersion < 1) created.createObjectStore('drafts', { keyPath: 'key' })
      created.createObjectStore('snapshots')
    },
  })
  try {
    return await run(database)
  } finally {
    database.close()
  }
}
