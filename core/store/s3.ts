/**
 * A bucket of an S3-compatible store (Amazon S3, MinIO, Garage, Ceph, OpenStack Swift).
 *
 * Invariants: every request is signed together with the hash of its body, so that the store rejects content that changed
 * on its way; every request has a timeout; a request that fails for a reason that may pass is repeated a few times.
 */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { AwsClient } from 'aws4fetch'
import { IemsError } from '../api/errors.ts'
import type { ByteRange } from './store.ts'

export interface S3Options {
  readonly bucket: string
  /** Precedes every key, without a slash at its end; may be empty. */
  readonly prefix: string
  /** `https://s3.example.org`; default: Amazon's endpoint of the region. */
  readonly endpoint?: string | undefined
  readonly region: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string | undefined
}

const TIMEOUT_MS = 60_000
const TRIES = 4
const FIRST_WAIT_MS = 200
/** Names in AWS's credentials file, and the environment variables with the same meaning. */
const NAMES = {
  accessKeyId: ['aws_access_key_id', 'AWS_ACCESS_KEY_ID'],
  secretAccessKey: ['aws_secret_access_key', 'AWS_SECRET_ACCESS_KEY'],
  sessionToken: ['aws_session_token', 'AWS_SESSION_TOKEN'],
  region: ['region', 'AWS_REGION'],
  endpoint: ['endpoint_url', 'AWS_ENDPOINT_URL'],
} as const

export const isS3 = (place: string): boolean => place.startsWith('s3://')

/**
 * Reads `s3://bucket/prefix`, with credentials from a file in the format of AWS's, whose first section counts, or else
 * from the environment. Throws IEMS_S3_FAILED when they are missing.
 */
export async function s3Options(place: string, credentials: string | undefined): Promise<S3Options> {
  const [bucket = '', ...folders] = place.slice('s3://'.length).split('/')
  const prefix = folders.filter((folder) => folder !== '').join('/')
  const failed = (why: string) => new IemsError('IEMS_S3_FAILED', { place, why })
  if (!/^[a-z0-9][a-z0-9.-]{1,62}$/.test(bucket)) throw failed('it must be s3://BUCKET or s3://BUCKET/PREFIX')
  if (!/^[\w./-]*$/.test(prefix) || folders.some((folder) => folder === '.' || folder === '..'))
    throw failed('the prefix may have letters, digits and the characters _ . - /')
  const file = credentials === undefined ? undefined : fieldsOf(await readFile(credentials, 'utf8'))
  const value = (name: keyof typeof NAMES) => {
    const [inFile, inEnvironment] = NAMES[name]
    return (file ? file.get(inFile) : process.env[inEnvironment]) || undefined
  }
  const [accessKeyId, secretAccessKey] = [value('accessKeyId'), value('secretAccessKey')]
  if (accessKeyId === undefined || secretAccessKey === undefined) throw failed('there are no credentials')
  return {
    bucket,
    prefix,
    endpoint: value('endpoint'),
    region: value('region') ?? 'us-east-1',
    accessKeyId,
    secretAccessKey,
    sessionToken: value('sessionToken'),
  }
}

/** The first section of an INI file. */
function fieldsOf(text: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>()
  let sections = 0
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith('[') && ++sections > 1) break
    const at = line.indexOf('=')
    if (at > 0 && !/^[#;]/.test(line)) fields.set(line.slice(0, at).trim(), line.slice(at + 1).trim())
  }
  return fields
}

export class S3Bucket {
  readonly #options: S3Options
  readonly #client: AwsClient
  readonly #root: string

  constructor(options: S3Options) {
    const { accessKeyId, secretAccessKey, sessionToken, region, endpoint, bucket } = options
    this.#options = options
    const session = sessionToken === undefined ? {} : { sessionToken }
    this.#client = new AwsClient({ accessKeyId, secretAccessKey, region, service: 's3', retries: 0, ...session })
    this.#root = new URL(bucket, `${endpoint ?? `https://s3.${region}.amazonaws.com`}/`).href
  }

