/**
 * File items that name a path instead of holding the file, as Postie's import files do: the file is taken from a folder
 * that the administrator names.
 *
 * Invariants: only a file directly in that folder is read, whatever path the item has; a link is not followed.
 */
import { createReadStream } from 'node:fs'
import { lstat } from 'node:fs/promises'
import { join } from 'node:path'
import type { CcItem, CcMessage } from '../format/model.ts'

/** Octets of an item that holds no file: line ends. */
const MAX_EMPTY = 4

/** The message with its files; `missing` gets the names of those that are not there. */
export async function withFilesBeside(
  message: CcMessage,
  folder: string | undefined,
  missing: (name: string) => void,
): Promise<CcMessage> {
  const items: CcItem[] = []
  for (const item of message.items) items.push(await itemBeside(item, folder, missing))
  return { ...message, items }
}

async function itemBeside(item: CcItem, folder: string | undefined, missing: (name: string) => void): Promise<CcItem> {
  if (item.kind !== 'file' || item.size > MAX_EMPTY || !/[\\/]/.test(item.title)) return item
  const title = item.title.split(/[\\/]/).at(-1) ?? ''
  const path = folder === undefined || title === '' || title.startsWith('.') ? undefined : join(folder, title)
  const found = path === undefined ? undefined : await lstat(path).catch(() => undefined)
  if (path === undefined || !found?.isFile()) {
    missing(item.title)
    return { ...item, title }
  }
  return { ...item, title, size: found.size, open: () => createReadStream(path) as AsyncIterable<Buffer> }
}
