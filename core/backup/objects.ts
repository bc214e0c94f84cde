/**
 * The objects of a backup: data named by its content, so that each piece is stored once.
 *
 * A backup's place, a folder or a bucket, holds `format` (JSON), `objects/ab/NAME` and `snapshots/NAME`. With encryption, `format` holds the folder's
 * key, sealed with a key that scrypt derives from the passphrase; a name is an HMAC of the content, and each object is
 * sealed with ChaCha20-Poly1305 under its own key (HKDF with 16 random octets, which precede it, as in age).
 * Invariants: a file under its final name is complete and on stable storage; content that is read is always compared
 * with its name; memory does not grow with the size of a backup.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  hkdfSync,
  randomBytes,
  scryptSync,
} from 'node:crypto'
import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import { IemsError } from '../api/errors.ts'
import { type BackupPlace, placeOf } from '../store/places.ts'

const zip = promisify(gzip)
const unzip = promisify(gunzip)

const SALT = 16
const TAG = 16
const KEY = 32
const CIPHER = 'chacha20-poly1305'
/** A constant nonce is safe because each key seals a single message. */
const NONCE = Buffer.alloc(12)
const SCRYPT = { N: 2 ** 16, r: 8, p: 1, maxmem: 128 * 1024 * 1024 }

interface Format {
  readonly v: 1
  readonly encryption?: { readonly salt: string; readonly key: string }
}

export class BackupFolder {
  readonly #place: BackupPlace
  /** Undefined without encryption. */
  readonly #key: Buffer | undefined
  readonly #written = new Set<string>()

  constructor(place: BackupPlace, key: Buffer | undefined) {
    this.#place = place
    this.#key = key
  }

  /** Where it is, for messages. */
  get path(): string {
    return this.#place.name
  }

