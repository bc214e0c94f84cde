/**
 * The HTTP side of JMAP: session, requests, uploads and downloads (RFC 8620 sections 2, 3 and 6).
 */
import * as z from 'zod'
import type { MailStoreApi } from '../../mailbox/store/api.ts'
import { Answer, Download, type HttpApi, HttpProblem, Redirect } from '../http/api.ts'
import { blobIdOfUpload } from './blob/ids.ts'
import { requestError } from './errors.ts'
import type { Options } from './options.ts'
import type { Registry } from './registry.ts'

interface RoutesDeps {
  readonly limits: Options['limits']
  readonly mail: MailStoreApi
}

const account = z.string().regex(/^[A-Za-z0-9_-]{1,255}$/)
/** Content that a browser might execute is only offered as a download. */
const SHOWN = /^(?:image\/(?:png|jpeg|gif|webp|avif)|text\/plain|application\/pdf)$/
const TYPE = /^[a-z0-9!#$&^_.+-]{1,100}\/[a-z0-9!#$&^_.+-]{1,100}$/i
const YEAR_SECONDS = 31_536_000

export function addRoutes(http: HttpApi, registry: Registry, { limits, mail }: RoutesDeps): void {
  http.page({
    path: '/.well-known/jmap',
    who: 'anyone',
    summary: 'Redirect to the JMAP session',
    run: () => new Redirect('/jmap/session'),
  })
  http.route({
    method: 'GET',
    path: '/jmap/session',
    who: 'user',
    summary: 'The JMAP session',
    run: async (call) =>
      new Answer(200, await registry.session(call), { 'cache-control': 'no-cache, no-store, must-revalidate' }),
  })
  http.stream({
    method: 'POST',
    path: '/jmap/api',
    who: 'user',
    summary: 'JMAP requests',
    limit: { body: limits.request },
    async run(call) {
      if (!/^application\/json\b/i.test(call.header('content-type') ?? ''))
        throw requestError('notJSON', 'Send the request as application/json')
      return registry.answer(await textOf(call.body), call)
    },
  })
  http.stream({
    method: 'POST',
    path: '/jmap/upload/:account',
    who: 'user',
    summary: 'Keeps content for later use (JMAP upload)',
    params: z.object({ account }),
    limit: { body: limits.upload },
    async run(call) {
      if (call.params.account !== call.login.identity.account) throw new HttpProblem(404, 'There is no such account')
      const made = await mail.upload(call.params.account, call.body)
      if ('refused' in made) throw new HttpProblem(made.refused === 'TOOBIG' ? 413 : 507, made.why)
      const type = call.header('content-type') ?? 'application/octet-stream'
      return new Answer(201, { accountId: call.params.account, blobId: blobIdOfUpload(made.id), type, size: made.size })
    },
  })
  http.stream({
    method: 'GET',
    path: '/jmap/download/:account/:blob/:name',
    who: 'user',
    summary: 'Content by its blob id (JMAP download)',
    params: z.object({ account, blob: z.string().max(255), name: z.string().max(300) }),
    query: z.object({ type: z.string().max(200).optional(), accept: z.string().max(200).optional() }),
    async run(call) {
      const { account: id, blob: blobId, name } = call.params
      const given = call.query.type ?? call.query.accept ?? 'application/octet-stream'
      const type = TYPE.test(given) ? given.toLowerCase() : 'application/octet-stream'
      const jmapCall = registry.jmapCall(call)
      if (!(await jmapCall.mayUse(id))) throw new HttpProblem(404, 'There is no such content')
      const blob = await registry.openBlob(id, blobId, jmapCall)
      if (!blob) throw new HttpProblem(404, 'There is no such content')
      return new Download({
        type,
        ...(SHOWN.test(type) ? {} : { name }),
        ...(blob.size === undefined ? {} : { size: blob.size }),
        etag: blobId,
        maxAge: YEAR_SECONDS,
        open: (range) => blob.open(range),
      })
    },
  })
}

async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))
  } catch {
    throw requestError('notJSON', 'The request is not UTF-8')
  }
}
