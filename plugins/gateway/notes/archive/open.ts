/** A file of either format, or a mail file of a running Domino, as an archive. */
import { open } from 'node:fs/promises'
import { openDxl } from '../dxl/archive.ts'
import { Unreadable } from '../nsf/source.ts'
import { openDas } from '../remote/das.ts'
import { type Access, isRemote, locate } from '../remote/location.ts'
import type { NotesArchive } from './model.ts'
import { openNsf } from './nsf.ts'

export interface OpenOptions extends Access {
  /** The list beside a DXL file. */
  readonly list?: string
}

export async function openArchive(path: string, options: OpenOptions = {}): Promise<NotesArchive> {
  if (isRemote(path)) return openDas(await locate(path, options))
  const file = await open(path, 'r')
  const start = Buffer.alloc(512)
  const { bytesRead } = await file.read(start, 0, 512, 0).finally(() => file.close())
  const text = start
    .toString('latin1', 0, bytesRead)
    .replace(/^\xef\xbb\xbf/, '')
    .trimStart()
  if (start.readUInt16LE(0) === 0x1a) return openNsf(path)
  if (text.startsWith('<')) return openDxl(path, options.list)
  throw new Unreadable('the file is neither a Notes database nor DXL')
}
