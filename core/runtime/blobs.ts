/**
 * Opens the blobs of a store as the configuration wants them: compressed, encrypted, in a place of their own.
 *
 * The store has a record of what its blobs may need: the stored form, keys, and the place. Invariants: a server that
 * could not read a blob does not start; nothing that a running server could not read is written; an earlier version
 * refuses the store as soon as there may be a blob in the stored form.
 */
import { createHmac, randomUUID } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { hostname as machineName } from 'node:os'
import { join } from 'node:path'
import { IemsError, reasonOf } from '../api/errors.ts'
import type { BlobKey } from '../store/blobs/frames.ts'
import { PackedBlobs } from '../store/blobs/packed.ts'
import { PlacedBlobs } from '../store/blobs/placed.ts'
import { BLOBS_KEY, type BlobsRecord } from '../store/blobs/record.ts'
import { S3Files } from '../store/blobs/s3-files.ts'
import { type Files, FilesBelow, openFiles } from '../store/level/files.ts'
import { placeOf } from '../store/places.ts'
import { decodeRecord, encodeRecord } from '../store/record.ts'
import { isS3, S3Bucket, s3Options } from '../store/s3.ts'
import type { Blobs, Store } from '../store/store.ts'
import { CONFLICT, transact } from '../store/transact.ts'
import { keyOctets } from './blob-options.ts'
import { pathIn } from './config.ts'
import type { Config } from './config-schema.ts'
import { dataFolder } from './folders.ts'
import { raised } from './formats.ts'
import { requireReaders } from './nodes.ts'

/** Version of the kernel's records from which on a message's blob may be in the stored form. */
const PACKED_MESSAGE = 2
/** Beside the blobs of a place: the id by which a store knows it. */
const MARKER = 'iems-blobs.json'
const PACKED = 'packed'

/** Names of everything that this configuration can read, for the other servers of the store. */
export const blobsRead = ({ blobs }: Config): readonly string[] => [
  PACKED,
  ...Object.keys(blobs.keys).map((id) => `key ${id}`),
]

const keysOf = ({ blobs }: Config): ReadonlyMap<string, BlobKey> =>
  new Map(Object.entries(blobs.keys).map(([id, secret]) => [id, { id, octets: keyOctets(secret.reveal()) }]))

/** Tells a wrong key from the right one, and says nothing about it. */
const checkOf = ({ octets }: BlobKey): string =>
  createHmac('sha256', octets).update('iems blob key').digest('base64url').slice(0, 22)

/** Problems of the configuration's keys with a store that has this record. */
function* keyProblems(config: Config, { keys }: Pick<BlobsRecord, 'keys'>): Generator<IemsError> {
  const known = keysOf(config)
  for (const [id, check] of Object.entries(keys)) {
    const key = known.get(id)
    if (!key) yield new IemsError('IEMS_BLOB_KEY', { key: id, why: 'is not among blobs.keys' })
    else if (checkOf(key) !== check)
      yield new IemsError('IEMS_BLOB_KEY', { key: id, why: 'in blobs.keys is not the one that encrypted them' })
  }
}

async function blobsRecord(store: Pick<Store, 'get'>): Promise<BlobsRecord> {
  const value = await store.get(BLOBS_KEY)
  return value ? decodeRecord<BlobsRecord>(value) : { v: 1, reads: [], keys: {} }
}

/** The store with its blobs. Throws IEMS_BLOB_KEY, IEMS_BLOB_PLACE or IEMS_NODES_DIFFER with nothing changed. */
export async function withBlobs(store: Store, config: Config, isShared: boolean): Promise<Store> {
  const { blobs } = config
  const isWanted = blobs.compress || blobs.verify || blobs.encrypt !== undefined || blobs.place !== undefined
  const found = await blobsRecord(store)
  if (!isWanted && !isShared && found.reads.length === 0) return store
  for (const problem of keyProblems(config, found)) throw problem
  const keys = keysOf(config)
  const encrypt = blobs.encrypt === undefined ? undefined : keys.get(blobs.encrypt)
  const placed = await openPlace(config, found)
  if (isWanted) await record(store, config, { encrypt, place: placed?.id, isShared })
  await writeCopy(config, JSON.stringify(await blobsRecord(store)))
  const inner = placed ? { ...store, blobs: new PlacedBlobs(store, placed.files) } : store
  const packed = new PackedBlobs(inner.blobs, {
    compress: blobs.compress,
    // A bucket's content is always compared, and so is a shared folder's.
    verify: blobs.verify || placed !== undefined,
    encrypt,
    keys,
  })
  const { dump } = store
  return {
    ...inner,
    blobs: packed,
    ...(dump && inner.blobs instanceof PlacedBlobs ? { dump: () => (inner.blobs as PlacedBlobs).dump(dump) } : {}),
  }
}

/** For `iems check`, which cannot read the records while a server runs: what the store's record says, as a file. */
const copyOf = (config: Config): string => join(dataFolder(config), 'blobs.json')