  /** Undefined when the key does not exist; of a range, what there is of it. */
  async get(key: string, range?: ByteRange): Promise<Buffer | undefined> {
    if (!range) {
      const { status, body } = await this.#request('GET', this.#urlOf(key), [200, 404])
      return status === 404 ? undefined : body
    }
    const { start, end } = range
    if (end <= start) return Buffer.alloc(0)
    const headers = { range: `bytes=${start}-${end - 1}` }
    const { status, body } = await this.#request('GET', this.#urlOf(key), [200, 206, 404, 416], { headers })
    if (status === 404) return undefined
    if (status === 416) return Buffer.alloc(0)
    // A server may ignore the range.
    return status === 200 ? body.subarray(start, end) : body
  }

  /** Undefined when the key does not exist. */
  async size(key: string): Promise<number | undefined> {
    const { status, headers } = await this.#request('HEAD', this.#urlOf(key), [200, 404])
    return status === 404 ? undefined : Number(headers.get('content-length'))
  }

  async has(key: string): Promise<boolean> {
    return (await this.#request('HEAD', this.#urlOf(key), [200, 404])).status === 200
  }

  /** `hash`: SHA-256 of the content in hexadecimal, for one that is not in memory. */
  async put(key: string, content: Uint8Array | Blob, hash?: string): Promise<void> {
    await this.#request('PUT', this.#urlOf(key), [200], { content, ...(hash === undefined ? {} : { hash }) })
  }

  async remove(key: string): Promise<void> {
    await this.#request('DELETE', this.#urlOf(key), [200, 204, 404])
  }

  /** Keys that begin with `beginning`, in order, those after a key. */
  async *list(beginning: string, after = ''): AsyncGenerator<string> {
    for (let token: string | undefined = ''; token !== undefined; ) {
      const query = new URLSearchParams({ 'list-type': '2', 'encoding-type': 'url', prefix: this.#keyOf(beginning) })
      if (after !== '') query.set('start-after', this.#keyOf(after))
      if (token !== '') query.set('continuation-token', token)
      const { body } = await this.#request('GET', `${this.#root}?${query}`, [200])
      const text = body.toString()
      for (const [, key = ''] of text.matchAll(/<Key>([^<]*)<\/Key>/g)) yield this.#bare(decodeURIComponent(key))
      token = /<NextContinuationToken>([^<]*)</.exec(text)?.[1]?.replaceAll('&amp;', '&')
    }
  }

  #keyOf(key: string): string {
    return this.#options.prefix === '' ? key : `${this.#options.prefix}/${key}`
  }

  #bare(key: string): string {
    const { prefix } = this.#options
    return prefix === '' ? key : key.slice(prefix.length + 1)
  }

  #urlOf(key: string): string {
    return `${this.#root}/${this.#keyOf(key).split('/').map(encodeURIComponent).join('/')}`
  }

  async #request(method: string, url: string, wanted: readonly number[], { content, ...given }: Sent = {}) {
    const hash = given.hash ?? sha256(content instanceof Uint8Array ? content : '')
    const headers = { ...given.headers, 'x-amz-content-sha256': hash }
    let why: unknown
    for (let attempt = 0; attempt < TRIES; attempt++) {
      if (attempt > 0) await delay(FIRST_WAIT_MS * 2 ** (attempt - 1))
      try {
        const signal = AbortSignal.timeout(TIMEOUT_MS)
        const body = content as Uint8Array<ArrayBuffer> | Blob | undefined
        const answer = await this.#client.fetch(url, { method, headers, signal, ...(body ? { body } : {}) })
        const read = Buffer.from(await answer.arrayBuffer())
        if (wanted.includes(answer.status)) return { status: answer.status, headers: answer.headers, body: read }
        why =
          `${answer.status} ${/<Code>([\w.]{1,100})<\/Code>/.exec(read.toString('utf8', 0, 4096))?.[1] ?? ''}`.trim()
        if (answer.status < 500 && answer.status !== 429) break
      } catch (cause) {
        why = reasonOf(cause)
      }
    }
    throw new IemsError('IEMS_S3_FAILED', { place: this.#root, why })
  }
}

interface Sent {
  readonly content?: Uint8Array | Blob
  readonly hash?: string
  readonly headers?: Readonly<Record<string, string>>
}

const sha256 = (data: Uint8Array | string) => createHash('sha256').update(data).digest('hex')

/** `fetch` hides the reason in the cause. */
const reasonOf = (cause: unknown): unknown => {
  const { message, cause: inner } = cause as Error
  return inner instanceof Error && inner.message !== '' ? inner.message : message
}
