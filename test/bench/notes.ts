/**
 * Notes databases: messages a second from a file, and the memory that a file of 4 GB takes.
 *
 * The large file is sparse: a real database whose superblocks are wiped, so that the reader scans all of it.
 */
import { open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nsfArchive } from '../../plugins/gateway/notes/archive/nsf.ts'
import { convert } from '../../plugins/gateway/notes/message/convert.ts'
import { noAddressBook } from '../../plugins/gateway/notes/names.ts'
import { bufferSource, openSource } from '../../plugins/gateway/notes/nsf/source.ts'
import { nsfFixture } from '../support/notes.ts'

export interface SeenNotes {
  /** Messages a second, converted whole. */
  readonly perSecond: number
  /** Megabytes a second of converted mail. */
  readonly megabytesPerSecond: number
  /** Of the large file: seconds, and megabytes that the process grew by. */
  readonly largeSeconds: number
  readonly largeMegabytes: number
}

const LARGE = 4 * 1024 ** 3
const OPTIONS = { book: noAddressBook, domain: 'notes.invalid', replicaId: '0' }

export async function measureNotes(messages: number): Promise<SeenNotes> {
  const octets = nsfFixture('apiug')
  let [count, size] = [0, 0]
  const start = performance.now()
  while (count < messages) {
    const archive = await nsfArchive(bufferSource(octets))
    for await (const document of archive.documents()) {
      const converted = await convert(document, OPTIONS)
      for await (const piece of converted?.open() ?? []) size += piece.length
      count++
    }
  }
  const seconds = (performance.now() - start) / 1000
  const large = await measureLarge()
  return { perSecond: count / seconds, megabytesPerSecond: size / 1e6 / seconds, ...large }
}

async function measureLarge() {
  const path = join(tmpdir(), `iems-notes-${process.pid}.nsf`)
  const octets = nsfFixture('msearch')
  for (const at of [560, 568, 576, 584]) octets.writeUInt32LE(0, at)
  await writeFile(path, octets)
  const file = await open(path, 'r+')
  await file.truncate(LARGE)
  await file.close()
  try {
    const before = process.memoryUsage.rss()
    let most = before
    const start = performance.now()
    const archive = await nsfArchive(await openSource(path))
    for await (const document of archive.documents()) {
      const converted = await convert(document, OPTIONS)
      for await (const piece of converted?.open() ?? [])
        most = Math.max(most, piece.length && process.memoryUsage.rss())
    }
    await archive.close()
    return { largeSeconds: (performance.now() - start) / 1000, largeMegabytes: (most - before) / 1e6 }
  } finally {
    await rm(path, { force: true })
  }
}