async function writeCopy(config: Config, text: string): Promise<void> {
  const path = copyOf(config)
  if ((await readFile(path, 'utf8').catch(() => '')) === text) return
  // Without it `iems check` finds less, and the start of a server the same.
  await writeFile(path, text, { mode: 0o600 }).catch(() => {})
}

/** Throws IEMS_BLOB_KEY when the configuration lacks a key of the store that was last used with it. */
export async function checkKeys(config: Config): Promise<void> {
  const text = await readFile(copyOf(config), 'utf8').catch(() => undefined)
  if (text !== undefined) for (const problem of keyProblems(config, JSON.parse(text) as BlobsRecord)) throw problem
}

export interface VerifiedBlobs {
  readonly count: number
  readonly damaged: readonly { readonly id: string; readonly what: string }[]
}

/** Reads all large blobs, in the folder of the store and in the place; a server may run. */
export async function verifyBlobs(config: Config): Promise<VerifiedBlobs> {
  const { place } = config.blobs
  const all: Files[] = []
  if ('path' in config.store) all.push(new FilesBelow(join(pathIn(config, config.store.path), 'blobs')))
  if (place !== undefined) all.push((await filesIn(config, place)).files)
  const damaged: VerifiedBlobs['damaged'][number][] = []
  let count = 0
  for (const files of all) {
    const blobs = new PackedBlobs(readOnly(files), {
      compress: false,
      verify: true,
      encrypt: undefined,
      keys: keysOf(config),
    })
    for await (const id of files.list('')) {
      count++
      try {
        for await (const _ of blobs.open(id));
      } catch (cause) {
        // A missing one was removed meanwhile.
        if ((cause as IemsError).code !== 'IEMS_BLOB_MISSING') damaged.push({ id, what: reasonOf(cause) })
      }
    }
  }
  return { count, damaged }
}

function readOnly(files: Files): Blobs {
  const never = () => Promise.reject(new RangeError('these blobs are only read'))
  return {
    stage: never,
    remove: never,
    open: (id, range) => files.read(id, range),
    size: (id) => files.size(id),
    list: async function* () {},
  }
}

interface Place {
  readonly id: string
  readonly files: Files
}

async function openPlace(config: Config, { place: known }: BlobsRecord): Promise<Place | undefined> {
  const { place: name } = config.blobs
  if (name === undefined) {
    if (known === undefined) return undefined
    throw new IemsError('IEMS_BLOB_PLACE', { place: known.name, why: 'blobs.place is not set' })
  }
  const { place, files } = await filesIn(config, name)
  return { id: await markerOf(place, known), files }
}

async function filesIn(config: Config, name: string) {
  const { credentials } = config.blobs
  const file = credentials === undefined ? undefined : pathIn(config, credentials)
  const path = isS3(name) ? name : pathIn(config, name)
  const place = await placeOf(path, file)
  if (!isS3(name)) return { place, files: await openFiles(join(path, 'blobs'), { isShared: true }) }
  const bucket = new S3Bucket(await s3Options(name, file))
  return { place, files: await S3Files.open(bucket, join(dataFolder(config), 'blobs-to-upload')) }
}

async function markerOf(place: Awaited<ReturnType<typeof placeOf>>, known: BlobsRecord['place']): Promise<string> {
  const text = (await place.read(MARKER))?.toString()
  const found = text === undefined ? undefined : (JSON.parse(text) as { readonly id: string }).id
  if (known && found !== known.id)
    throw new IemsError('IEMS_BLOB_PLACE', {
      place: known.name,
      why: `${place.name} ${found === undefined ? 'is empty or not mounted' : 'belongs to another store'}`,
    })
  if (found !== undefined) return found
  const id = randomUUID()
  await place.write(MARKER, Buffer.from(JSON.stringify({ v: 1, id })))
  return id
}

interface Used {
  readonly encrypt: BlobKey | undefined
  readonly place: string | undefined
  readonly isShared: boolean
}

/** Records what blobs may need from now on. */
async function record(store: Store, config: Config, { encrypt, place, isShared }: Used): Promise<void> {
  await transact({ what: 'the record of the blobs' }, async () => {
    const value = await store.get(BLOBS_KEY)
    const found = await blobsRecord(store)
    const needs = [PACKED, ...(encrypt ? [`key ${encrypt.id}`] : []), ...(place ? [`place ${place}`] : [])]
    const added = needs.filter((one) => !found.reads.includes(one))
    if (isShared && added.length > 0) await requireReaders(store, config.node ?? machineName(), added)
    const next: BlobsRecord = {
      v: 1,
      reads: [...found.reads, ...added],
      keys: { ...found.keys, ...(encrypt ? { [encrypt.id]: checkOf(encrypt) } : {}) },
      ...(place === undefined ? {} : { place: { id: place, name: config.blobs.place ?? '' } }),
    }
    const version = await raised(store, '', 'message', PACKED_MESSAGE)
    if (added.length === 0 && version.ops.length === 0) return undefined
    const isDone = await store.commit(
      [{ put: BLOBS_KEY, value: encodeRecord(next) }, ...version.ops],
      [{ key: BLOBS_KEY, is: value ?? 'absent' }, ...version.checks],
    )
    return isDone ? undefined : CONFLICT
  })
}
