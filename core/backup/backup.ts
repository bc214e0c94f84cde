/**
 * Backups of a store: taken while the server runs, incremental, verified and restored.
 *
 * Invariants: a snapshot is written after everything it names, so an interruption leaves earlier snapshots complete;
 * records are divided into pieces by their keys, so unchanged pieces are shared; files of a store are immutable, so
 * those of an earlier snapshot are not read again.
 */
import { crc32 } from 'node:zlib'
import { IemsError } from '../api/errors.ts'
import type { StoreDump } from '../store/store.ts'
import type { BackupFolder } from './objects.ts'

export { openBackupFolder } from './objects.ts'

/** A snapshot: the names of its objects. */
export interface Snapshot {
  readonly v: 1
  /** Of this account only: no records, and one file, its mailboxes as a ZIP. Absent: of everything. */
  readonly account?: string
  /** Ms since 1970. */
  readonly at: number
  readonly hostname: string
  readonly records: { readonly count: number; readonly octets: number; readonly objects: readonly string[] }
  readonly files: readonly { readonly id: string; readonly size: number; readonly objects: readonly string[] }[]
}

export interface BackupResult {
  readonly snapshot: string
  readonly records: number
  readonly files: number
  /** Total octets before compression. */
  readonly octets: number
  readonly newObjects: number
  /** Removed snapshots. */
  readonly removed: readonly string[]
}

export interface BackupOptions {
  readonly hostname: string
  readonly now: number
  /** Snapshots to keep, including this one. Default: all. */
  readonly keep?: number | undefined
  readonly signal: AbortSignal
  progress(text: string): void
}

/** A piece ends after a key whose checksum ends in these zero bits, or at the maximum size. */
const BOUNDARY = 0xff
const PIECE = 4 * 1024 * 1024

/** Takes a snapshot. Throws the signal's reason when aborted; earlier snapshots stay untouched. */
export async function makeBackup(
  folder: BackupFolder,
  dump: StoreDump,
  { hostname, now, keep, signal, progress }: BackupOptions,
): Promise<BackupResult> {
  let newObjects = 0
  const put = async (piece: Uint8Array) => {
    signal.throwIfAborted()
    const { name, isNew } = await folder.put(piece)
    if (isNew) newObjects++
    return name
  }
  const records = await putRecords(dump, put, progress)
  const known = await knownFiles(folder)
  const files: Snapshot['files'][number][] = []
  for (const id of dump.files) {
    const before = known.get(id)
    files.push(before && (await hasAll(folder, before.objects)) ? before : await putFile(id, dump.open(id), put))
    progress(`${files.length} of ${dump.files.length} files`)
  }
  const snapshot: Snapshot = { v: 1, at: now, hostname, records, files }
  const name = nameAt(now)
  await folder.putSnapshot(name, snapshot)
  const removed = keep === undefined ? [] : await prune(folder, keep)
  const octets = files.reduce((sum, { size }) => sum + size, records.octets)
  return { snapshot: name, records: records.count, files: files.length, octets, newObjects, removed }
}

/** Takes a snapshot of one account, whose mailboxes `content` yields as a ZIP. */
export async function makeAccountBackup(
  folder: BackupFolder,
  account: string,
  content: AsyncIterable<Uint8Array>,
  { hostname, now }: Pick<BackupOptions, 'hostname' | 'now'>,
): Promise<BackupResult> {
  let newObjects = 0
  const file = await putFile('mailboxes.zip', content, async (piece) => {
    const { name, isNew } = await folder.put(piece)
    if (isNew) newObjects++
    return name
  })
  const records = { count: 0, octets: 0, objects: [] }
  const name = nameAt(now)
  await folder.putSnapshot(name, { v: 1, account, at: now, hostname, records, files: [file] } satisfies Snapshot)
  return { snapshot: name, records: 0, files: 1, octets: file.size, newObjects, removed: [] }
}

const nameAt = (now: number) => new Date(now).toISOString().replaceAll(':', '-')

type Put = (piece: Uint8Array) => Promise<string>

async function putRecords(dump: StoreDump, put: Put, progress: (text: string) => void): Promise<Snapshot['records']> {
  const objects: string[] = []
  let [count, octets, size] = [0, 0, 0]
  let piece: Buffer[] = []
  const finish = async () => {
    if (piece.length > 0) objects.push(await put(Buffer.concat(piece)))
    piece = []
    size = 0
    progress(`${count} records`)
  }
  for await (const [key, value] of dump.records()) {
    const pair = frame(key, value)
    piece.push(pair)
    count++
    size += pair.length
    octets += pair.length
    if (size >= PIECE || (crc32(key) & BOUNDARY) === 0) await finish()
  }
  await finish()
  return { count, octets, objects }
}