  /** Stores a piece. Returns its name, and whether it was new. */
  async put(content: Uint8Array): Promise<{ readonly name: string; readonly isNew: boolean }> {
    const name = this.#nameOf(content)
    const file = fileOf(name)
    if (this.#written.has(name) || (await this.#place.has(file))) return { name, isNew: false }
    await this.#place.write(file, this.#seal(await zip(content, { level: 1 })))
    this.#written.add(name)
    return { name, isNew: true }
  }

  /** Throws IEMS_BACKUP_DAMAGED when it is missing or altered. */
  async get(name: string): Promise<Buffer> {
    const damaged = (cause?: unknown) => new IemsError('IEMS_BACKUP_DAMAGED', { what: `object ${name}` }, cause)
    if (!/^[0-9a-f]{64}$/.test(name)) throw damaged()
    const sealed = await this.#place.read(fileOf(name))
    if (!sealed) throw damaged()
    let content: Buffer
    try {
      content = await unzip(this.#open(sealed))
    } catch (cause) {
      throw damaged(cause)
    }
    if (this.#nameOf(content) !== name) throw damaged()
    return content
  }

  has(name: string): Promise<boolean> {
    return this.#place.has(fileOf(name))
  }

  /** Names of snapshots, oldest first. */
  async snapshots(): Promise<readonly string[]> {
    const files = await Array.fromAsync(this.#place.list('snapshots/'))
    return files
      .map((file) => file.slice('snapshots/'.length))
      .filter((name) => SNAPSHOT.test(name))
      .sort()
  }

  async putSnapshot(name: string, value: unknown): Promise<void> {
    const content = await zip(JSON.stringify(value))
    await this.#place.write(`snapshots/${name}`, this.#seal(withSum(content)))
  }

  /** Throws IEMS_BACKUP_DAMAGED. */
  async getSnapshot<T>(name: string): Promise<T> {
    const sealed = SNAPSHOT.test(name) ? await this.#place.read(`snapshots/${name}`) : undefined
    try {
      if (!sealed) throw new Error('no such name')
      return JSON.parse((await unzip(checked(this.#open(sealed)))).toString()) as T
    } catch (cause) {
      throw new IemsError('IEMS_BACKUP_DAMAGED', { what: `snapshot ${name}` }, cause)
    }
  }

  async removeSnapshot(name: string): Promise<void> {
    await this.#place.remove(`snapshots/${name}`)
  }

  /** Removes all other objects, and unfinished files. */
  async removeOthers(kept: ReadonlySet<string>): Promise<number> {
    let removed = 0
    for await (const file of this.#place.list('objects/')) {
      if (kept.has(file.slice(file.lastIndexOf('/') + 1))) continue
      await this.#place.remove(file)
      removed++
    }
    return removed
  }

  #nameOf(content: Uint8Array): string {
    const hash = this.#key ? createHmac('sha256', derived(this.#key, Buffer.alloc(0), 'names')) : createHash('sha256')
    return hash.update(content).digest('hex')
  }

  #seal(content: Buffer): Buffer {
    return this.#key ? seal(this.#key, content) : content
  }

  #open(sealed: Buffer): Buffer {
    return this.#key ? unseal(this.#key, sealed) : sealed
  }
}

const fileOf = (name: string) => `objects/${name.slice(0, 2)}/${name}`

/** `2026-03-01T10-00-00.000Z`: sorts by time and is a valid file name everywhere. */
const SNAPSHOT = /^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}Z$/

interface Opening {
  readonly passphrase?: string | undefined
  /** Creates it if it does not exist. */
  readonly create?: boolean
  /** For a bucket: a file in the format of AWS's; default: the environment. */
  readonly credentials?: string | undefined
}

/**
 * Opens the backup in a folder, or in a bucket as `s3://bucket/prefix`. Throws IEMS_BACKUP_ABSENT, IEMS_S3_FAILED, or
 * IEMS_BACKUP_KEY when the passphrase is wrong, missing or unexpected.
 */
export async function openBackupFolder(
  where: string,
  { passphrase, create = false, credentials }: Opening,
): Promise<BackupFolder> {
  const place = await placeOf(where, credentials)
  const path = place.name
  const text = (await place.read('format'))?.toString()
  if (text === undefined) {
    if (!create) throw new IemsError('IEMS_BACKUP_ABSENT', { path })
    for await (const _ of place.list('')) throw new IemsError('IEMS_BACKUP_TARGET', { path })
    const key = passphrase === undefined ? undefined : randomBytes(KEY)
    await place.write('format', Buffer.from(JSON.stringify(formatOf(key, passphrase))))
    return new BackupFolder(place, key)
  }
  return new BackupFolder(place, keyOf(path, text, passphrase))
}

function formatOf(key: Buffer | undefined, passphrase = ''): Format {
  if (!key) return { v: 1 }
  const salt = randomBytes(SALT)
  const sealed = seal(scryptSync(passphrase, salt, KEY, SCRYPT), key)
  return { v: 1, encryption: { salt: salt.toString('base64'), key: sealed.toString('base64') } }
}

function keyOf(path: string, text: string, passphrase: string | undefined): Buffer | undefined {
  let format: Format
  try {
    format = JSON.parse(text) as Format
    if (format.v !== 1) throw new Error('another format')
  } catch (cause) {
    throw new IemsError('IEMS_BACKUP_DAMAGED', { what: `${path}/format` }, cause)
  }
  const { encryption } = format
  if ((encryption === undefined) !== (passphrase === undefined))
    throw new IemsError('IEMS_BACKUP_KEY', { path, why: encryption ? 'it is encrypted' : 'it is not encrypted' })
  if (!encryption || passphrase === undefined) return undefined
  try {
    const wrapping = scryptSync(passphrase, Buffer.from(encryption.salt, 'base64'), KEY, SCRYPT)
    return unseal(wrapping, Buffer.from(encryption.key, 'base64'))
  } catch (cause) {
    throw new IemsError('IEMS_BACKUP_KEY', { path, why: 'the passphrase is another one' }, cause)
  }
}

// --- sealing -------------------------------------------------------------------------------------

const derived = (key: Uint8Array, salt: Uint8Array, use: string) =>
  Buffer.from(hkdfSync('sha256', key, salt, `iems backup ${use}`, KEY))

function seal(key: Uint8Array, content: Uint8Array): Buffer {
  const salt = randomBytes(SALT)
  const cipher = createCipheriv(CIPHER, derived(key, salt, 'object'), NONCE, { authTagLength: TAG })
  return Buffer.concat([salt, cipher.update(content), cipher.final(), cipher.getAuthTag()])
}

function unseal(key: Uint8Array, sealed: Buffer): Buffer {
  const salt = sealed.subarray(0, SALT)
  const cipher = createDecipheriv(CIPHER, derived(key, salt, 'object'), NONCE, { authTagLength: TAG })
  cipher.setAuthTag(sealed.subarray(-TAG))
  return Buffer.concat([cipher.update(sealed.subarray(SALT, -TAG)), cipher.final()])
}

const sumOf = (content: Uint8Array) => createHash('sha256').update(content).digest()
const withSum = (content: Uint8Array) => Buffer.concat([sumOf(content), content])
function checked(content: Buffer): Buffer {
  if (!sumOf(content.subarray(KEY)).equals(content.subarray(0, KEY))) throw new Error('it has changed')
  return content.subarray(KEY)
}
