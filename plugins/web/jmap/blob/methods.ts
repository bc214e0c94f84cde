/**
 * Blob/upload, Blob/get and Blob/lookup (RFC 9404), and Blob/copy (RFC 8620 section 6.3).
 */
import { createHash } from 'node:crypto'
import * as z from 'zod'
import type { JmapApi, JmapCall } from '../api.ts'
import { CORE } from '../api.ts'
import { idSchema } from '../arguments.ts'
import { MethodError, ObjectError, type SetError } from '../errors.ts'
import { done, type MailDeps } from '../mail/deps.ts'
import type { Blob } from './blob.ts'
import { octetsOf, openBlob } from './blobs.ts'
import { blobIdOfUpload, readBlobId } from './ids.ts'

const BLOB = 'urn:ietf:params:jmap:blob'

const MAX_SOURCES = 64
const MAX_DATA = 10 * 1024 * 1024
const MAX_IDS = 500
const DIGESTS = ['sha', 'sha-256', 'sha-512'] as const

const source = z.union([
  z.strictObject({ 'data:asText': z.string().max(MAX_DATA) }),
  z.strictObject({ 'data:asBase64': z.string().max(MAX_DATA * 2) }),
  z.strictObject({ blobId: z.string(), offset: z.int().min(0).nullish(), length: z.int().min(0).nullish() }),
])
const upload = z.strictObject({ data: z.array(source).min(1).max(MAX_SOURCES), type: z.string().max(255).nullish() })

export function addBlobMethods(jmap: JmapApi, deps: MailDeps): void {
  jmap.capability(BLOB, {
    session: {},
    account: () => ({
      maxSizeBlobSet: MAX_DATA,
      maxDataSources: MAX_SOURCES,
      supportedTypeNames: ['Email', 'Mailbox', 'Thread'],
      supportedDigestAlgorithms: DIGESTS,
    }),
  })
  jmap.method('Blob/upload', {
    capability: BLOB,
    arguments: z.strictObject({ accountId: idSchema, create: z.record(z.string().max(255), z.unknown()) }),
    async run({ accountId, create }, call) {
      if (accountId !== call.own) throw new MethodError('accountReadOnly')
      const made = await each(create, (given) => uploadOne(deps, given, call))
      for (const [key, { id }] of Object.entries(made.created)) call.createdIds.set(key, String(id))
      return { accountId, created: made.created, notCreated: made.refused }
    },
  })
  jmap.method('Blob/get', {
    capability: BLOB,
    arguments: z.strictObject({
      accountId: idSchema,
      ids: z.array(z.string()).max(MAX_IDS),
      properties: z.array(z.string().max(50)).nullish(),
      offset: z.int().min(0).nullish(),
      length: z.int().min(0).nullish(),
    }),
    async run({ accountId, ids, properties, offset, length }, call) {
      if (!(await call.mayUse(accountId))) throw new MethodError('accountNotFound')
      const list: object[] = []
      const notFound: string[] = []
      for (const id of ids) {
        const blob = await openBlob(deps, { account: accountId, blobId: id }, call)
        const all = blob && (await octetsOf(blob, MAX_DATA))
        if (!all) notFound.push(id)
        else list.push({ id, ...(await describe(all, { properties: properties ?? ['data', 'size'], offset, length })) })
      }
      return { accountId, list, notFound }
    },
  })
  jmap.method('Blob/lookup', {
    capability: BLOB,
    arguments: z.strictObject({
      accountId: idSchema,
      typeNames: z.array(z.string().max(255)).max(20),
      ids: z.array(z.string()).max(MAX_IDS),
    }),
    async run({ accountId, typeNames, ids }, call) {
      if (!(await call.mayUse(accountId))) throw new MethodError('accountNotFound')
      if (typeNames.some((name) => !['Email', 'Mailbox', 'Thread'].includes(name)))
        throw new MethodError('unknownDataType')
      const list: object[] = []
      for (const id of ids) list.push({ id, matchedIds: await lookUp(deps, { account: accountId, id, typeNames }) })
      return { accountId, list, notFound: [] }
    },
  })
  jmap.method('Blob/copy', {
    capability: CORE,
    arguments: z.strictObject({
      fromAccountId: idSchema,
      accountId: idSchema,
      blobIds: z.array(z.string()).max(MAX_IDS),
    }),
    async run({ fromAccountId, accountId, blobIds }, call) {
      if (fromAccountId === accountId) throw new MethodError('invalidArguments', 'The accounts are the same')
      if (!(await call.mayUse(fromAccountId))) throw new MethodError('fromAccountNotFound')
      if (accountId !== call.own) throw new MethodError('accountReadOnly')
      const wanted = Object.fromEntries(blobIds.map((id) => [id, id]))
      const { created, refused } = await each(wanted, async (id) => {
        const blob = await openBlob(deps, { account: fromAccountId, blobId: String(id) }, call)
        if (!blob) throw new ObjectError('blobNotFound')
        return { id: blobIdOfUpload(done(await deps.mail.upload(accountId, blob.open())).id) }
      })
      const copied = Object.fromEntries(Object.entries(created).map(([id, { id: made }]) => [id, made]))
      return { fromAccountId, accountId, copied, notCopied: refused }
    },
  })
}