async function putFile(id: string, content: AsyncIterable<Uint8Array>, put: Put): Promise<Snapshot['files'][number]> {
  const objects: string[] = []
  let held: Uint8Array[] = []
  let [size, heldSize] = [0, 0]
  const finish = async () => {
    objects.push(await put(Buffer.concat(held)))
    held = []
    heldSize = 0
  }
  for await (const chunk of content) {
    held.push(chunk)
    size += chunk.byteLength
    heldSize += chunk.byteLength
    if (heldSize >= PIECE) await finish()
  }
  if (heldSize > 0) await finish()
  return { id, size, objects }
}

/** The files of the newest snapshot of everything. */
async function knownFiles(folder: BackupFolder): Promise<ReadonlyMap<string, Snapshot['files'][number]>> {
  for (const name of (await folder.snapshots()).toReversed()) {
    // An unreadable snapshot must not prevent a new one.
    const before = await folder.getSnapshot<Snapshot>(name).catch(() => undefined)
    if (before && before.account === undefined) return new Map(before.files.map((file) => [file.id, file]))
  }
  return new Map()
}

async function hasAll(folder: BackupFolder, objects: readonly string[]): Promise<boolean> {
  for (const name of objects) if (!(await folder.has(name))) return false
  return true
}

/** Keeps the newest snapshots and the objects they name. */
async function prune(folder: BackupFolder, keep: number): Promise<readonly string[]> {
  const names = await folder.snapshots()
  const removed = names.slice(0, Math.max(0, names.length - keep))
  if (removed.length === 0) return []
  const kept = new Set<string>()
  for (const name of names.slice(removed.length))
    for (const object of objectsOf(await folder.getSnapshot<Snapshot>(name))) kept.add(object)
  for (const name of removed) await folder.removeSnapshot(name)
  await folder.removeOthers(kept)
  return removed
}

function* objectsOf({ records, files }: Snapshot): Generator<string> {
  yield* records.objects
  for (const { objects } of files) yield* objects
}

export interface Verification {
  readonly snapshot: string
  readonly objects: number
  /** Missing or altered objects. */
  readonly damaged: readonly string[]
}

/** Reads everything that a snapshot names. */
export async function verifyBackup(folder: BackupFolder, snapshot: string): Promise<Verification> {
  const seen = new Set<string>()
  const damaged: string[] = []
  for (const name of objectsOf(await folder.getSnapshot<Snapshot>(snapshot))) {
    if (seen.has(name)) continue
    seen.add(name)
    await folder.get(name).catch(() => damaged.push(name))
  }
  return { snapshot, objects: seen.size, damaged }
}

/** A snapshot in the shape of a dump, for a restore. */
export async function readBackup(folder: BackupFolder, name: string): Promise<Omit<StoreDump, 'close'>> {
  const { records, files } = await folder.getSnapshot<Snapshot>(name)
  const byId = new Map(files.map((file) => [file.id, file]))
  return {
    async *records() {
      for (const object of records.objects) yield* unframe(await folder.get(object))
    },
    files: files.map(({ id }) => id),
    async *open(id) {
      for (const object of byId.get(id)?.objects ?? []) yield await folder.get(object)
    },
  }
}

// --- pairs of octets -----------------------------------------------------------------------------

function frame(key: Uint8Array, value: Uint8Array): Buffer {
  const head = Buffer.allocUnsafe(8)
  head.writeUInt32BE(key.byteLength, 0)
  head.writeUInt32BE(value.byteLength, 4)
  return Buffer.concat([head, key, value])
}

function* unframe(piece: Buffer): Generator<readonly [Uint8Array, Uint8Array]> {
  for (let at = 0; at < piece.length; ) {
    if (at + 8 > piece.length) throw new IemsError('IEMS_BACKUP_DAMAGED', { what: 'a piece of the records' })
    const keyAt = at + 8
    const valueAt = keyAt + piece.readUInt32BE(at)
    at = valueAt + piece.readUInt32BE(at + 4)
    if (at > piece.length) throw new IemsError('IEMS_BACKUP_DAMAGED', { what: 'a piece of the records' })
    yield [piece.subarray(keyAt, valueAt), piece.subarray(valueAt, at)]
  }
}
