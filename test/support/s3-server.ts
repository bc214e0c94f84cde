/**
 * A small S3-compatible server: objects in memory, signatures (AWS Signature Version 4) and content hashes verified with
 * code of its own, listings in short pages.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'

export interface S3Server {
  readonly endpoint: string
  readonly objects: Map<string, Buffer>
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** How many of the next requests fail with 503. */
  failures: number
}

const PAGE = 3
const REGION = 'eu-test-1'

const sha256 = (data: string | Uint8Array) => createHash('sha256').update(data).digest('hex')
const hmac = (key: string | Uint8Array, text: string) => createHmac('sha256', key).update(text).digest()
const strict = (text: string) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`)

function isSigned({ method = '', headers, url = '' }: IncomingMessage, body: Buffer, secret: string): boolean {
  const [, scope = '', names = '', given = ''] =
    /Credential=[^/]+\/([^,]+), ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(headers.authorization ?? '') ??
    []
  if (headers['x-amz-content-sha256'] !== sha256(body)) return false
  const { pathname, searchParams } = new URL(url, 'http://x')
  const query = [...searchParams]
    .map(([name, value]) => `${strict(name)}=${strict(value)}`)
    .sort()
    .join('&')
  const lines = names.split(';').map((name) => `${name}:${headers[name]}\n`)
  const canonical = [method, pathname, query, lines.join(''), names, sha256(body)].join('\n')
  const text = ['AWS4-HMAC-SHA256', headers['x-amz-date'], scope, sha256(canonical)].join('\n')
  const key = scope.split('/').reduce<string | Buffer>((above, part) => hmac(above, part), `AWS4${secret}`)
  const wanted = hmac(key, text)
  return given !== '' && timingSafeEqual(wanted, Buffer.from(given, 'hex'))
}

function listing(objects: ReadonlyMap<string, Buffer>, query: URLSearchParams): string {
  const prefix = query.get('prefix') ?? ''
  const after = query.get('continuation-token') ?? query.get('start-after') ?? ''
  const keys = [...objects.keys()].filter((key) => key.startsWith(prefix) && key > after).sort()
  const page = keys.slice(0, PAGE)
  const shown = page.map((key) => `<Contents><Key>${encodeURIComponent(key)}</Key></Contents>`)
  const next = keys.length > PAGE ? `<NextContinuationToken>${page.at(-1)}</NextContinuationToken>` : ''
  return `<?xml version="1.0"?><ListBucketResult>${shown.join('')}${next}</ListBucketResult>`
}

type Answer = readonly [status: number, content?: string | Buffer]

function answer(server: S3Server, request: IncomingMessage, body: Buffer): Answer {
  const { pathname, searchParams } = new URL(request.url ?? '', 'http://x')
  if (server.failures > 0) {
    server.failures--
    return [503, '<Error><Code>SlowDown</Code></Error>']
  }
  if (!isSigned(request, body, server.secretAccessKey))
    return [403, '<Error><Code>SignatureDoesNotMatch</Code></Error>']
  const [, bucket, ...rest] = pathname.split('/')
  const key = decodeURIComponent(rest.join('/'))
  if (bucket !== 'backups') return [404, '<Error><Code>NoSuchBucket</Code></Error>']
  if (key === '') return [200, listing(server.objects, searchParams)]
  if (request.method === 'PUT') {
    server.objects.set(key, body)
    return [200]
  }
  if (request.method === 'DELETE') {
    server.objects.delete(key)
    return [204]
  }
  const found = server.objects.get(key)
  if (!found) return [404, '<Error><Code>NoSuchKey</Code></Error>']
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? []
  if (from === undefined) return [200, found]
  const part = found.subarray(Number(from), Number(to) + 1)
  return part.length > 0 ? [206, part] : [416, '<Error><Code>InvalidRange</Code></Error>']
}

/** A server with the bucket `backups`. */
export async function startS3(t: Pick<TestContext, 'after'>): Promise<S3Server> {
  const http = createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const chunk of request) parts.push(chunk as Buffer)
    const [status, content] = answer(server, request, Buffer.concat(parts))
    response.writeHead(status, { 'content-length': Buffer.byteLength(content ?? '') }).end(content)
  })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  t.after(() => {
    http.closeAllConnections()
    http.close()
  })
  const server: S3Server = {
    endpoint: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    objects: new Map(),
    accessKeyId: 'test-key',
    secretAccessKey: 'test-secret',
    failures: 0,
  }
  return server
}

/** A credentials file for it, as AWS's programs read one. */
export const credentialsFor = ({ endpoint, accessKeyId, secretAccessKey }: S3Server): string =>
  `[default]\naws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}\nregion = ${REGION}\nendpoint_url = ${endpoint}\n`