async function each(
  wanted: Readonly<Record<string, unknown>>,
  make: (given: unknown) => Promise<{ readonly id: string }>,
) {
  const created: Record<string, { readonly id: string }> = Object.create(null)
  const refused: Record<string, SetError> = Object.create(null)
  for (const [key, given] of Object.entries(wanted)) {
    try {
      created[key] = await make(given)
    } catch (cause) {
      if (!(cause instanceof ObjectError)) throw cause
      refused[key] = cause.error
    }
  }
  return { created, refused }
}

async function uploadOne(deps: MailDeps, given: unknown, call: JmapCall) {
  const read = upload.safeParse(given)
  if (!read.success) throw new ObjectError('invalidProperties', read.error.issues[0]?.message)
  const { id, size } = done(await deps.mail.upload(call.own, joined(deps, read.data.data, call)))
  return { id: blobIdOfUpload(id), type: read.data.type ?? 'application/octet-stream', size }
}

async function* joined(
  deps: MailDeps,
  sources: z.output<typeof upload>['data'],
  call: JmapCall,
): AsyncGenerator<Uint8Array> {
  for (const one of sources) {
    if ('data:asText' in one) yield Buffer.from(one['data:asText'])
    else if ('data:asBase64' in one) yield Buffer.from(one['data:asBase64'], 'base64')
    else yield await range(await openBlob(deps, { account: call.own, blobId: resolved(one.blobId, call) }, call), one)
  }
}

const resolved = (id: string, { createdIds }: JmapCall) =>
  id.startsWith('#') ? (createdIds.get(id.slice(1)) ?? '') : id

async function range(
  blob: Blob | undefined,
  given: { offset?: number | null | undefined; length?: number | null | undefined },
) {
  const all = blob && (await octetsOf(blob, MAX_DATA))
  if (!all) throw new ObjectError('blobNotFound')
  const start = given.offset ?? 0
  const end = given.length === null || given.length === undefined ? all.length : start + given.length
  if (end > all.length) throw new ObjectError('invalidProperties', 'The range lies outside of the blob')
  return all.subarray(start, end)
}

interface Described {
  readonly properties: readonly string[]
  readonly offset: number | null | undefined
  readonly length: number | null | undefined
}

async function describe(all: Buffer, { properties, offset, length }: Described): Promise<Record<string, unknown>> {
  const start = Math.min(offset ?? 0, all.length)
  const end = Math.min(length === null || length === undefined ? all.length : start + length, all.length)
  const octets = all.subarray(start, end)
  const text = textOf(octets)
  const isTruncated = (offset ?? 0) > all.length || (length ?? 0) > all.length - start
  const found: Record<string, unknown> = { ...(isTruncated ? { isTruncated } : {}) }
  for (const property of properties) {
    if (property === 'size') found.size = all.length
    else if (property === 'data:asText' || property === 'data') {
      if (text !== undefined) found['data:asText'] = text
      else if (property === 'data') found['data:asBase64'] = octets.toString('base64')
      else found.isEncodingProblem = true
    } else if (property === 'data:asBase64') found['data:asBase64'] = octets.toString('base64')
    else found[property] = digest(property, octets)
  }
  return found
}

function digest(property: string, octets: Buffer): string {
  const name = DIGESTS.find((one) => property === `digest:${one}`)
  if (!name) throw new MethodError('invalidArguments', `no property ${property}`)
  return createHash(name === 'sha' ? 'sha1' : name.replace('-', ''))
    .update(octets)
    .digest('base64')
}

function textOf(octets: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(octets)
  } catch {
    return undefined
  }
}

/** Finds the objects that refer to a blob. */
async function lookUp(
  { mail }: MailDeps,
  { account, id, typeNames }: { readonly account: string; readonly id: string; readonly typeNames: readonly string[] },
) {
  const matched: Record<string, string[]> = Object.fromEntries(typeNames.map((name) => [name, []]))
  let place = readBlobId(id)
  while (place?.kind === 'part') place = place.within
  if (place?.kind !== 'email') return matched
  for await (const email of mail.emails(account, [place.id])) {
    matched.Email?.push(email.id)
    matched.Thread?.push(email.thread)
    matched.Mailbox?.push(...email.places.map(({ mailbox }) => mailbox))
  }
  return matched
}
