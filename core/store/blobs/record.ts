/** The record of the forms, keys and place of a store's blobs. It describes one store, so a copy to another leaves it out. */
import { key } from '../keys.ts'

export const BLOBS_KEY = key('blobs')
/** Until when nothing is removed from the place, because a backup reads it. */
export const HELD_KEY = key('blobs', 'held')

export interface BlobsRecord {
  readonly v: 1
  /** Names of everything that a server must be able to read: the stored form, keys and the place. */
  readonly reads: readonly string[]
  /** A check of each key, by its id. */
  readonly keys: Readonly<Record<string, string>>
  readonly place?: { readonly id: string; readonly name: string }
}
